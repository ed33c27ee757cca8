"""Smooth normals of a mesh."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray


def vertex_normals(vertices: NDArray[np.floating], faces: NDArray[np.integer]) -> NDArray[np.float32]:
    """(V, 3) unit normals: the area-weighted mean over the triangles around each vertex; zero at unused vertices.

    Args:
        vertices: (V, 3).
        faces: (F, 3), counter-clockwise from outside.
    """
    return _normals(np.ascontiguousarray(vertices, np.float64), np.ascontiguousarray(faces, np.int32))


@njit(cache=True)
def _normals(vertices: NDArray, faces: NDArray) -> NDArray[np.float32]:
    total = np.zeros(vertices.shape)
    for f in range(faces.shape[0]):
        a, b, c = vertices[faces[f, 0]], vertices[faces[f, 1]], vertices[faces[f, 2]]
        u0, u1, u2 = b[0] - a[0], b[1] - a[1], b[2] - a[2]
        v0, v1, v2 = c[0] - a[0], c[1] - a[1], c[2] - a[2]
        n0, n1, n2 = u1 * v2 - u2 * v1, u2 * v0 - u0 * v2, u0 * v1 - u1 * v0
        for i in range(3):
            v = faces[f, i]
            total[v, 0] += n0
            total[v, 1] += n1
            total[v, 2] += n2
    normals = np.zeros(vertices.shape, np.float32)
    for v in range(vertices.shape[0]):
        length = np.sqrt(total[v, 0] ** 2 + total[v, 1] ** 2 + total[v, 2] ** 2)
        if length > 0:
            for k in range(3):
                normals[v, k] = total[v, k] / length
    return normals
