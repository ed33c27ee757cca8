"""The Inception network through which FID and KID see pictures.

Szegedy, Vanhoucke, Ioffe, Shlens, Wojna, "Rethinking the inception architecture for computer vision", 2016, in the form
whose weights FID's authors took (2015-12-05, converted to torch): averages leave the border out, and the last block
takes the largest of its neighbours where the others take the average.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as functional
from numpy.typing import NDArray
from torch import Tensor

from perse_engine.evaluation.weights import Shapes, find_weights, read_weights

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

SIDE = 299
"""Pixels along each side of what the network was taught on."""
FEATURES = 2048
FILE = "*inception-2015-12-05*"
"""The weights' file as pytorch-fid and torch-fidelity name it, without ending."""
_LEAST_VARIANCE = 1e-3
_BATCH = 8


@dataclasses.dataclass(frozen=True)
class Convolution:
    """A convolution without bias, batch normalisation and ReLU.

    Attributes:
        kernel: height and width.
        padded: whether zeros around it keep the size.
    """

    name: str
    outputs: int
    kernel: tuple[int, int] = (1, 1)
    stride: int = 1
    padded: bool = True


@dataclasses.dataclass(frozen=True)
class Pool:
    """Windows of 3 x 3: the largest, or the average of those in the picture. A stride of 1 keeps the size."""

    largest: bool
    stride: int = 1


@dataclasses.dataclass(frozen=True)
class Fork:
    """Convolutions of one input, joined along the channels."""

    tines: tuple[Convolution, ...]


@dataclasses.dataclass(frozen=True)
class Block:
    """Branches of one input, joined along the channels; each is gone through step by step."""

    name: str
    branches: tuple[tuple[Convolution | Pool | Fork, ...], ...]


_AVERAGE, _LARGEST, _HALVED = Pool(largest=False), Pool(largest=True), Pool(largest=True, stride=2)


def _double(name: str, first: int, second: int, stride: int = 1) -> tuple[Convolution, ...]:
    """A 1 x 1 and two 3 x 3, the last of which may halve the size."""
    return (
        Convolution(f"{name}_1", first),
        Convolution(f"{name}_2", second, (3, 3)),
        Convolution(f"{name}_3", second, (3, 3), stride, padded=stride == 1),
    )


def _block_a(name: str, pooled: int) -> Block:
    return Block(
        name,
        (
            (Convolution("branch1x1", 64),),
            (Convolution("branch5x5_1", 48), Convolution("branch5x5_2", 64, (5, 5))),
            _double("branch3x3dbl", 64, 96),
            (_AVERAGE, Convolution("branch_pool", pooled)),
        ),
    )


def _block_b(name: str) -> Block:
    whole = Convolution("branch3x3", 384, (3, 3), 2, padded=False)
    return Block(name, ((whole,), _double("branch3x3dbl", 64, 96, stride=2), (_HALVED,)))


def _block_c(name: str, inner: int) -> Block:
    wide, tall = (1, 7), (7, 1)
    return Block(
        name,
        (
            (Convolution("branch1x1", 192),),
            (
                Convolution("branch7x7_1", inner),
                Convolution("branch7x7_2", inner, wide),
                Convolution("branch7x7_3", 192, tall),
            ),
            (
                Convolution("branch7x7dbl_1", inner),
                Convolution("branch7x7dbl_2", inner, tall),
                Convolution("branch7x7dbl_3", inner, wide),
                Convolution("branch7x7dbl_4", inner, tall),
                Convolution("branch7x7dbl_5", 192, wide),
            ),
            (_AVERAGE, Convolution("branch_pool", 192)),
        ),
    )


def _block_d(name: str) -> Block:
    return Block(
        name,
        (
            (Convolution("branch3x3_1", 192), Convolution("branch3x3_2", 320, (3, 3), 2, padded=False)),
            (
                Convolution("branch7x7x3_1", 192),
                Convolution("branch7x7x3_2", 192, (1, 7)),
                Convolution("branch7x7x3_3", 192, (7, 1)),
                Convolution("branch7x7x3_4", 192, (3, 3), 2, padded=False),
            ),
            (_HALVED,),
        ),
    )


def _block_e(name: str, pool: Pool) -> Block:
    def fork(first: str) -> Fork:
        return Fork((Convolution(f"{first}a", 384, (1, 3)), Convolution(f"{first}b", 384, (3, 1))))

    return Block(
        name,
        (
            (Convolution("branch1x1", 320),),
            (Convolution("branch3x3_1", 384), fork("branch3x3_2")),
            (Convolution("branch3x3dbl_1", 448), Convolution("branch3x3dbl_2", 384, (3, 3)), fork("branch3x3dbl_3")),
            (pool, Convolution("branch_pool", 192)),
        ),
    )


