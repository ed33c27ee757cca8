"""Neck, shoulders and chest as a surface around the neck: what garments hang on, whatever the head model."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates
from scipy.spatial import cKDTree

from perse_engine.clips.anatomy import MILLIMETRE, Anatomy
from perse_engine.clips.meshes import Floats
from perse_engine.heads.head import Head
from perse_engine.surfaces.normals import vertex_normals

BEARINGS, LEVELS, STEPS = 96, 64, 90
"""Directions around the neck; heights at which the body is measured; steps along each meridian."""
_SAMPLES = np.array([(a, b, 8 - a - b) for a in range(9) for b in range(9 - a)], np.float32) / 8


@dataclasses.dataclass(frozen=True, eq=False)
class Torso:
    """The outside of the body below the chin, smooth, without what a garment does not follow.

    Attributes:
        center: (2,) x and z of the neck's axis at its foot.
        profile: (BEARINGS, STEPS, 2) radius and y of each meridian, from the neck's foot down, equally far apart.
        length: (BEARINGS,) of the meridians, metres.
        neck: (BEARINGS,) radius of the neck just above its foot.
        lean: (3,) the way of the neck upwards, unit y.
        size: of the head.
    """

    center: NDArray[np.float64]
    profile: Floats
    length: Floats
    neck: Floats
    lean: NDArray[np.float64]
    size: float

    def point(self, bearing: Floats, down: Floats) -> tuple[Floats, Floats]:
        """Places (..., 3) on the body and their normals (..., 3).

        Args:
            bearing: (...) radians around the neck, 0 in front, growing to the person's left.
            down: (...) metres from the neck's foot along the body; negative up the neck.
        """
        bearing, down = np.broadcast_arrays(np.asarray(bearing, float), np.asarray(down, float))
        places = [
            self._place(bearing + db, down + ds) for db, ds in ((0, 0), (0.04, 0), (-0.04, 0), (0, 4e-3), (0, -4e-3))
        ]
        normal = np.cross(places[3] - places[4], places[1] - places[2])
        return places[0], normal / np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-12)

    def bearing_of(self, x: Floats, down: Floats) -> Floats:
        """(...) the bearing in front at which the body is `x` metres to the person's left, `down` its meridian."""
        bearing = np.zeros(np.broadcast(x, down).shape)
        for _ in range(4):
            place = self._place(bearing, np.broadcast_to(down, bearing.shape))
            radius = np.hypot(place[..., 0] - self.center[0], place[..., 2] - self.center[1])
            bearing = np.arcsin(np.clip(x / radius, -0.98, 0.98))
        return bearing

    def _place(self, bearing: Floats, down: Floats) -> Floats:
        row = (bearing / (2 * np.pi) % 1) * BEARINGS
        full = np.pad(self.length, (0, 1), mode="wrap")
        length = np.interp(row, np.arange(BEARINGS + 1), full)
        column = np.clip(down / length, 0, 1) * (STEPS - 1)
        table = np.pad(self.profile, ((0, 1), (0, 0), (0, 0)), mode="wrap")
        radius, y = (map_coordinates(table[..., k], [row, column], order=1) for k in (0, 1))
        up = np.maximum(-down, 0)
        neck = np.interp(row, np.arange(BEARINGS + 1), np.pad(self.neck, (0, 1), mode="wrap"))
        share = np.clip(up / (12 * MILLIMETRE), 0, 1)
        radius = radius * (1 - share) + neck * share
        beyond = np.maximum(down - length, 0)
        x, z = self.center[0] + radius * np.sin(bearing), self.center[1] + radius * np.cos(bearing)
        return np.stack([x, y - beyond, z], -1) + up[..., None] * self.lean


def find_torso(head: Head, anatomy: Anatomy) -> Torso:
    """The torso of `head`: its bust, or as much of the neck as it has."""
    size = anatomy.size
    places = _surface(head, anatomy.chin[1] + 0.02 * size)
    bottom = places[:, 1].min() + MILLIMETRE
    middle = places[np.abs(places[:, 0]) < 0.02 * size]
    ear_z = float(anatomy.ears[:, 2].mean())

    def side(y: float) -> float:
        band = (np.abs(places[:, 1] - y) < 4 * MILLIMETRE) & (np.abs(places[:, 2] - ear_z + 0.02) < 0.035 * size)
        return float(np.abs(places[band, 0]).max(initial=0.0))

    heights = np.arange(anatomy.chin[1], bottom, -2 * MILLIMETRE)
    widths = np.array([side(y) for y in heights])
    slim = widths[widths > 0].min(initial=0.2)
    wide = np.flatnonzero(widths > 1.35 * slim)
    wide = wide[wide > int(widths.argmin())]
    foot = float(heights[wide[0]]) if len(wide) else bottom + 0.012 * size
    band = middle[np.abs(middle[:, 1] - foot + 0.02 * size) < 0.012 * size]
    band = band if len(band) else middle
    center = np.array([0.0, (band[:, 2].max() + band[:, 2].min()) / 2])

    flat = places - [center[0], 0, center[1]]
    bearing, radius = np.arctan2(flat[:, 0], flat[:, 2]), np.hypot(flat[:, 0], flat[:, 2])
    row = np.floor((bearing / (2 * np.pi) % 1) * BEARINGS).astype(int) % BEARINGS
    grid = np.linspace(foot + 0.006 * size, bottom, LEVELS)
    table = _outermost(row, np.abs(places[:, 1:2] - grid).argmin(1), radius, places[:, 1] < grid[0] + 0.004)
    table = gaussian_filter(table, (1.2, 1.0), mode=("wrap", "nearest"))
    angle = (np.arange(BEARINGS) + 0.5) / BEARINGS * 2 * np.pi
    # the foot of the neck: level at the sides and behind, lower in front, where the collar bones meet
    front = np.clip(np.cos(angle), 0, 1) ** 1.5
    start = foot - 0.028 * size * front * (bottom < foot - 0.08 * size)
    profile, length, neck = _meridians(table, grid, start)
    lean = np.array([0.0, 1.0, 0.22])
    return Torso(center, _between_bearings(profile), _between_bearings(length), _between_bearings(neck), lean, size)


