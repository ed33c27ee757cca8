"""What lies behind skin, bust or the person's own hair, and so must not show.

A dress over a back of the same white may stay full of gaps, and no picture tells; then long hair falls down that back,
and shows through the dress in front as dark specks. Own hair may let a little of the scalp through, until a style makes
the skin dark. So while it learns, an avatar is drawn with everything that is hidden in the colour of the background,
which changes with every lesson: a gap is then wrong at once.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from perse_engine.avatars.avatar import Avatar
from perse_engine.avatars.decoding import Stance
from perse_engine.cameras import Camera
from perse_engine.surfaces.rasterize import rasterize_mesh

SOLID = ("skin", "bust")
"""Parts of the figure that nobody can look through, whatever is worn."""
HAIR = "hair"
"""The part that is the person's own hair: nobody looks through most of it until a style takes it off."""
OPAQUE, THINNED = 0.7, 0.1
"""Coverage from which on hair is solid; by how much less of it there is where a style takes it off."""
LONGER_SIDE = 128
"""Pixels of the depth that is looked up: 2 ms on two cores."""
MARGIN, WITHIN_HAIR, UNDER_HAIR = 0.006, 0.004, 0.0005
"""Metres behind the deepest of nine neighbouring pixels from which a Gaussian is hidden: what it may be off by. Less
where all of them are hair, which lies close to the forehead; and behind the middle one alone for skin there, which
cannot be a piece of the hair."""


class Hiding:
    """What hides in one avatar, found out before it is trained."""

    def __init__(self, avatar: Avatar) -> None:
        """Look at `avatar` as its texture says it is."""
        figure, looks = avatar.figure, avatar.appearance
        named = [k for k, part in enumerate(figure.parts) if part in SOLID]
        self._skin = np.isin(figure.face_parts, named)[avatar.triangles]
        self._solid = figure.faces[np.isin(figure.face_parts, named)]
        hair = (
            figure.face_parts == figure.parts.index(HAIR) if HAIR in figure.parts else np.zeros(len(figure.faces), bool)
        )
        on_hair = hair[avatar.triangles]
        covered = np.full(len(figure.vertices), np.inf, np.float32)
        coverage = _coverage(avatar.coverage_logits[on_hair])
        np.minimum.at(covered, avatar.corners[on_hair], coverage[:, None])
        known = np.where(np.isfinite(covered), covered, 0)
        opaque = hair & (known[figure.faces] >= OPAQUE).all(1)
        self._with_hair = np.concatenate([self._solid, figure.faces[opaque]])
        thinned = _coverage(avatar.coverage_logits)[looks.gaussians] - _coverage(looks.coverage_logits) > THINNED
        bared = on_hair[looks.gaussians] & thinned
        self._taking_off = np.array([bool(bared[looks.of(k)].any()) for k in range(len(avatar.styles))], np.bool_)

    def hidden(
        self, stance: Stance, means: NDArray[np.float32], visible: NDArray[np.integer], camera: Camera
    ) -> NDArray[np.bool_]:
        """Which Gaussians lie well behind skin, bust or own hair as `camera` sees them.

        Args:
            stance: the avatar's pose and styles.
            means: (n, 3) metres, where the Gaussians are.
            visible: (n,) which of the avatar's they are.
            camera: from where they are looked at.

        Returns:
            (n,); False for what `camera` does not see at all.
        """
        faces = self._solid if (stance.presence[self._taking_off] > 0).any() else self._with_hair
        scale = LONGER_SIDE / max(camera.width, camera.height)
        small = camera.resized(max(1, round(camera.width * scale)), max(1, round(camera.height * scale)))
        fragments = rasterize_mesh(stance.frames[:, :3], faces, small)
        by_hair = (fragments.triangle >= len(self._solid)).astype(np.uint8)
        around = np.ones((3, 3), np.uint8)
        depth, all_hair = cv2.dilate(fragments.depth, around), cv2.erode(by_hair, around) > 0
        x, y, z = small.project(means).T
        seen = (z > small.near) & (x >= 0) & (x < small.width) & (y >= 0) & (y < small.height)
        behind: NDArray[np.bool_] = np.zeros(len(means), np.bool_)
        at = (y[seen].astype(np.intp), x[seen].astype(np.intp))
        limit = depth[at] + np.where(all_hair[at], WITHIN_HAIR, MARGIN)
        under = all_hair[at] & self._skin[visible[seen]]
        behind[seen] = z[seen] > np.where(under, fragments.depth[at] + UNDER_HAIR, limit)
        return behind


def _coverage(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """The share that hides of what lies behind."""
    return np.asarray(1 / (1 + np.exp(-logits)), np.float32)
