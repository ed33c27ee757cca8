"""The pictures that an avatar learns from, and which of them it looks at in each step."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from perse_engine.avatars.avatar import Avatar
from perse_engine.avatars.state import AvatarState
from perse_engine.cameras import Camera
from perse_engine.training.presets import Preset

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]

BOXES_FROM = 1 / 3
"""Share of the training after which boxes of the finest pictures are looked at."""


REPAINTED = 0.1
"""Share of the Gaussians that a style reaches which is looked at twice as often as others."""
RECORDED = 0.5
"""Share of the steps that look at real footage where there is some."""


@dataclasses.dataclass(frozen=True, eq=False)
class Picture:
    """What a view shows.

    Attributes:
        color: (H, W, 4) uint8 sRGB and straight alpha.
        weights: (H, W) float16 >= 0, what each pixel counts; zero where the picture says nothing about the avatar.
    """

    color: Bytes
    weights: NDArray[np.float16]


@dataclasses.dataclass(frozen=True, eq=False)
class View:
    """One picture to learn from.

    Attributes:
        name: unique among the views.
        camera: of the picture at its finest.
        state: of the avatar in it.
        read: gives the picture, as large as `camera` says.
    """

    name: str
    camera: Camera
    state: AvatarState
    read: Callable[[], Picture]

    @cached_property
    def picture(self) -> Picture:
        """The finest picture, read once."""
        return self.read()


@dataclasses.dataclass(frozen=True, eq=False)
class Lesson:
    """What one step looks at.

    Attributes:
        camera: of the target.
        state: of the avatar.
        target: (H, W, 3) float32 sRGB over `background`.
        matte: (H, W) float32.
        weights: (H, W) float32.
        background: (3,) sRGB.
    """

    camera: Camera
    state: AvatarState
    target: Floats
    matte: Floats
    weights: Floats
    background: Floats


def dwelling(views: Sequence[View], avatar: Avatar) -> tuple[View, ...]:
    """`views` with those twice that show styles which repaint a good part of `avatar`: there is more to learn in them.

    What a hair cut or a suit shows is seen in its own few pictures only, a face in all of them.
    """
    reached = np.diff(avatar.appearance.starts) > REPAINTED * avatar.count
    large = {style.slider for style, much in zip(avatar.styles, reached, strict=True) if much}
    times = [2 if large.intersection(view.state.sliders) else 1 for view in views]
    return tuple(view for view, count in zip(views, times, strict=True) for _ in range(count))


class Lessons:
    """The lessons of one training: a function of the step alone, so that a training can be taken up anywhere."""

    def __init__(
        self, views: Sequence[View], photo: View | None, preset: Preset, seed: int, recorded: Sequence[View] = ()
    ) -> None:
        self._views = tuple(views)
        self._recorded = tuple(recorded)
        self._photo = photo
        self._preset = preset
        self._seed = seed
        self._reduced: dict[str, tuple[Bytes, NDArray[np.float16]]] = {}

    def at(self, step: int) -> Lesson:
        """The lesson of `step`, from 0 to the preset's steps."""
        generator = np.random.default_rng([self._seed, step])
        view = self._view(step, generator)
        background = generator.random(3).astype(np.float32)
        fine = step >= BOXES_FROM * self._preset.steps and generator.random() < self._preset.boxes
        if fine and min(view.camera.width, view.camera.height) > self._preset.size:
            return self._box(view, generator, background)
        return self._whole(view, background)

    def _view(self, step: int, generator: np.random.Generator) -> View:
        if self._recorded and generator.random() < RECORDED:
            return self._recorded[generator.integers(len(self._recorded))]
        if self._photo is not None and generator.random() < self._preset.photo:
            return self._photo
        cycle, place = divmod(step, len(self._views))
        order = np.random.default_rng([self._seed, cycle, len(self._views)]).permutation(len(self._views))
        return self._views[order[place]]

    def _whole(self, view: View, background: Floats) -> Lesson:
        scale = self._preset.size / max(view.camera.width, view.camera.height)
        width, height = round(view.camera.width * scale), round(view.camera.height * scale)
        if view.name not in self._reduced:
            self._reduced[view.name] = reduced(view.picture, width, height)
        color, weights = self._reduced[view.name]
        return _lesson(view.camera.resized(width, height), view.state, _unit(color), weights, background)

    def _box(self, view: View, generator: np.random.Generator, background: Floats) -> Lesson:
        picture, side = view.picture, self._preset.size
        rows, columns = np.nonzero(picture.color[::8, ::8, 3] > 127)
        if not len(rows):
            return self._whole(view, background)
        chosen = generator.integers(len(rows))
        height, width = picture.color.shape[:2]
        x = int(np.clip(columns[chosen] * 8 - side // 2, 0, width - side))
        y = int(np.clip(rows[chosen] * 8 - side // 2, 0, height - side))
        window = np.s_[y : y + side, x : x + side]
        color = _premultiplied(picture.color[window])
        return _lesson(view.camera.cropped(x, y, side, side), view.state, color, picture.weights[window], background)


def reduced(picture: Picture, width: int, height: int) -> tuple[Bytes, NDArray[np.float16]]:
    """The premultiplied colour (height, width, 4) uint8 and the weights of `picture`, averaged down."""
    color = cv2.resize(_premultiplied(picture.color), (width, height), interpolation=cv2.INTER_AREA)
    weights = cv2.resize(picture.weights.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
    return (color * 255 + 0.5).astype(np.uint8), weights.astype(np.float16)


def _unit(color: Bytes) -> Floats:
    return color.astype(np.float32) * np.float32(1 / 255)


def _premultiplied(color: Bytes) -> Floats:
    picture = _unit(color)
    picture[..., :3] *= picture[..., 3:]
    return picture


def _lesson(
    camera: Camera, state: AvatarState, color: Floats, weights: NDArray[np.float16], background: Floats
) -> Lesson:
    target = color[..., :3] + (1 - color[..., 3:]) * background
    matte = np.ascontiguousarray(color[..., 3])
    return Lesson(camera, state, target, matte, weights.astype(np.float32), background)
