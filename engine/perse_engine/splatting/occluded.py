"""Gaussians behind a barrier: what lies beyond it adds nothing. CPU only.

A pixel's light is the mean over several places in it of what comes before the barrier there. As a Gaussian's weight
does not depend on what is behind it, that is the sum of all weights, each times the share of places that see it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numba
import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from perse_engine.cameras import Camera
from perse_engine.splatting.binning import TILE_HEIGHT, TILE_WIDTH, rows_of
from perse_engine.splatting.blending import FAR, PLANE, STRIDE, alpha_at, is_full, open_tile, trace
from perse_engine.splatting.cpu import Binned, bin_gaussians, kernels
from perse_engine.splatting.gaussians import Gaussians
from perse_engine.splatting.jit import KERNEL, Floats, Ints, f32
from perse_engine.splatting.projection import BLUE, DEPTH, GREEN, RED, XX, X
from perse_engine.splatting.rasterize import Image, contiguous
from perse_engine.splatting.simd import LANES, fetch_add, iota, lanes, load, store, where

PLACES = 8
_OWN = 6  # planes before those of the barrier
_SPLATS_BETWEEN_CHECKS = 16

Barrier = Callable[[Camera], NDArray[np.float32]]
"""Planar camera z of the barrier, (8, H, W), at eight places of each pixel of the camera; infinite where none is."""


@dataclasses.dataclass(frozen=True, eq=False)
class Window:
    """The barrier's depths (8, h, w) in the part of the picture that begins at `left` and `top`."""

    left: int
    top: int
    depths: NDArray[np.float32]


def rasterize_before(gaussians: Gaussians, camera: Camera, barrier: Barrier) -> Image:
    """Draw what of Gaussians is before `barrier`, which is asked only for the part of the picture where they are."""
    workers = numba.get_num_threads()
    with kernels:
        binned = bin_gaussians(contiguous(gaussians), camera, workers)
    return blend_before(binned, camera, window_of(binned, camera, barrier), workers)


