"""Translucent triangles over each other: the nearest few of each pixel are found once and laid under one another."""

from __future__ import annotations

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from perse_engine.surfaces.mipmaps import FULL
from perse_engine.surfaces.rasterize import BAND

LAYERS = 12  # translucent surfaces behind each other that are still told apart: three sheets of hair, twice, and more
OPAQUE = 0.996
SAME = 1e-9
"""Part of a distance within which two surfaces are one."""


@njit(cache=True, parallel=True)
def draw_layers(
    edges: NDArray,
    boxes: NDArray,
    starts: NDArray,
    order: NDArray,
    corners: NDArray,
    levels: NDArray,
    texels: NDArray,
    sizes: NDArray,
    offsets: NDArray,
    spans: NDArray,
    most: float,
    threads: int,
    color: NDArray,
    seen: NDArray,
    near: NDArray,
) -> None:
    """Draw the columns `spans` (H, 2) of each row, half open: `color` premultiplied, and what covers most.

    Each band of rows keeps the nearest `LAYERS` surfaces of every pixel, then lays them under each other. The bands are
    dealt to the threads like cards, as what is to be drawn often lies together.
    """
    height, bands = spans.shape[0], starts.shape[0] - 1
    share = (bands + threads - 1) // threads
    for i in prange(share * threads):
        band = (i % share) * threads + i // share
        if band >= bands:
            continue
        top, bottom = band * BAND, min(height, band * BAND + BAND)
        left, right = np.int32(2**30), np.int32(0)
        for y in range(top, bottom):
            if spans[y, 0] < spans[y, 1]:
                left, right = min(left, spans[y, 0]), max(right, spans[y, 1])
        if left >= right:
            continue
        count = np.zeros((BAND, right - left), np.uint8)
        depth = np.empty((BAND, right - left, LAYERS))
        which = np.empty((BAND, right - left, LAYERS), np.int32)
        pairs = order[starts[band] : starts[band + 1]]
        _gather(edges, boxes, pairs, spans, most, top, bottom, left, right, count, depth, which)
        for y in range(top, bottom):
            for x in range(spans[y, 0], spans[y, 1]):
                j, c = y - top, x - left
                for layer in range(count[j, c]):
                    f = which[j, c, layer]
                    room = np.float32(1) - color[y, x, 3]
                    alpha = _lay_under(
                        color[y, x], room, f, x + 0.5, y + 0.5, edges, corners, levels[f], texels, sizes, offsets
                    )
                    if alpha > 0.5 * room and seen[y, x] < 0:
                        seen[y, x] = f
                        near[y, x] = 1 / depth[j, c, layer]
                    if color[y, x, 3] >= OPAQUE:
                        break


@njit(cache=True)
def _gather(
    edges: NDArray,
    boxes: NDArray,
    pairs: NDArray,
    spans: NDArray,
    most: float,
    top: int,
    bottom: int,
    left: int,
    right: int,
    count: NDArray,
    depth: NDArray,
    which: NDArray,
) -> None:
    """Find the nearest `LAYERS` of the triangles `pairs` at each pixel of a band: inverse `depth` and `which`."""
    for f in pairs:
        if boxes[f, 0] >= right or boxes[f, 2] <= left:
            continue
        a0, a1, a2 = edges[f, 0, 0], edges[f, 1, 0], edges[f, 2, 0]
        b0, b1, b2 = edges[f, 0, 1], edges[f, 1, 1], edges[f, 2, 1]
        c0, c1, c2 = edges[f, 0, 2], edges[f, 1, 2], edges[f, 2, 2]
        a3, b3, c3 = edges[f, 3, 0], edges[f, 3, 1], edges[f, 3, 2]
        for y in range(max(top, boxes[f, 1]), min(bottom, boxes[f, 3])):
            r0 = b0 * (y + 0.5) + c0
            r1 = b1 * (y + 0.5) + c1
            r2 = b2 * (y + 0.5) + c2
            for x in range(max(spans[y, 0], boxes[f, 0]), min(spans[y, 1], boxes[f, 2])):
                e0 = a0 * (x + 0.5) + r0
                e1 = a1 * (x + 0.5) + r1
                e2 = a2 * (x + 0.5) + r2
                if e0 >= 0 and e1 >= 0 and e2 >= 0:
                    w = a3 * (x + 0.5) + (b3 * (y + 0.5) + c3)
                    if 0 < w <= most:
                        j, c = y - top, x - left
                        count[j, c] = _insert(depth[j, c], which[j, c], count[j, c], w, f)


@njit(cache=True, inline="always")
def _insert(depth: NDArray, which: NDArray, count: int, w: float, face: int) -> int:
    """Put inverse depth `w` into the descending `depth`, of which `count` are used; returns how many then are.

    Of surfaces in the same place one is kept: two triangles share their edge.
    """
    k = count
    while k > 0 and depth[k - 1] < w:
        k -= 1
    if k > 0 and w > depth[k - 1] * (1 - SAME):
        return count
    if k < count and depth[k] > w * (1 - SAME):
        depth[k], which[k] = w, face
        return count
    if k == LAYERS:
        return count
    last = min(count, LAYERS - 1)
    for m in range(last, k, -1):
        depth[m], which[m] = depth[m - 1], which[m - 1]
    depth[k], which[k] = w, face
    return last + 1


@njit(cache=True, inline="always")
def _lay_under(
    pixel: NDArray,
    room: np.float32,
    f: int,
    x: float,
    y: float,
    edges: NDArray,
    corners: NDArray,
    level: int,
    texels: NDArray,
    sizes: NDArray,
    offsets: NDArray,
) -> np.float32:
    """Add what triangle `f` shows at (x, y) to a premultiplied `pixel` (4,) that has `room` left; returns its alpha."""
    e0 = edges[f, 0, 0] * x + (edges[f, 0, 1] * y + edges[f, 0, 2])
    e1 = edges[f, 1, 0] * x + (edges[f, 1, 1] * y + edges[f, 1, 2])
    e2 = edges[f, 2, 0] * x + (edges[f, 2, 1] * y + edges[f, 2, 2])
    w = e0 + e1 + e2
    u = (e0 * corners[f, 0, 0] + e1 * corners[f, 1, 0] + e2 * corners[f, 2, 0]) / w
    v = (e0 * corners[f, 0, 1] + e1 * corners[f, 1, 1] + e2 * corners[f, 2, 1]) / w
    rows, columns, base = sizes[level, 0], sizes[level, 1], offsets[level]
    s = min(max(u * columns - 0.5, 0.0), columns - 1.0)
    t = min(max((1 - v) * rows - 0.5, 0.0), rows - 1.0)
    i, j = int(s), int(t)
    i1, j1 = min(i + 1, columns - 1), min(j + 1, rows - 1)
    p, q = np.float32(s - i), np.float32(t - j)
    k00, k01 = base + j * columns + i, base + j * columns + i1
    k10, k11 = base + j1 * columns + i, base + j1 * columns + i1
    one = np.float32(1)
    w00, w01, w10, w11 = (one - p) * (one - q), p * (one - q), (one - p) * q, p * q
    value = np.float32(0)
    for c in range(4):
        value = w00 * texels[k00, c] + w01 * texels[k01, c] + w10 * texels[k10, c] + w11 * texels[k11, c]
        value *= np.float32(1 / FULL)
        pixel[c] += room * value
    return value
