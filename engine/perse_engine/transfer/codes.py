"""The codes of a category's styles: one space with the person at its origin, its axes, its prior, and the way back.

A style's code is what an `Encoder` says of it, in the principal axes of its category, each with the variance of a unit
Gaussian; so a style that was never trained, or a picture, has a code too. The way back is a mixture: the weights that
come nearest to a code among those that the sliders allow, so that every code is a face inside what was trained.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from perse_engine.avatars.avatar import Avatar
from perse_engine.avatars.initial import head_center
from perse_engine.avatars.rendering import render_avatar
from perse_engine.avatars.restyling import with_mixture
from perse_engine.avatars.state import AvatarState
from perse_engine.avatars.styles import Style
from perse_engine.cameras import Camera
from perse_engine.errors import InputError
from perse_engine.transfer.encoders import Encoder

Codes = NDArray[np.float64]

SIDE, YAW = 192, 18.0
"""The picture that a style is known by: from a little to the side, so that noses and hats have a profile."""
MOST_AXES = 8
LEAST_VARIANCE = 0.005
"""Share of a category's variance below which an axis is noise."""
SUM = 1e3
"""How firmly weights are held to add up to one with the person's own share."""
LEAST_SHARE, WHOLE = 0.02, 0.98
"""Weights below which a style is left out of a mixture; the most of one style that is not the style itself."""
AXIS = "Axis"
"""How the labels of axes begin; they are no styles of their own, and no space is made of them."""
FAR = 2.5
"""Standard deviations along an axis at which its two ends lie."""


@dataclasses.dataclass(frozen=True, eq=False)
class CodeSpace:
    """The codes of one category: K styles, D axes, E numbers of the encoder.

    Attributes:
        category: its name.
        styles: K styles.
        codes: (K, D) of the styles.
        person: (D,) of the person without a style.
        mean: (E,) of the encoder's vectors, the person's own among them.
        axes: (D, E) unit length.
        spread: (D,) standard deviation along each axis, largest first.
    """

    category: str
    styles: tuple[Style, ...]
    codes: Codes
    person: Codes
    mean: Codes
    axes: Codes
    spread: Codes

    def code_of(self, vector: Codes) -> Codes:
        """(D,) the code of what an encoder says (E,)."""
        return (vector - self.mean) @ self.axes.T / self.spread

    def weights(self, code: Codes) -> Codes:
        """(K,) the weights, >= 0 and at most 1 in all, whose mixture comes nearest to `code` (D,).

        Distance is that of the encoder's numbers, so that an axis counts as much as it varies.
        """
        ends = np.concatenate([self.codes, self.person[None]]) * self.spread
        system = np.concatenate([ends.T, np.full((1, len(ends)), SUM)])
        found, _ = nnls(system, np.append(code * self.spread, SUM))
        weights = found[:-1] / max(float(found.sum()), 1e-12)
        return np.where(weights > LEAST_SHARE, weights, 0.0)

    def sample(self, generator: np.random.Generator) -> dict[str, float]:
        """Slider values of a random face: a code from the unit Gaussian, and the way back."""
        return self.sliders(generator.standard_normal(len(self.spread)))

    def sliders(self, code: Codes) -> dict[str, float]:
        """The values of the sliders that `weights` of `code` gives, those that are zero left out."""
        weights = self.weights(code)
        return {style.slider: float(weight) for style, weight in zip(self.styles, weights, strict=True) if weight > 0}


def code_space(avatar: Avatar, category: str, encoder: Encoder) -> CodeSpace:
    """The space of the styles that `avatar` has in `category`.

    Raises:
        InputError: unknown-category; too-few-styles, where there are not two that look different.
    """
    styles = tuple(
        style for style in avatar.styles if style.category == category and not style.label.startswith(f"{AXIS} ")
    )
    if not styles:
        names = ", ".join(c.name for c in avatar.categories)
        raise InputError("unknown-category", f"the avatar has no styles of {category!r}", f"choose one of {names}")
    few = InputError("too-few-styles", f"{category} has no two styles that look different", "add some first")
    if len(styles) < 2:
        raise few
    camera = encoding_camera(avatar)
    without = render_avatar(avatar, AvatarState(), camera)
    vectors = np.stack(
        [
            encoder.encode(without, render_avatar(avatar, AvatarState({style.slider: 1.0}), camera), style.label)
            for style in styles
        ]
        + [encoder.encode(without, without, "")]
    )
    mean = vectors.mean(0)
    _, singular, axes = np.linalg.svd(vectors - mean, full_matrices=False)
    share = singular**2 / max(float((singular**2).sum()), 1e-12)
    kept = min(int((share > LEAST_VARIANCE).sum()), MOST_AXES) if singular[0] > 1e-9 else 0
    if kept < 1:
        raise few
    spread = singular[:kept] / np.sqrt(len(vectors))
    codes = (vectors - mean) @ axes[:kept].T / spread
    return CodeSpace(category, styles, codes[:-1], codes[-1], mean, axes[:kept], spread)


def encoding_camera(avatar: Avatar) -> Camera:
    """Through which styles are looked at."""
    return avatar.neutral_camera.fitted(SIDE, SIDE).orbited(head_center(avatar.figure), YAW, 0.0, 0.0)


def with_axes(avatar: Avatar, category: str, count: int, encoder: Encoder) -> Avatar:
    """`avatar` with sliders for both ends of the first `count` axes of `category`; an end that the person is has none.

    Raises:
        InputError: unknown-category, too-few-styles, too-few-axes; name-taken, where they are there already.
    """
    space = code_space(avatar, category, encoder)
    if count > len(space.spread):
        raise InputError(
            "too-few-axes",
            f"{category} differs along {len(space.spread)} axes, and {count} are wanted",
            "ask for fewer",
        )
    changed = avatar
    for number in range(count):
        for sign, end in ((1.0, "plus"), (-1.0, "minus")):
            code = space.person + sign * FAR * np.eye(len(space.spread))[number]
            weights = {slider: min(share, WHOLE) for slider, share in space.sliders(code).items()}
            if weights:  # none where the person is that end already
                changed = with_mixture(changed, weights, f"{AXIS} {number + 1} {end}")
    return changed
