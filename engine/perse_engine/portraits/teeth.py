"""Bringing the head's teeth to where the photo shows teeth."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perse_engine.cameras import Camera
from perse_engine.heads.head import JAW, Head
from perse_engine.portraits.correspondence import Correspondence

LOWERED, RAISED = 0.008, 0.002  # metres that the photo may move the teeth
UPPER_EDGE, LOWER_EDGE = 0.0022, 0.0006  # metres below the line between closed lips, behind the lower one
CLEARANCE, OVERJET = 0.006, 0.002  # metres from the lips' rims back to the teeth, and from the upper row to the lower


def teeth_pixels(
    pixels: NDArray[np.uint8], opening: NDArray[np.floating], landmarks: NDArray[np.floating]
) -> NDArray[np.bool_]:
    """(H, W) the bright, colourless part of the mouth's opening."""
    values = pixels.astype(np.float32)
    cheeks = np.concatenate([_around(pixels, landmarks[k, :2], 3) for k in (50, 280, 205, 425)])
    light, strongest = values.mean(-1), values.max(-1)
    saturation = (strongest - values.min(-1)) / np.maximum(strongest, 1)
    return (opening > 0.5) & (light > 0.62 * cheeks.mean()) & (saturation < 0.38)


def settled_teeth(
    head: Head,
    correspondence: Correspondence,
    template: NDArray[np.floating],
    posed: NDArray[np.floating],
    camera: Camera,
    teeth: NDArray[np.bool_],
    landmarks: NDArray[np.floating],
) -> NDArray[np.float32]:
    """(V, 3) displacement of the rest head that seats the teeth behind the lips.

    Both rows end behind the lower of two closed lips, or lower where the photo shows teeth, and stay clear of the lips.

    Args:
        template: (V, 3) the rest head with its detail.
        posed: (V, 3) the same as in the photo, in the axes that `camera` sees.
        teeth: (H, W) from `teeth_pixels`.
    """
    moved = np.zeros(template.shape, np.float32)
    if "teeth" not in head.parts:
        return moved
    own = np.unique(head.faces[head.face_parts == head.parts.index("teeth")])
    upper = own[head.weights[own, JAW] < 0.5]
    lower = np.setdiff1d(own, upper)
    rims = correspondence.points(head, template)
    for row, rim, side, below, behind in ((upper, 13, -1, UPPER_EDGE, 0.0), (lower, 14, 1, LOWER_EDGE, OVERJET)):
        if len(row):
            edge = row[np.abs(template[row, 0]) < 0.01]
            reach = (template[edge, 1] * side).max() * side
            moved[row, 1] = np.clip(rims[rim, 1] - below - reach, -0.008, 0.008)
            gap = rims[rim, 2] - CLEARANCE - behind - template[edge, 2].max()
            moved[row, 2] = np.clip(gap, -0.012, 0.0)
            moved[row, 0] = -0.08 * template[row, 0]
    if len(upper):
        sunk = _sinking(head, upper, posed + moved, camera, teeth, landmarks)
        moved[upper, 1] -= sunk
        moved[lower, 1] -= max(sunk, 0.0)
    return moved


def _sinking(
    head: Head,
    upper: NDArray[np.integer],
    vertices: NDArray[np.floating],
    camera: Camera,
    teeth: NDArray[np.bool_],
    landmarks: NDArray[np.floating],
) -> float:
    """Metres by which the upper row ends higher than the photo's teeth; 0 unless those show."""
    eyes = float(np.linalg.norm(landmarks[33, :2] - landmarks[263, :2]))
    gap = float(landmarks[14, 1] - landmarks[13, 1])
    half = max(1, round(0.08 * eyes))
    column = round(float(landmarks[13, 0]))
    strip = teeth[:, max(0, column - half) : column + half + 1]
    rows = np.flatnonzero(strip.mean(1) > 0.5)
    if gap < 0.05 * eyes or len(rows) < 0.35 * gap:
        return 0.0
    middle = upper[np.abs(head.template[upper, 0]) < 0.008]
    edge = middle[head.template[middle, 1] < head.template[middle, 1].min() + 0.002]
    seen = camera.project(vertices[edge].astype(np.float64))
    missing = (rows.max() + 1 - np.median(seen[:, 1])) * np.median(seen[:, 2]) / camera.fy
    return float(np.clip(missing, -RAISED, LOWERED))


def _around(pixels: NDArray[np.uint8], place: NDArray[np.floating], radius: int) -> NDArray[np.float32]:
    x, y = int(place[0]), int(place[1])
    patch = pixels[max(0, y - radius) : y + radius + 1, max(0, x - radius) : x + radius + 1]
    return patch.reshape(-1, 3).mean(1).astype(np.float32)
