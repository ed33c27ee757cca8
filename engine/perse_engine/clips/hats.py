"""Hats: a crown over the skull and a brim that lies out, falls, rolls up, hangs as a bill or folds up as a cuff."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.spatial import cKDTree

from perse_engine.clips.anatomy import MILLIMETRE, Anatomy
from perse_engine.clips.meshes import Accessory, Floats, grid_faces
from perse_engine.clips.parameters import Hat
from perse_engine.portraits.portrait import HairShell

SECTORS = 72
INSIDE_ROWS, UNDER_ROWS, UPPER_ROWS, CROWN_ROWS = 2, 7, 7, 17
ROWS = INSIDE_ROWS + UNDER_ROWS + UPPER_ROWS + CROWN_ROWS
BRIM_FROM, UPPER_FROM, CROWN_FROM = 0.05, 0.27, 0.49
"""Where in the tile, from its bottom, the brim's lower side, its upper side and the crown begin."""
LIFT = 10 * MILLIMETRE
"""How far above the head the hat is when it begins to be put on."""
THICK = 2.2 * MILLIMETRE
MOST_ROOM = 11 * MILLIMETRE
"""The most hair, pressed down, that a hat is made wider for."""


def rim_height(anatomy: Anatomy, points: Floats, low: float = 0.0) -> Floats:
    """How far (...,) points (..., 3) lie above the plane that a hat's rim lies in, metres.

    Args:
        low: millimetres that the rim lies lower than a cap's.
    """
    return points[..., 1] - _rim_y(anatomy, points[..., 2]) + low * MILLIMETRE * anatomy.size


def hair_room(anatomy: Anatomy, shell: HairShell) -> float:
    """How much of the hair's thickness above the rim stays under a hat, metres."""
    above = shell.vertices[rim_height(anatomy, shell.vertices) > 0]
    if not len(above):
        return 0.0
    distance, _ = anatomy.skull_tree.query(above)
    return float(min(0.4 * np.median(distance), MOST_ROOM))


def hat(anatomy: Anatomy, shell: HairShell, styles: Sequence[Hat]) -> Accessory:
    """The hat in every style, one topology: inside, lower and upper side of the brim, then crown from rim to top."""
    room = hair_room(anatomy, shell)
    shapes = np.stack([_shape(anatomy, style, room) for style in styles])
    bind = _waiting(anatomy, shell, shapes.mean(0))
    v = np.concatenate(
        [
            np.linspace(0.01, BRIM_FROM, INSIDE_ROWS, endpoint=False),
            np.linspace(BRIM_FROM, UPPER_FROM, UNDER_ROWS, endpoint=False),
            np.linspace(UPPER_FROM, CROWN_FROM, UPPER_ROWS, endpoint=False),
            np.linspace(CROWN_FROM, 0.99, CROWN_ROWS),
        ]
    )
    uv = np.stack(np.meshgrid(np.linspace(0.01, 0.99, SECTORS + 1), v), -1).reshape(-1, 2)
    faces = np.ascontiguousarray(grid_faces(ROWS, SECTORS + 1)[:, ::-1])
    count = ROWS * (SECTORS + 1)
    return Accessory(
        shapes.reshape(-1, count, 3).astype(np.float32),
        bind.reshape(count, 3).astype(np.float32),
        faces,
        uv.astype(np.float32),
    )


def _waiting(anatomy: Anatomy, shell: HairShell, mean: Floats) -> Floats:
    """(ROWS, SECTORS + 1, 3) the mean of the hats, held over the head, wide enough for the hair that it will press."""
    waiting = mean + np.array([0.0, LIFT, 0.0])
    if not len(shell.vertices):  # bald
        return waiting
    center = mean[-1].mean(0) * [1, 0, 1]
    outward = (mean - center) * [1, 0, 1]
    outward /= np.maximum(np.linalg.norm(outward, axis=-1, keepdims=True), 1e-6)
    rim = mean[INSIDE_ROWS]
    near, place = cKDTree(shell.vertices).query(rim)
    beyond = np.einsum("sc,sc->s", shell.vertices[place] - rim, outward[INSIDE_ROWS])
    beyond = np.where(near < 0.04, np.clip(beyond, 0, 0.02), 0)
    kernel = np.hanning(15) / np.hanning(15).sum()
    beyond = np.convolve(np.pad(beyond[:-1], 7, mode="wrap"), kernel, "valid")
    height = np.clip(rim_height(anatomy, mean) / (60 * MILLIMETRE), 0, 1)[..., None]
    return waiting + outward * np.append(beyond, beyond[0])[None, :, None] * (1 - height)


