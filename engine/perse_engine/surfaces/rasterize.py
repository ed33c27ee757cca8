"""Triangles + camera -> which triangle each pixel sees, where in it, and how far away.

Homogeneous rasterisation (Olano and Greer, "Triangle scan conversion using 2D homogeneous coordinates", 1997): with the
columns of M the corners in homogeneous pixels (x z, y z, z), the solution of M e = (x, y, 1) has e_i = b_i / z, where b
are the perspective-correct barycentrics, and so Σ e_i = 1 / z. Triangles that cross the near plane need no clipping.
Edge functions are cross products, which two triangles sharing an edge negate exactly, so that no pixel falls between.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numba import get_num_threads, njit, prange
from numpy.typing import NDArray

from perse_engine.cameras import Camera

BAND = 8  # rows that one task draws; small, so that heads, which fill the middle, balance over threads


@dataclasses.dataclass(frozen=True, eq=False)
class Fragments:
    """What each of H x W pixels sees, at its centre.

    Attributes:
        triangle: (H, W) int32, -1 where nothing is.
        barycentric: (H, W, 3) float32, perspective-correct, summing to 1 on triangles and 0 elsewhere.
        depth: (H, W) float32 planar camera z, infinite where nothing is.
    """

    triangle: NDArray[np.int32]
    barycentric: NDArray[np.float32]
    depth: NDArray[np.float32]


def rasterize_mesh(vertices: NDArray[np.floating], faces: NDArray[np.integer], camera: Camera) -> Fragments:
    """Draw a mesh into a z-buffer; both sides of a triangle show.

    Args:
        vertices: (V, 3) world units.
        faces: (F, 3) indices into `vertices`.
    """
    edges, boxes = triangle_edges(vertices, faces, camera)
    starts, order = bin_triangles(boxes, camera.height)
    shape = (camera.height, camera.width)
    inverse, triangle = np.empty(shape), np.empty(shape, np.int32)
    nearest_triangles(edges, boxes, starts, order, 1 / camera.near, get_num_threads(), inverse, triangle)
    return Fragments(triangle, *_resolve(triangle, edges))


def triangle_edges(
    vertices: NDArray[np.floating], faces: NDArray[np.integer], camera: Camera
) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """What is linear over the picture, as coefficients of (x, y, 1).

    Returns:
        edges (F, 4, 3): three edge functions, positive inside, proportional to the barycentrics over z, and 1 / z.
        boxes (F, 4) int32: pixels (x0, y0, x1, y1), half open, empty where nothing is to be drawn.
    """
    local = np.asarray(vertices, np.float64) @ camera.view[:3, :3].T + camera.view[:3, 3]
    return _edges(
        np.ascontiguousarray(local),
        np.ascontiguousarray(faces, np.int32),
        np.array([camera.fx, camera.fy, camera.cx, camera.cy, camera.near]),
        camera.width,
        camera.height,
    )


@njit(cache=True, parallel=True)
def _edges(
    local: NDArray, faces: NDArray, lens: NDArray, width: int, height: int
) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    count = faces.shape[0]
    edges = np.zeros((count, 4, 3))
    boxes = np.zeros((count, 4), np.int32)
    fx, fy, cx, cy, near = lens[0], lens[1], lens[2], lens[3], lens[4]
    for f in prange(count):
        x0, y0, x1, y1 = np.inf, np.inf, -np.inf, -np.inf
        corners = np.empty((3, 3))
        for i in range(3):
            p = local[faces[f, i]]
            q = local[faces[f, (i + 1) % 3]]
            corners[i, 0] = fx * p[0] + cx * p[2]
            corners[i, 1] = fy * p[1] + cy * p[2]
            corners[i, 2] = p[2]
            if p[2] >= near:
                x, y = corners[i, 0] / p[2], corners[i, 1] / p[2]
                x0, y0, x1, y1 = min(x0, x), min(y0, y), max(x1, x), max(y1, y)
            if (p[2] >= near) != (q[2] >= near):
                t = (near - p[2]) / (q[2] - p[2])
                x = fx * (p[0] + t * (q[0] - p[0])) / near + cx
                y = fy * (p[1] + t * (q[1] - p[1])) / near + cy
                x0, y0, x1, y1 = min(x0, x), min(y0, y), max(x1, x), max(y1, y)
        if not (x1 >= 0 and y1 >= 0 and x0 <= width and y0 <= height):
            continue
        for i in range(3):
            a, b = corners[(i + 1) % 3], corners[(i + 2) % 3]
            edges[f, i, 0] = a[1] * b[2] - a[2] * b[1]
            edges[f, i, 1] = a[2] * b[0] - a[0] * b[2]
            edges[f, i, 2] = a[0] * b[1] - a[1] * b[0]
        a = corners[0]
        determinant = edges[f, 0, 0] * a[0] + edges[f, 0, 1] * a[1] + edges[f, 0, 2] * a[2]
        # seen edge-on: nothing to draw; written as a comparison that NaN fails
        if not abs(determinant) > 1e-12 * abs(a[2] * corners[1, 2] * corners[2, 2]):
            continue
        # not divided by the determinant: rounding would open cracks between triangles
        for k in range(3):
            for i in range(3):
                edges[f, i, k] *= np.sign(determinant)
                edges[f, 3, k] += edges[f, i, k] / abs(determinant)
        boxes[f, 0] = max(0, np.ceil(max(x0, 0.0) - 0.501))
        boxes[f, 1] = max(0, np.ceil(max(y0, 0.0) - 0.501))
        boxes[f, 2] = min(width, np.floor(min(x1, width) + 0.501))
        boxes[f, 3] = min(height, np.floor(min(y1, height) + 0.501))
    return edges, boxes


@njit(cache=True)
def bin_triangles(boxes: NDArray[np.int32], height: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Triangles by band of rows: (bands + 1,) starts into (pairs,) triangle indices, in ascending order per band."""
    bands = (height + BAND - 1) // BAND
    starts = np.zeros(bands + 1, np.int64)
    for f in range(boxes.shape[0]):
        if boxes[f, 0] < boxes[f, 2] and boxes[f, 1] < boxes[f, 3]:
            for band in range(boxes[f, 1] // BAND, (boxes[f, 3] - 1) // BAND + 1):
                starts[band + 1] += 1
    for band in range(bands):
        starts[band + 1] += starts[band]
    order = np.empty(starts[bands], np.int32)
    cursor = starts[:-1].copy()
    for f in range(boxes.shape[0]):
        if boxes[f, 0] < boxes[f, 2] and boxes[f, 1] < boxes[f, 3]:
            for band in range(boxes[f, 1] // BAND, (boxes[f, 3] - 1) // BAND + 1):
                order[cursor[band]] = f
                cursor[band] += 1
    return starts, order


@njit(cache=True, parallel=True)
def nearest_triangles(
    edges: NDArray[np.float64],
    boxes: NDArray[np.int32],
    starts: NDArray[np.int64],
    order: NDArray[np.int32],
    most: float,
    threads: int,
    inverse: NDArray[np.float64],
    triangle: NDArray[np.int32],
) -> None:
    """Write the nearest triangle of each pixel: `inverse` (H, W) its inverse depth and `triangle` (H, W), -1 for none.

    Args:
        most: inverse of the near distance.
        threads: over which the bands are dealt like cards, as what is to be drawn often lies together.
    """
    height = triangle.shape[0]
    bands = starts.shape[0] - 1
    share = (bands + threads - 1) // threads
    for i in prange(share * threads):
        band = (i % share) * threads + i // share
        if band >= bands:
            continue
        top, bottom = band * BAND, min(height, band * BAND + BAND)
        inverse[top:bottom] = 0.0
        triangle[top:bottom] = -1
        for k in range(starts[band], starts[band + 1]):
            f = order[k]
            a0, a1, a2 = edges[f, 0, 0], edges[f, 1, 0], edges[f, 2, 0]
            b0, b1, b2 = edges[f, 0, 1], edges[f, 1, 1], edges[f, 2, 1]
            c0, c1, c2 = edges[f, 0, 2], edges[f, 1, 2], edges[f, 2, 2]
            a3, b3, c3 = edges[f, 3, 0], edges[f, 3, 1], edges[f, 3, 2]
            for y in range(max(top, boxes[f, 1]), min(bottom, boxes[f, 3])):
                r0 = b0 * (y + 0.5) + c0
                r1 = b1 * (y + 0.5) + c1
                r2 = b2 * (y + 0.5) + c2
                for x in range(boxes[f, 0], boxes[f, 2]):
                    e0 = a0 * (x + 0.5) + r0
                    e1 = a1 * (x + 0.5) + r1
                    e2 = a2 * (x + 0.5) + r2
                    if e0 >= 0 and e1 >= 0 and e2 >= 0:
                        w = a3 * (x + 0.5) + (b3 * (y + 0.5) + c3)
                        if w > inverse[y, x] and w <= most:
                            inverse[y, x] = w
                            triangle[y, x] = f


def all_columns(height: int, width: int) -> NDArray[np.int32]:
    """(H, 2) spans that draw the whole picture."""
    return np.tile(np.array([0, width], np.int32), (height, 1))


@njit(cache=True)
def spans_of(boxes: NDArray[np.int32], height: int) -> NDArray[np.int32]:
    """(H, 2) for each row the columns between the boxes (F, 4) that lie on it, half open; (0, 0) where none does."""
    spans = np.zeros((height, 2), np.int32)
    for f in range(boxes.shape[0]):
        left, right = boxes[f, 0], boxes[f, 2]
        if left >= right:
            continue
        for y in range(boxes[f, 1], boxes[f, 3]):
            if spans[y, 0] == spans[y, 1]:
                spans[y, 0], spans[y, 1] = left, right
            else:
                spans[y, 0], spans[y, 1] = min(spans[y, 0], left), max(spans[y, 1], right)
    return spans


@njit(cache=True, parallel=True)
def _resolve(triangle: NDArray, edges: NDArray) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    height, width = triangle.shape
    barycentric = np.zeros((height, width, 3), np.float32)
    depth = np.full((height, width), np.inf, np.float32)
    for y in prange(height):
        for x in range(width):
            f = triangle[y, x]
            if f >= 0:
                e0 = edges[f, 0, 0] * (x + 0.5) + (edges[f, 0, 1] * (y + 0.5) + edges[f, 0, 2])
                e1 = edges[f, 1, 0] * (x + 0.5) + (edges[f, 1, 1] * (y + 0.5) + edges[f, 1, 2])
                e2 = edges[f, 2, 0] * (x + 0.5) + (edges[f, 2, 1] * (y + 0.5) + edges[f, 2, 2])
                w = e0 + e1 + e2
                barycentric[y, x, 0] = e0 / w
                barycentric[y, x, 1] = e1 / w
                barycentric[y, x, 2] = e2 / w
                depth[y, x] = 1 / (edges[f, 3, 0] * (x + 0.5) + (edges[f, 3, 1] * (y + 0.5) + edges[f, 3, 2]))
    return barycentric, depth
