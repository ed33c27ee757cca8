"""Bringing the head's teeth to where the photo shows teeth."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perse_engine.cameras import Camera
from perse_engine.heads.head import Head

LOWERED, RAISED = 0.008, 0.002  # metres that the teeth may move


def teeth_pixels(
    pixels: NDArray[np.uint8], opening: NDArray[np.floating], landmarks: NDArray[np.floating]
) -> NDArray[np.bool_]:
    """(H, W) the bright, colourless part of the mouth's opening."""
    values = pixels.astype(np.float32)
    cheeks = np.concatenate([_around(pixels, landmarks[k, :2], 3) for k in (50, 280, 205, 425)])
    light, strongest = values.mean(-1), values.max(-1)
    saturation = (strongest - values.min(-1)) / np.maximum(strongest, 1)
    return (opening > 0.5) & (light > 0.62 * cheeks.mean()) & (saturation < 0.38)


def lowered_teeth(
    head: Head,
    vertices: NDArray[np.floating],
    camera: Camera,
    teeth: NDArray[np.bool_],
    landmarks: NDArray[np.floating],
) -> float:
    """Metres by which the teeth should sink so that they end where the photo's do; 0 unless those show.

    Args:
        vertices: (V, 3) as in the photo, in the axes that `camera` sees.
        teeth: (H, W) from `teeth_pixels`.
    """
    if "teeth" not in head.parts:
        return 0.0
    eyes = float(np.linalg.norm(landmarks[33, :2] - landmarks[263, :2]))
    upper, lower = landmarks[13, :2], landmarks[14, :2]
    gap = float(lower[1] - upper[1])
    half = max(1, round(0.08 * eyes))
    column = round(float(upper[0]))
    strip = teeth[:, max(0, column - half) : column + half + 1]
    rows = np.flatnonzero(strip.mean(1) > 0.5)
    if gap < 0.05 * eyes or len(rows) < 0.35 * gap:
        return 0.0
    own = np.unique(head.faces[head.face_parts == head.parts.index("teeth")])
    middle = own[np.abs(head.template[own, 0]) < 0.008]
    top = middle[head.template[middle, 1] > np.median(head.template[middle, 1])]
    edge = top[head.template[top, 1] < head.template[top, 1].min() + 0.002]
    seen = camera.project(vertices[edge].astype(np.float64))
    missing = (rows.max() + 1 - np.median(seen[:, 1])) * np.median(seen[:, 2]) / camera.fy
    return float(np.clip(missing, -RAISED, LOWERED))


def _around(pixels: NDArray[np.uint8], place: NDArray[np.floating], radius: int) -> NDArray[np.float32]:
    x, y = int(place[0]), int(place[1])
    patch = pixels[max(0, y - radius) : y + radius + 1, max(0, x - radius) : x + radius + 1]
    return patch.reshape(-1, 3).mean(1).astype(np.float32)
