"""Gaussians + camera -> picture: one function, several backends."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from perse_engine.cameras import Camera
from perse_engine.errors import InputError
from perse_engine.splatting import warp_backend
from perse_engine.splatting.cpu import draw, draw_backward
from perse_engine.splatting.gaussians import Gaussians
from perse_engine.splatting.gsplat_backend import draw_gaussians, probe_gsplat

# What says "ok", or why not.
_BACKENDS: dict[str, Callable[[], str]] = {
    "numba": lambda: "ok",
    "gsplat": lambda: probe_gsplat(),
    "warp": lambda: warp_backend.probe_warp(),
}
# Those that draw on a CUDA device, fastest first.
_ON_CUDA = ("gsplat", "warp")


@dataclasses.dataclass(frozen=True, eq=False)
class Image:
    """A picture of Gaussians.

    Attributes:
        color: (H, W, 3) float32, premultiplied on black.
        alpha: (H, W) float32 in [0, 1].
        depth: (H, W) float32, planar camera z in world units where accumulated opacity passes one half, else 1e10.
    """

    color: NDArray[np.float32]
    alpha: NDArray[np.float32]
    depth: NDArray[np.float32]


def rasterize(gaussians: Gaussians, camera: Camera, *, backend: str = "auto") -> Image:
    """Draw Gaussians.

    Args:
        gaussians: what to draw. One with a number that is not finite is not drawn.
        camera: where from.
        backend: a name from `available_backends`, or "auto" for the fastest that works here.

    Raises:
        InputError: "no-backend", the backend is unknown or does not work on this machine; "too-many-splats", Warp was
            given more than it can sort.
    """
    if backend == "auto":
        backend = ("numba" if camera.orthographic else cuda_backend()) or "numba"
    if backend not in _BACKENDS:
        raise InputError("no-backend", f"there is no rasteriser {backend!r}", f"take one of {', '.join(_BACKENDS)}")
    if camera.orthographic and backend != "numba":
        raise InputError("no-backend", f"the rasteriser {backend!r} draws no orthographic cameras", "take 'numba'")
    state = _BACKENDS[backend]()
    if state != "ok":
        raise InputError("no-backend", f"the rasteriser {backend!r} cannot be used: {state}", "take 'numba'")
    if backend == "gsplat":
        return Image(*draw_gaussians(gaussians, camera))
    if backend == "warp":
        return Image(*warp_backend.draw_gaussians(gaussians, camera))
    drawing = draw(contiguous(gaussians), camera)
    return Image(drawing.color, drawing.alpha, drawing.depth)


def contiguous(gaussians: Gaussians) -> Gaussians:
    """The same Gaussians as the CPU's kernels take them."""
    return Gaussians(
        np.ascontiguousarray(gaussians.means, np.float32),
        np.ascontiguousarray(gaussians.quaternions, np.float32),
        np.ascontiguousarray(gaussians.scales, np.float32),
        np.ascontiguousarray(gaussians.opacities, np.float32),
        np.ascontiguousarray(gaussians.colors, np.float32),
    )


def available_backends() -> dict[str, str]:
    """Every backend's name with "ok", or why it cannot be used here. Slow at most once per process."""
    return {name: probe() for name, probe in _BACKENDS.items()}


def cuda_backend() -> str | None:
    """The name of the fastest backend that draws on a CUDA device here, None where none does."""
    return next((name for name in _ON_CUDA if _BACKENDS[name]() == "ok"), None)


def warm_up() -> None:
    """Compile, or load from the cache, every kernel of the CPU backend: seconds now instead of in the first picture."""
    gaussians = Gaussians(
        np.ones((1, 3), np.float32),
        np.ones((1, 4), np.float32),
        np.full((1, 3), 0.1, np.float32),
        np.full(1, 0.5, np.float32),
        np.ones((1, 3), np.float32),
    )
    camera = Camera(np.eye(4), 8.0, 8.0, 8.0, 8.0, 16, 16)
    drawing = draw(gaussians, camera)
    draw_backward(gaussians, camera, drawing, drawing.color, drawing.alpha)