def window_of(binned: Binned, camera: Camera, barrier: Barrier) -> Window | None:
    """What `barrier` says where there are splats; None where there are none at all."""
    height, width = camera.height, camera.width
    rows, columns = np.divmod(np.flatnonzero(np.diff(binned.tile_starts)), -(-width // TILE_WIDTH))
    if not len(rows):
        return None
    left, top = int(columns.min()) * TILE_WIDTH, int(rows.min()) * TILE_HEIGHT
    right = min(width, (int(columns.max()) + 1) * TILE_WIDTH)
    bottom = min(height, (int(rows.max()) + 1) * TILE_HEIGHT)
    return Window(left, top, barrier(camera.cropped(left, top, right - left, bottom - top)))


def blend_before(binned: Binned, camera: Camera, window: Window | None, workers: int) -> Image:
    """Draw binned splats before the barrier."""
    height, width = camera.height, camera.width
    color, alpha = np.zeros((height, width, 3), np.float32), np.zeros((height, width), np.float32)
    depth = np.full((height, width), FAR, np.float32)
    if window is not None:
        with kernels:
            _blend(
                binned.splats,
                binned.tile_starts,
                binned.pair_splats,
                window.depths,
                window.left,
                window.top,
                color,
                alpha,
                depth,
                workers,
            )
    return Image(color, alpha, depth)


@njit(**KERNEL)
def _blend_tile(
    splats: Floats,
    pairs: Ints,
    start: int,
    stop: int,
    left: int,
    top: int,
    height: int,
    planes: Floats,
    rows: Floats,
    firsts: Ints,
    ends: Ints,
) -> None:
    """As `blending.blend_tile`; each weight counts as far as the barrier is beyond its splat."""
    through, red, green, blue, seen, depth = planes[0], planes[1], planes[2], planes[3], planes[4], planes[5]
    barrier = planes[_OWN:].reshape(-1)
    linears, bases = rows[1], rows[2]
    part = lanes(f32(1 / PLACES))
    for index in range(start, stop):
        splat = splats[pairs[index]]
        first_row, last_row = rows_of(splat, height)
        first_row, last_row = max(first_row, top), min(last_row, top + TILE_HEIGHT - 1)
        trace(splat, left, first_row, last_row, rows, firsts, ends)
        middle, xx = splat[X] - f32(left), splat[XX]
        r, g, b, z = lanes(splat[RED]), lanes(splat[GREEN]), lanes(splat[BLUE]), lanes(splat[DEPTH])
        for row in range(last_row - first_row + 1):
            offset = (first_row - top + row) * STRIDE
            for column in range(firsts[row], ends[row], LANES):
                place = offset + column
                dx = iota() + (f32(column) - middle)
                alpha = alpha_at((dx * xx + linears[row]) * dx + bases[row])
                t = load(through, place)
                weight = alpha * t
                share = lanes(f32(0))
                for s in range(PLACES):
                    share = share + where(load(barrier, s * PLANE + place) > z, part, f32(0))
                so_far = load(seen, place)
                store(depth, place, where(so_far > f32(0.5), load(depth, place), z))
                store(through, place, t - weight)
                weight = weight * share
                store(seen, place, so_far + weight)
                store(red, place, load(red, place) + weight * r)
                store(green, place, load(green, place) + weight * g)
                store(blue, place, load(blue, place) + weight * b)
        if (index - start) % _SPLATS_BETWEEN_CHECKS == _SPLATS_BETWEEN_CHECKS - 1 and is_full(through):
            return


@njit(**KERNEL)
def _blend_tiles(
    splats: Floats,
    tile_starts: Ints,
    pair_splats: Ints,
    depths: Floats,
    window_left: int,
    window_top: int,
    color: Floats,
    alpha: Floats,
    depth: Floats,
    counter: Ints,
) -> None:
    height, width = alpha.shape
    across = (width + TILE_WIDTH - 1) // TILE_WIDTH
    planes = np.empty((_OWN + PLACES, PLANE), np.float32)
    rows = np.empty((3, TILE_HEIGHT + LANES), np.float32)
    columns = np.empty((2, TILE_HEIGHT + LANES), np.int32)
    tile = fetch_add(counter)
    while tile < tile_starts.shape[0] - 1:
        left, top = tile % across * TILE_WIDTH, tile // across * TILE_HEIGHT
        right, bottom = min(left + TILE_WIDTH, width), min(top + TILE_HEIGHT, height)
        start, stop = tile_starts[tile], tile_starts[tile + 1]
        if start < stop:
            planes[:] = f32(0)
            open_tile(planes[0], right - left, bottom - top)
            for s in range(PLACES):
                for y in range(top, bottom):
                    for x in range(left, right):
                        there = depths[s, y - window_top, x - window_left]
                        planes[_OWN + s, (y - top) * STRIDE + x - left] = there
            _blend_tile(splats, pair_splats, start, stop, left, top, height, planes, rows, columns[0], columns[1])
            for y in range(top, bottom):
                for x in range(left, right):
                    place = (y - top) * STRIDE + x - left
                    color[y, x, 0] = planes[1, place]
                    color[y, x, 1] = planes[2, place]
                    color[y, x, 2] = planes[3, place]
                    alpha[y, x] = planes[4, place]
                    depth[y, x] = planes[5, place] if planes[4, place] >= f32(0.5) else f32(FAR)
        tile = fetch_add(counter)


@njit(parallel=True, **KERNEL)
def _blend(
    splats: Floats,
    tile_starts: Ints,
    pair_splats: Ints,
    depths: Floats,
    window_left: int,
    window_top: int,
    color: Floats,
    alpha: Floats,
    depth: Floats,
    workers: int,
) -> None:
    """Draw the binned splats before the barrier `depths` (8, h, w) of the window that begins at left and top."""
    counter = np.zeros(1, np.int64)
    for _ in prange(workers):
        _blend_tiles(splats, tile_starts, pair_splats, depths, window_left, window_top, color, alpha, depth, counter)
