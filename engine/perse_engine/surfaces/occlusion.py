"""How open a point is to the light around it: ambient and contact occlusion by a mesh.

Zhukov, Iones, Kronin, "An ambient light illumination model", 1998; rays walk a grid as Amanatides and Woo, 1987, do.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

RAYS = 48
MOST_CELLS = 96
"""Cells of the grid along one axis."""


def ambient_occlusion(
    points: NDArray[np.floating],
    normals: NDArray[np.floating],
    vertices: NDArray[np.floating],
    faces: NDArray[np.integer],
    reach: float,
) -> NDArray[np.float32]:
    """(N,) in [0, 1]: 1 where nothing of the mesh stands over a point, 0 where it lies on it.

    The mean over directions of 1 − (1 − t / `reach`)², with t the distance at which the mesh blocks one; directions are
    as dense as a matt surface receives light from them.

    Args:
        points: (N, 3) metres.
        normals: (N, 3) unit length.
        vertices: (V, 3) of what stands in the way.
        faces: (F, 3); both of their sides block.
        reach: metres beyond which nothing counts, above zero.
    """
    origin = np.ascontiguousarray(points, np.float64)
    up = np.ascontiguousarray(normals, np.float64)
    corners = np.asarray(vertices, np.float64)[np.asarray(faces)]
    if not len(origin) or not len(corners):
        return np.ones(len(origin), np.float32)
    near = (corners.max(1) >= origin.min(0) - reach).all(1) & (corners.min(1) <= origin.max(0) + reach).all(1)
    corners = np.ascontiguousarray(corners[near])
    if not len(corners):
        return np.ones(len(origin), np.float32)
    low = corners.min((0, 1)) - 1e-6
    span = corners.max((0, 1)) + 1e-6 - low
    cell = max(reach / 16, float(span.max()) / MOST_CELLS)
    size = np.maximum(np.ceil(span / cell).astype(np.int64), 1)
    start, members = _grid(corners, low, cell, size)
    return _cast(origin, up, corners, low, cell, size, start, members, _directions(), float(reach))


def _directions() -> NDArray[np.float64]:
    """(RAYS, 3) around +z, as dense as their cosine: a sunflower's seeds, lifted to the hemisphere."""
    k = np.arange(RAYS) + 0.5
    radius, angle = np.sqrt(k / RAYS), k * math.pi * (3 - math.sqrt(5))
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), np.sqrt(1 - radius**2)], 1)


@njit(cache=True)
def _grid(corners: NDArray, low: NDArray, cell: float, size: NDArray) -> tuple[NDArray, NDArray]:
    """Which triangles touch the box of each cell: `members[start[c] : start[c + 1]]`."""
    count = np.zeros(size[0] * size[1] * size[2] + 1, np.int64)
    members = np.zeros(0, np.int32)
    for filling in (False, True):
        if filling:
            for c in range(len(count) - 1, 0, -1):
                count[c] = count[c - 1]
            count[0] = 0
            for c in range(1, len(count)):
                count[c] += count[c - 1]
            members = np.zeros(count[-1], np.int32)
            place = count[:-1].copy()
        for f in range(corners.shape[0]):
            first = np.zeros(3, np.int64)
            last = np.zeros(3, np.int64)
            for k in range(3):
                least = min(corners[f, 0, k], corners[f, 1, k], corners[f, 2, k])
                most = max(corners[f, 0, k], corners[f, 1, k], corners[f, 2, k])
                first[k] = max(int((least - low[k]) / cell), 0)
                last[k] = min(int((most - low[k]) / cell), size[k] - 1)
            for x in range(first[0], last[0] + 1):
                for y in range(first[1], last[1] + 1):
                    for z in range(first[2], last[2] + 1):
                        c = (x * size[1] + y) * size[2] + z
                        if filling:
                            members[place[c]] = f
                            place[c] += 1
                        else:
                            count[c] += 1
    return count, members


