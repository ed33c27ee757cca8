"""What to know of a photo before a build: whether it can be used, and what would make a better one."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from perse_engine.portraits.drawing import is_drawn
from perse_engine.portraits.images import read_image
from perse_engine.portraits.landmarks import EYE_CORNERS, INNER_LIPS, LEFT_LIDS, RIGHT_LIDS, Face
from perse_engine.portraits.tasks import open_tracker

TURNED = 15.0
"""Degrees of yaw from which the far side is mostly guessed."""
SHARP = 50.0
"""Pixels between the outer corners of the eyes below which skin has no detail of its own."""
OPEN_MOUTH, SHUT_EYE = 0.06, 0.16
"""Between the lips, as a share of the eyes' distance; between the lids, as a share of the eye's length."""
DARK, BURNT = 45.0, 0.1
"""Mean of 255 in the face; share of its pixels that are white."""
ROOM = 0.35
"""Above the brow line, as a share of the face's height: less cuts the head off."""


def advice(path: Path) -> tuple[str, ...]:
    """What would make the photograph at `path` a better portrait, a sentence each; empty where nothing would.

    Raises:
        InputError: it cannot be used: what `read_image`, `open_tracker` and its `track` raise.
    """
    photo = read_image(path)
    face = open_tracker().track(photo.pixels)
    points = face.landmarks[:, :2]
    low, high = points.min(0), points.max(0)
    height, width = photo.pixels.shape[:2]
    x0, y0, x1, y1 = (int(v) for v in (max(low[0], 0), max(low[1], 0), high[0] + 1, high[1] + 1))
    shown = photo.pixels[y0:y1, x0:x1].astype(np.float32).mean(-1)
    said = []
    if abs(math.degrees(face.yaw)) > TURNED:
        said.append(
            f"The face is turned by about {abs(math.degrees(face.yaw)):.0f} degrees: its far side is guessed. "
            "One that looks into the camera shows both"
        )
    if face.eye_distance < SHARP:
        said.append(
            f"The eyes are only {face.eye_distance:.0f} pixels apart: skin will be soft. A larger picture is sharper"
        )
    if low[1] < ROOM * (high[1] - low[1]):
        said.append("The top of the head is cut off: hair is guessed there. Leave room above it")
    if low[0] < 0 or high[0] > width or high[1] > height:
        said.append("The face touches the picture's rim. Leave room around it")
    if _gap(face, INNER_LIPS[5], INNER_LIPS[15]) > OPEN_MOUTH * face.eye_distance:
        said.append("The mouth is open: lips at rest are guessed. A closed mouth is surer")
    if _shut(face):
        said.append("The eyes are nearly shut: irises are guessed. Open eyes show them")
    if shown.mean() < DARK:
        said.append("The face is dark. More light shows more of it")
    if (shown > 250).mean() > BURNT:
        said.append("Parts of the face are burnt out to white. Softer light keeps the skin")
    if is_drawn(photo.pixels, face.landmarks):
        said.append("The face looks drawn, and will probably be refused. Use a photograph or a realistic painting")
    return tuple(said)


def _gap(face: Face, one: int, other: int) -> float:
    return float(np.linalg.norm(face.landmarks[one, :2] - face.landmarks[other, :2]))


def _shut(face: Face) -> bool:
    """Whether the lids of both eyes are closer than an open eye's."""
    shares = []
    for lids, (left, right) in zip((LEFT_LIDS, RIGHT_LIDS), EYE_CORNERS, strict=True):
        shares.append(_gap(face, lids[4], lids[12]) / max(_gap(face, left, right), 1e-6))
    return max(shares) < SHUT_EYE
