"""Pictures of one style: the wardrobe's where the style changes something, the avatar's own around that."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from perse_engine.avatars.avatar import Avatar
from perse_engine.avatars.initial import head_center
from perse_engine.avatars.rendering import render_avatar
from perse_engine.avatars.state import AvatarState
from perse_engine.cameras import Camera
from perse_engine.clips.animator import Frame, look_of, render_frame
from perse_engine.clips.wardrobe import Wardrobe
from perse_engine.progress import Progress
from perse_engine.training.views import Picture, View

Bytes = NDArray[np.uint8]

STAGE = "pictures"
VIEWS, SIZE = 40, 384
PARTLY = 5
"""One in so many views shows the style on its way."""
WIDEST = (60.0, 18.0)
"""Degrees of yaw and pitch."""
UNITS = ("jawopen", "mouthsmileleft", "mouthsmileright", "browinnerup", "eyeblinkleft", "eyeblinkright")
ACTING, STRONGEST = 0.3, 0.8
"""Share of the views in which a unit acts, and how far at most."""
NEAR = 9
"""Pixels around what the style changes that count: there it must change nothing."""
UNCHANGED = 2
"""Of 255."""


def style_views(avatar: Avatar, wardrobe: Wardrobe, seed: int, progress: Progress) -> tuple[View, ...]:
    """Pictures of the style of `wardrobe`, which is the last of `avatar`.

    Raises:
        Cancelled: by `progress`.
    """
    generator = np.random.default_rng(seed)
    slider = wardrobe.styles[0].slider
    bare = look_of(wardrobe, AvatarState())
    names = [f"expr_{unit}" for unit in UNITS if unit in avatar.figure.expression_names]
    views = []
    for k in range(VIEWS):
        progress(STAGE, k, VIEWS)
        amount = float(generator.uniform(0.15, 0.85)) if k % PARTLY == 0 else 1.0
        units = {n: float(STRONGEST * generator.random()) for n in names if generator.random() < ACTING}
        yaw, pitch = (2 * generator.random(2) - 1) * WIDEST
        camera = avatar.neutral_camera.fitted(SIZE, SIZE).orbited(head_center(avatar.figure), yaw, pitch, 0.0)
        state, without = AvatarState({slider: amount, **units}), AvatarState(units)
        shown = _of_frame(render_frame(wardrobe, state, camera))
        plain = _of_frame(render_frame(wardrobe, without, camera, look=bare))
        own = _straight(render_avatar(avatar, without, camera))
        views.append(_view(f"{slider}/{k}", state, camera, _composed(shown, plain, own)))
    progress(STAGE, VIEWS, VIEWS)
    return tuple(views)


def _composed(shown: Bytes, plain: Bytes, own: Bytes) -> Picture:
    """What the style changes, from `shown` (H, W, 4), on the avatar's own picture; only that and its rim count."""
    changed = (cv2.absdiff(shown, plain).max(-1) > UNCHANGED).astype(np.uint8)
    changed = cv2.dilate(changed, np.ones((3, 3), np.uint8))
    near = cv2.dilate(changed, np.ones((2 * NEAR + 1, 2 * NEAR + 1), np.uint8))
    return Picture(np.where(changed[..., None] > 0, shown, own), near.astype(np.float16))


def _view(name: str, state: AvatarState, camera: Camera, picture: Picture) -> View:
    return View(name, camera, state, lambda: picture)


def _of_frame(frame: Frame) -> Bytes:
    return _bytes(np.dstack([frame.color, frame.alpha]))


def _straight(picture: NDArray[np.float32]) -> Bytes:
    alpha = picture[..., 3:]
    return _bytes(np.concatenate([picture[..., :3] / np.maximum(alpha, 1e-4), alpha], -1))


def _bytes(picture: NDArray[np.floating]) -> Bytes:
    rounded: Bytes = (picture.clip(0, 1) * 255 + 0.5).astype(np.uint8)
    return rounded
