"""Change which styles an avatar has: mix some into a new one, remove one, give one another name.

Every function returns a new avatar; no number that is left of the person changes.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from perse_engine.avatars.avatar import Appearance, Avatar
from perse_engine.avatars.parts import BROUGHT, shown_parts, with_parts
from perse_engine.avatars.styles import Between, Style, presence, style_weights, unknown_slider
from perse_engine.errors import InputError

LONGEST = 48
"""Characters that a slider's name may have."""
LONGEST_LABEL = 200
"""Characters that what people read may have."""
SURE = 1e-4
"""Where a gate is less open than this, a mixture has no entry: half precision would hold little of it."""

Floats = NDArray[np.float32]


def slider_name(category: str, label: str) -> str:
    """The slider of a style that people call `label`: "Half long" in hair is attr_hair_half_long.

    Raises:
        InputError: bad-name, when nothing of the label can be part of a name, or it is too long.
    """
    word = re.sub(r"[^a-z0-9]+", "_", label.lower()).strip("_")
    name = f"attr_{category}_{word}"
    if not word:
        raise InputError("bad-name", f"no slider can be named after {label!r}", "use letters or digits")
    if len(label.strip()) > LONGEST_LABEL:
        raise InputError("bad-name", "the name is too long", f"use at most {LONGEST_LABEL} characters")
    if len(name) > LONGEST:
        raise InputError(
            "bad-name", f"the name {label!r} is too long", f"use at most {LONGEST - len(name) + len(word)} characters"
        )
    return name


def find_style(avatar: Avatar, slider: str) -> int:
    """Which of the styles `slider` is; the attr_ before it may be left out.

    Raises:
        InputError: unknown-slider.
    """
    names = [style.slider for style in avatar.styles]
    for name in (slider, f"attr_{slider}"):
        if name in names:
            return names.index(name)
    raise unknown_slider(slider, names)


def renamed_style(avatar: Avatar, slider: str, label: str) -> Avatar:
    """`avatar` with the style `slider` called `label`; its slider is named likewise.

    Raises:
        InputError: unknown-slider, bad-name, name-taken.
    """
    number = find_style(avatar, slider)
    old = avatar.styles[number]
    new = dataclasses.replace(old, slider=slider_name(old.category, label), label=label.strip())
    if new.slider != old.slider:
        refuse_taken(avatar, new.slider)
    styles = (*avatar.styles[:number], new, *avatar.styles[number + 1 :])
    sliders = {(new.slider if name == old.slider else name): v for name, v in avatar.photo_state.sliders.items()}
    return dataclasses.replace(
        _with_styles(avatar, styles), photo_state=dataclasses.replace(avatar.photo_state, sliders=sliders)
    )


def without_style(avatar: Avatar, slider: str) -> Avatar:
    """`avatar` without the style `slider`; a category that is left empty goes too, and what it alone showed.

    Raises:
        InputError: unknown-slider.
    """
    number = find_style(avatar, slider)
    kept = [k for k in range(len(avatar.styles)) if k != number]
    styles = tuple(avatar.styles[k] for k in kept)
    looks = avatar.appearance
    figure = dataclasses.replace(
        avatar.figure,
        style_directions=avatar.figure.style_directions[:, :, kept],
        joint_style_directions=avatar.figure.joint_style_directions[:, :, kept],
    )
    appearance = _gathered([looks.of(k) for k in kept], looks, looks.softness[kept])
    used = {style.category for style in styles}
    gone = avatar.styles[number].slider
    sliders = {name: value for name, value in avatar.photo_state.sliders.items() if name != gone}
    left = _with_styles(
        dataclasses.replace(
            avatar,
            figure=figure,
            appearance=appearance,
            categories=tuple(category for category in avatar.categories if category.name in used),
            photo_state=dataclasses.replace(avatar.photo_state, sliders=sliders),
        ),
        styles,
    )
    lost = shown_parts(avatar) - shown_parts(left)
    parts = avatar.figure.parts
    return with_parts(left, {k for k in range(len(parts)) if k not in lost or parts[k].startswith(BROUGHT)})


