"""Warp's kernels in their order: projection, binning and blending in one call, and their gradients in another."""

from __future__ import annotations

import dataclasses
import functools
import threading
from typing import Any

import numpy as np
import warp as wp

from perse_engine.cameras import Camera
from perse_engine.splatting.gaussians import Gaussians
from perse_engine.splatting.jit import Floats
from perse_engine.splatting.warp_binning import bin_splats
from perse_engine.splatting.warp_blending import TILE_PIXELS, blend, blend_backward
from perse_engine.splatting.warp_projection import View, project, warp_view_of
from perse_engine.splatting.warp_projection_backward import Gradient, project_backward

# Standard output is not the place for a library's greeting.
wp.config.log_level = wp.LOG_WARNING
wp.init()

# What Warp may hold on to between pictures; with nothing, each would ask the driver for all its memory anew.
_KEPT_BYTES = 2**30
# A device has one current stream, and a module is to be compiled once.
_kernels = threading.RLock()


@dataclasses.dataclass(frozen=True, eq=False)
class Drawing:
    """A picture and what its gradients need: Warp arrays on one device.

    Attributes:
        color: (H, W) vec3, premultiplied on black.
        alpha: (H, W) float32.
        depth: (H, W) float32, planar camera z where accumulated opacity passes one half, else 1e10.
        attributes: (N,) means, quaternions, scales, opacities and colours, as drawn.
        view: the camera.
        centers, ellipses, counts: (N,) see `warp_projection.project`.
        starts, splats: the tiles' lists, see `warp_binning.bin_splats`.
        used: (H, W) int32, see `warp_blending.blend`.
    """

    color: Any
    alpha: Any
    depth: Any
    attributes: tuple[Any, ...]
    view: View
    centers: Any
    ellipses: Any
    counts: Any
    starts: Any
    splats: Any
    used: Any


@functools.cache
def open_device(name: str) -> Any:
    """Warp's device of this name, "cpu" or "cuda:0", made ready for picture after picture."""
    device = wp.get_device(name)
    if device.is_cuda and device.is_mempool_enabled:
        wp.set_mempool_release_threshold(device, _KEPT_BYTES)
    return device


def unusable(name: str) -> str:
    """Why Warp cannot draw on the CUDA device of this name; nothing where it can."""
    if not wp.is_cuda_available():
        return f"no CUDA device, or a driver older than CUDA {wp.get_cuda_toolkit_version()[0]}.0, which Warp needs"
    device, oldest = wp.get_device(name), min(wp.get_cuda_supported_archs())
    return f"{device.name} is sm_{device.arch}, and Warp begins at sm_{oldest}" if device.arch < oldest else ""


def draw_arrays(gaussians: Gaussians, camera: Camera, device: str) -> tuple[Floats, Floats, Floats]:
    """Draw numpy arrays on a device of this name: color (H, W, 3), alpha (H, W) and depth (H, W)."""
    opened = open_device(device)
    kinds = {"means": wp.vec3, "quaternions": wp.vec4, "scales": wp.vec3, "opacities": wp.float32, "colors": wp.vec3}
    with _kernels:
        attributes = tuple(
            wp.array(np.ascontiguousarray(getattr(gaussians, name), np.float32), dtype=kind, device=opened)
            for name, kind in kinds.items()
        )
        drawing = draw(attributes, camera)
        return drawing.color.numpy(), drawing.alpha.numpy(), drawing.depth.numpy()


def draw(attributes: tuple[Any, ...], camera: Camera, *, stream: Any = None) -> Drawing:
    """Draw on the device where the arrays are. The forward pass gives the same picture every time.

    Args:
        attributes: contiguous Warp arrays (N,): means vec3, quaternions vec4 (w x y z), scales vec3, opacities float32
            and colours vec3.
        camera: where from.
        stream: the CUDA stream to draw on, if not the device's own.

    Raises:
        InputError: "too-many-splats", see `warp_binning.bin_splats`.
    """
    means, quaternions, scales, opacities, colors = attributes
    device, count = means.device, len(means)
    size = (camera.height, camera.width)
    view = warp_view_of(camera)
    with _kernels, wp.ScopedStream(stream):
        centers = wp.empty(count, dtype=wp.vec2, device=device)
        ellipses = wp.empty(count, dtype=wp.vec4, device=device)
        depths = wp.empty(count, dtype=wp.float32, device=device)
        tiles = wp.empty(count, dtype=wp.vec4i, device=device)
        counts = wp.empty(count, dtype=wp.int64, device=device)
        wp.launch(
            project,
            count,
            inputs=[view, means, quaternions, scales, opacities, colors],
            outputs=[centers, ellipses, depths, tiles, counts],
            device=device,
        )
        starts, stops, splats = bin_splats(camera.width, camera.height, depths, tiles, counts)
        color = wp.empty(size, dtype=wp.vec3, device=device)
        alpha = wp.empty(size, dtype=wp.float32, device=device)
        depth = wp.empty(size, dtype=wp.float32, device=device)
        used = wp.empty(size, dtype=wp.int32, device=device)
        wp.launch(
            blend,
            len(starts) * TILE_PIXELS,
            inputs=[view, centers, ellipses, depths, colors, starts, stops, splats],
            outputs=[color, alpha, depth, used],
            device=device,
            block_dim=TILE_PIXELS,
        )
    return Drawing(color, alpha, depth, attributes, view, centers, ellipses, counts, starts, splats, used)


def draw_backward(drawing: Drawing, to_color: Any, to_alpha: Any, *, stream: Any = None) -> tuple[Any, ...]:
    """Gradients to the five attributes, in their order, from those to the picture that `draw` made.

    Depth is a choice among splats, not a function of them: it has no gradient.

    Args:
        to_color: (H, W) vec3, gradient to `drawing.color`.
        to_alpha: (H, W) float32, gradient to `drawing.alpha`.
        stream: the CUDA stream to work on, if not the device's own.
    """
    means, quaternions, scales, opacities, colors = drawing.attributes
    device, count = means.device, len(means)
    with _kernels, wp.ScopedStream(stream):
        gradients = wp.zeros(count, dtype=Gradient, device=device)
        wp.launch(
            blend_backward,
            len(drawing.starts) * TILE_PIXELS,
            inputs=[
                drawing.view,
                drawing.centers,
                drawing.ellipses,
                colors,
                drawing.starts,
                drawing.splats,
                drawing.color,
                drawing.alpha,
                drawing.used,
                to_color,
                to_alpha,
            ],
            outputs=[gradients],
            device=device,
            block_dim=TILE_PIXELS,
        )
        results = tuple(wp.zeros(count, dtype=attribute.dtype, device=device) for attribute in drawing.attributes)
        wp.launch(
            project_backward,
            count,
            inputs=[drawing.view, means, quaternions, scales, opacities, drawing.counts, gradients],
            outputs=list(results),
            device=device,
        )
    return results
