"""What lies behind skin or bust, and so must not show.

A dress over a back of the same white may stay full of gaps, and no picture tells; then long hair falls down that back,
and shows through the dress in front as dark specks. So while it learns, an avatar is drawn with everything that is
hidden in the colour of the background, which changes with every lesson: a gap is then wrong at once.
"""

from __future__ import annotations

import functools

import cv2
import numpy as np
from numpy.typing import NDArray

from perse_engine.avatars.avatar import Avatar
from perse_engine.avatars.decoding import Stance
from perse_engine.cameras import Camera
from perse_engine.heads.figure import Figure
from perse_engine.surfaces.rasterize import rasterize_mesh

SOLID = ("skin", "bust")
"""Parts of the figure that nobody can look through, whatever is worn."""
LONGER_SIDE = 128
"""Pixels of the depth that is looked up: 2 ms on two cores."""
MARGIN = 0.006
"""Metres behind the deepest of nine neighbouring pixels from which a Gaussian is hidden: what it may be off by."""


def hidden(avatar: Avatar, stance: Stance, means: NDArray[np.float32], camera: Camera) -> NDArray[np.bool_]:
    """Which Gaussians of `avatar` lie well behind its skin or bust as `camera` sees them.

    Args:
        avatar: of whose figure the parts `SOLID` hide.
        stance: its pose.
        means: (n, 3) metres, where the Gaussians are.
        camera: from where they are looked at.

    Returns:
        (n,); False for what `camera` does not see at all.
    """
    scale = LONGER_SIDE / max(camera.width, camera.height)
    small = camera.resized(max(1, round(camera.width * scale)), max(1, round(camera.height * scale)))
    depth = rasterize_mesh(stance.frames[:, :3], _solid_faces(avatar.figure), small).depth
    deepest = cv2.dilate(depth, np.ones((3, 3), np.uint8))
    x, y, z = small.project(means).T
    seen = (z > small.near) & (x >= 0) & (x < small.width) & (y >= 0) & (y < small.height)
    behind: NDArray[np.bool_] = np.zeros(len(means), np.bool_)
    behind[seen] = z[seen] > deepest[y[seen].astype(np.intp), x[seen].astype(np.intp)] + MARGIN
    return behind


@functools.lru_cache(maxsize=2)
def _solid_faces(figure: Figure) -> NDArray[np.integer]:
    """The faces of `SOLID` parts, the same in every step of a training."""
    return figure.faces[np.isin(figure.face_parts, [k for k, part in enumerate(figure.parts) if part in SOLID])]
