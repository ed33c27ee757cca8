"""Which splats touch which tile, nearest first, with Warp: one sort of all pairs by tile, then depth."""

from __future__ import annotations

from typing import Any

import warp as wp

from perse_engine.errors import InputError
from perse_engine.splatting.warp_projection import TILE

wp.set_module_options({"enable_backward": False})

# Warp counts what it sorts in 32 bits, and needs room for twice as many.
_MOST_PAIRS = 2**30 - 1
_DEPTH_BITS = 32


@wp.kernel
def list_pairs(
    across: int,
    depths: wp.array[wp.float32],
    tiles: wp.array[wp.vec4i],
    counts: wp.array[wp.int64],
    ends: wp.array[wp.int64],
    keys: wp.array[wp.int64],
    splats: wp.array[wp.int32],
) -> None:
    """Write every splat's pairs before its `ends` (N,): the key is the tile above the depth's bits.

    The bits of positive floats sort like integers.
    """
    i = wp.tid()
    if counts[i] == wp.int64(0):
        return
    pair = int(ends[i] - counts[i])
    box = tiles[i]
    bits = wp.int64(wp.cast(depths[i], wp.int32))
    for row in range(box[1], box[3]):
        for column in range(box[0], box[2]):
            keys[pair] = (wp.int64(row * across + column) << wp.int64(_DEPTH_BITS)) | bits
            splats[pair] = i
            pair += 1


@wp.kernel
def find_tiles(count: int, keys: wp.array[wp.int64], starts: wp.array[wp.int32], stops: wp.array[wp.int32]) -> None:
    """Find where each tile's pairs begin and end among the `count` sorted ones; no others are written."""
    pair = wp.tid()
    tile = int(keys[pair] >> wp.int64(_DEPTH_BITS))
    if pair == 0 or int(keys[wp.max(pair - 1, 0)] >> wp.int64(_DEPTH_BITS)) != tile:
        starts[tile] = pair
    if pair == count - 1 or int(keys[wp.min(pair + 1, count - 1)] >> wp.int64(_DEPTH_BITS)) != tile:
        stops[tile] = pair + 1


def bin_splats(width: int, height: int, depths: Any, tiles: Any, counts: Any) -> tuple[Any, Any, Any]:
    """List each tile's splats.

    Args:
        width, height: of the picture.
        depths, tiles, counts: Warp arrays (N,), see `warp_projection.project`.

    Returns:
        starts and stops (tiles,) int32: tile t owns the pairs starts[t] to stops[t]; and each pair's splat, int32,
        nearest first within a tile, equal depths in the Gaussians' order.

    Raises:
        InputError: "too-many-splats", the lists would not fit.
    """
    device = counts.device
    across, down = -(-width // TILE), -(-height // TILE)
    starts = wp.zeros(across * down, dtype=wp.int32, device=device)
    stops = wp.zeros(across * down, dtype=wp.int32, device=device)
    ends = wp.empty_like(counts)
    wp.utils.array_scan(counts, ends, inclusive=True)
    pairs = int(ends[-1:].numpy()[0]) if len(ends) else 0
    if pairs > _MOST_PAIRS:
        raise InputError(
            "too-many-splats",
            f"{pairs} pairs of Gaussian and tile are too many",
            "draw fewer, smaller or at a lower size",
        )
    keys = wp.empty(2 * pairs, dtype=wp.int64, device=device)
    splats = wp.empty(2 * pairs, dtype=wp.int32, device=device)
    if pairs:
        wp.launch(
            list_pairs, len(counts), inputs=[across, depths, tiles, counts, ends], outputs=[keys, splats], device=device
        )
        wp.utils.radix_sort_pairs(keys, splats, pairs, end_bit=_DEPTH_BITS + (across * down).bit_length())
        wp.launch(find_tiles, pairs, inputs=[pairs, keys], outputs=[starts, stops], device=device)
    return starts, stops, splats