def with_mixture(avatar: Avatar, weights: Mapping[str, float], label: str) -> Avatar:
    """`avatar` with one more style: at 1 it looks as the sliders of `weights` do together.

    Args:
        weights: values of sliders of one category, in (0, 1]; above a sum of 1 they are normalised, as sliders are.
            One alone must be below 1: it is the style, weakened.
        label: what people will read.

    Raises:
        InputError: unknown-slider, not-a-mixture, bad-name, name-taken.
    """
    numbers = [find_style(avatar, slider) for slider in weights]
    categories = {avatar.styles[k].category for k in numbers}
    weakened = len(numbers) == 1 and all(value < 1 for value in weights.values())
    enough = weakened or len(set(numbers)) > 1
    if not enough or len(categories) > 1 or not all(0 < value <= 1 for value in weights.values()):
        raise InputError(
            "not-a-mixture",
            "a mixture needs styles of one category, each with a share above 0 and up to 1; one alone a share below 1",
            "write them as attr_hair_bob=0.5 attr_hair_long=0.5",
        )
    category = categories.pop()
    slider = slider_name(category, label)
    refuse_taken(avatar, slider)
    chosen = {avatar.styles[k].slider: value for k, value in zip(numbers, weights.values(), strict=True)}
    shares = style_weights(avatar.styles, chosen)
    if not all(shares[k] > 0 for k in numbers):
        raise InputError("not-a-mixture", "a style whose range ends at 0 has no share", "leave it out")
    looks, figure = avatar.appearance, avatar.figure
    mixture = _mixed(avatar, shares, presence(avatar.styles, shares))
    betweens = {avatar.styles[k].between for k in numbers}
    between: Between = betweens.pop() if len(betweens) == 1 else "morph"
    red, green, blue = 1 + sum(shares[k] * (np.array(avatar.styles[k].tone) - 1) for k in numbers)
    new = Style(slider, label.strip(), category, between, tone=(float(red), float(green), float(blue)))
    figure = dataclasses.replace(
        figure,
        style_directions=np.concatenate([figure.style_directions, figure.style_directions @ shares[:, None]], 2),
        joint_style_directions=np.concatenate(
            [figure.joint_style_directions, figure.joint_style_directions @ shares[:, None]], 2
        ),
    )
    fields = ("gaussians", "gates", "colors", "coverage_logits", "offsets", "onsets", "softness")
    joined = {name: np.concatenate([getattr(looks, name), getattr(mixture, name)]) for name in fields}
    starts = np.append(looks.starts, looks.starts[-1] + len(mixture.gaussians)).astype(np.int32)
    return _with_styles(
        dataclasses.replace(avatar, figure=figure, appearance=Appearance(starts=starts, **joined)),
        (*avatar.styles, new),
    )


def _mixed(avatar: Avatar, weights: Floats, shown: Floats) -> Appearance:
    """What the styles at `weights` paint together, as one style that is fully there."""
    looks, count = avatar.appearance, avatar.count
    total = min(float(shown.sum(dtype=np.float64)), 1.0)
    gates, onsets, moves = np.zeros(count), np.zeros(count), np.zeros((count, 3))
    colors, coverages = np.zeros((count, 3)), np.zeros(count)
    softness = 0.0
    for k in np.flatnonzero(shown):
        own = looks.of(int(k))
        at, share = looks.gaussians[own], float(shown[k]) / max(total, 1e-9)
        come = np.clip((total - looks.onsets[own].astype(np.float64)) / float(looks.softness[k]), 0, 1)
        amount = share * looks.gates[own] * come
        gates[at] += amount
        onsets[at] += amount * looks.onsets[own]
        colors[at] += amount[:, None] * looks.colors[own]
        coverages[at] += amount / (1 + np.exp(-looks.coverage_logits[own].astype(np.float64)))
        moves[at] += float(weights[k]) * looks.gates[own].astype(np.float64)[:, None] * looks.offsets[own]
        softness += share * float(looks.softness[k])
    softness = min(softness, 1.0)
    # what one style moves, but does not paint at this presence, has an entry as well
    touched = np.flatnonzero((gates > SURE) | (np.abs(moves).max(1) > 1e-6))
    gate = np.maximum(gates[touched], SURE)
    coverage = np.clip(coverages[touched] / gate, 1e-4, 1 - 1e-4)
    onset = np.clip(onsets[touched] / gate, 0, 1 - softness)  # fully there at 1
    return Appearance(
        starts=np.array([0, len(touched)], np.int32),
        gaussians=touched.astype(np.int32),
        gates=gate.astype(np.float32),
        colors=np.clip(colors[touched] / gate[:, None], 0, 1).astype(np.float32),
        coverage_logits=np.log(coverage / (1 - coverage)).astype(np.float32),
        offsets=(moves[touched] / gate[:, None]).astype(np.float32),
        onsets=onset.astype(np.float32),
        softness=np.array([softness], np.float32),
    )


def _gathered(entries: Sequence[slice], looks: Appearance, softness: Floats) -> Appearance:
    fields = ("gaussians", "gates", "colors", "coverage_logits", "offsets", "onsets")
    parts = {
        name: np.concatenate([getattr(looks, name)[:0], *(getattr(looks, name)[own] for own in entries)])
        for name in fields
    }
    sizes = [own.stop - own.start for own in entries]
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
    return Appearance(starts=starts, softness=softness, **parts)


def _with_styles(avatar: Avatar, styles: tuple[Style, ...]) -> Avatar:
    figure = dataclasses.replace(avatar.figure, style_names=tuple(style.slider for style in styles))
    return dataclasses.replace(avatar, styles=styles, figure=figure)


def refuse_taken(avatar: Avatar, slider: str) -> None:
    """Refuse a slider that there is already.

    Raises:
        InputError: name-taken.
    """
    if any(style.slider == slider for style in avatar.styles):
        raise InputError("name-taken", f"there is a slider {slider} already", "choose another name")
