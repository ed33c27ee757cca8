"""Splats over one another, nearest first, tile by tile.

A tile's state is a few small planes that stay in the first-level cache. Each splat walks over its own rows, and over
eight pixels at a time within its outline, so that little work is spent outside it.

Alpha is exp(-energy) = P(energy)^8 with a polynomial P: it needs no library call, so it stays vector code everywhere.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, prange

from perse_engine.splatting.binning import TILE_HEIGHT, TILE_WIDTH, rows_of
from perse_engine.splatting.jit import KERNEL, Floats, Ints, f32
from perse_engine.splatting.projection import (
    BEND,
    BLUE,
    DEPTH,
    ENERGY_MAX,
    GREEN,
    RED,
    REST,
    SLOPE,
    SPAN,
    XX,
    XY,
    YY,
    X,
    Y,
)
from perse_engine.splatting.simd import (
    LANES,
    fetch_add,
    iota,
    lane_max,
    lanes,
    load,
    square_root,
    store,
    store_whole,
    where,
)

# What is farther than any depth, as Blender's renderers say it.
FAR = 1e10
# A tile is finished when less light than this passes through each of its pixels.
TRANSMITTANCE_MIN = 1e-4

# The rightmost group of eight may begin in the last column.
STRIDE = TILE_WIDTH + LANES
PLANE = TILE_HEIGHT * STRIDE
_SPLATS_BETWEEN_CHECKS = 16


def _exponential_coefficients() -> tuple[np.float32, ...]:
    """P of degree 5 with P(e)^8 = exp(-e) to 6e-7 on 0 <= e <= ENERGY_MAX, interpolated at Chebyshev's nodes."""
    nodes = ENERGY_MAX / 2 * (1 - np.cos((2 * np.arange(6) + 1) * np.pi / 12))
    return tuple(np.float32(c) for c in np.polynomial.polynomial.polyfit(nodes, np.exp(-nodes / 8), 5))


_P0, _P1, _P2, _P3, _P4, _P5 = _exponential_coefficients()


@njit(inline="always", **KERNEL)
def alpha_at(energy: Any) -> Any:
    """exp(-energy) in eight lanes, 0 outside the outline."""
    p = ((((energy * _P5 + _P4) * energy + _P3) * energy + _P2) * energy + _P1) * energy + _P0
    p = p * p
    p = p * p
    return where(energy <= f32(ENERGY_MAX), p * p, f32(0))


@njit(inline="always", **KERNEL)
def trace(splat: Floats, left: int, first_row: int, last_row: int, rows: Floats, firsts: Ints, ends: Ints) -> None:
    """Where the outline enters and leaves each row of the tile, and its constants of the energy, eight rows at once.

    `firsts` and `ends` get the columns [first, end); `rows` (3, n) the offset dy, the linear and the constant term.
    """
    middle, slope, span, bend = splat[X] - f32(left), splat[SLOPE], splat[SPAN], splat[BEND]
    xy, yy, rest = splat[XY], splat[YY], splat[REST]
    for row in range(0, last_row - first_row + 1, LANES):
        dy = iota() + (f32(first_row + row) - splat[Y])
        square = span - dy * dy * bend
        half = square_root(where(square > f32(0), square, f32(0)))
        center = dy * slope + middle
        enter, leave = center - half, center + half
        # Rounded outwards by a hundredth of a pixel, since energy has the last word. What is too far away to be a whole
        # number, or is none at all, lies outside.
        enter = where(enter > f32(TILE_WIDTH), f32(TILE_WIDTH), enter)
        store_whole(firsts, row, where(enter > f32(0), enter, f32(0)) + f32(0.99))
        store_whole(
            ends,
            row,
            where(leave > f32(-1), where(leave > f32(TILE_WIDTH - 1), f32(TILE_WIDTH - 1), leave), f32(-1)) + f32(1.01),
        )
        store(rows[0], row, dy)
        store(rows[1], row, dy * xy)
        store(rows[2], row, dy * dy * yy + rest)


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
) -> int:
    """Blend the listed splats into the planes. Returns how many pairs were used before the tile was full."""
    through, red, green, blue, depth = planes[0], planes[1], planes[2], planes[3], planes[4]
    linears, bases = rows[1], rows[2]
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
                store(depth, place, where(t > f32(0.5), z, load(depth, place)))
                store(through, place, t - weight)
                store(red, place, load(red, place) + weight * r)
                store(green, place, load(green, place) + weight * g)
                store(blue, place, load(blue, place) + weight * b)
        if (index - start) % _SPLATS_BETWEEN_CHECKS == _SPLATS_BETWEEN_CHECKS - 1 and is_full(through):
            return index + 1 - start
    return stop - start


