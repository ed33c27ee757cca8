"""Small pictures of an avatar: at rest, and with each of its styles."""

from __future__ import annotations

import dataclasses
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from perse_engine.avatars.avatar import Avatar
from perse_engine.avatars.rendering import render_avatar
from perse_engine.avatars.state import AvatarState
from perse_engine.cameras import Camera
from perse_engine.heads.head import LEFT_EYE, RIGHT_EYE

SIZE, STYLE_SIZE = 256, 96
YAW = 20.0
"""Degrees from which a style is shown, so that noses and hats have a profile."""
CLOSE = ("brows", "eyes", "lips", "beard", "skin", "shape", "glasses")
"""Layers whose styles are shown from nearer."""
NEARER = 1.7


def thumbnail(avatar: Avatar) -> bytes:
    """PNG, `SIZE` x `SIZE`, straight alpha: the person at rest from ahead."""
    return _png(avatar, {}, avatar.neutral_camera.fitted(SIZE, SIZE))


def style_thumbnails(avatar: Avatar) -> dict[str, bytes]:
    """PNG, `STYLE_SIZE` x `STYLE_SIZE`, straight alpha, by slider: the person with that style alone."""
    layers = {category.name: category.layer for category in avatar.categories}
    far = avatar.neutral_camera.fitted(STYLE_SIZE, STYLE_SIZE)
    eyes = avatar.figure.joints[[LEFT_EYE, RIGHT_EYE]].astype(np.float64).mean(0)
    far = far.orbited(eyes, YAW, 0.0, 0.0)
    near = _nearer(far, eyes - [0.0, 0.02, 0.0])
    return {
        style.slider: _png(avatar, {style.slider: 1.0}, near if layers[style.category] in CLOSE else far)
        for style in avatar.styles
    }


def _nearer(camera: Camera, point: NDArray[np.float64]) -> Camera:
    """The camera zoomed in, with `point` in the middle."""
    x, y, _ = camera.project(point[None])[0]
    return dataclasses.replace(
        camera,
        fx=camera.fx * NEARER,
        fy=camera.fy * NEARER,
        cx=camera.width / 2 + (camera.cx - x) * NEARER,
        cy=camera.height / 2 + (camera.cy - y) * NEARER,
    )


def _png(avatar: Avatar, sliders: dict[str, float], camera: Camera) -> bytes:
    picture = render_avatar(avatar, AvatarState(sliders), camera)
    alpha = picture[..., 3:]
    straight = np.concatenate([picture[..., :3] / np.maximum(alpha, 1e-4), alpha], -1)
    pixels: NDArray[np.uint8] = (np.clip(straight, 0, 1) * 255 + 0.5).astype(np.uint8)
    stream = io.BytesIO()
    PillowImage.fromarray(pixels, "RGBA").save(stream, "PNG")
    return stream.getvalue()
