"""How a person moves through a clip: view, turn of the head, gaze, lids, jaw and face; a function of the seed alone."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from perse_engine.avatars.state import AvatarState
from perse_engine.cameras import Camera, front_camera
from perse_engine.clips.expressions import (
    RESERVED,
    Coefficients,
    any_model,
    blink,
    expand,
    mood,
    reserved,
    speech,
    unit,
)
from perse_engine.heads.head import JAW, LEFT_EYE, NECK, RIGHT_EYE
from perse_engine.portraits.portrait import Portrait

MOST_YAW, MOST_PITCH = 35.0, 20.0
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


def training_moments(portrait: Portrait, count: int, rng: np.random.Generator) -> list[Moment]:
    """`count` moments spread over views and expressions, none of them in a reserved view."""
    names = portrait.head.expression_names
    start = rng.random(2)
    kinds = _kinds(names)
    return [
        _moment(k, start, rng, _expression(kinds[k % len(kinds)], k, rng, portrait), lambda y, p: not is_reserved(y, p))
        for k in range(count)
    ]


def held_out_moments(portrait: Portrait, count: int, rng: np.random.Generator) -> list[Moment]:
    """`count` moments of expressions that are never trained, in views that are never trained."""
    names = portrait.head.expression_names
    named = bool(expand(RESERVED[0], 1.0, names))
    start = rng.random(2)
    out = []
    for k in range(count):
        expression = reserved(rng, names) if named else any_model(rng, names)
        out.append(_moment(k, start, rng, expression, is_reserved))
    return out


def rest_moments(portrait: Portrait) -> list[Moment]:
    """What everybody looks at first: the person at rest from ahead and around, blinking, mouth open, smiling."""
    still = np.zeros((5, 3), np.float32)
    views = [(0.0, 0.0), (15.0, 0.0), (-15.0, 0.0), (30.0, 0.0), (-30.0, 0.0), (0.0, 13.0), (0.0, -13.0)]
    views += [(35.0, 6.0), (-35.0, 6.0), (16.0, -10.0), (-16.0, -10.0)]
    moments = [Moment({}, still, *view) for view in views]
    names = portrait.head.expression_names
    shut: dict[str, float] = {name: 1.0 for name in ("eyeblinkleft", "eyeblinkright") if name in names}
    open_mouth = expand({"jawopen": 0.8}, 1.0, names)
    smile = expand({"mouthsmile*": 0.8, "cheeksquint*": 0.3}, 1.0, names)
    for expression in (shut, open_mouth, smile):
        if expression:
            moments += [Moment(dict(expression), still, yaw, 0.0) for yaw in (0.0, 16.0, -16.0)]
    dropped = still.copy()
    dropped[JAW, 0] = 0.28
    moments += [Moment({}, dropped, 0.0, 0.0), Moment({}, dropped, 16.0, -8.0)]
    return [moment for moment in moments if not is_reserved(*moment.seen_from)]


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


def _kinds(names: Sequence[str]) -> tuple[str, ...]:
    if "jawopen" not in names:
        return ("model", "rest", "model")
    return ("speech", "unit", "blink", "mood", "speech", "rest", "photo", "mood", "blink", "speech", "unit", "gaze")


def _expression(kind: str, k: int, rng: np.random.Generator, portrait: Portrait) -> Coefficients:
    names = portrait.head.expression_names
    if kind == "unit":
        return unit(rng, names, k + int(rng.integers(len(names))))
    if kind == "photo":
        share = rng.uniform(0.3, 1.0)
        return {n: round(float(v) * share, 4) for n, v in zip(names, portrait.state.expression, strict=False) if v != 0}
    if kind == "blink":
        return {**(speech(rng, names) if rng.random() < 0.4 else {}), **blink(rng, names)}
    simple: dict[str, Callable[[np.random.Generator, Sequence[str]], Coefficients]] = {
        "speech": speech,
        "mood": mood,
        "model": any_model,
    }
    return simple[kind](rng, names) if kind in simple else {}


def _moment(
    k: int,
    start: NDArray[np.float64],
    rng: np.random.Generator,
    expression: Coefficients,
    wanted: Callable[[float, float], bool],
) -> Moment:
    """A moment whose view is wanted. The R2 sequence (Roberts 2018) spreads the views evenly."""
    at = (start + k * np.array([0.7548776662466927, 0.5698402909980532])) % 1.0
    while True:
        yaw = MOST_YAW * (2 * at[0] - 1)
        pitch = MOST_PITCH * (2 * at[1] - 1) * (1 - 0.4 * abs(yaw) / MOST_YAW)
        moment = _posed(yaw, pitch, rng, expression)
        if wanted(*moment.seen_from):
            return moment
        at = (at + rng.normal(0, 0.12, 2)) % 1.0


def _posed(yaw: float, pitch: float, rng: np.random.Generator, expression: Coefficients) -> Moment:
    """A moment in which the face is seen from (`yaw`, `pitch`), partly as the head itself turns."""
    pose = np.zeros((5, 3), np.float32)
    turn = np.clip(rng.normal(0, [4.0, 7.0, 3.0]), [-9, -15, -7], [9, 15, 7])
    pose[NECK] = np.radians(turn)
    if rng.random() < 0.22:
        pose[JAW, 0] = abs(rng.normal(0, 0.10)) + 0.02
        pose[JAW, 1] = rng.normal(0, 0.015)
    if rng.random() < 0.65:
        look = np.clip(rng.normal(0, [0.10, 0.17]), [-0.22, -0.36], [0.22, 0.36])
        pose[LEFT_EYE, :2] = pose[RIGHT_EYE, :2] = look
    return Moment(
        expression,
        pose,
        float(np.clip(yaw + turn[1], -MOST_YAW, MOST_YAW)),
        float(np.clip(pitch - turn[0], -MOST_PITCH, MOST_PITCH)),
        roll=float(rng.normal(0, 3.0)),
        distance=float(rng.uniform(0.9, 1.25)),
        shift=(float(rng.normal(0, 0.015)), float(rng.normal(0, 0.012))),
        zoom=float(rng.uniform(0.9, 1.08)),
    )
