"""The Warp backend as a differentiable torch operation, on the tensors' own memory."""

from __future__ import annotations

from typing import Any

import torch
import warp as wp
from torch import Tensor

from perse_engine.cameras import Camera
from perse_engine.splatting.warp_drawing import draw, draw_backward, open_device

_KINDS = (wp.vec3, wp.vec4, wp.vec3, wp.float32, wp.vec3)


def draw_tensors(
    means: Tensor, quaternions: Tensor, scales: Tensor, opacities: Tensor, colors: Tensor, camera: Camera
) -> tuple[Tensor, Tensor]:
    """Draw tensors on the device where they are, with gradients, on torch's current stream.

    Args:
        means: (N, 3). quaternions: (N, 4) w x y z. scales: (N, 3). opacities: (N,). colors: (N, 3).

    Returns:
        color (H, W, 3) premultiplied on black and alpha (H, W), float32.

    Raises:
        InputError: "too-many-splats", there are more pairs of Gaussian and tile than can be sorted.
    """
    return _Draw.apply(means, quaternions, scales, opacities, colors, camera)


class _Draw(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> tuple[Tensor, Tensor]:
        *attributes, camera = inputs
        arrays = tuple(_array(attribute, kind) for attribute, kind in zip(attributes, _KINDS))
        ctx.drawing = draw(arrays, camera, stream=_stream(attributes[0]))
        return wp.to_torch(ctx.drawing.color), wp.to_torch(ctx.drawing.alpha)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, to_color: Tensor, to_alpha: Tensor) -> tuple[Tensor | None, ...]:
        arrays = _array(to_color, wp.vec3), _array(to_alpha, wp.float32)
        gradients = draw_backward(ctx.drawing, *arrays, stream=_stream(to_color))
        return *(wp.to_torch(gradient) for gradient in gradients), None


def _array(tensor: Tensor, kind: Any) -> Any:
    """The tensor's memory as a Warp array; a copy of it where it is not contiguous float32."""
    whole = tensor.detach().to(torch.float32).contiguous()
    # A tensor of nothing counts as contiguous whatever its strides, and Warp looks at them.
    return wp.from_torch(whole if whole.numel() else whole.new_empty(whole.shape), dtype=kind)


def _stream(tensor: Tensor) -> Any:
    """Warp's view of the stream that torch works on; None on the CPU."""
    device = open_device(str(wp.device_from_torch(tensor.device)))
    return wp.stream_from_torch(tensor.device) if device.is_cuda else None
