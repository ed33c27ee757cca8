"""Which splats touch which tile, nearest first.

One radix sort by depth, then a counted scatter in that order: each tile's list comes out sorted. Work is cut into runs
of splats, one a worker, whose counts are summed first, so that the lists do not depend on the number of workers.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from perse_engine.splatting.jit import KERNEL, Floats, Ints, f32
from perse_engine.splatting.projection import BEND, CORNER, REACH_X, REACH_Y, SLOPE, SPAN, X, Y

TILE_WIDTH = 32
TILE_HEIGHT = 16

_DIGIT = 11
_BUCKETS = 1 << _DIGIT


@njit(**KERNEL)
def depth_order(depths: Floats) -> NDArray[np.int32]:
    """Indices (M,) int32 of the depths >= 0, nearest first; equal depths keep their order.

    The bits of positive floats sort like integers.
    """
    bits = depths.view(np.uint32)
    keys = np.empty((2, depths.shape[0]), np.uint32)
    ids = np.empty((2, depths.shape[0]), np.int32)
    count = 0
    low, high = np.uint32(0xFFFFFFFF), np.uint32(0)
    for i in range(depths.shape[0]):
        if depths[i] >= f32(0):
            keys[0, count] = bits[i]
            ids[0, count] = i
            low = min(low, bits[i])
            high = max(high, bits[i])
            count += 1
    if count == 0:
        return ids[0, :0]
    starts = np.empty(_BUCKETS, np.int32)
    source = 0
    shift = np.uint32(0)
    while shift < 32 and ((high - low) >> shift) > 0:
        starts[:] = 0
        for k in range(count):
            starts[((keys[source, k] - low) >> shift) & np.uint32(_BUCKETS - 1)] += 1
        total = np.int32(0)
        for bucket in range(_BUCKETS):
            size = starts[bucket]
            starts[bucket] = total
            total += size
        for k in range(count):
            bucket = ((keys[source, k] - low) >> shift) & np.uint32(_BUCKETS - 1)
            place = starts[bucket]
            starts[bucket] = place + 1
            keys[1 - source, place] = keys[source, k]
            ids[1 - source, place] = ids[source, k]
        source = 1 - source
        shift += np.uint32(_DIGIT)
    return ids[source, :count]


@njit(inline="always", **KERNEL)
def _ceiling(value: float) -> int:
    """The least integer >= value >= 0; `math.ceil` would be a call."""
    whole = int(value)
    return whole + 1 if f32(whole) < value else whole


@njit(inline="always", **KERNEL)
def _half_width(splat: Floats, dy: float) -> float:
    """Half the length of the outline's row at `dy` pixels below the centre."""
    return math.sqrt(max(splat[SPAN] - splat[BEND] * dy * dy, f32(0)))


@njit(inline="always", **KERNEL)
def rows_of(splat: Floats, height: int) -> tuple[int, int]:
    """First and last pixel row whose centres the outline reaches; the last is before the first where there is none."""
    first = _ceiling(min(max(splat[Y] - splat[REACH_Y], f32(0)), f32(height)))
    last = int(min(max(splat[Y] + splat[REACH_Y], f32(-1)) + f32(1), f32(height))) - 1
    return first, last


@njit(inline="always", **KERNEL)
def _box_columns(splat: Floats, width: int) -> tuple[int, int]:
    """First and last pixel column that the outline reaches."""
    first = _ceiling(min(max(splat[X] - splat[REACH_X], f32(0)), f32(width)))
    last = int(min(max(splat[X] + splat[REACH_X], f32(-1)) + f32(1), f32(width))) - 1
    return first, last


@njit(inline="always", **KERNEL)
def _columns(splat: Floats, first_row: int, last_row: int, width: int) -> tuple[int, int]:
    """First and last pixel column that the outline reaches between two rows."""
    up = max(f32(first_row) - splat[Y], -splat[REACH_Y])
    down = min(f32(last_row) - splat[Y], splat[REACH_Y])
    up_half, down_half = _half_width(splat, up), _half_width(splat, down)
    up_middle, down_middle = splat[SLOPE] * up, splat[SLOPE] * down
    corner = splat[CORNER]
    left = -splat[REACH_X] if up <= -corner <= down else min(up_middle - up_half, down_middle - down_half)
    right = splat[REACH_X] if up <= corner <= down else max(up_middle + up_half, down_middle + down_half)
    first = _ceiling(min(max(splat[X] + left, f32(0)), f32(width)))
    last = int(min(max(splat[X] + right, f32(-1)) + f32(1), f32(width))) - 1
    return first, last


@njit(**KERNEL)
def _copy_run(
    splats: Floats,
    order: Ints,
    start: int,
    stop: int,
    width: int,
    height: int,
    sorted_splats: Floats,
    most_pairs: Ints,
) -> None:
    """Copy a run of splats into drawing order and count the tiles of their bounding boxes."""
    for k in range(start, stop):
        splat, source = sorted_splats[k], splats[order[k]]
        for c in range(splat.shape[0]):
            splat[c] = source[c]
        first_row, last_row = rows_of(splat, height)
        first, last = _box_columns(splat, width)
        across = last // TILE_WIDTH - first // TILE_WIDTH + 1
        down = last_row // TILE_HEIGHT - first_row // TILE_HEIGHT + 1
        most_pairs[k] = max(across, 0) * max(down, 0)