def _surface(head: Head, top: float) -> Floats:
    """(N, 3) points spread over skin and bust below the height `top`."""
    parts = [k for k, name in enumerate(head.parts) if name in ("skin", "bust")]
    faces = head.faces[np.isin(head.face_parts, parts)] if parts else head.faces
    corners = head.template[faces[(head.template[faces, 1] < top).all(1)]]
    return np.einsum("sk,fkc->fsc", _SAMPLES, corners).reshape(-1, 3).astype(np.float64)


def _outermost(row: NDArray, level: NDArray, radius: Floats, below: NDArray[np.bool_]) -> Floats:
    """(BEARINGS, LEVELS) the largest radius in each cell; empty ones from their neighbours; cloth hardly goes in."""
    table = np.zeros((BEARINGS, LEVELS))
    np.maximum.at(table, (row[below], level[below]), radius[below])
    for line in table:
        known = np.flatnonzero(line)
        if len(known):
            line[:] = np.interp(np.arange(LEVELS), known, line[known])
    empty = ~table.any(1)
    table[empty] = table[~empty].mean(0) if (~empty).any() else 0.06
    hang = np.maximum.accumulate(table, axis=1)
    return 0.7 * hang + 0.3 * table


def _meridians(table: Floats, grid: Floats, start: Floats) -> tuple[Floats, Floats, Floats]:
    """Radius and y at equal steps from `start` (BEARINGS,) down, lengths, and the neck's radius above it."""
    profile, length, neck = np.empty((BEARINGS, STEPS, 2)), np.empty(BEARINGS), np.empty(BEARINGS)
    for k, radius in enumerate(table):
        first = np.interp(-start[k], -grid, radius)
        neck[k] = min(first, np.interp(-start[k] - 0.012, -grid, radius), radius[0] * 1.02)
        lower = grid < start[k]
        r, y = np.append(first, radius[lower]), np.append(start[k], grid[lower])
        run = np.concatenate([[0], np.cumsum(np.hypot(np.diff(r), np.diff(y)))])
        length[k] = max(run[-1], MILLIMETRE)
        at = np.linspace(0, length[k], STEPS)
        profile[k, :, 0], profile[k, :, 1] = np.interp(at, run, r), np.interp(at, run, y)
    return profile, length, neck


def _between_bearings(values: Floats) -> Floats:
    """Values measured in the middle of each bearing's cell, as they are at its beginning."""
    return (values + np.roll(values, 1, 0)) / 2


@dataclasses.dataclass(frozen=True, eq=False)
class Body:
    """The nearest skin or bust: what garments keep clear of, and whose weights they take.

    Attributes:
        points: (S, 3).
        normals: (S, 3) unit length.
        weights: (S, 5).
        tree: nearest points.
    """

    points: Floats
    normals: Floats
    weights: Floats
    tree: cKDTree

    def outside(self, places: Floats, clearance: float) -> Floats:
        """Places (N, 3) pushed out to `clearance` metres where they lie nearer or inside."""
        _, near = self.tree.query(places)
        gap = np.einsum("nc,nc->n", places - self.points[near], self.normals[near])
        return places + np.clip(clearance - gap, 0, 0.02)[:, None] * self.normals[near]

    def weights_at(self, places: Floats) -> Floats:
        """(N, 5) skinning weights of the body under `places` (N, 3)."""
        distance, near = self.tree.query(places, k=4)
        share = 1 / (distance + 2e-3) ** 2
        share /= share.sum(1, keepdims=True)
        return np.einsum("nk,nkj->nj", share, self.weights[near]).astype(np.float32)


def find_body(head: Head) -> Body:
    """Skin and bust of `head`."""
    parts = [k for k, name in enumerate(head.parts) if name in ("skin", "bust")]
    faces = head.faces[np.isin(head.face_parts, parts)] if parts else head.faces
    own = np.unique(faces)
    normals = vertex_normals(head.template, faces)[own]
    return Body(head.template[own], normals, head.weights[own], cKDTree(head.template[own]))
