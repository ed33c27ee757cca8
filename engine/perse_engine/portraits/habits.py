"""How the landmark tracker answers when this very head moves its lids and brows: analysis by synthesis.

Where a lid closes, the tracker's points come together by less than the lid does, and differently for every face. So
the fitted head is drawn as in its portrait, one unit is moved, and what the tracker then says is what it will say of
the person's own lids.
"""

from __future__ import annotations

import dataclasses
import logging

import numpy as np
from numpy.typing import NDArray

from perse_engine.cameras import Camera
from perse_engine.heads.head import LEFT_EYE, NECK, RIGHT_EYE, HeadState
from perse_engine.heads.posing import joint_transforms, pose_head
from perse_engine.portraits.landmarks import LEFT_BROW, LEFT_LIDS, RIGHT_BROW, RIGHT_LIDS, Face, Tracker
from perse_engine.portraits.portrait import Portrait
from perse_engine.surfaces.shading import mipmap, render_mipmapped

log = logging.getLogger(__name__)

MEASURED = ("eyeblink", "eyewide", "eyesquint", "browdown", "browinnerup", "browouterup")
SIDE = 512
BACKGROUND = 0.5
LEAST_AMOUNT = 0.3
"""Of a unit, below which too little moves to be measured; it is then moved from rest instead."""
MOVING = sorted({*LEFT_LIDS, *RIGHT_LIDS, *LEFT_BROW, *RIGHT_BROW})


def measured_units(portrait: Portrait, tracker: Tracker) -> dict[int, NDArray[np.float64]]:
    """How the landmarks (468, 3) answer to each of the `MEASURED` units, metres per unit in the head's own axes.

    By index of the expression; across the portrait's view only. Empty where the drawn head is not recognised, or its
    expressions have no names.
    """
    head, state = portrait.head, portrait.state
    camera = portrait.crop_camera(SIDE)
    turn = (camera.view @ joint_transforms(head.joints, state.pose)[NECK].astype(np.float64))[:3, :3]
    eyes = pose_head(head, state).joints[[LEFT_EYE, RIGHT_EYE]].astype(np.float64)
    depth = float(camera.project(eyes)[:, 2].mean())
    answers: dict[int, NDArray[np.float64]] = {}
    for k, name in enumerate(head.expression_names):
        if not name.startswith(MEASURED):
            continue
        low = float(state.expression[k]) if state.expression[k] < 1 - LEAST_AMOUNT else 0.0
        before, after = (_seen(portrait, tracker, camera, _with_unit(state, k, value)) for value in (low, 1.0))
        if before is None or after is None:
            log.info("the drawn head is not recognised, so its own correspondences are used")
            return {}
        moved = np.zeros((468, 3))
        pixels = (after.landmarks[:, :2] - before.landmarks[:, :2]).astype(np.float64) / (1 - low)
        moved[MOVING, :2] = pixels[MOVING] * depth / [camera.fx, camera.fy]
        answers[k] = moved @ turn
    return answers


def _with_unit(state: HeadState, k: int, value: float) -> HeadState:
    expression = state.expression.copy()
    expression[k] = value
    return dataclasses.replace(state, expression=expression)


def _seen(portrait: Portrait, tracker: Tracker, camera: Camera, state: HeadState) -> Face | None:
    """The largest face of a drawing of the portrait's head and hair."""
    head, shell = portrait.head, portrait.hair_shell
    posed = pose_head(head, state)
    transforms = (shell.weights @ posed.transforms.reshape(5, 16)).reshape(-1, 4, 4)
    hair = np.einsum("vab,vb->va", transforms[:, :3, :3], shell.vertices) + transforms[:, :3, 3]
    texture = np.concatenate([portrait.texture, np.ones_like(portrait.texture[..., :1])], -1)
    atlas = np.concatenate([texture, _fitted(portrait.hair_texture, texture.shape[0])], 1)
    share = texture.shape[1] / atlas.shape[1]
    drawn = render_mipmapped(
        np.concatenate([posed.vertices, hair]),
        np.concatenate([head.faces, shell.faces + len(head.template)]),
        np.concatenate([head.uv * [share, 1], shell.uv * [1 - share, 1] + [share, 0]]),
        np.concatenate([head.uv_faces, shell.faces + len(head.uv)]),
        mipmap(atlas.astype(np.float32)),
        camera,
    )
    alpha = drawn.alpha[..., None]
    picture = np.clip(drawn.color * alpha + BACKGROUND * (1 - alpha), 0, 1)
    faces = tracker.track_all((picture * 255 + 0.5).astype(np.uint8))
    return faces[0] if faces else None


def _fitted(texture: NDArray[np.float32], height: int) -> NDArray[np.float32]:
    """A square texture repeated or thinned to `height` rows, nearest texels: only recognised, never kept."""
    rows = np.arange(height) * texture.shape[0] // height
    return texture[rows][:, rows]
