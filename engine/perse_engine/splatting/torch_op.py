"""The rasteriser as a differentiable torch operation."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from perse_engine.cameras import Camera
from perse_engine.errors import InputError
from perse_engine.splatting.cpu import draw, draw_backward
from perse_engine.splatting.gaussians import Gaussians
from perse_engine.splatting.gsplat_backend import draw_tensors
from perse_engine.splatting.rasterize import available_backends, cuda_backend


def rasterize_torch(
    means: Tensor, quaternions: Tensor, scales: Tensor, opacities: Tensor, colors: Tensor, camera: Camera
) -> tuple[Tensor, Tensor]:
    """Draw Gaussians with gradients to all five of their attributes, where the tensors are.

    Args:
        means: (N, 3) world units. quaternions: (N, 4) w x y z, any non-zero length.
        scales: (N, 3) standard deviations, world units, > 0. opacities: (N,) in [0, 1]. colors: (N, 3).
        camera: where from; not differentiated.

    Returns:
        color (H, W, 3) premultiplied on black and alpha (H, W), float32.

    Raises:
        InputError: "no-backend", the tensors are on a CUDA device but neither gsplat nor Warp can be used;
            "too-many-splats", Warp was given more than it can sort.
    """
    if not means.is_cuda:
        return _Rasterize.apply(means, quaternions, scales, opacities, colors, camera)
    backend = cuda_backend()
    if backend == "gsplat":
        color, alpha, _ = draw_tensors(means, quaternions, scales, opacities, colors, camera)
        return color, alpha
    if backend == "warp":
        from perse_engine.splatting import warp_torch

        return warp_torch.draw_tensors(means, quaternions, scales, opacities, colors, camera)
    states = available_backends()
    reasons = f"gsplat: {states['gsplat']}; warp: {states['warp']}"
    raise InputError("no-backend", f"nothing can draw on this CUDA device ({reasons})", "train on the CPU")


def best_device() -> str:
    """The torch device on which `rasterize_torch` is fastest here: "cuda" or "cpu". Slow at most once per process."""
    return "cuda" if cuda_backend() and torch.cuda.is_available() else "cpu"


class _Rasterize(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> tuple[Tensor, Tensor]:
        *attributes, camera = inputs
        gaussians = Gaussians(*(_array(attribute) for attribute in attributes))
        drawing = draw(gaussians, camera)
        ctx.drawn = gaussians, camera, drawing
        return torch.from_numpy(drawing.color), torch.from_numpy(drawing.alpha)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, to_color: Tensor, to_alpha: Tensor) -> tuple[Tensor | None, ...]:
        gaussians, camera, drawing = ctx.drawn
        gradients = draw_backward(gaussians, camera, drawing, _array(to_color), _array(to_alpha))
        return (
            torch.from_numpy(gradients.means),
            torch.from_numpy(gradients.quaternions),
            torch.from_numpy(gradients.scales),
            torch.from_numpy(gradients.opacities),
            torch.from_numpy(gradients.colors),
            None,
        )


def _array(tensor: Tensor) -> NDArray[np.float32]:
    return tensor.detach().to(torch.float32).contiguous().numpy()