def _rim_y(anatomy: Anatomy, z: Floats) -> Floats:
    """The height of the rim plane at depth z: over the forehead in front, low at the back, clear of the ears."""
    eye_y = anatomy.eyes[:, 1].mean()
    front_z, back_z = anatomy.skull[:, 2].max(), anatomy.skull[:, 2].min()
    t = (z - back_z) / (front_z - back_z)
    return eye_y + (0.010 + 0.036 * t) * anatomy.size


def _shape(anatomy: Anatomy, style: Hat, room: float) -> Floats:
    """(ROWS, SECTORS + 1, 3): the front is the middle column."""
    angle = np.linspace(-np.pi, np.pi, SECTORS + 1)
    outward = np.stack([np.sin(angle), np.zeros_like(angle), np.cos(angle)], -1)
    clearance = (3.5 if style.weave == "knit" else 5.0) * MILLIMETRE + room
    center, radius = _rim(anatomy, outward, clearance)
    rim = center + outward * radius[:, None]
    rim[:, 1] = _rim_y(anatomy, rim[:, 2]) - style.low * MILLIMETRE * anatomy.size
    crown = _crown(anatomy, style, rim, center, room)
    under = _brim(anatomy, style, rim, outward, angle, crown)
    return np.concatenate([_inside(rim, outward), under, _upper(style, under, crown, outward), crown])


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


def _inside(rim: Floats, outward: Floats) -> Floats:
    """(INSIDE_ROWS, SECTORS + 1, 3): the sweatband, from inside the crown down to the rim."""
    up = np.linspace(12 * MILLIMETRE, 2 * MILLIMETRE, INSIDE_ROWS)[:, None, None]
    return rim - outward * THICK + up * np.array([0.0, 1.0, 0.0])


def _crown(anatomy: Anatomy, style: Hat, rim: Floats, center: Floats, room: float) -> Floats:
    """(CROWN_ROWS, SECTORS + 1, 3) from the rim to the top, outside the skull everywhere."""
    size = anatomy.size
    s = np.linspace(0, 1, CROWN_ROWS) ** 0.9
    power = 2 / (2.25 + 2.2 * style.flatness)
    inwards = np.cos(s * np.pi / 2) ** power
    upwards = np.sin(s * np.pi / 2) ** power
    inwards[-1], upwards[0] = 0.0, 0.0
    top = anatomy.skull_top + room + style.height * MILLIMETRE * size
    rise = (top - rim[:, 1])[None] * upwards[:, None]
    crown = np.empty((CROWN_ROWS, len(rim), 3))
    taper = 1 - 0.10 * style.flatness * upwards[:, None, None] * (style.bulge == 0)
    spread = (rim[None][..., [0, 2]] - center[[0, 2]]) * inwards[:, None, None] * taper
    radius = np.maximum(np.linalg.norm(rim - center, axis=1), 1e-6)
    bulge = style.bulge * MILLIMETRE * size * np.sin(np.pi * s**1.5) ** 0.8
    hanging = 1 - 0.55 * np.sign(style.lean) * (rim[:, 0] / radius)  # a beret falls to one side
    spread *= 1 + (bulge[:, None] * hanging / radius)[..., None]
    crown[..., [0, 2]] = center[[0, 2]] + spread
    crown[..., 1] = rim[None, :, 1] + rise
    crown[..., 2] += -0.006 * size * upwards[:, None]  # a soft crown sits back
    lean = style.lean * MILLIMETRE * size
    crown[..., 0] -= lean * upwards[:, None] ** 1.5
    crown[..., 1] += np.abs(lean) * 0.55 * upwards[:, None] * crown[..., 0] / radius.mean() * np.sign(lean)
    pinch = np.exp(-((crown[..., 0] / (0.020 * size)) ** 2)) * np.clip(upwards[:, None] - 0.7, 0, 1) / 0.3
    crown[..., 1] -= 0.024 * size * style.pinch * pinch
    dents = (
        np.exp(-(((np.abs(crown[..., 0]) - 0.045 * size) / (0.022 * size)) ** 2))
        * np.clip(upwards - 0.45, 0, 1)[:, None]
    )
    dents = dents * np.clip((crown[..., 2] - center[2]) / (0.05 * size), 0, 1)
    crown[..., 0] -= np.sign(crown[..., 0]) * 0.016 * size * style.pinch * dents
    return anatomy.outside_skull(crown, 3.0 * MILLIMETRE + room)


