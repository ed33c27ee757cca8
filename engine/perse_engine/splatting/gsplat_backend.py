"""The CUDA backend: gsplat's `rasterization`, asked for exactly what the CPU backend draws.

Ye et al., "gsplat: An open-source library for Gaussian splatting", 2025; its interface as of 1.5.3.

One difference remains: gsplat leaves out the Gaussian that would bring a pixel's transmittance to 1e-4 or below, with
1e-4 / (1 - alpha) of the light at most. That is nothing, unless a Gaussian is almost opaque and not the first.
"""

from __future__ import annotations

import functools
import importlib.util
import logging
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from perse_engine.cameras import Camera
from perse_engine.splatting.blending import FAR
from perse_engine.splatting.gaussians import Gaussians
from perse_engine.splatting.jit import Floats
from perse_engine.splatting.projection import ALPHA_MAX, DILATION

if TYPE_CHECKING:
    from torch import Tensor

_log = logging.getLogger(__name__)

# Importing gsplat may compile it, which takes minutes the first time, and raises where compiler and torch do not fit.
_PROBE = """
import sys, torch
if not torch.cuda.is_available():
    sys.exit("no CUDA device, or a torch without CUDA")
from gsplat.cuda._backend import _C
if _C is None:
    sys.exit("its CUDA kernels are not built and there is no CUDA toolkit to build them")
"""
_PROBE_SECONDS = 600
_ALL_BATCHES = 2**31 - 1
_DEVICE = "cuda"


@functools.cache
def probe_gsplat() -> str:
    """Say "ok" where gsplat's CUDA kernels load, else why not. Tried in another process, once per process."""
    for package in ("torch", "gsplat"):
        if importlib.util.find_spec(package) is None:
            return f"{package} is not installed"
    _log.info("trying gsplat's CUDA kernels; building them takes some minutes the first time")
    try:
        done = subprocess.run(
            [sys.executable, "-c", _PROBE], capture_output=True, text=True, timeout=_PROBE_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return f"its CUDA kernels were not built within {_PROBE_SECONDS} seconds"
    if done.returncode == 0:
        return "ok"
    _log.info("gsplat cannot be used: %s", done.stderr)
    return done.stderr.strip().rpartition("\n")[2] or f"its probe ended with status {done.returncode}"


def draw_tensors(
    means: Tensor, quaternions: Tensor, scales: Tensor, opacities: Tensor, colors: Tensor, camera: Camera
) -> tuple[Tensor, Tensor, dict[str, Any]]:
    """Draw CUDA tensors, with gradients.

    Args:
        means: (N, 3). quaternions: (N, 4) w x y z. scales: (N, 3). opacities: (N,). colors: (N, 3). N > 0.

    Returns:
        color (H, W, 3) premultiplied on black, alpha (H, W), and what gsplat says about the splats.
    """
    import torch
    from gsplat import rasterization

    view = torch.as_tensor(camera.view, dtype=means.dtype, device=means.device)
    lens = torch.tensor(
        [[camera.fx, 0.0, camera.cx], [0.0, camera.fy, camera.cy], [0.0, 0.0, 1.0]],
        dtype=means.dtype,
        device=means.device,
    )
    color, alpha, meta = rasterization(
        means,
        quaternions,
        scales,
        opacities.clamp(max=ALPHA_MAX),
        colors,
        view[None],
        lens[None],
        camera.width,
        camera.height,
        near_plane=camera.near,
        far_plane=FAR,
        eps2d=DILATION,
        packed=False,
        render_mode="RGB",
        rasterize_mode="antialiased",
        camera_model="pinhole",
    )
    return color[0], alpha[0, ..., 0], meta


def draw_gaussians(gaussians: Gaussians, camera: Camera) -> tuple[Floats, Floats, Floats]:
    """Draw on the first CUDA device: color (H, W, 3), alpha (H, W) and depth (H, W)."""
    import torch
    from gsplat import rasterize_to_indices_in_range

    height, width = camera.height, camera.width
    arrays = [
        gaussians.means,
        _with_length(gaussians.quaternions),
        gaussians.scales,
        gaussians.opacities[:, None],
        gaussians.colors,
    ]
    finite = np.all([np.isfinite(array).all(1) for array in arrays], axis=0)
    if not finite.any():
        nothing = np.zeros((height, width), np.float32)
        return np.zeros((height, width, 3), np.float32), nothing, np.full_like(nothing, FAR)
    with torch.inference_mode():
        means, quaternions, scales, opacities, colors = (
            torch.as_tensor(array[finite], dtype=torch.float32, device=_DEVICE) for array in arrays
        )
        color, alpha, meta = draw_tensors(means, quaternions, scales, opacities[:, 0], colors, camera)
        hits, pixels, _ = rasterize_to_indices_in_range(
            0,
            _ALL_BATCHES,
            torch.ones_like(alpha)[None],
            meta["means2d"],
            meta["conics"],
            meta["opacities"],
            width,
            height,
            meta["tile_size"],
            meta["isect_offsets"],
            meta["flatten_ids"],
        )
        depth = _crossing_depth(hits, pixels, meta, width, height)
        return color.cpu().numpy(), alpha.cpu().numpy(), depth.cpu().numpy()


def _with_length(quaternions: Floats) -> Floats:
    """A quaternion of no length counts as no rotation."""
    none = np.abs(quaternions).max(1, initial=0, keepdims=True) < 1e-10
    return np.where(none, np.array([1, 0, 0, 0], np.float32), quaternions)


def _crossing_depth(hits: Tensor, pixels: Tensor, meta: dict[str, Any], width: int, height: int) -> Tensor:
    """Depth (H, W) of the Gaussian that takes accumulated opacity past one half, else `FAR`.

    Args:
        hits, pixels: (M,) which Gaussian meets which pixel; a pixel's hits are consecutive and nearest first.
        meta: "means2d" (1, N, 2), "conics" (1, N, 3), "opacities" (1, N), "depths" (1, N).
    """
    import torch

    depth = torch.full((height * width,), FAR, dtype=torch.float32, device=hits.device)
    if len(hits) == 0:
        return depth.view(height, width)
    centers = torch.stack([pixels % width, torch.div(pixels, width, rounding_mode="floor")], -1) + 0.5
    dx, dy = (meta["means2d"][0, hits] - centers).unbind(-1)
    xx, xy, yy = meta["conics"][0, hits].unbind(-1)
    alpha = meta["opacities"][0, hits] * torch.exp(-0.5 * (xx * dx * dx + yy * dy * dy) - xy * dx * dy)
    # Logarithms of transmittance, summed over everything and taken apart again at the first hit of each pixel.
    steps = torch.log1p(-alpha.clamp(max=ALPHA_MAX).double())
    after = torch.cumsum(steps, 0)
    first = torch.ones_like(pixels, dtype=torch.bool)
    first[1:] = pixels[1:] != pixels[:-1]
    start = (after - steps)[first][torch.cumsum(first, 0) - 1]
    half = float(np.log(0.5))
    crossing = (after - start <= half) & (after - steps - start > half)
    depth[pixels[crossing]] = meta["depths"][0, hits[crossing]].float()
    return depth.view(height, width)