NETWORK: tuple[Convolution | Pool | Block, ...] = (
    Convolution("Conv2d_1a_3x3", 32, (3, 3), 2, padded=False),
    Convolution("Conv2d_2a_3x3", 32, (3, 3), padded=False),
    Convolution("Conv2d_2b_3x3", 64, (3, 3)),
    _HALVED,
    Convolution("Conv2d_3b_1x1", 80),
    Convolution("Conv2d_4a_3x3", 192, (3, 3), padded=False),
    _HALVED,
    _block_a("Mixed_5b", 32),
    _block_a("Mixed_5c", 64),
    _block_a("Mixed_5d", 64),
    _block_b("Mixed_6a"),
    _block_c("Mixed_6b", 128),
    _block_c("Mixed_6c", 160),
    _block_c("Mixed_6d", 160),
    _block_c("Mixed_6e", 192),
    _block_d("Mixed_7a"),
    _block_e("Mixed_7b", _AVERAGE),
    _block_e("Mixed_7c", _LARGEST),
)
"""The whole of it up to the average over places."""


def shapes() -> Shapes:
    """Of the weights, under the names that torchvision gave them."""
    found: dict[str, tuple[int, ...]] = {}
    for path, one, inputs in _convolutions():
        found[f"{path}.conv.weight"] = (one.outputs, inputs, *one.kernel)
        for name in ("weight", "bias", "running_mean", "running_var"):
            found[f"{path}.bn.{name}"] = (one.outputs,)
    return found


@dataclasses.dataclass(frozen=True, eq=False)
class Inception:
    """The network with its weights, by `shapes`."""

    weights: Mapping[str, Tensor]

    def features(self, pictures: Floats) -> Doubles:
        """What the network sees in pictures: (N, 2048) of (N, H, W, 3), sRGB in [0, 1].

        Nothing is resized; pictures of another size than `SIDE` give numbers that are comparable to no others.
        """
        found = []
        with torch.no_grad():
            for first in range(0, len(pictures), _BATCH):
                batch = np.ascontiguousarray(pictures[first : first + _BATCH].transpose(0, 3, 1, 2), np.float32)
                flow = 2 * torch.from_numpy(batch) - 1
                for step in NETWORK:
                    flow = self._through(step, "", flow)
                found.append(flow.mean((2, 3)).double().numpy())
        return np.concatenate(found)

    def _through(self, step: Convolution | Pool | Fork | Block, path: str, flow: Tensor) -> Tensor:
        if isinstance(step, Block):
            ends = []
            for branch in step.branches:
                end = flow
                for inner in branch:
                    end = self._through(inner, f"{step.name}.", end)
                ends.append(end)
            return torch.cat(ends, 1)
        if isinstance(step, Fork):
            return torch.cat([self._through(tine, path, flow) for tine in step.tines], 1)
        if isinstance(step, Pool):
            padding = 1 if step.stride == 1 else 0
            if step.largest:
                return functional.max_pool2d(flow, 3, step.stride, padding)
            return functional.avg_pool2d(flow, 3, step.stride, padding, count_include_pad=False)
        return self._convolved(step, path + step.name, flow)

    def _convolved(self, step: Convolution, path: str, flow: Tensor) -> Tensor:
        padding = (step.kernel[0] // 2, step.kernel[1] // 2) if step.padded else (0, 0)
        flow = functional.conv2d(flow, self.weights[f"{path}.conv.weight"], None, step.stride, padding)
        mean, variance, scale, offset = (
            self.weights[f"{path}.bn.{name}"] for name in ("running_mean", "running_var", "weight", "bias")
        )
        return functional.relu(functional.batch_norm(flow, mean, variance, scale, offset, eps=_LEAST_VARIANCE))


def load_inception(folder: Path) -> Inception | None:
    """The network by the weights in `folder`, or None where they are not there.

    Raises:
        InputError: as `read_weights`.
    """
    path = find_weights(folder, FILE)
    return None if path is None else Inception(read_weights(path, shapes(), "FID's Inception network"))


def _convolutions() -> Iterator[tuple[str, Convolution, int]]:
    """Every convolution with its full name and its input's channels."""
    channels = 3
    for step in NETWORK:
        if isinstance(step, Convolution):
            yield step.name, step, channels
            channels = step.outputs
        elif isinstance(step, Block):
            joined = 0
            for branch in step.branches:
                inputs = channels
                for inner in branch:
                    side_by_side = inner.tines if isinstance(inner, Fork) else (inner,)
                    ahead = 0
                    for one in side_by_side:
                        if isinstance(one, Convolution):
                            yield f"{step.name}.{one.name}", one, inputs
                            ahead += one.outputs
                    inputs = ahead or inputs
                joined += inputs
            channels = joined
