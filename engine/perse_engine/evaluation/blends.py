"""The simplest in-between: pictures of the ends laid over each other. What interpolation must beat."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
from numpy.typing import NDArray

from perse_engine.avatars.state import AvatarState
from perse_engine.avatars.styles import style_weights
from perse_engine.cameras import Camera
from perse_engine.evaluation.subject import Subject

Floats = NDArray[np.float32]
LEAST = 1e-6


def ends(subject: Subject, state: AvatarState) -> list[tuple[AvatarState, float]]:
    """States that wear at most one style of each category in full, and their shares, which add up to 1.

    `state` is the mean of them: its category weights are the chances of each style, and categories are independent.
    Weights outside [0, 1], which are no in-betweens, count as the nearer end.
    """
    weights = np.clip(style_weights(subject.styles, state.sliders), 0, 1)
    choices: list[list[tuple[str | None, float]]] = []
    for category in dict.fromkeys(style.category for style in subject.styles):
        worn = [
            (style.slider, float(weight))
            for style, weight in zip(subject.styles, weights, strict=True)
            if style.category == category and weight > LEAST
        ]
        if worn:
            rest = 1.0 - sum(weight for _, weight in worn)
            choices.append([*worn, *([(None, rest)] if rest > LEAST else [])])
    face = {name: value for name, value in state.sliders.items() if not name.startswith("attr_")}
    found = []
    for combination in itertools.product(*choices):
        sliders = face | {slider: 1.0 for slider, _ in combination if slider is not None}
        share = float(np.prod([weight for _, weight in combination]))
        found.append((AvatarState(sliders, state.pose, state.transforms), share))
    return found


def blending(subject: Subject) -> Subject:
    """The subject as whoever has nothing but its pictures of the ends would draw it."""
    return dataclasses.replace(subject, draw=lambda state, camera: blend_of_ends(subject, state, camera))


def blend_of_ends(subject: Subject, state: AvatarState, camera: Camera) -> Floats:
    """(H, W, 4) premultiplied: the subject's pictures of the `ends` of `state`, mixed by their shares."""
    pictures = [share * subject.draw(end, camera) for end, share in ends(subject, state)]
    return np.asarray(np.sum(pictures, 0), np.float32)
