"""Headphones: two cups on the ears under a band over the head, or buds in the ears; a microphone before the mouth."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.interpolate import CubicSpline

from perse_engine.clips.anatomy import MILLIMETRE, Anatomy
from perse_engine.clips.meshes import Accessory, Floats, Grid, joined, revolved, tube
from perse_engine.clips.parameters import Headphones
from perse_engine.portraits.portrait import Portrait

LIFT = 10 * MILLIMETRE
"""How far above the head, and beside the ears, they are when they begin to be put on."""
MOST_ROOM = 18 * MILLIMETRE
"""The most hair, pressed down, that a band rests on."""
ON_EAR = 62.0
"""Millimetres of a cup's width from which on it goes around the ear."""

GRIDS = {
    "band": Grid(37, 13, (0.01, 0.02, 0.30, 0.98)),
    "cup_left": Grid(15, 29, (0.32, 0.52, 0.64, 0.98)),
    "cup_right": Grid(15, 29, (0.32, 0.02, 0.64, 0.48)),
    "arm_left": Grid(14, 9, (0.66, 0.52, 0.98, 0.98)),
    "arm_right": Grid(14, 9, (0.66, 0.02, 0.98, 0.48)),
}
"""The arms are stems of buds; the left one may carry a microphone."""
CUSHION = 0.43
"""Part of a cup's profile, from the head outwards, that is cushion."""


def has(style: Headphones) -> tuple[str, ...]:
    """The grids that a style shows."""
    if style.kind == "buds":
        return ("cup_left", "cup_right", "arm_left", "arm_right")
    return ("band", "cup_left", "cup_right", *(("arm_left",) if style.microphone else ()))


def headphones(portrait: Portrait, anatomy: Anatomy, styles: Sequence[Headphones]) -> Accessory:
    """The headphones in every style, one topology."""
    shapes = np.stack([_shape(portrait, anatomy, style) for style in styles])
    bind = shapes.mean(0) + np.array([0.0, LIFT, 0.0])
    bind[:, 0] += 0.4 * LIFT * np.clip(bind[:, 0] / (0.05 * anatomy.size), -1, 1)
    faces, uv = joined(list(GRIDS.values()))
    return Accessory(shapes.astype(np.float32), bind.astype(np.float32), faces, uv)


def _shape(portrait: Portrait, anatomy: Anatomy, style: Headphones) -> Floats:
    unit = MILLIMETRE * anatomy.size
    cups, arms, ends = [], [], []
    for ear in anatomy.ears:
        side = float(np.sign(ear[0]))
        buds = style.kind == "buds"
        cup, end = _bud(style, ear, side, unit) if buds else _cup(anatomy, style, ear, side, unit)
        cups.append(cup)
        ends.append(end)
        arms.append(_stem(ear, side, unit) if buds else _boom(anatomy, end, side, unit))
    band = _band(portrait, anatomy, style, ends)
    return np.concatenate([grid.reshape(-1, 3) for grid in (band, *cups, *arms)])


def _cup(anatomy: Anatomy, style: Headphones, ear: Floats, side: float, unit: float) -> tuple[Floats, Floats]:
    """(rows, columns, 3) of a cup, and (3,) the middle of its outer side."""
    radius = style.cup / 2 * unit
    around = style.cup >= ON_EAR
    center = np.array([0.0, ear[1] - (0.0 if around else 2 * unit), ear[2] + (0.0 if around else 6 * unit)])
    seat = anatomy.radius_above(np.array([side, center[1], center[2]]), radius * 0.9)
    stands_out = abs(float(ear[0]))
    foot = seat + 1.0 * unit if around else stands_out - 5 * unit
    deep = max(style.depth * unit, stands_out + 3.5 * unit - foot)
    profile = np.array(
        [
            (0.45, -0.02), (0.60, 0.0), (0.78, -0.04), (0.93, 0.08), (1.0, 0.25), (0.99, 0.40), (0.93, 0.46),
            (0.97, 0.52), (0.97, 0.74), (0.92, 0.90), (0.78, 0.99), (0.62, 1.0), (0.56, 0.95), (0.50, 0.95),
            (0.0, 0.95),
        ]
    )  # fmt: skip
    axis, forward = np.array([side, 0.0, 0.0]), np.array([0.0, 0.0, 1.0])
    cup = revolved(profile * [radius, deep], center + axis * foot, axis, forward, GRIDS["cup_left"].columns)
    cup[..., 2] = center[2] + (cup[..., 2] - center[2]) * 0.86  # taller than wide, as ears are
    cup[..., 1] = center[1] + (cup[..., 1] - center[1]) * 1.06
    if around:  # the cushion gives way to temple and jaw
        for row in range(5):
            for column in range(cup.shape[1]):
                own = anatomy.radius_above(cup[row, column], 7 * unit) + 0.5 * unit
                sunk = np.clip(foot - own, 0, 9 * unit) * (1 - row / 5)
                cup[row, column, 0] -= side * sunk
    return cup, center + axis * (foot + deep * 0.62)