def _brim(anatomy: Anatomy, style: Hat, rim: Floats, outward: Floats, angle: Floats, crown: Floats) -> Floats:
    """(UNDER_ROWS, SECTORS + 1, 3) the lower side of the brim, or the outside of the cuff, from the rim to its edge."""
    size = anatomy.size
    t = np.linspace(0, 1, UNDER_ROWS)[:, None]  # 1 at the edge
    if style.cuff > 0:
        return _cuff(style.cuff * MILLIMETRE * size, rim, outward, crown, t)
    front, side = np.clip(np.cos(angle), 0, 1), np.abs(np.sin(angle))
    bill = style.bill * MILLIMETRE * size * np.clip(1 - (angle / 1.22) ** 2, 0, 1) ** 0.55
    brim = style.brim * MILLIMETRE * size
    width = np.maximum(bill, brim) + 0.8 * MILLIMETRE
    drop = 0.20 * bill * t**1.5 + 0.34 * bill * side * t  # a bill curves down at its sides
    fall = np.tan(1.05 * style.fall)
    drop = drop + brim * fall * t + 0.10 * brim * front * t**2
    rolled = style.roll * side**2
    under = rim[None] + outward[None] * (width * t * (1 - 0.45 * rolled * t**2))[..., None]
    drop = drop - brim * rolled * 0.85 * t**2.4
    if style.bill > 0:  # a bill grows forwards, not radially
        forwards = np.array([0.0, 0.0, 1.0])
        lean = (bill / np.maximum(width, 1e-6))[None, :, None]
        under = under * (1 - 0.75 * lean) + 0.75 * lean * (rim[None] + forwards * (width * t)[..., None])
    under[..., 1] -= drop
    return under


def _cuff(height: float, rim: Floats, outward: Floats, crown: Floats, t: Floats) -> Floats:
    """The outside of a cuff: around the fold at the rim, then up along the crown."""
    rise = crown[..., 1] - rim[None, :, 1]
    level = np.maximum(t[:, 0] * 1.06 - 0.06, 0) * height
    up = np.empty((len(t), len(rim), 3))
    for column in range(len(rim)):
        for axis in (0, 2):
            up[:, column, axis] = np.interp(level, rise[:, column], crown[:, column, axis])
        up[:, column, 1] = rim[column, 1] + level
    bulge = 3.4 * THICK * np.clip(t[:, 0] * 5 + 0.25, 0, 1) ** 0.5 * (1 - 0.12 * t[:, 0])
    up += outward[None] * bulge[:, None, None]
    up[0, :, 1] -= 0.5 * MILLIMETRE
    return up


def _upper(style: Hat, under: Floats, crown: Floats, outward: Floats) -> Floats:
    """(UPPER_ROWS, SECTORS + 1, 3) from the edge back to the crown: the upper side, one thickness above the lower."""
    back = under[::-1][:UPPER_ROWS]
    if style.cuff > 0:
        upper = back - outward * (1.5 * THICK)
        upper[0] = back[0] - outward * (0.7 * THICK) + np.array([0.0, 0.7 * THICK, 0.0])
        upper[-1] = crown[0] + outward * (0.6 * THICK)
        return upper
    along = np.gradient(under, axis=0)[::-1]
    around = np.gradient(under, axis=1)[::-1]
    around[:, 0] = around[:, -1] = (around[:, 0] + around[:, -1]) / 2
    normal = np.cross(along, around)
    normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-9)
    upper = back + THICK * normal
    upper[0] = back[0] + 0.6 * THICK * normal[0] + 0.3 * THICK * outward
    return upper
