"""Lips that meet: at rest no slit shows teeth between them, and none lies inside the other."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from perse_engine.heads.head import JAW, Head

MEET = 0.0007  # metres that the rims of closed lips overlap
FURTHEST = 0.004  # metres that either rim may move
REACH = 0.006  # metres around the rims that move along


def lip_rims(head: Head) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Vertices of the upper and of the lower rim, where the lips' skin turns into the mouth, by rising x; or none."""
    none = np.zeros(0, np.int64)
    if "mouth" not in head.parts:
        return none, none
    skin, mouth = (np.unique(head.faces[head.face_parts == head.parts.index(name)]) for name in ("skin", "mouth"))
    rim = np.intersect1d(skin, mouth)
    rim = rim[head.regions["lips"][rim] > 0.2]
    rim = rim[np.argsort(head.template[rim, 0], kind="stable")]
    lower = head.weights[rim, JAW] > 0.5
    return rim[~lower], rim[lower]


def rim_points(head: Head) -> NDArray[np.float64]:
    """(N, 3) points close together along both rims, at rest; N may be 0."""
    skin, mouth = (np.unique(head.faces[head.face_parts == head.parts.index(name)]) for name in ("skin", "mouth"))
    rim = np.zeros(len(head.template), bool)
    rim[np.intersect1d(skin, mouth)] = True
    faces = head.faces[head.face_parts == head.parts.index("skin")]
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    edges = edges[rim[edges].all(1)]
    steps = np.linspace(0, 1, 9)[None, :, None]
    first, second = (head.template[edges[:, k]][:, None].astype(np.float64) for k in (0, 1))
    return np.asarray((first * (1 - steps) + second * steps).reshape(-1, 3))


def closing_lips(head: Head) -> Head:
    """`head` with the rims of its lips brought together at rest; detail fitted to an open mouth leaves a slit."""
    upper, lower = lip_rims(head)
    if len(upper) < 5 or len(lower) < 5:
        return head
    rest = head.template.astype(np.float64)
    low = max(rest[upper, 0].min(), rest[lower, 0].min())
    high = min(rest[upper, 0].max(), rest[lower, 0].max())
    columns = np.linspace(low, high, 31)
    above, below = (np.interp(columns, rest[row, 0], rest[row, 1]) for row in (upper, lower))
    shift = np.clip((above - below + MEET) / 2, -FURTHEST / 2, FURTHEST)
    shift = np.convolve(np.pad(shift, 1, mode="edge"), np.ones(3) / 3, "valid")
    moved = rest.copy()
    for row, sign in ((upper, -1.0), (lower, 1.0)):
        own = _beside(head, rest, row, lower if sign < 0 else upper)
        distance = cKDTree(rest[row]).query(rest[own])[0]
        share = np.exp(-((distance / REACH) ** 2))
        moved[own, 1] += sign * share * np.interp(rest[own, 0], columns, shift)
    return dataclasses.replace(head, template=moved.astype(np.float32))


def _beside(
    head: Head, rest: NDArray[np.float64], row: NDArray[np.int64], other: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Vertices of skin and mouth that are nearer to `row` than to the other rim."""
    surface = np.isin(head.face_parts, [head.parts.index(name) for name in ("skin", "mouth")])
    near = np.unique(head.faces[surface])
    mine, theirs = (cKDTree(rest[points]).query(rest[near])[0] for points in (row, other))
    jaw = head.weights[near, JAW] > 0.5
    ours = bool(head.weights[row, JAW].mean() > 0.5)
    close = mine < 3 * REACH
    # where the rims touch, only the jaw tells which lip a vertex is of
    return near[close & np.where(np.abs(mine - theirs) < 1e-3, jaw == ours, mine < theirs)]