def _bud(style: Headphones, ear: Floats, side: float, unit: float) -> tuple[Floats, Floats]:
    """A bud in the hollow of the ear, and (3,) its outer end."""
    radius = style.cup / 2 * unit * 0.5
    center = np.array([ear[0] - side * 9 * unit, ear[1] - 5 * unit, ear[2] + 8 * unit])
    polar = np.linspace(0, np.pi, GRIDS["cup_left"].rows)
    profile = np.stack([radius * np.sin(polar), -radius * 0.85 * np.cos(polar)], -1)
    axis = np.array([side * 0.8, -0.1, 0.59])
    axis /= np.linalg.norm(axis)
    across = np.cross(axis, [0.0, 1.0, 0.0])
    bud = revolved(profile, center, axis, across / np.linalg.norm(across), GRIDS["cup_left"].columns)
    return bud, center + axis * radius * 0.6


def _stem(ear: Floats, side: float, unit: float) -> Floats:
    """The stem that hangs from a bud."""
    top = np.array([ear[0] - side * 5 * unit, ear[1] - 4 * unit, ear[2] + 11 * unit])
    t = np.linspace(0, 1, GRIDS["arm_left"].rows)
    path = top + t[:, None] * np.array([side * 1.0, -26.0, 4.0]) * unit
    round_end = np.sqrt(np.clip(1 - np.clip((t - 0.85) / 0.15, 0, 1) ** 2, 0.0, 1)) * 2.6 * unit + 1e-5
    return tube(path, round_end, round_end, np.tile([0.0, 0.0, 1.0], (len(t), 1)), GRIDS["arm_left"].columns - 1)


def _boom(anatomy: Anatomy, end: Floats, side: float, unit: float) -> Floats:
    """The arm from a cup to a microphone beside the mouth."""
    start = end + np.array([-side * 6.0, -14.0, 14.0]) * unit
    tip = anatomy.mouth + np.array([side * 40.0, -14.0, 16.0]) * unit
    bend = np.array([start[0] + side * 2 * unit, tip[1] - 4 * unit, (start[2] + tip[2]) / 2])
    s = np.linspace(0, 1, GRIDS["arm_left"].rows)[:, None]
    path = (1 - s) ** 2 * start + 2 * s * (1 - s) * bend + s**2 * tip
    head = np.clip((s[:, 0] - 0.80) / 0.08, 0, 1) * np.sqrt(
        np.clip(1 - np.clip((s[:, 0] - 0.88) / 0.13, 0, 1) ** 2, 0, 1)
    )
    thick = (1.5 + 4.5 * head) * unit
    return tube(path, thick, thick, np.tile([0.0, 1.0, 0.2], (len(s), 1)), GRIDS["arm_left"].columns - 1)


def _band(portrait: Portrait, anatomy: Anatomy, style: Headphones, ends: list[Floats]) -> Floats:
    """(rows, columns, 3) from the left cup over the head to the right one."""
    unit = MILLIMETRE * anatomy.size
    z = float(np.mean([end[2] for end in ends])) - 4 * unit
    slab = anatomy.skull[np.abs(anatomy.skull[:, 2] - z) < 18 * unit]
    middle_y = float(anatomy.ears[:, 1].mean())
    hair = portrait.hair_shell.vertices
    hair = hair[
        (np.abs(hair[:, 2] - z) < 18 * unit) & (hair[:, 1] > anatomy.eyes[:, 1].mean() + 0.05 * unit / MILLIMETRE)
    ]
    room = 0.0
    if len(hair):
        room = float(min(0.5 * np.median(anatomy.skull_tree.query(hair)[0]), MOST_ROOM))
    angle = np.radians(np.linspace(62, -62, 15))
    outward = np.stack([np.sin(angle), np.cos(angle)], -1)
    center = np.array([0.0, middle_y + 0.03 * anatomy.size])
    support = ((slab[:, :2] - center) @ outward.T).max(0) + room + style.padding / 2 * unit + 0.8 * unit
    facing = outward @ outward.T
    reach = np.where(facing > 0.2, support[None] / np.maximum(facing, 0.2), np.inf).min(1)
    over = np.column_stack([center + outward * reach[:, None], np.full(len(angle), z)])
    feet = [np.array([end[0], end[1] + s * style.cup * unit, end[2]]) for s in (0.10, 0.46) for end in ends]
    keys = np.concatenate([[feet[0], feet[2]], over, [feet[3], feet[1]]])
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(keys, axis=0), axis=1))])
    at = np.linspace(0, length[-1], GRIDS["band"].rows)
    path = CubicSpline(length, keys)(at)
    from_end = np.minimum(at, at[-1] - at) / unit
    padded = np.clip((from_end - 45) / 30, 0, 1)  # slim yokes carry a padded middle
    wide = (0.32 + 0.68 * padded) * style.band / 2 * unit
    high = np.maximum((0.35 + 0.65 * padded) * style.padding, 2.4) / 2 * unit
    up = np.column_stack([path[:, :2] - center, np.zeros(len(path))])
    ring = tube(path, wide, high, up, GRIDS["band"].columns - 1)
    return _squared(ring, path)


def _squared(ring: Floats, path: Floats) -> Floats:
    """A tube's round section made more of a rounded rectangle."""
    spread = ring - path[:, None]
    angle = np.linspace(0, 2 * np.pi, ring.shape[1])
    fuller = 1 / (np.abs(np.cos(angle)) ** 4 + np.abs(np.sin(angle)) ** 4) ** 0.25
    return (path[:, None] + spread * fuller[None, :, None]).astype(np.float32)