@njit(**KERNEL)
def is_full(through: Floats) -> bool:
    """Whether so little light passes through each pixel of a tile that nothing more would show."""
    most = load(through, 0)
    for place in range(LANES, PLANE, LANES):
        t = load(through, place)
        most = where(t > most, t, most)
    return lane_max(most) < f32(TRANSMITTANCE_MIN)


@njit(**KERNEL)
def open_tile(through: Floats, columns: int, row_count: int) -> None:
    """Let light through inside the picture only, so that what lies outside neither draws nor keeps a tile open."""
    for y in range(row_count):
        for x in range(columns):
            through[y * STRIDE + x] = f32(1)


@njit(**KERNEL)
def _blend_tiles(
    splats: Floats,
    tile_starts: Ints,
    pair_splats: Ints,
    color: Floats,
    alpha: Floats,
    depth: Floats,
    used: Ints,
    counter: Ints,
) -> None:
    """Draw tile after tile, as `counter` gives them out."""
    height, width = alpha.shape
    across = (width + TILE_WIDTH - 1) // TILE_WIDTH
    planes = np.empty((5, PLANE), np.float32)
    through, red, green, blue, near = planes[0], planes[1], planes[2], planes[3], planes[4]
    rows = np.empty((3, TILE_HEIGHT + LANES), np.float32)
    columns = np.empty((2, TILE_HEIGHT + LANES), np.int32)
    tile = fetch_add(counter)
    while tile < used.shape[0]:
        left, top = tile % across * TILE_WIDTH, tile // across * TILE_HEIGHT
        right, bottom = min(left + TILE_WIDTH, width), min(top + TILE_HEIGHT, height)
        start, stop = tile_starts[tile], tile_starts[tile + 1]
        used[tile] = 0
        if start == stop:
            for y in range(top, bottom):
                color[y, left:right] = f32(0)
                alpha[y, left:right] = f32(0)
                depth[y, left:right] = f32(FAR)
        else:
            planes[:] = f32(0)
            open_tile(through, right - left, bottom - top)
            used[tile] = _blend_tile(
                splats, pair_splats, start, stop, left, top, height, planes, rows, columns[0], columns[1]
            )
            for y in range(top, bottom):
                offset = (y - top) * STRIDE - left
                for x in range(left, right):
                    place = np.uint64(offset + x)
                    color[y, x, 0] = red[place]
                    color[y, x, 1] = green[place]
                    color[y, x, 2] = blue[place]
                    t = through[place]
                    alpha[y, x] = f32(1) - t
                    depth[y, x] = near[place] if t <= f32(0.5) else f32(FAR)
        tile = fetch_add(counter)


@njit(parallel=True, **KERNEL)
def blend(
    splats: Floats,
    tile_starts: Ints,
    pair_splats: Ints,
    color: Floats,
    alpha: Floats,
    depth: Floats,
    used: Ints,
    workers: int,
) -> None:
    """Draw the binned splats.

    Args:
        color: (H, W, 3) out, premultiplied on black.
        alpha: (H, W) out.
        depth: (H, W) out: depth of the splat that takes accumulated opacity past one half, else `FAR`.
        used: (tiles,) int64 out, how many of each tile's pairs were drawn before it was full.
    """
    counter = np.zeros(1, np.int64)
    for _ in prange(workers):
        _blend_tiles(splats, tile_starts, pair_splats, color, alpha, depth, used, counter)