@njit(**KERNEL)
def _list_run(
    splats: Floats,
    start: int,
    stop: int,
    width: int,
    height: int,
    across: int,
    starts: Ints,
    pair_counts: Ints,
    pair_tiles: Ints,
    tile_counts: Ints,
) -> None:
    """List the tiles that each splat of a run touches, and count each tile's splats."""
    tile_counts[:] = 0
    for k in range(start, stop):
        splat = splats[k]
        pair = starts[k]
        first_row, last_row = rows_of(splat, height)
        left, right = _box_columns(splat, width)
        if first_row <= last_row and left <= right:
            first, last = left, right
            narrow = first // TILE_WIDTH == last // TILE_WIDTH
            for tile_y in range(first_row // TILE_HEIGHT, last_row // TILE_HEIGHT + 1):
                if not narrow:
                    top = tile_y * TILE_HEIGHT
                    first, last = _columns(splat, max(first_row, top), min(last_row, top + TILE_HEIGHT - 1), width)
                    # Rounding must not take an outline out of the box that room was counted for.
                    first, last = max(first, left), min(last, right)
                    if first > last:
                        continue
                for tile in range(tile_y * across + first // TILE_WIDTH, tile_y * across + last // TILE_WIDTH + 1):
                    tile_counts[tile] += 1
                    pair_tiles[pair] = tile
                    pair += 1
        pair_counts[k] = pair - starts[k]


@njit(**KERNEL)
def _scatter_run(
    start: int,
    stop: int,
    starts: Ints,
    pair_counts: Ints,
    pairs: Ints,
    places: Ints,
    pair_splats: Ints,
) -> None:
    """Put a run of splats into their tiles' lists; each pair's tile is overwritten with its place there."""
    for k in range(start, stop):
        for pair in range(starts[k], starts[k] + pair_counts[k]):
            tile = pairs[pair]
            place = places[tile]
            places[tile] = place + 1
            pair_splats[place] = k
            pairs[pair] = place


@njit(**KERNEL)
def _starts_of(sizes: Ints) -> int:
    """Turn sizes into the sums of those before them; returns the whole."""
    total = 0
    for k in range(sizes.shape[0]):
        size = sizes[k]
        sizes[k] = total
        total += size
    return total


@njit(**KERNEL)
def _tile_starts_of(counts: Ints) -> Ints:
    """Turn the workers' counts per tile into where each worker's splats begin; returns where each tile begins."""
    workers, tiles = counts.shape
    starts = np.empty(tiles + 1, np.int64)
    total = 0
    for tile in range(tiles):
        starts[tile] = total
        for worker in range(workers):
            size = counts[worker, tile]
            counts[worker, tile] = total
            total += size
    starts[tiles] = total
    return starts


@njit(parallel=True, **KERNEL)
def bin_splats(
    splats: Floats,
    order: Ints,
    width: int,
    height: int,
    workers: int,
) -> tuple[Floats, Ints, Ints, Ints, Ints, Ints]:
    """Cut the picture into tiles and list each tile's splats.

    Args:
        splats: (N, 16) in the Gaussians' order.
        order: (M,) the visible ones, nearest first.

    Returns:
        sorted_splats (M, 16); tile_starts (tiles + 1,): tile t owns pairs tile_starts[t] to tile_starts[t + 1];
        pair_splats (P,): index into sorted_splats, ascending within a tile; splat_starts and splat_counts (M,) and
        slots: splat k owns the splat_counts[k] pairs slots[splat_starts[k]] and following.
    """
    across = (width + TILE_WIDTH - 1) // TILE_WIDTH
    tiles = across * ((height + TILE_HEIGHT - 1) // TILE_HEIGHT)
    visible = order.shape[0]
    sorted_splats = np.empty((visible, splats.shape[1]), np.float32)
    splat_starts = np.empty(visible, np.int64)
    splat_counts = np.empty(visible, np.int32)
    for worker in prange(workers):
        start, stop = visible * worker // workers, visible * (worker + 1) // workers
        _copy_run(splats, order, start, stop, width, height, sorted_splats, splat_starts)
    slots = np.empty(_starts_of(splat_starts), np.int32)
    counts = np.empty((workers, tiles), np.int32)
    for worker in prange(workers):
        start, stop = visible * worker // workers, visible * (worker + 1) // workers
        _list_run(sorted_splats, start, stop, width, height, across, splat_starts, splat_counts, slots, counts[worker])
    tile_starts = _tile_starts_of(counts)
    pair_splats = np.empty(tile_starts[tiles], np.int32)
    for worker in prange(workers):
        start, stop = visible * worker // workers, visible * (worker + 1) // workers
        _scatter_run(start, stop, splat_starts, splat_counts, slots, counts[worker], pair_splats)
    return sorted_splats, tile_starts, pair_splats, splat_starts, splat_counts, slots


@njit(**KERNEL)
def _gather_run(
    start: int,
    stop: int,
    pair_gradients: Floats,
    splat_starts: Ints,
    splat_counts: Ints,
    slots: Ints,
    order: Ints,
    gradients: Floats,
) -> None:
    for k in range(start, stop):
        total = gradients[order[k]]
        total[:] = f32(0)
        for pair in range(splat_starts[k], splat_starts[k] + splat_counts[k]):
            part = pair_gradients[slots[pair]]
            for c in range(total.shape[0]):
                total[c] += part[c]


@njit(parallel=True, **KERNEL)
def gather(
    pair_gradients: Floats,
    splat_starts: Ints,
    splat_counts: Ints,
    slots: Ints,
    order: Ints,
    gradients: Floats,
    workers: int,
) -> None:
    """Add up what each splat's pairs say, in a fixed order: (P, 9), tile by tile, to (N, 9), Gaussian by Gaussian."""
    visible = order.shape[0]
    for worker in prange(workers):
        start, stop = visible * worker // workers, visible * (worker + 1) // workers
        _gather_run(start, stop, pair_gradients, splat_starts, splat_counts, slots, order, gradients)
