"""Earrings: a clasp on each lobe, a hoop through it, a stem below it and a ball, drop or stone at its end."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from perse_engine.clips.anatomy import MILLIMETRE, Anatomy
from perse_engine.clips.meshes import Accessory, Floats, Grid, joined, revolved, tube
from perse_engine.clips.parameters import Earrings
from perse_engine.heads.head import Head
from perse_engine.surfaces.normals import vertex_normals

SLIDE = 5 * MILLIMETRE
"""How far beside the lobe an earring is when it begins to be put on."""
TURN = 0.75
"""Radians between a hoop's plane and straight ahead."""
CLEAR = 1.2 * MILLIMETRE
WAITING_HOOP = 34.0
"""Diameter in millimetres of a hoop that a style does not show: near that of those which do, so that on the way from
one style to another a hoop fades rather than grows and fades at once."""


def _grids(u0: float) -> dict[str, Grid]:
    return {
        "hoop": Grid(33, 9, (u0 + 0.01, 0.02, u0 + 0.20, 0.98)),
        "ball": Grid(15, 19, (u0 + 0.22, 0.02, u0 + 0.38, 0.98)),
        "stem": Grid(6, 7, (u0 + 0.40, 0.04, u0 + 0.49, 0.46)),
        "clasp": Grid(7, 11, (u0 + 0.40, 0.54, u0 + 0.49, 0.96)),
    }


GRIDS: tuple[dict[str, Grid], dict[str, Grid]] = (_grids(0.0), _grids(0.5))
"""The grids of the left and of the right earring, by name, in the order of their vertices."""


def has(style: Earrings) -> tuple[str, ...]:
    """The grids that a style shows."""
    hanging = style.hang > 0
    hoop = ("hoop",) if style.hoop > 0 else ()
    ball = ("ball",) if hanging or not hoop else ()
    return (*hoop, *ball, *(("stem",) if hanging else ()), *(("clasp",) if hanging and not hoop else ()))


def earrings(head: Head, anatomy: Anatomy, styles: Sequence[Earrings]) -> tuple[Accessory, Floats]:
    """The pair in every style, and (N, 5) skinning weights: those of the lobes.

    They hang as the head is at rest, free of jaw and neck.
    """
    shapes = np.stack([_pair(head, anatomy, style) for style in styles])
    half = shapes.shape[1] // 2
    side = np.repeat([1.0, -1.0], half)
    bind = shapes.mean(0)
    bind[:, 0] += side * SLIDE
    faces, uv = joined([*GRIDS[0].values(), *GRIDS[1].values()])
    weights = np.repeat([_weights(head, lobe) for lobe in anatomy.lobes], half, axis=0)
    return Accessory(shapes.astype(np.float32), bind.astype(np.float32), faces, uv), weights.astype(np.float32)


def _weights(head: Head, lobe: Floats) -> Floats:
    near = np.argsort(np.linalg.norm(head.template - lobe, axis=1))[:6]
    mean = head.weights[near].mean(0)
    return mean / mean.sum()


def _pair(head: Head, anatomy: Anatomy, style: Earrings) -> Floats:
    skin = np.flatnonzero(_outer(head))
    normals = vertex_normals(head.template, head.faces)[skin]
    tree = cKDTree(head.template[skin])
    shown = np.concatenate([np.full(grid.rows * grid.columns, name in has(style)) for name, grid in GRIDS[0].items()])
    return np.concatenate(
        [_swung(_one(anatomy, style, lobe), shown, lobe, head.template[skin], normals, tree) for lobe in anatomy.lobes]
    )


def _outer(head: Head) -> NDArray[np.bool_]:
    """(V,) the vertices of skin and bust."""
    outer = np.zeros(len(head.template), bool)
    parts = [k for k, name in enumerate(head.parts) if name in ("skin", "bust")]
    outer[head.faces[np.isin(head.face_parts, parts)]] = True
    return outer if outer.any() else ~outer


def _one(anatomy: Anatomy, style: Earrings, lobe: Floats) -> Floats:
    """(N, 3) one earring, hanging straight down from its lobe."""
    unit = MILLIMETRE * anatomy.size
    side = float(np.sign(lobe[0]))
    out = np.array([side * 0.93, 0.0, 0.36])
    up, down = np.array([0.0, 1.0, 0.0]), np.array([0.0, -1.0, 0.0])
    radius = style.ball / 2 * unit
    wire = style.wire / 2 * unit
    ring = (style.hoop or WAITING_HOOP) / 2 * unit
    plane = np.array([side * np.cos(TURN), 0.0, np.sin(TURN)])
    angle = np.linspace(0, 2 * np.pi, GRIDS[0]["hoop"].rows + 2) - np.pi / 30
    middle = lobe + out * 0.5 * unit + down * (ring - 2.0 * unit)
    path = middle + ring * (np.sin(angle)[:, None] * plane + np.cos(angle)[:, None] * up)
    across = np.tile(np.cross(plane, up), (len(path), 1))
    hoop = tube(path, np.full(len(path), wire), np.full(len(path), wire), across, GRIDS[0]["hoop"].columns - 1)[1:-1]
    hoop[-1] = hoop[0]

    hook = lobe + out * 1.2 * unit
    if style.hoop > 0:
        hook = middle + down * (ring + wire)
    hangs = style.hang > 0
    center = hook + down * (style.hang * unit + radius * style.length) if hangs else lobe + out * (0.45 * radius)
    axis = down if hangs else out
    polar = np.linspace(0, np.pi, GRIDS[0]["ball"].rows)
    drop = np.sin(polar) * (1 - 0.45 * np.clip(style.length - 1, 0, 1) * np.cos(polar / 2) ** 2)
    profile = np.stack([radius * drop, -radius * style.length * np.cos(polar) * (1 if hangs else 0.75)], -1)
    start = np.array([0.0, 0.0, 1.0])
    ball = revolved(profile, center, axis, start, GRIDS[0]["ball"].columns)

    end = center - axis * radius * style.length * 0.97 if hangs else lobe - out * unit
    t = np.linspace(0, 1, GRIDS[0]["stem"].rows)[:, None]
    line = hook * (1 - t) + (end + 1e-5 * down) * t
    thin = np.full(len(t), 0.45 * unit)
    stem = tube(line, thin, thin, np.tile(start, (len(t), 1)), GRIDS[0]["stem"].columns - 1)
    polar = np.linspace(0, np.pi, GRIDS[0]["clasp"].rows)
    bead = np.stack([1.5 * unit * np.sin(polar), -1.5 * unit * np.cos(polar)], -1)
    clasp = revolved(bead, lobe + out * 1.0 * unit, out, up, GRIDS[0]["clasp"].columns)
    return np.concatenate([grid.reshape(-1, 3) for grid in (hoop, ball, stem, clasp)])


def _swung(
    earring: Floats, shown: NDArray[np.bool_], lobe: Floats, skin: Floats, normals: Floats, tree: cKDTree
) -> Floats:
    """The earring turned outwards about its lobe until what is `shown` of it is clear of cheek, jaw and neck."""
    side = np.sign(lobe[0])
    hanging = shown & (earring[:, 1] < lobe[1] - 5 * MILLIMETRE)
    swung = earring
    for degrees in range(0, 46, 3):
        c, s = np.cos(np.radians(degrees)), side * np.sin(np.radians(degrees))
        turn = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
        swung = (earring - lobe) @ turn.T + lobe
        if not hanging.any():
            return swung
        _, near = tree.query(swung[hanging])
        gap = np.einsum("nc,nc->n", swung[hanging] - skin[near], normals[near])
        if gap.min() > CLEAR:
            return swung
    return swung
