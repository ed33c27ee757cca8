"""Every backend as one function from arrays to a picture and its gradients."""

from __future__ import annotations

import dataclasses
import importlib.util
from collections.abc import Callable

import numpy as np
import torch

from perse_engine.cameras import Camera
from perse_engine.splatting.gaussians import Gaussians
from perse_engine.splatting.rasterize import Image, available_backends, rasterize
from perse_engine.splatting.reference import render_reference
from perse_engine.splatting.torch_op import rasterize_torch
from perse_engine.splatting.warp_backend import draw_gaussians

ATTRIBUTES = ("means", "quaternions", "scales", "opacities", "colors")
# Warp's kernels run without a GPU too, where no one but a test would want them.
WARP_ON_CPU = "warp on the CPU"
DEVICES = {"numba": "cpu", "gsplat": "cuda", "warp": "cuda", WARP_ON_CPU: "cpu"}


@dataclasses.dataclass(frozen=True)
class Result:
    """A picture, and the gradients that reached the Gaussians."""

    color: np.ndarray
    alpha: np.ndarray
    gradients: dict[str, np.ndarray]


def state_of(backend: str) -> str:
    """Say "ok", or why this machine cannot test the backend."""
    if backend == WARP_ON_CPU:
        return "ok" if importlib.util.find_spec("warp") else "warp-lang is not installed"
    return available_backends()[backend]


def picture(backend: str, gaussians: Gaussians, camera: Camera) -> Image:
    """Draw without gradients."""
    if backend == WARP_ON_CPU:
        return Image(*draw_gaussians(gaussians, camera, device="cpu"))
    return rasterize(gaussians, camera, backend=backend)


def operation(backend: str) -> Callable[..., tuple[torch.Tensor, ...]]:
    """From tensors and a camera to colour and alpha, with gradients."""
    if backend in ("warp", WARP_ON_CPU):
        from perse_engine.splatting.warp_torch import draw_tensors

        return draw_tensors
    return render_reference if backend == "reference" else rasterize_torch


def with_gradients(
    backend: str, gaussians: Gaussians, camera: Camera, to_color: np.ndarray, to_alpha: np.ndarray
) -> Result:
    """Draw, and send `to_color` and `to_alpha` back. The backend "reference" is the float64 one."""
    reference = backend == "reference"
    kind = torch.float64 if reference else torch.float32
    device = "cpu" if reference else DEVICES[backend]
    tensors = [
        torch.tensor(getattr(gaussians, name), dtype=kind, device=device, requires_grad=True) for name in ATTRIBUTES
    ]
    color, alpha = operation(backend)(*tensors, camera)[:2]
    color.backward(torch.as_tensor(to_color, dtype=kind, device=device), retain_graph=True)
    alpha.backward(torch.as_tensor(to_alpha, dtype=kind, device=device))
    return Result(
        color.detach().cpu().numpy(),
        alpha.detach().cpu().numpy(),
        {name: tensor.grad.cpu().numpy() for name, tensor in zip(ATTRIBUTES, tensors)},
    )


def reference_depth(gaussians: Gaussians, camera: Camera) -> np.ndarray:
    """Depth as the equations say it."""
    tensors = [torch.tensor(getattr(gaussians, name), dtype=torch.float64) for name in ATTRIBUTES]
    return render_reference(*tensors, camera)[2].numpy()