@njit(cache=True, parallel=True, nogil=True)
def _cast(
    origin: NDArray,
    up: NDArray,
    corners: NDArray,
    low: NDArray,
    cell: float,
    size: NDArray,
    start: NDArray,
    members: NDArray,
    directions: NDArray,
    reach: float,
) -> NDArray:
    result = np.ones(origin.shape[0], np.float32)
    for n in prange(origin.shape[0]):
        z0, z1, z2 = up[n, 0], up[n, 1], up[n, 2]
        # a frame around the normal without a square root: Duff et al., 2017
        sign = 1.0 if z2 >= 0 else -1.0
        a = -1.0 / (sign + z2)
        b = z0 * z1 * a
        p = origin[n] + up[n] * (0.01 * reach)
        total = 0.0
        for k in range(directions.shape[0]):
            dx, dy, dz = directions[k, 0], directions[k, 1], directions[k, 2]
            d0 = dx * (1.0 + sign * z0 * z0 * a) + dy * b + dz * z0
            d1 = dx * sign * b + dy * (sign + z1 * z1 * a) + dz * z1
            d2 = -dx * sign * z0 - dy * z1 + dz * z2
            t = _nearest(p, d0, d1, d2, corners, low, cell, size, start, members, reach)
            near = 1.0 - t / reach
            total += 1.0 - near * near
        result[n] = total / directions.shape[0]
    return result


@njit(cache=True, nogil=True)
def _nearest(
    p: NDArray,
    d0: float,
    d1: float,
    d2: float,
    corners: NDArray,
    low: NDArray,
    cell: float,
    size: NDArray,
    start: NDArray,
    members: NDArray,
    reach: float,
) -> float:
    """Distance to the first triangle along a ray, at most `reach`."""
    direction = (d0, d1, d2)
    enter, leave = 0.0, reach
    for k in range(3):
        most = low[k] + size[k] * cell
        if abs(direction[k]) < 1e-12:
            if p[k] < low[k] or p[k] > most:
                return reach
            continue
        t0, t1 = (low[k] - p[k]) / direction[k], (most - p[k]) / direction[k]
        enter, leave = max(enter, min(t0, t1)), min(leave, max(t0, t1))
    if enter >= leave:
        return reach
    at = np.empty(3, np.int64)
    step = np.empty(3, np.int64)
    following = np.empty(3)
    stride = np.empty(3)
    for k in range(3):
        place = (p[k] + direction[k] * (enter + 1e-9) - low[k]) / cell
        at[k] = min(max(int(place), 0), size[k] - 1)
        if abs(direction[k]) < 1e-12:
            step[k], following[k], stride[k] = 0, np.inf, np.inf
        else:
            step[k] = 1 if direction[k] > 0 else -1
            border = low[k] + (at[k] + (1 if step[k] > 0 else 0)) * cell
            following[k] = (border - p[k]) / direction[k]
            stride[k] = cell / abs(direction[k])
    best = reach
    while True:
        c = (at[0] * size[1] + at[1]) * size[2] + at[2]
        for m in range(start[c], start[c + 1]):
            best = min(best, _hit(p, d0, d1, d2, corners[members[m]], best))
        k = 0 if following[0] < following[1] else 1
        k = k if following[k] < following[2] else 2
        if following[k] >= min(best, leave):
            return best
        at[k] += step[k]
        if at[k] < 0 or at[k] >= size[k]:
            return best
        following[k] += stride[k]


@njit(cache=True, nogil=True, inline="always")
def _hit(p: NDArray, d0: float, d1: float, d2: float, triangle: NDArray, best: float) -> float:
    """Distance at which a ray meets a triangle, or `best`. Möller, Trumbore, 1997."""
    e0, e1, e2 = triangle[1, 0] - triangle[0, 0], triangle[1, 1] - triangle[0, 1], triangle[1, 2] - triangle[0, 2]
    f0, f1, f2 = triangle[2, 0] - triangle[0, 0], triangle[2, 1] - triangle[0, 1], triangle[2, 2] - triangle[0, 2]
    q0, q1, q2 = d1 * f2 - d2 * f1, d2 * f0 - d0 * f2, d0 * f1 - d1 * f0
    determinant = e0 * q0 + e1 * q1 + e2 * q2
    if abs(determinant) < 1e-16:
        return best
    s0, s1, s2 = p[0] - triangle[0, 0], p[1] - triangle[0, 1], p[2] - triangle[0, 2]
    u = (s0 * q0 + s1 * q1 + s2 * q2) / determinant
    if u < 0 or u > 1:
        return best
    r0, r1, r2 = s1 * e2 - s2 * e1, s2 * e0 - s0 * e2, s0 * e1 - s1 * e0
    v = (d0 * r0 + d1 * r1 + d2 * r2) / determinant
    if v < 0 or u + v > 1:
        return best
    t = (f0 * r0 + f1 * r1 + f2 * r2) / determinant
    return t if 0 < t < best else best
