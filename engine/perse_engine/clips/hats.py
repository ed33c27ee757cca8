"""Hats: a crown over the skull and a brim that lies out, hangs as a bill or folds up as a cuff."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from perse_engine.clips.anatomy import MILLIMETRE, Anatomy
from perse_engine.clips.meshes import Accessory, Floats, grid_faces, grid_uv
from perse_engine.clips.parameters import Hat

SECTORS = 72
CROWN_ROWS = 18
BRIM_ROWS = 9
BRIM_PART = 0.36
"""The part of the tile, from its bottom, that the brim takes."""
LIFT = 7 * MILLIMETRE
"""How far above the head the hat is when it begins to be put on."""


def rim_height(anatomy: Anatomy, points: Floats) -> Floats:
    """How far (...,) points (..., 3) lie above the plane that a hat's rim lies in, metres."""
    return points[..., 1] - _rim_y(anatomy, points[..., 2])


def hat(anatomy: Anatomy, styles: Sequence[Hat]) -> Accessory:
    """The hat in every style, one topology: brim from its edge to the rim, then crown from the rim to the top."""
    rows = BRIM_ROWS + CROWN_ROWS
    shapes = np.stack([_shape(anatomy, style).reshape(-1, 3) for style in styles])
    bind = shapes.mean(0) + np.array([0.0, LIFT, 0.0])
    uv = np.concatenate(
        [
            grid_uv(BRIM_ROWS, SECTORS + 1, (0.01, 0.01, 0.99, BRIM_PART)),
            grid_uv(CROWN_ROWS, SECTORS + 1, (0.01, BRIM_PART, 0.99, 0.99)),
        ]
    )
    faces = grid_faces(rows, SECTORS + 1)[:, ::-1]
    return Accessory(shapes.astype(np.float32), bind.astype(np.float32), np.ascontiguousarray(faces), uv)


def _rim_y(anatomy: Anatomy, z: Floats) -> Floats:
    """The height of the rim plane at depth z: over the forehead in front, low at the back, clear of the ears."""
    eye_y = anatomy.eyes[:, 1].mean()
    front_z, back_z = anatomy.skull[:, 2].max(), anatomy.skull[:, 2].min()
    t = (z - back_z) / (front_z - back_z)
    return eye_y + (0.010 + 0.036 * t) * anatomy.size


def _shape(anatomy: Anatomy, style: Hat) -> Floats:
    """(BRIM_ROWS + CROWN_ROWS, SECTORS + 1, 3): the front is the middle column."""
    angle = np.linspace(-np.pi, np.pi, SECTORS + 1)
    outward = np.stack([np.sin(angle), np.zeros_like(angle), np.cos(angle)], -1)
    center, radius = _rim(anatomy, outward, clearance=(3.0 if style.weave == "knit" else 4.5) * MILLIMETRE)
    rim = center + outward * radius[:, None]
    rim[:, 1] = _rim_y(anatomy, rim[:, 2])
    crown = _crown(anatomy, style, rim, center)
    return np.concatenate([_brim(anatomy, style, rim, outward, angle, crown), crown])


def _rim(anatomy: Anatomy, outward: Floats, clearance: float) -> tuple[Floats, Floats]:
    """The centre (3,) of the rim and its radius in each direction: the convex outline of the skull at that height."""
    band = np.abs(rim_height(anatomy, anatomy.skull)) < 12 * MILLIMETRE * anatomy.size
    outline = anatomy.skull[band]
    center = np.array([0.0, 0.0, (outline[:, 2].max() + outline[:, 2].min()) / 2])
    # the support function, then back to a radius: the envelope of the tangents, which is convex by construction
    support = ((outline - center) @ outward.T).max(0) + clearance
    facing = outward @ outward.T
    reach = np.where(facing > 0.2, support[None] / np.maximum(facing, 0.2), np.inf)
    return center, reach.min(1)


