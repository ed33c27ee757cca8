"""The decoder of playback, differentiable: the same kernels, with their gradients, as one torch operation."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from perse_engine.avatars.avatar import Appearance, Avatar
from perse_engine.avatars.decoding import Stance, paint_and_place
from perse_engine.avatars.painting import paint_backward
from perse_engine.avatars.placing import place_backward

Decoded = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]


@dataclasses.dataclass(frozen=True, eq=False)
class Parameters:
    """What training changes, as in `Avatar` and `Appearance`: float32 tensors on the CPU. N Gaussians, M style entries,
    C corrected Gaussians, D drivers.

    Attributes:
        offsets: (N, 3).
        log_scales: (N, 3).
        quaternions: (N, 4).
        coverage_logits: (N,).
        colors: (N, 3).
        style_colors: (M, 3).
        style_coverage_logits: (M,).
        style_offsets: (M, 3).
        corrective_offsets: (C, D, 3).
        corrective_colors: (C, D, 3).
    """

    offsets: Tensor
    log_scales: Tensor
    quaternions: Tensor
    coverage_logits: Tensor
    colors: Tensor
    style_colors: Tensor
    style_coverage_logits: Tensor
    style_offsets: Tensor
    corrective_offsets: Tensor
    corrective_colors: Tensor

    def tensors(self) -> tuple[Tensor, ...]:
        """All of them, in order of declaration."""
        return tuple(getattr(self, field.name) for field in dataclasses.fields(self))


def parameters_of(avatar: Avatar) -> Parameters:
    """Copies of what training changes in `avatar`, ready for gradients."""
    looks = avatar.appearance
    arrays = [
        avatar.offsets,
        avatar.log_scales,
        avatar.quaternions,
        avatar.coverage_logits,
        avatar.colors,
        looks.colors,
        looks.coverage_logits,
        looks.offsets,
        avatar.correctives.offsets,
        avatar.correctives.colors,
    ]
    rows = (np.ascontiguousarray(array, np.float32) for array in arrays)
    return Parameters(*(torch.tensor(array, requires_grad=True) for array in rows))


def with_parameters(avatar: Avatar, parameters: Parameters) -> Avatar:
    """`avatar` with the arrays of `parameters`, sharing their memory."""
    (
        offsets,
        log_scales,
        quaternions,
        coverage_logits,
        colors,
        style_colors,
        style_logits,
        style_offsets,
        *corrections,
    ) = (tensor.detach().numpy() for tensor in parameters.tensors())
    looks: Appearance = dataclasses.replace(
        avatar.appearance, colors=style_colors, coverage_logits=style_logits, offsets=style_offsets
    )
    return dataclasses.replace(
        avatar,
        offsets=offsets,
        log_scales=log_scales,
        quaternions=quaternions,
        coverage_logits=coverage_logits,
        colors=colors,
        appearance=looks,
        correctives=dataclasses.replace(avatar.correctives, offsets=corrections[0], colors=corrections[1]),
    )


def decode_torch(avatar: Avatar, stance: Stance, parameters: Parameters) -> tuple[Decoded, NDArray[np.int32]]:
    """The visible Gaussians of `avatar` at `stance`, differentiable in `parameters`.

    Args:
        avatar: of `with_parameters(…, parameters)`, so that it shares their memory.
        stance: the state, resolved.
        parameters: what gradients are wanted of.

    Returns:
        Means (n, 3), quaternions (n, 4), scales (n, 3), opacities (n,), colors (n, 3), as in `Gaussians`; and (n,)
        which of the avatar's they are.
    """
    *decoded, visible = _Decode.apply(avatar, stance, *parameters.tensors())
    return tuple(decoded), visible.numpy()


class _Decode(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, avatar: Avatar, stance: Stance, *parameters: Tensor) -> Decoded:
        painted, visible, placed, times = paint_and_place(avatar, stance)
        ctx.inputs = avatar, stance, painted, visible, times
        arrays = (
            placed.means,
            placed.quaternions,
            placed.scales,
            painted.opacities[visible],
            painted.colors[visible],
        )
        shown = torch.from_numpy(visible)
        ctx.mark_non_differentiable(shown)
        return (*(torch.from_numpy(array) for array in arrays), shown)  # type: ignore[return-value]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        avatar, stance, painted, visible, times = ctx.inputs
        to_means, to_quaternions, to_scales, to_opacities, to_colors = (
            np.ascontiguousarray(gradient.numpy(), np.float32) for gradient in gradients[:5]
        )
        if times is not None:
            to_means, to_scales = to_means * times[:, None], to_scales * times[:, None]
        offsets, quaternions, log_scales = place_backward(
            stance.frames,
            avatar.corners,
            avatar.barycentric,
            avatar.quaternions,
            avatar.log_scales,
            avatar.low_pass,
            visible,
            to_means,
            to_quaternions,
            to_scales,
        )
        painting = paint_backward(
            avatar,
            stance.weights,
            stance.presence,
            stance.drivers,
            painted,
            _spread(to_colors, visible, avatar.count),
            _spread(to_opacities, visible, avatar.count),
            offsets,
        )
        out = (
            painting.offsets,
            log_scales,
            quaternions,
            painting.coverage_logits,
            painting.colors,
            painting.style_colors,
            painting.style_coverage_logits,
            painting.style_offsets,
            painting.corrective_offsets,
            painting.corrective_colors,
        )
        return (None, None, *(torch.from_numpy(array) for array in out))


def _spread(values: NDArray[np.float32], at: NDArray[np.int32], count: int) -> NDArray[np.float32]:
    out = np.zeros((count, *values.shape[1:]), np.float32)
    out[at] = values
    return out
