"""Laying the open head over another head, so that what is known of one can be read off for the other."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from perse_engine.heads.head import LEFT_EYE, RIGHT_EYE, Floats, Head, Ints

_ROUNDS = 24
_IDENTITIES = 50
_NEAR = 0.02
"""Metres beyond which two points do not correspond."""


@dataclasses.dataclass(frozen=True, eq=False)
class Overlay:
    """The open head in another head's space.

    Attributes:
        vertices: (V, 3) the open head's vertices, shaped and moved onto the other head.
        normals: (V, 3) unit length.
    """

    vertices: NDArray[np.float64]
    normals: NDArray[np.float64]


def overlay(source: Head, target: Head) -> Overlay:
    """Fit `source`'s identity and place to `target`'s template.

    Closest points that face the same way, a similarity and the first identity directions in turn. Both heads must be
    upright and face +z, as head space has it; the eye joints give the first guess.
    """
    faces = source.faces[np.isin(source.face_parts, [source.parts.index("skin"), source.parts.index("eyes")])]
    used = np.unique(faces)
    rest = source.template[used].astype(np.float64)
    directions = source.shape_directions[used, :, :_IDENTITIES].astype(np.float64)
    points, normals = target.template.astype(np.float64), unit_normals(target.template, target.faces)
    tree = cKDTree(points)
    coefficients = np.zeros(directions.shape[2])
    eyes = [LEFT_EYE, RIGHT_EYE]
    scale = _apart(target.joints[eyes]) / _apart(source.joints[eyes])
    turn = np.eye(3)
    move = target.joints[eyes].mean(0) - scale * source.joints[eyes].mean(0)
    for step in range(_ROUNDS):
        shaped = rest + directions @ coefficients
        placed = scale * shaped @ turn.T + move
        facing = unit_normals(source.template + source.shape_directions[..., :_IDENTITIES] @ coefficients, source.faces)
        distance, nearest = tree.query(placed)
        matched = (distance < _NEAR) & ((normals[nearest] * (facing[used] @ turn.T)).sum(1) > 0.5)
        goal = points[nearest[matched]]
        scale, turn, move = _similarity(shaped[matched], goal)
        wanted = ((goal - move) @ turn / scale - rest[matched]).reshape(-1)
        basis = directions[matched].reshape(len(wanted), -1)
        stiffness = 1e-3 * 0.7**step * len(wanted) / 3 + 1e-6 * len(wanted)
        # Coefficients are standard deviations: a ridge of (1 mm)² per deviation, loosened as the match gets better.
        coefficients = np.linalg.solve(basis.T @ basis + stiffness * 1e-3 * np.eye(len(coefficients)), basis.T @ wanted)
    whole = source.template + source.shape_directions[..., :_IDENTITIES].astype(np.float64) @ coefficients
    placed = scale * whole @ turn.T + move
    return Overlay(placed, unit_normals(placed, source.faces))


def unit_normals(vertices: NDArray[np.floating], faces: Ints) -> NDArray[np.float64]:
    """Area-weighted vertex normals (V, 3), float64."""
    corners = np.asarray(vertices, np.float64)[faces]
    crosses = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = np.zeros((len(vertices), 3))
    for corner in range(3):
        np.add.at(normals, faces[:, corner], crosses)
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-20)


def _apart(pair: Floats) -> float:
    return float(np.linalg.norm(pair[0] - pair[1]))


def _similarity(
    source: NDArray[np.float64], goal: NDArray[np.float64]
) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
    """Scale, rotation and translation of least squares (Umeyama 1991)."""
    a, b = source - source.mean(0), goal - goal.mean(0)
    left, values, right = np.linalg.svd(b.T @ a)
    sign = np.array([1, 1, np.sign(np.linalg.det(left @ right))])
    turn = (left * sign) @ right
    scale = float((values * sign).sum() / (a**2).sum())
    return scale, turn, goal.mean(0) - scale * turn @ source.mean(0)