def _crown(anatomy: Anatomy, style: Hat, rim: Floats, center: Floats) -> Floats:
    """(CROWN_ROWS, SECTORS + 1, 3) from the rim to the top, outside the skull everywhere."""
    size = anatomy.size
    s = np.linspace(0, 1, CROWN_ROWS) ** 0.9
    power = 2 / (2.25 + 2.2 * style.flatness)
    inwards = np.cos(s * np.pi / 2) ** power
    upwards = np.sin(s * np.pi / 2) ** power
    inwards[-1], upwards[0] = 0.0, 0.0
    top = anatomy.skull_top + style.height * MILLIMETRE * size
    lean = -0.006 * size  # a soft crown sits back
    rise = (top - rim[:, 1])[None] * upwards[:, None]
    crown = np.empty((CROWN_ROWS, len(rim), 3))
    taper = 1 - 0.10 * style.flatness * upwards[:, None, None]
    crown[..., [0, 2]] = center[[0, 2]] + (rim[None][..., [0, 2]] - center[[0, 2]]) * inwards[:, None, None] * taper
    crown[..., 1] = rim[None, :, 1] + rise
    crown[..., 2] += lean * upwards[:, None]
    if style.flatness > 0:  # the pinch along the top of a felt crown
        pinch = np.exp(-((crown[..., 0] / (0.022 * size)) ** 2)) * np.clip(upwards[:, None] - 0.8, 0, 1) / 0.2
        crown[..., 1] -= 0.012 * size * style.flatness * pinch
    return _outside(anatomy, crown, 2.5 * MILLIMETRE)


def _outside(anatomy: Anatomy, points: Floats, clearance: float) -> Floats:
    """Points (..., 3) pushed out of the skull where they come nearer than `clearance`."""
    flat = points.reshape(-1, 3)
    _, nearest = anatomy.skull_tree.query(flat)
    normal = anatomy.skull_normals[nearest]
    gap = np.einsum("vc,vc->v", flat - anatomy.skull[nearest], normal)
    return (flat + np.maximum(clearance - gap, 0)[:, None] * normal).reshape(points.shape)


def _brim(anatomy: Anatomy, style: Hat, rim: Floats, outward: Floats, angle: Floats, crown: Floats) -> Floats:
    """(BRIM_ROWS, SECTORS + 1, 3) from its edge to the rim."""
    size = anatomy.size
    t = np.linspace(1, 0, BRIM_ROWS)[:, None]  # 1 at the edge
    front = np.clip(np.cos(angle), 0, 1)
    bill = style.bill * MILLIMETRE * size * np.clip(1 - (angle / 1.25) ** 2, 0, 1) ** 0.6
    brim = style.brim * MILLIMETRE * size
    width = np.maximum(bill, brim) + 1.2 * MILLIMETRE
    side = np.abs(np.sin(angle))
    drop = 0.16 * bill * t**1.6 + 0.25 * bill * side * t  # a bill curves down at its sides
    drop = drop + brim * t**2 * (0.22 * front - 0.30 * side + 0.02)
    flat = rim[None] + outward[None] * (width * t)[..., None]
    if style.bill > 0:  # a bill grows forwards, not radially
        forwards = np.array([0.0, 0.0, 1.0])
        lean = (bill / np.maximum(width, 1e-6))[None, :, None]
        flat = flat * (1 - 0.75 * lean) + 0.75 * lean * (rim[None] + forwards * (width * t)[..., None])
    flat[..., 1] -= drop
    if style.cuff <= 0:
        return flat
    # a cuff: down over the rim's fold, then up along the crown
    height = style.cuff * MILLIMETRE * size
    rows = crown[:, :, :]
    rise = rows[..., 1] - rim[None, :, 1]
    up = np.empty_like(flat)
    offset = 3.2 * MILLIMETRE
    for column in range(rim.shape[0]):
        level = np.clip(t[:, 0] * height, 0, None)
        for axis in (0, 2):
            up[:, column, axis] = np.interp(level, rise[:, column], rows[:, column, axis])
        up[:, column, 1] = rim[column, 1] + level
    bulge = offset * np.sqrt(np.clip(np.sin(np.pi * np.clip(t * 0.93 + 0.02, 0, 1)), 0, 1))
    up += outward[None] * bulge[..., None]
    up[..., 1] -= 2.0 * MILLIMETRE * np.sin(np.pi * np.clip(t * 3, 0, 1))
    return up
