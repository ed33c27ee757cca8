"""The texture atlas: the skin as one upright island, and a shelf below it for everything else. Nothing overlaps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from unwrap import cut_along, flattened

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SHELF = 0.135
"""Height of the shelf, of the atlas' side."""
_GAP = 0.008
_STEPS = 1500


def skin_island(vertices: Floats, opened_rest: Floats, faces: Ints, eye: Floats) -> Floats:
    """(F, 3, 2) texture coordinates of the outer skin, above the shelf, face upright, seam down the back.

    Args:
        vertices: (V, 3) the template.
        opened_rest: (V, 3) the template with lips and lids apart, from which lengths are taken.
        faces: (F, 3) of the outer skin: head, neck and bust.
        eye: (3,) centre of the left eyeball.
    """
    used, local = np.unique(faces, return_inverse=True)
    local = local.reshape(-1, 3)
    opened, source = cut_along(local, _back_seam(vertices[used], local, eye))
    middle = vertices[used][source][opened].mean(1)
    flat = flattened(opened_rest[used][source], opened, _scale(middle - eye), _STEPS)
    flat = _upright(flat, _other_side(vertices[used], source, opened), vertices[used][source])
    flat -= (flat.min(0) + flat.max(0)) / 2
    room = np.array([1 - 2 * _GAP, 1 - SHELF - 2 * _GAP])
    flat = flat * (room / np.ptp(flat, axis=0))
    return (flat + [0.5, SHELF + (1 - SHELF) / 2])[opened]


def disc(points: Floats, centre: Floats, faces: Ints, axis: int) -> Floats:
    """(F, 3, 2) texture coordinates of one half of an eyeball in the unit square: polar around the optical axis.

    The inner 0.9 radians take four fifths of the radius, because they are what is seen of the front half.

    Args:
        points: (V, 3).
        centre: (3,) of the eyeball.
        faces: (F, 3) of the half.
        axis: 1 for the front half, −1 for the hind one.
    """
    rays = points - centre
    off_axis = np.arccos(np.clip(axis * rays[:, 2] / np.linalg.norm(rays, axis=1), -1, 1))
    rim = off_axis[faces].max()
    radius = np.interp(off_axis, (0, 0.9, rim), (0, 0.4, 0.5))[faces]
    around = np.arctan2(rays[:, 1], axis * rays[:, 0])[faces]
    return np.stack([0.5 + radius * np.cos(around), 0.5 + radius * np.sin(around)], -1)


def fitted(uv: Floats) -> Floats:
    """An island moved and scaled into the unit square, its proportions kept."""
    low = uv.reshape(-1, 2).min(0)
    return (uv - low) / np.ptp(uv.reshape(-1, 2), axis=0).max()


def shelved(islands: list[tuple[Floats, float]]) -> list[Floats]:
    """Put islands, given in the unit square with a wanted side, side by side on the shelf, stacked where two fit.

    Raises:
        ValueError: they do not fit.
    """
    placed, x, column_width, y = [], _GAP, 0.0, _GAP
    for uv, side in islands:
        island = uv * side
        width, height = island.reshape(-1, 2).max(0)
        if y + height > SHELF and y > _GAP:
            x, y, column_width = x + column_width + _GAP, _GAP, 0.0
        placed.append(island + [x, y])
        y += height + _GAP
        column_width = max(column_width, width)
        if y - _GAP > SHELF or x + column_width > 1 - _GAP:
            raise ValueError("the islands do not fit the shelf")
    return placed


def _scale(from_eye: Floats) -> Floats:
    """Wanted enlargement of each face: eyes, mouth and face large, the back of the head and the bust small."""
    across, up, out = np.abs(from_eye[:, 0]), from_eye[:, 1], from_eye[:, 2]

    def step(low: float, high: float, value: Floats) -> Floats:
        share = np.clip((value - low) / (high - low), 0, 1)
        return share * share * (3 - 2 * share)

    scale = 0.42 + 0.45 * step(-0.20, -0.11, up) + step(-0.10, -0.03, out) * step(-0.14, -0.10, up)
    eyes = np.exp(-(((across - 0.033) / 0.022) ** 4) - ((up - 0.004) / 0.02) ** 4) * (out > -0.02)
    mouth = np.exp(-((across / 0.035) ** 4) - ((up + 0.075) / 0.02) ** 4) * (out > -0.02)
    return scale * (1 + 0.5 * eyes + 0.35 * mouth)


def _back_seam(vertices: Floats, faces: Ints, eye: Floats) -> Ints:
    """The vertices of the midline from the crown down the back to the cut of the bust."""
    midline = np.abs(vertices[:, 0]) < 2e-4
    neighbours: dict[int, list[int]] = {}
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    for a, b in edges[midline[edges].all(1)]:
        neighbours.setdefault(int(a), []).append(int(b))
        neighbours.setdefault(int(b), []).append(int(a))
    lowest = vertices[:, 1] < vertices[:, 1].min() + 2e-3
    behind = np.flatnonzero(midline & lowest)
    path = [int(behind[np.argmin(vertices[behind, 2])])]
    crown_height, crown_depth = eye[1] + 0.06, eye[2] - 0.10
    while vertices[path[-1], 1] < crown_height or vertices[path[-1], 2] < crown_depth:
        path.append(next(v for v in neighbours[path[-1]] if v not in path))
    return np.array(path[::-1])


def _other_side(vertices: Floats, source: Ints, opened: Ints) -> Ints:
    """The vertex of the opened mesh that mirrors each one; along the seam, the other copy."""
    points = vertices[source]
    # Which side of the seam a copy belongs to shows in the faces around it.
    lean = np.zeros(len(source))
    np.add.at(lean, opened, np.repeat(points[opened].mean(1)[:, :1], 3, 1))
    twins = np.bincount(source, minlength=len(vertices))[source] > 1
    side = np.where(twins, np.sign(lean), 0)[:, None]
    return cKDTree(np.hstack([points, side])).query(np.hstack([points * [-1, 1, 1], -side]))[1]


def _upright(flat: Floats, mirror: Ints, points: Floats) -> Floats:
    """Turn an island so that the person's left is at its right and up is up, and make it exactly symmetric."""
    flat = flat - flat.mean(0)
    # The line of symmetry is where vertices meet their mirror images; the axis across it joins them.
    across = flat - flat[mirror]
    direction = np.linalg.eigh(across.T @ across)[1][:, 1]
    direction *= np.sign(points[:, 0] @ (across @ direction))
    turn = np.array([direction, [-direction[1], direction[0]]])
    flat = flat @ turn.T
    return (flat + flat[mirror] * [-1, 1]) / 2
