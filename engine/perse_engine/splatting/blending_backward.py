"""Gradients of blending: from those to the picture to those of every pair of splat and tile."""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from perse_engine.splatting.binning import TILE_HEIGHT, TILE_WIDTH, rows_of
from perse_engine.splatting.blending import PLANE, STRIDE, alpha_at, open_tile, trace
from perse_engine.splatting.jit import KERNEL, Floats, Ints, f32
from perse_engine.splatting.projection import BLUE, GREEN, RED, XX, X
from perse_engine.splatting.simd import LANES, fetch_add, iota, lane_sum, lanes, load, store


@njit(**KERNEL)
def _blend_tile_backward(
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
    gradients: Floats,
) -> None:
    """Walk front to back once more. `behind` holds gradient times colour of all that is still to come.

    With alpha_i in front of what is behind, d(color)/d(alpha_i) = T_i color_i - behind_i / (1 - alpha_i), so neither
    the order need be turned around nor the transmittance divided out.
    """
    through, behind, to_red, to_green, to_blue = planes[0], planes[1], planes[2], planes[3], planes[4]
    offsets, linears, bases = rows[0], rows[1], rows[2]
    zero = lanes(f32(0))
    for index in range(start, stop):
        splat = splats[pairs[index]]
        first_row, last_row = rows_of(splat, height)
        first_row, last_row = max(first_row, top), min(last_row, top + TILE_HEIGHT - 1)
        trace(splat, left, first_row, last_row, rows, firsts, ends)
        middle, xx = splat[X] - f32(left), splat[XX]
        r, g, b = lanes(splat[RED]), lanes(splat[GREEN]), lanes(splat[BLUE])
        moment, moment_x, moment_y = zero, zero, zero
        moment_xx, moment_xy, moment_yy = zero, zero, zero
        sum_red, sum_green, sum_blue = zero, zero, zero
        for row in range(last_row - first_row + 1):
            dy = offsets[row]
            offset = (first_row - top + row) * STRIDE
            for column in range(firsts[row], ends[row], LANES):
                place = offset + column
                dx = iota() + (f32(column) - middle)
                alpha = alpha_at((dx * xx + linears[row]) * dx + bases[row])
                t, rest_behind = load(through, place), load(behind, place)
                gr, gg, gb = load(to_red, place), load(to_green, place), load(to_blue, place)
                weight = alpha * t
                along = (gr * r + gg * g + gb * b) * weight
                rest_behind = rest_behind - along
                store(behind, place, rest_behind)
                store(through, place, t - weight)
                to_energy = alpha * rest_behind / (f32(1) - alpha) - along
                to_x, to_y = to_energy * dx, to_energy * dy
                moment = moment + to_energy
                moment_x = moment_x + to_x
                moment_y = moment_y + to_y
                moment_xx = moment_xx + to_x * dx
                moment_xy = moment_xy + to_x * dy
                moment_yy = moment_yy + to_y * dy
                sum_red = sum_red + weight * gr
                sum_green = sum_green + weight * gg
                sum_blue = sum_blue + weight * gb
        gradient = gradients[index]
        gradient[0], gradient[1], gradient[2] = lane_sum(moment), lane_sum(moment_x), lane_sum(moment_y)
        gradient[3], gradient[4], gradient[5] = lane_sum(moment_xx), lane_sum(moment_xy), lane_sum(moment_yy)
        gradient[6], gradient[7], gradient[8] = lane_sum(sum_red), lane_sum(sum_green), lane_sum(sum_blue)


@njit(**KERNEL)
def _blend_tiles_backward(
    splats: Floats,
    tile_starts: Ints,
    pair_splats: Ints,
    used: Ints,
    color: Floats,
    alpha: Floats,
    to_color: Floats,
    to_alpha: Floats,
    gradients: Floats,
    counter: Ints,
) -> None:
    """Send gradients back through tile after tile, as `counter` gives them out."""
    height, width = alpha.shape
    across = (width + TILE_WIDTH - 1) // TILE_WIDTH
    planes = np.empty((5, PLANE), np.float32)
    through, behind, red, green, blue = planes[0], planes[1], planes[2], planes[3], planes[4]
    rows = np.empty((3, TILE_HEIGHT + LANES), np.float32)
    columns = np.empty((2, TILE_HEIGHT + LANES), np.int32)
    tile = fetch_add(counter)
    while tile < used.shape[0]:
        left, top = tile % across * TILE_WIDTH, tile // across * TILE_HEIGHT
        right, bottom = min(left + TILE_WIDTH, width), min(top + TILE_HEIGHT, height)
        start = tile_starts[tile]
        stop = start + used[tile]
        gradients[stop : tile_starts[tile + 1]] = f32(0)
        if start < stop:
            planes[:] = f32(0)
            open_tile(through, right - left, bottom - top)
            for y in range(top, bottom):
                offset = (y - top) * STRIDE - left
                for x in range(left, right):
                    place = np.uint64(offset + x)
                    r, g, b = to_color[y, x, 0], to_color[y, x, 1], to_color[y, x, 2]
                    red[place], green[place], blue[place] = r, g, b
                    behind[place] = (
                        r * color[y, x, 0]
                        + g * color[y, x, 1]
                        + b * color[y, x, 2]
                        - to_alpha[y, x] * (f32(1) - alpha[y, x])
                    )
            _blend_tile_backward(
                splats, pair_splats, start, stop, left, top, height, planes, rows, columns[0], columns[1], gradients
            )
        tile = fetch_add(counter)


@njit(parallel=True, **KERNEL)
def blend_backward(
    splats: Floats,
    tile_starts: Ints,
    pair_splats: Ints,
    used: Ints,
    color: Floats,
    alpha: Floats,
    to_color: Floats,
    to_alpha: Floats,
    gradients: Floats,
    workers: int,
) -> None:
    """Gradients of each pair, (P, 9), from those of the picture: `to_color` (H, W, 3) and `to_alpha` (H, W)."""
    counter = np.zeros(1, np.int64)
    for _ in prange(workers):
        _blend_tiles_backward(
            splats, tile_starts, pair_splats, used, color, alpha, to_color, to_alpha, gradients, counter
        )
