"""The CUDA backend for machines without a compiler: our own kernels, in NVIDIA Warp, which brings its compiler along.

Macklin, "Warp: A high-performance Python framework for GPU simulation and graphics", 2022; its interface as of 1.19.

One difference to the CPU backend remains: a pixel ends where less light than `blending.TRANSMITTANCE_MIN` passes, not
where that is so for its whole tile.
"""

from __future__ import annotations

import ctypes
import functools
import importlib.util
import sys

from perse_engine.cameras import Camera
from perse_engine.splatting.gaussians import Gaussians
from perse_engine.splatting.jit import Floats

_FIRST = "cuda:0"


@functools.cache
def probe_warp() -> str:
    """Say "ok" where Warp finds a CUDA device that it can compile for, else why not."""
    if importlib.util.find_spec("warp") is None:
        return "warp-lang is not installed"
    # Warp complains on standard error where there is no driver.
    if not _has_driver():
        return "no CUDA device"
    try:
        from perse_engine.splatting.warp_drawing import unusable

        return unusable(_FIRST) or "ok"
    except (ImportError, OSError, RuntimeError) as error:
        return f"Warp does not load: {error}"


def _has_driver() -> bool:
    """Whether NVIDIA's driver is there, as Warp looks for it."""
    for library in ("nvcuda.dll",) if sys.platform == "win32" else ("libcuda.so", "libcuda.so.1"):
        try:
            ctypes.CDLL(library)
        except OSError:
            continue
        return True
    return False


def current_device() -> str:
    """The GPU that torch works on in this process, of several that train together each has its own; else the first."""
    torch = sys.modules.get("torch")
    return _FIRST if torch is None or not torch.cuda.is_available() else f"cuda:{torch.cuda.current_device()}"


def draw_gaussians(gaussians: Gaussians, camera: Camera, *, device: str | None = None) -> tuple[Floats, Floats, Floats]:
    """Draw on one of Warp's devices, `current_device` or "cpu": color (H, W, 3), alpha (H, W) and depth (H, W).

    Raises:
        InputError: "too-many-splats", there are more pairs of Gaussian and tile than can be sorted.
    """
    from perse_engine.splatting.warp_drawing import draw_arrays

    return draw_arrays(gaussians, camera, device or current_device())
