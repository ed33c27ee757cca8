"""How Gaussians ride a deforming mesh: one smooth rotation and one deformation gradient for every vertex.

The deformation gradient of a triangle maps its bind edges and unit normal to the posed ones (Sumner and Popović,
"Deformation transfer for triangle meshes", 2004). A vertex takes the area-weighted mean of its triangles', so slivers
at lids and lips weigh nothing and neighbours agree, across seams of the texture too.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from perse_engine.heads.figure import Figure

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]

FRAME = 16
"""Floats for each vertex: position (3), deformation gradient by rows (9), rotation as quaternion w x y z (4)."""


@dataclasses.dataclass(frozen=True, eq=False)
class Binding:
    """What the bind mesh contributes to every frame. V vertices, F triangles.

    Attributes:
        faces: (F, 3) int32.
        inverses: (F, 3, 3) inverse of [edge, edge, unit normal] at bind, times the triangle's area.
        starts: (V + 1,) and
        triangles: (3 F,) the triangles around each vertex.
        areas: (V,) the summed area of those triangles, square metres.
    """

    faces: Ints
    inverses: Floats
    starts: Ints
    triangles: Ints
    areas: Floats


def bind(figure: Figure) -> Binding:
    """Prepare the bind mesh of `figure`. Triangles without area are left out of every mean."""
    faces = np.ascontiguousarray(figure.faces, np.int32)
    corners = figure.vertices.astype(np.float64)[faces]
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    normals = np.cross(first, second)
    doubled = np.linalg.norm(normals, axis=1)
    edge = np.maximum(np.linalg.norm(first, axis=1), np.linalg.norm(second, axis=1))
    sound = doubled > 1e-3 * np.maximum(edge, 1e-9) ** 2
    normals[sound] /= doubled[sound, None]
    frames = np.stack([first, second, normals], -1)
    frames[~sound] = np.eye(3)
    areas = np.where(sound, doubled / 2, 0.0)
    inverses = np.linalg.inv(frames) * areas[:, None, None]

    order = np.argsort(faces.ravel(), kind="stable")
    starts = np.zeros(len(figure.vertices) + 1, np.int32)
    np.cumsum(np.bincount(faces.ravel(), minlength=len(figure.vertices)), out=starts[1:])
    around = np.bincount(faces.ravel(), np.repeat(areas, 3), minlength=len(figure.vertices))
    return Binding(faces, inverses.astype(np.float32), starts, (order // 3).astype(np.int32), around.astype(np.float32))


def vertex_frames(binding: Binding, posed: Floats) -> Floats:
    """The frame of every vertex of the `posed` (V, 3) mesh, (V, `FRAME`) float32."""
    gradients = np.empty((len(binding.faces), 9), np.float32)
    frames = np.empty((len(posed), FRAME), np.float32)
    _triangle_gradients(posed, binding.faces, binding.inverses, gradients)
    _vertex_frames(posed, gradients, binding.starts, binding.triangles, binding.areas, frames)
    return frames


@numba.njit(parallel=True, fastmath=True, cache=True, nogil=True)
def _triangle_gradients(posed: Floats, faces: Ints, inverses: Floats, out: Floats) -> None:
    for t in numba.prange(faces.shape[0]):
        a, b, c = faces[t, 0], faces[t, 1], faces[t, 2]
        ex, ey, ez = posed[b, 0] - posed[a, 0], posed[b, 1] - posed[a, 1], posed[b, 2] - posed[a, 2]
        fx, fy, fz = posed[c, 0] - posed[a, 0], posed[c, 1] - posed[a, 1], posed[c, 2] - posed[a, 2]
        nx, ny, nz = ey * fz - ez * fy, ez * fx - ex * fz, ex * fy - ey * fx
        scale = np.float32(1.0) / (math.sqrt(nx * nx + ny * ny + nz * nz) + np.float32(1e-20))
        nx, ny, nz = nx * scale, ny * scale, nz * scale
        for j in range(3):
            u, v, w = inverses[t, 0, j], inverses[t, 1, j], inverses[t, 2, j]
            out[t, j] = ex * u + fx * v + nx * w
            out[t, 3 + j] = ey * u + fy * v + ny * w
            out[t, 6 + j] = ez * u + fz * v + nz * w


@numba.njit(inline="always")
def _polar(m: tuple[Any, ...]) -> tuple[Any, ...]:
    """The rotation nearest to the 3x3 matrix `m` (nine floats), by Higham's iteration; identity where it has none."""
    one, half = np.float32(1.0), np.float32(0.5)
    a, b, c, d, e, f, g, h, i = m
    for _ in range(8):
        ca, cb, cc = e * i - f * h, f * g - d * i, d * h - e * g
        determinant = a * ca + b * cb + c * cc
        if determinant < np.float32(1e-4):
            return (one, one * 0, one * 0, one * 0, one, one * 0, one * 0, one * 0, one)
        r = half / determinant
        cd, ce, cf = c * h - b * i, a * i - c * g, b * g - a * h
        cg, ch, ci = b * f - c * e, c * d - a * f, a * e - b * d
        na, nb, nc = half * a + r * ca, half * b + r * cb, half * c + r * cc
        nd, ne, nf = half * d + r * cd, half * e + r * ce, half * f + r * cf
        ng, nh, ni = half * g + r * cg, half * h + r * ch, half * i + r * ci
        change = abs(na - a) + abs(ne - e) + abs(ni - i) + abs(nb - b) + abs(nf - f) + abs(ng - g)
        a, b, c, d, e, f, g, h, i = na, nb, nc, nd, ne, nf, ng, nh, ni
        if change < np.float32(1e-5):
            break
    return (a, b, c, d, e, f, g, h, i)


