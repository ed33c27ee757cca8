"""Texture coordinates for a head that has none: skin around the vertical axis, eyes as discs, the mouth on its own."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perse_engine.heads.head import LEFT_EYE, RIGHT_EYE, Floats, Ints

SHELF = 0.2
"""Height of the strip below the skin, of the atlas' side; `BUST_FROM` on, its right side is free for a bust."""
BUST_FROM = 0.56

_MARGIN = 0.008
_EYE = 0.17
_FRONT = 0.35
"""How much more of the width the face gets than the back of the head."""


def plain_uv(
    vertices: Floats, faces: Ints, face_parts: NDArray[np.uint8], joints: Floats, parts: tuple[str, ...]
) -> tuple[Floats, Ints]:
    """An automatic layout: continuous over the face, one seam down the back.

    Args:
        vertices: (V, 3) the template.
        faces: (F, 3).
        face_parts: (F,) index into `parts`.
        joints: (5, 3).
        parts: has "skin", "mouth", "eyes".

    Returns:
        uv (T, 2) in [0, 1] and uv_faces (F, 3). Where the skin turns inwards (nostrils, ears) it overlaps itself.
    """
    corner = np.zeros((len(faces), 3, 2))
    eye_height = float(joints[[LEFT_EYE, RIGHT_EYE], 1].mean())
    depth = float(joints[[LEFT_EYE, RIGHT_EYE], 2].mean()) - 0.08
    skin = face_parts == parts.index("skin")
    corner[skin] = _placed(_around(vertices[faces[skin]], eye_height, depth), (_MARGIN, SHELF + _MARGIN), (1, 1))
    left = vertices[faces].mean(1)[:, 0] > 0
    for joint, side, start in ((LEFT_EYE, left, 0.0), (RIGHT_EYE, ~left, _EYE + _MARGIN)):
        here = (face_parts == parts.index("eyes")) & side
        if here.any():
            disc = _disc(vertices[faces[here]], joints[joint])
            corner[here] = disc * _EYE + [start + _MARGIN, _MARGIN]
    mouth = face_parts == parts.index("mouth")
    if mouth.any():
        start = 2 * (_EYE + _MARGIN) + _MARGIN
        corner[mouth] = _placed(vertices[faces[mouth]][..., [0, 2]], (start, _MARGIN), (BUST_FROM, SHELF))
    uv, uv_faces = np.unique(corner.reshape(-1, 2).round(6), axis=0, return_inverse=True)
    return uv.astype(np.float32), uv_faces.reshape(-1, 3).astype(np.int32)


def _around(corners: Floats, height: float, depth: float) -> NDArray[np.float64]:
    """(F, 3, 3) → (F, 3, 2): bearing and height, the height turning into elevation above the eyes."""
    x, y, z = corners[..., 0], corners[..., 1] - height, corners[..., 2] - depth
    bearing = np.arctan2(x, z).astype(np.float64)
    # A face across the back seam belongs to the side of its middle, and its corners follow.
    middle = np.arctan2(x.mean(1), z.mean(1))[:, None]
    bearing = middle + (bearing - middle + np.pi) % (2 * np.pi) - np.pi
    radius = 0.1
    up = np.where(y > 0, radius * np.arctan2(y, np.hypot(x, z)), y)
    return np.stack([bearing + _FRONT * np.sin(bearing), up], -1)


def _disc(corners: Floats, centre: Floats) -> NDArray[np.float64]:
    """(F, 3, 3) → (F, 3, 2): an eyeball seen from the front; the hind half lies behind the front one."""
    flat = (corners - centre)[..., :2]
    return 0.5 + 0.5 * flat / np.abs(flat).max()


def _placed(corners: NDArray[np.floating], low: tuple[float, float], high: tuple[float, float]) -> NDArray[np.float64]:
    """Stretched over the rectangle from `low` to a margin below `high`."""
    flat = np.asarray(corners, np.float64)
    start, size = flat.min((0, 1)), np.ptp(flat, axis=(0, 1))
    room = np.array(high) - _MARGIN - np.array(low)
    return (flat - start) / np.maximum(size, 1e-9) * room + low
