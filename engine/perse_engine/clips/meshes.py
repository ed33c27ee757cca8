"""Small meshes that are put on a head: grids and tubes with their texture layout."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Ints = NDArray[np.int32]


@dataclasses.dataclass(frozen=True, eq=False)
class Accessory:
    """A mesh whose styles share their topology, so that one morphs into another.

    Attributes:
        shapes: (K, V, 3) its vertices in each style, head space, metres.
        bind: (V, 3) where it waits before it is put on.
        faces: (F, 3) counter-clockwise from outside.
        uv: (V, 2) in [0, 1], v up, in its own tile.
    """

    shapes: Floats
    bind: Floats
    faces: Ints
    uv: Floats


@dataclasses.dataclass(frozen=True)
class Grid:
    """Rows and columns of vertices that fill a box (u0, v0, u1, v1) of the tile; rows run along v, columns along u."""

    rows: int
    columns: int
    box: tuple[float, float, float, float]

    def local(self, uv: Floats) -> tuple[NDArray[np.bool_], Floats]:
        """Of (M, 2) tile coordinates: which lie in the box (M,), and all in [0, 1] relative to it (M, 2)."""
        low, high = np.array(self.box[:2]), np.array(self.box[2:])
        place = (uv - low) / (high - low)
        return ((place > -0.02) & (place < 1.02)).all(1), place.astype(np.float32)


def joined(grids: Sequence[Grid]) -> tuple[Ints, Floats]:
    """Faces (F, 3) and texture layout (V, 2) of a mesh that is these grids, one after the other."""
    faces, uv, start = [], [], 0
    for grid in grids:
        faces.append(grid_faces(grid.rows, grid.columns) + start)
        uv.append(grid_uv(grid.rows, grid.columns, grid.box))
        start += grid.rows * grid.columns
    return np.concatenate(faces).astype(np.int32), np.concatenate(uv)


def grid_faces(rows: int, columns: int) -> Ints:
    """(2 (rows − 1)(columns − 1), 3) triangles of a rows x columns grid, row by row."""
    index = np.arange(rows * columns, dtype=np.int32).reshape(rows, columns)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, :-1], index[1:, 1:]
    return np.concatenate([np.stack([a, c, b], -1).reshape(-1, 3), np.stack([b, c, d], -1).reshape(-1, 3)])


def grid_uv(rows: int, columns: int, box: tuple[float, float, float, float]) -> Floats:
    """(rows columns, 2) of a grid that fills `box` (u0, v0, u1, v1), columns along u, rows along v."""
    u = np.linspace(box[0], box[2], columns, dtype=np.float32)
    v = np.linspace(box[1], box[3], rows, dtype=np.float32)
    return np.stack(np.meshgrid(u, v), -1).reshape(-1, 2)


def tube(path: Floats, wide: NDArray[np.floating], high: NDArray[np.floating], up: Floats, sides: int) -> Floats:
    """The surface around a path: ((n, sides + 1, 3)), rows along the path, the last column on the first.

    Args:
        path: (n, 3) its centre line.
        wide, high: (n,) half-axes of the cross-section, perpendicular to and along `up`.
        up: (n, 3) roughly across the path.
        sides: corners of the cross-section.
    """
    along = np.gradient(path, axis=0)
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    across = np.cross(along, up)
    across /= np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-9)
    upright = np.cross(across, along)
    angle = np.linspace(0, 2 * np.pi, sides + 1)
    cosine, sine = np.cos(angle)[None, :, None], np.sin(angle)[None, :, None]
    ring = across[:, None] * cosine * wide[:, None, None] + upright[:, None] * sine * high[:, None, None]
    return (path[:, None] + ring).astype(np.float32)


def revolved(profile: Floats, origin: Floats, axis: Floats, across: Floats, columns: int) -> Floats:
    """(n, columns, 3): `profile` (n, 2) of radius and height, rising, turned around `axis` (3,) through `origin` (3,).

    Args:
        across: (3,) where the first column lies, and the last on it, perpendicular to the axis.
    """
    other = np.cross(across, axis)
    angle = np.linspace(0, 2 * np.pi, columns)
    ring = np.cos(angle)[:, None] * across + np.sin(angle)[:, None] * other
    return origin + profile[:, :1, None] * ring + profile[:, 1:, None] * axis
