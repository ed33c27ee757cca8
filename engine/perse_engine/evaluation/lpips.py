"""LPIPS: how different two pictures look to a network that was taught to name what is in pictures.

Zhang, Isola, Efros, Shechtman, Wang, "The unreasonable effectiveness of deep features as a perceptual metric", 2018.
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

IMAGENET_MEAN, IMAGENET_SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of the pictures that the networks learnt from. LPIPS states them for peak-to-peak 2: shift and scale."""
_LEAST = 1e-10


@dataclasses.dataclass(frozen=True)
class Convolution:
    """One convolution of a trunk, and the ReLU after it.

    Attributes:
        index: its number among torchvision's `features`.
        pooled: whether the largest of a window go in instead of all.
        compared: whether LPIPS looks at what comes out.
    """

    index: int
    inputs: int
    outputs: int
    kernel: int
    stride: int = 1
    padding: int = 1
    pooled: bool = False
    compared: bool = True


@dataclasses.dataclass(frozen=True)
class Trunk:
    """A network that LPIPS looks through.

    Attributes:
        name: what its authors call it.
        file: its weights' file as torchvision names it, without ending; `*` stands for the digits of its hash.
        heads: the file of what LPIPS adds to it, as the authors of LPIPS name it, without ending.
        window: side of the pooling windows; their stride is 2.
    """

    name: str
    file: str
    heads: str
    window: int
    convolutions: tuple[Convolution, ...]

    def shapes(self) -> Shapes:
        """Of the weights, under torchvision's names."""
        found: dict[str, tuple[int, ...]] = {}
        for one in self.convolutions:
            found[f"features.{one.index}.weight"] = (one.outputs, one.inputs, one.kernel, one.kernel)
            found[f"features.{one.index}.bias"] = (one.outputs,)
        return found

    def head_shapes(self) -> Shapes:
        """Of what weighs the channels, under the names of LPIPS."""
        compared = [one.outputs for one in self.convolutions if one.compared]
        return {_head(k): (1, channels, 1, 1) for k, channels in enumerate(compared)}


ALEXNET = Trunk(
    "AlexNet",
    "alexnet*",
    "alex",
    3,
    (
        Convolution(0, 3, 64, kernel=11, stride=4, padding=2),
        Convolution(3, 64, 192, kernel=5, padding=2, pooled=True),
        Convolution(6, 192, 384, kernel=3, pooled=True),
        Convolution(8, 384, 256, kernel=3),
        Convolution(10, 256, 256, kernel=3),
    ),
)
VGG16 = Trunk(
    "VGG16",
    "vgg16*",
    "vgg",
    2,
    (
        Convolution(0, 3, 64, kernel=3, compared=False),
        Convolution(2, 64, 64, kernel=3),
        Convolution(5, 64, 128, kernel=3, pooled=True, compared=False),
        Convolution(7, 128, 128, kernel=3),
        Convolution(10, 128, 256, kernel=3, pooled=True, compared=False),
        Convolution(12, 256, 256, kernel=3, compared=False),
        Convolution(14, 256, 256, kernel=3),
        Convolution(17, 256, 512, kernel=3, pooled=True, compared=False),
        Convolution(19, 512, 512, kernel=3, compared=False),
        Convolution(21, 512, 512, kernel=3),
        Convolution(24, 512, 512, kernel=3, pooled=True, compared=False),
        Convolution(26, 512, 512, kernel=3, compared=False),
        Convolution(28, 512, 512, kernel=3),
    ),
)
TRUNKS = (ALEXNET, VGG16)
"""The first of these whose weights are there is taken."""


@dataclasses.dataclass(frozen=True, eq=False)
class Lpips:
    """LPIPS through one trunk, version 0.1.

    Attributes:
        trunk: the network.
        weights: of the network, by `Trunk.shapes`.
        heads: of the comparison, by `Trunk.head_shapes`.
    """

    trunk: Trunk
    weights: Mapping[str, Tensor]
    heads: Mapping[str, Tensor]

    def distance(self, first: Floats, second: Floats) -> float:
        """How different two pictures (H, W, 3), sRGB in [0, 1], look; 0 is the same, and it is quadratic near 0.

        Equation 1 of the paper: sum over layers l of the mean over places of sum over channels c of
        w_lc (y_lc - z_lc)², where y and z are what comes out of a layer, divided at each place by their length.
        """
        with torch.no_grad():
            pairs = self._seen(np.stack([first, second]))
            parts = [(((one[0] - one[1]) ** 2) * self.heads[_head(k)][0]).sum(0).mean() for k, one in enumerate(pairs)]
            return float(torch.stack(parts).sum())

    def _seen(self, pictures: Floats) -> Iterator[Tensor]:
        """What comes out of each compared layer: (2, C, H', W') of pictures (2, H, W, 3), of length 1 along C."""
        mean, spread = (np.array(value, np.float32) for value in (IMAGENET_MEAN, IMAGENET_SPREAD))
        normalised = (pictures.astype(np.float32) - mean) / spread
        flow = torch.from_numpy(np.ascontiguousarray(normalised.transpose(0, 3, 1, 2)))
        for one in self.trunk.convolutions:
            if one.pooled:
                flow = functional.max_pool2d(flow, self.trunk.window, 2)
            weight, bias = (self.weights[f"features.{one.index}.{name}"] for name in ("weight", "bias"))
            flow = functional.relu(functional.conv2d(flow, weight, bias, one.stride, one.padding))
            if one.compared:
                yield flow / (flow.norm(dim=1, keepdim=True) + _LEAST)


def load_lpips(folder: Path) -> Lpips | None:
    """LPIPS by the weights in `folder`, or None where a trunk or its heads are not there.

    Raises:
        InputError: as `read_weights`.
    """
    for trunk in TRUNKS:
        network, heads = find_weights(folder, trunk.file), find_weights(folder, trunk.heads)
        if network is not None and heads is not None:
            weights = read_weights(network, trunk.shapes(), trunk.name)
            return Lpips(trunk, weights, read_weights(heads, trunk.head_shapes(), f"LPIPS's heads for {trunk.name}"))
    return None


def _head(layer: int) -> str:
    return f"lin{layer}.model.1.weight"
