"""One moment of a clip, before it is dressed: what the face and the head do, and how it is looked at."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from perse_engine.avatars.state import AvatarState
from perse_engine.cameras import Camera, front_camera
from perse_engine.clips.expressions import Coefficients
from perse_engine.heads.head import LEFT_EYE, NECK, RIGHT_EYE
from perse_engine.portraits.portrait import Portrait

CELL = 7.0
"""Degrees; views are divided into cells of this side, a part of which is never trained."""
FRAMED = 0.41
"""Metres of height that a frame shows of an adult: hat to collar."""


@dataclasses.dataclass(frozen=True, eq=False)
class Moment:
    """One frame before it is dressed.

    Attributes:
        expression: coefficients by the model's names.
        pose: (5, 3) axis-angle of the joints.
        yaw, pitch, roll: degrees by which the camera orbits the head.
        distance: of the camera from the head, relative to the photo's.
        shift: (2,) of the head in the frame, as parts of its side.
        zoom: magnification.
    """

    expression: Coefficients
    pose: NDArray[np.float32]
    yaw: float
    pitch: float
    roll: float = 0.0
    distance: float = 1.0
    shift: tuple[float, float] = (0.0, 0.0)
    zoom: float = 1.0

    def state(self, attributes: Mapping[str, float]) -> AvatarState:
        """The avatar's state with these attribute sliders."""
        sliders = {**attributes, **{f"expr_{name}": value for name, value in self.expression.items()}}
        return AvatarState(sliders, self.pose)

    @property
    def seen_from(self) -> tuple[float, float]:
        """Yaw and pitch, degrees, from which the face itself is seen: the camera's less the head's own turn."""
        turn = np.degrees(self.pose[NECK])
        return self.yaw - float(turn[1]), self.pitch + float(turn[0])


def is_reserved(yaw: float, pitch: float) -> bool:
    """Is the view from (`yaw`, `pitch`), degrees, one that is never trained?"""
    return (math.floor(yaw / CELL + 0.5) + 2 * math.floor(pitch / CELL + 0.5)) % 6 == 3


def camera_of(portrait: Portrait, moment: Moment, size: int) -> Camera:
    """The camera of a moment: before the face at about the photo's distance, orbited about the head's centre."""
    center = head_center(portrait)
    away = float(np.linalg.norm(portrait.camera.position() - center)) * moment.distance
    focal = size * away / FRAMED * moment.zoom
    camera = front_camera(center, away, focal, size, size).orbited(center, moment.yaw, moment.pitch, moment.roll)
    return dataclasses.replace(
        camera, cx=camera.cx + moment.shift[0] * size, cy=camera.cy + (moment.shift[1] + 0.05) * size
    )


def head_center(portrait: Portrait) -> NDArray[np.float64]:
    """(3,) about what the camera turns: inside the head, between the eyes' height and the mouth's."""
    eyes = portrait.head.joints[[LEFT_EYE, RIGHT_EYE]].astype(np.float64).mean(0)
    return eyes + [0.0, -0.015, -0.06]


def photo_state(portrait: Portrait) -> AvatarState:
    """The state of the avatar in the photograph."""
    state = portrait.state
    sliders = {
        f"expr_{name}": float(value)
        for name, value in zip(portrait.head.expression_names, state.expression, strict=False)
        if value != 0
    }
    return AvatarState(sliders, state.pose.astype(np.float32))


def photo_camera(portrait: Portrait, size: int) -> Camera:
    """The camera of the photo's aligned crop, size x size; the head's own translation is in it."""
    return _at_rest(portrait.crop_camera(size), portrait)


def whole_photo_camera(portrait: Portrait) -> Camera:
    """The camera of the whole photo; the head's own translation is in it."""
    return _at_rest(portrait.camera, portrait)


def _at_rest(camera: Camera, portrait: Portrait) -> Camera:
    view = camera.view.copy()
    view[:3, 3] += view[:3, :3] @ portrait.state.translation.astype(np.float64)
    return dataclasses.replace(camera, view=view)
