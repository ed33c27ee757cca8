"""How far a camera sees before meshes stop it, at several places in each pixel, so that their edges come out soft."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numba import get_num_threads, njit, prange
from numpy.typing import NDArray

from perse_engine.cameras import Camera
from perse_engine.surfaces.rasterize import BAND, bin_triangles, triangle_edges

PLACES = (np.array([(0, 3), (1, 6), (2, 0), (3, 5), (4, 1), (5, 7), (6, 2), (7, 4)]) + 0.5) / 8
"""(8, 2) x and y in the pixel, no two in a row, a column or on a diagonal: edges of any slope have nine levels."""

Mesh = tuple[NDArray[np.floating], NDArray[np.integer]]
"""Corners (V, 3) in the world and triangles (T, 3) of their indices."""


def barrier_depths(meshes: Sequence[Mesh], camera: Camera) -> NDArray[np.float32]:
    """Planar camera z of the nearest surface, (8, H, W) float32: at each of `PLACES`, infinite where there is none.

    What is nearer than the camera's near distance does not stop it.
    """
    if camera.orthographic:
        return _parallel_depths(meshes, camera)
    inverse = np.zeros((len(PLACES), camera.height, camera.width), np.float32)
    for corners, triangles in meshes:
        edges, boxes = triangle_edges(corners, triangles, camera)
        _widen(edges, boxes, camera.width, camera.height)
        starts, order = bin_triangles(boxes, camera.height)
        _nearest(edges, boxes, starts, order, 1 / camera.near, get_num_threads(), PLACES, inverse)
    with np.errstate(divide="ignore"):
        depths: NDArray[np.float32] = np.divide(np.float32(1), inverse, out=inverse)
    return depths


def _parallel_depths(meshes: Sequence[Mesh], camera: Camera) -> NDArray[np.float32]:
    """As `barrier_depths` for an orthographic camera.

    With w = 1 / (1 - z / reach), a pinhole sees (x w, y w, w) where parallel rays see (x, y, z), and what is straight
    stays straight. `reach` is beyond everything, so w is positive.
    """
    placed = [(corners @ camera.view[:3, :3].T + camera.view[:3, 3], triangles) for corners, triangles in meshes]
    farthest = max((float(corners[:, 2].max()) for corners, _ in placed if len(corners)), default=0.0)
    reach = 2 * max(farthest, camera.near)
    bent = []
    for corners, triangles in placed:
        w = 1 / (1 - corners[:, 2:] / reach)
        bent.append((np.hstack([corners[:, :2] * w, w]), triangles))
    near = 1 / (1 - camera.near / reach)
    pinhole = dataclasses.replace(camera, view=np.eye(4), near=near, orthographic=False)
    depths = ((1 - 1 / barrier_depths(bent, pinhole)) * reach).astype(np.float32)
    depths[depths >= reach * (1 - 1e-6)] = np.inf
    return depths


@njit(cache=True)
def _widen(edges: NDArray[np.float64], boxes: NDArray[np.int32], width: int, height: int) -> None:
    """Pixels whose centre a triangle misses may still have a place that it covers."""
    for f in range(boxes.shape[0]):
        if edges[f, 0, 0] == 0 and edges[f, 0, 1] == 0 and edges[f, 1, 0] == 0 and edges[f, 1, 1] == 0:
            continue  # not to be drawn
        boxes[f, 0] = max(0, boxes[f, 0] - 1)
        boxes[f, 1] = max(0, boxes[f, 1] - 1)
        boxes[f, 2] = min(width, boxes[f, 2] + 1)
        boxes[f, 3] = min(height, boxes[f, 3] + 1)


@njit(cache=True, parallel=True)
def _nearest(
    edges: NDArray[np.float64],
    boxes: NDArray[np.int32],
    starts: NDArray[np.int64],
    order: NDArray[np.int32],
    most: float,
    threads: int,
    places: NDArray[np.float64],
    inverse: NDArray[np.float32],
) -> None:
    """Raise `inverse` (8, H, W), the inverse depth, to that of the binned triangles where they are nearer."""
    samples, height = inverse.shape[0], inverse.shape[1]
    bands = starts.shape[0] - 1
    share = (bands + threads - 1) // threads
    for i in prange(share * threads):
        band = (i % share) * threads + i // share
        if band >= bands:
            continue
        top, bottom = band * BAND, min(height, band * BAND + BAND)
        for k in range(starts[band], starts[band + 1]):
            f = order[k]
            a0, a1, a2, a3 = edges[f, 0, 0], edges[f, 1, 0], edges[f, 2, 0], edges[f, 3, 0]
            b0, b1, b2, b3 = edges[f, 0, 1], edges[f, 1, 1], edges[f, 2, 1], edges[f, 3, 1]
            c0, c1, c2, c3 = edges[f, 0, 2], edges[f, 1, 2], edges[f, 2, 2], edges[f, 3, 2]
            # what an edge function may differ by between a pixel's corner and its places
            low0, low1, low2 = min(a0, 0.0) + min(b0, 0.0), min(a1, 0.0) + min(b1, 0.0), min(a2, 0.0) + min(b2, 0.0)
            high0, high1, high2 = max(a0, 0.0) + max(b0, 0.0), max(a1, 0.0) + max(b1, 0.0), max(a2, 0.0) + max(b2, 0.0)
            for y in range(max(top, boxes[f, 1]), min(bottom, boxes[f, 3])):
                r0, r1, r2, r3 = b0 * y + c0, b1 * y + c1, b2 * y + c2, b3 * y + c3
                for x in range(boxes[f, 0], boxes[f, 2]):
                    e0, e1, e2, w = a0 * x + r0, a1 * x + r1, a2 * x + r2, a3 * x + r3
                    if e0 + high0 < 0 or e1 + high1 < 0 or e2 + high2 < 0:
                        continue
                    whole = e0 + low0 >= 0 and e1 + low1 >= 0 and e2 + low2 >= 0
                    for s in range(samples):
                        dx, dy = places[s, 0], places[s, 1]
                        if whole or (
                            e0 + (a0 * dx + b0 * dy) >= 0
                            and e1 + (a1 * dx + b1 * dy) >= 0
                            and e2 + (a2 * dx + b2 * dy) >= 0
                        ):
                            at = w + (a3 * dx + b3 * dy)
                            if at > inverse[s, y, x] and at <= most:
                                inverse[s, y, x] = at
