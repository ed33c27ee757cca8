"""Whom a measurement looks at: an avatar, or the teacher that it learnt from, through one pair of eyes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from perse_engine.avatars.avatar import Avatar
from perse_engine.avatars.initial import neutral_camera
from perse_engine.avatars.rendering import render_avatar
from perse_engine.avatars.state import AvatarState
from perse_engine.avatars.styles import Style
from perse_engine.cameras import Camera
from perse_engine.clips.animator import Look, look_of, render_frame
from perse_engine.clips.dataset import Dataset
from perse_engine.clips.wardrobe import Wardrobe
from perse_engine.heads.figure import Figure

Floats = NDArray[np.float32]
Draw = Callable[[AvatarState, Camera], Floats]


@dataclasses.dataclass(frozen=True, eq=False)
class Subject:
    """Somebody who can be drawn.

    Attributes:
        draw: state and camera to (H, W, 4) premultiplied sRGB.
        figure: the bind mesh.
        styles: the attribute sliders.
        photo_camera: of the whole photo.
        photo_state: the photo's expression, pose and gaze.
        neutral_camera: straight before the face, square.
    """

    draw: Draw
    figure: Figure
    styles: tuple[Style, ...]
    photo_camera: Camera
    photo_state: AvatarState
    neutral_camera: Camera


def avatar_subject(avatar: Avatar) -> Subject:
    """The avatar."""
    return Subject(
        lambda state, camera: render_avatar(avatar, state, camera),
        avatar.figure,
        avatar.styles,
        avatar.photo_camera,
        avatar.photo_state,
        avatar.neutral_camera,
    )


def teacher_subject(dataset: Dataset) -> Subject:
    """The teacher of `dataset`."""
    wardrobe = dataset.wardrobe
    return Subject(
        teacher_draw(wardrobe),
        wardrobe.figure,
        wardrobe.styles,
        dataset.photo_camera,
        dataset.photo.state,
        neutral_camera(wardrobe.figure),
    )


def teacher_draw(wardrobe: Wardrobe) -> Draw:
    """How the teacher is drawn; the textures of the latest attributes are kept."""
    latest: tuple[object, Look | None] = (None, None)

    def draw(state: AvatarState, camera: Camera) -> Floats:
        nonlocal latest
        worn = tuple(sorted((name, value) for name, value in state.sliders.items() if name.startswith("attr_")))
        look = latest[1] if latest[0] == worn else None
        if look is None:
            look = look_of(wardrobe, state)
            latest = (worn, look)
        frame = render_frame(wardrobe, state, camera, look=look)
        return np.concatenate([frame.color * frame.alpha[..., None], frame.alpha[..., None]], -1)

    return draw


def parts_drawn(wardrobe: Wardrobe) -> Callable[[AvatarState, Camera], dict[str, NDArray[np.bool_]]]:
    """Which pixels (H, W) of the teacher's frame are mostly which of its labels, by name; the background is none."""

    def parts(state: AvatarState, camera: Camera) -> dict[str, NDArray[np.bool_]]:
        shown = render_frame(wardrobe, state, camera).parts
        names = list(wardrobe.labels)
        return {names[k]: shown == k for k in np.unique(shown) if names[k] != "background"}

    return parts
