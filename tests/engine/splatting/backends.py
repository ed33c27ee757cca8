"""Every backend as one function from arrays to a picture and its gradients."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch

from perse_engine.cameras import Camera
from perse_engine.splatting.gaussians import Gaussians
from perse_engine.splatting.reference import render_reference
from perse_engine.splatting.torch_op import rasterize_torch

ATTRIBUTES = ("means", "quaternions", "scales", "opacities", "colors")
DEVICES = {"numba": "cpu", "gsplat": "cuda"}


@dataclasses.dataclass(frozen=True)
class Result:
    """A picture, and the gradients that reached the Gaussians."""

    color: np.ndarray
    alpha: np.ndarray
    gradients: dict[str, np.ndarray]


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
    color, alpha = (render_reference if reference else rasterize_torch)(*tensors, camera)[:2]
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
