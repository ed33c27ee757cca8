"""The CPU backend: projection, binning and blending in one call, and their gradients in another."""

from __future__ import annotations

import dataclasses
import threading

import numba
import numpy as np
from numpy.typing import NDArray

from perse_engine.cameras import Camera
from perse_engine.splatting.binning import TILE_HEIGHT, TILE_WIDTH, bin_splats, depth_order, gather
from perse_engine.splatting.blending import blend
from perse_engine.splatting.blending_backward import blend_backward
from perse_engine.splatting.gaussians import Gaussians
from perse_engine.splatting.projection import (
    SPLAT_COLUMNS,
    lens_of,
    project,
    view_of,
)
from perse_engine.splatting.projection_backward import GRADIENT_COLUMNS, project_backward

# Not every threading layer of numba may be entered by two threads at once.
kernels = threading.Lock()


@dataclasses.dataclass(frozen=True, eq=False)
class Drawing:
    """A picture and what its gradients need.

    Attributes:
        color: (H, W, 3) float32, premultiplied on black.
        alpha: (H, W) float32.
        depth: (H, W) float32, planar camera z where accumulated opacity passes one half, else 1e10.
        order: (M,) int32, the visible Gaussians, nearest first.
        splats: (M, 16) float32, their ellipses in the picture.
        tile_starts, pair_splats, used, splat_starts, splat_counts, slots: the tiles' lists, see `binning.bin_splats`.
    """

    color: NDArray[np.float32]
    alpha: NDArray[np.float32]
    depth: NDArray[np.float32]
    order: NDArray[np.int32]
    splats: NDArray[np.float32]
    tile_starts: NDArray[np.int64]
    pair_splats: NDArray[np.int32]
    used: NDArray[np.int64]
    splat_starts: NDArray[np.int64]
    splat_counts: NDArray[np.int32]
    slots: NDArray[np.int32]


@dataclasses.dataclass(frozen=True, eq=False)
class Binned:
    """Gaussians projected and sorted into tiles; see `Drawing` for the arrays."""

    order: NDArray[np.int32]
    splats: NDArray[np.float32]
    tile_starts: NDArray[np.int64]
    pair_splats: NDArray[np.int32]
    splat_starts: NDArray[np.int64]
    splat_counts: NDArray[np.int32]
    slots: NDArray[np.int32]


def bin_gaussians(gaussians: Gaussians, camera: Camera, workers: int) -> Binned:
    """Project Gaussians and sort them into tiles. Arrays must be contiguous float32; the caller holds `kernels`."""
    count = len(gaussians.means)
    splats = np.empty((count, SPLAT_COLUMNS), np.float32)
    depths = np.empty(count, np.float32)
    project(
        gaussians.means,
        gaussians.quaternions,
        gaussians.scales,
        gaussians.opacities,
        gaussians.colors,
        view_of(camera),
        lens_of(camera),
        splats,
        depths,
        workers,
    )
    order = depth_order(depths)
    return Binned(order, *bin_splats(splats, order, camera.width, camera.height, workers))


def draw(gaussians: Gaussians, camera: Camera) -> Drawing:
    """Draw with all threads of the calling thread's numba setting. Arrays must be contiguous float32."""
    height, width = camera.height, camera.width
    tiles = -(-width // TILE_WIDTH) * -(-height // TILE_HEIGHT)
    color = np.empty((height, width, 3), np.float32)
    alpha = np.empty((height, width), np.float32)
    depth = np.empty((height, width), np.float32)
    used = np.empty(tiles, np.int64)
    workers = numba.get_num_threads()
    with kernels:
        binned = bin_gaussians(gaussians, camera, workers)
        blend(binned.splats, binned.tile_starts, binned.pair_splats, color, alpha, depth, used, workers)
    return Drawing(
        color,
        alpha,
        depth,
        binned.order,
        binned.splats,
        binned.tile_starts,
        binned.pair_splats,
        used,
        binned.splat_starts,
        binned.splat_counts,
        binned.slots,
    )


def draw_backward(
    gaussians: Gaussians,
    camera: Camera,
    drawing: Drawing,
    to_color: NDArray[np.float32],
    to_alpha: NDArray[np.float32],
) -> Gaussians:
    """Gradients to every attribute of the Gaussians, in their places, from those to the picture that `draw` made.

    Depth is a choice among splats, not a function of them: it has no gradient.

    Args:
        to_color: (H, W, 3) float32, gradient to `drawing.color`.
        to_alpha: (H, W) float32, gradient to `drawing.alpha`.
    """
    pair_gradients = np.empty((len(drawing.pair_splats), GRADIENT_COLUMNS), np.float32)
    gradients = np.empty((len(gaussians.means), GRADIENT_COLUMNS), np.float32)
    visible = np.zeros(len(gaussians.means), np.bool_)
    visible[drawing.order] = True
    result = Gaussians(
        np.empty_like(gaussians.means),
        np.empty_like(gaussians.quaternions),
        np.empty_like(gaussians.scales),
        np.empty_like(gaussians.opacities),
        np.empty_like(gaussians.colors),
    )
    workers = numba.get_num_threads()
    with kernels:
        blend_backward(
            drawing.splats,
            drawing.tile_starts,
            drawing.pair_splats,
            drawing.used,
            drawing.color,
            drawing.alpha,
            to_color,
            to_alpha,
            pair_gradients,
            workers,
        )
        gather(
            pair_gradients, drawing.splat_starts, drawing.splat_counts, drawing.slots, drawing.order, gradients, workers
        )
        project_backward(
            gaussians.means,
            gaussians.quaternions,
            gaussians.scales,
            gaussians.opacities,
            view_of(camera),
            lens_of(camera),
            visible,
            gradients,
            result.means,
            result.quaternions,
            result.scales,
            result.opacities,
            result.colors,
            workers,
        )
    return result