@numba.njit(parallel=True, fastmath=True, cache=True, nogil=True)
def _vertex_frames(posed: Floats, gradients: Floats, starts: Ints, triangles: Ints, areas: Floats, out: Floats) -> None:
    one, quarter, two = np.float32(1.0), np.float32(0.25), np.float32(2.0)
    for v in numba.prange(posed.shape[0]):
        out[v, 0], out[v, 1], out[v, 2] = posed[v, 0], posed[v, 1], posed[v, 2]
        if areas[v] <= np.float32(1e-14):
            for k in range(3, 16):
                out[v, k] = np.float32(0.0)
            out[v, 3] = out[v, 7] = out[v, 11] = out[v, 12] = one
            continue
        a = b = c = d = e = f = g = h = i = np.float32(0.0)
        for n in range(starts[v], starts[v + 1]):
            t = triangles[n]
            a += gradients[t, 0]
            b += gradients[t, 1]
            c += gradients[t, 2]
            d += gradients[t, 3]
            e += gradients[t, 4]
            f += gradients[t, 5]
            g += gradients[t, 6]
            h += gradients[t, 7]
            i += gradients[t, 8]
        share = one / areas[v]
        matrix = (a * share, b * share, c * share, d * share, e * share, f * share, g * share, h * share, i * share)
        out[v, 3], out[v, 4], out[v, 5] = matrix[0], matrix[1], matrix[2]
        out[v, 6], out[v, 7], out[v, 8] = matrix[3], matrix[4], matrix[5]
        out[v, 9], out[v, 10], out[v, 11] = matrix[6], matrix[7], matrix[8]
        a, b, c, d, e, f, g, h, i = _polar(matrix)
        if a + e + i > np.float32(0.0):
            s = math.sqrt(a + e + i + one) * two
            w, x, y, z = quarter * s, (h - f) / s, (c - g) / s, (d - b) / s
        elif a > e and a > i:
            s = math.sqrt(one + a - e - i) * two
            w, x, y, z = (h - f) / s, quarter * s, (b + d) / s, (c + g) / s
        elif e > i:
            s = math.sqrt(one + e - a - i) * two
            w, x, y, z = (c - g) / s, (b + d) / s, quarter * s, (f + h) / s
        else:
            s = math.sqrt(one + i - a - e) * two
            w, x, y, z = (d - b) / s, (c + g) / s, (f + h) / s, quarter * s
        out[v, 12], out[v, 13], out[v, 14], out[v, 15] = w, x, y, z
