"""Skin of another tone: what later styles lay bare takes it on too, as skin that was there all along does.

A tone is what a style of the skin multiplies linear red, green and blue of skin by. The skin's own layer shows it where
the photo shows skin. Hair that gives way, a brow that is plucked or a collar that opens lays skin bare that the layers
above paint, in the person's own tone; how much of a painted colour is skin, its `skin_likeness` says.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from perse_engine.avatars.styles import LAYERS, Category, Style
from perse_engine.surfaces.colors import srgb_to_oklab
from perse_engine.surfaces.lighting import encoded, linear

Floats = NDArray[np.float32]

SKIN_PARTS = ("skin", "bust")
"""Parts of a figure that are skin where they are bare."""
OTHER_HUE, SAME_HUE = 0.11, 0.05
"""Distances in OKLab's plane of hues, from which on a colour is no skin's, and to which it is."""
OTHER_LIGHTNESS, SAME_LIGHTNESS = 0.45, 0.28
"""The same in lightness: skin has shadows."""
_STEP = np.float32(1e-3)


def is_above_skin(styles: Sequence[Style], categories: Sequence[Category]) -> NDArray[np.bool_]:
    """(K,) which styles are painted over the skin's."""
    skin = LAYERS.index("skin")
    above = {category.name for category in categories if LAYERS.index(category.layer) > skin}
    return np.array([style.category in above for style in styles], np.bool_)


def skin_likeness(colors: Floats, typical: Floats) -> Floats:
    """(n,) in [0, 1]: how much `colors` (n, 3), sRGB, are skin of the `typical` colour (3,) in light and shadow."""
    lab, skin = srgb_to_oklab(colors), srgb_to_oklab(typical[None])[0]
    hue = np.hypot(*(lab[:, 1:] - skin[1:]).T)
    dark = np.abs(lab[:, 0] - skin[0])
    likeness: Floats = _falling(hue, SAME_HUE, OTHER_HUE) * _falling(dark, SAME_LIGHTNESS, OTHER_LIGHTNESS)
    return likeness.astype(np.float32)


def _falling(values: NDArray[np.floating], full: float, none: float) -> NDArray[np.floating]:
    """1 up to `full`, 0 from `none` on, smooth between."""
    share = np.clip((none - values) / (none - full), 0, 1)
    smooth: NDArray[np.floating] = share * share * (3 - 2 * share)
    return smooth


def active_tones(styles: Sequence[Style], presences: NDArray[np.floating]) -> list[tuple[float, Floats]]:
    """Presence and tone (3,) of each style with a tone that is present; `presences` (K,) as `styles.presence`."""
    return [
        (float(amount), np.array(style.tone, np.float32))
        for style, amount in zip(styles, presences, strict=True)
        if amount > 0 and style.tone != (1.0, 1.0, 1.0)
    ]


def in_tone(light: Floats, ratio: NDArray[np.floating]) -> Floats:
    """(n, 3) linear light of skin whose albedo is multiplied by `ratio` (3,); what is white stays white."""
    return np.asarray(light * ratio / (1 + np.maximum(ratio - 1, 0) * light), np.float32)


def toned(colors: Floats, likeness: Floats, tones: Sequence[tuple[float, Floats]]) -> Floats:
    """(n, 3) sRGB: `colors` in other tones, each mixed in by its presence, as far as they are skin by `likeness` (n,).

    A style's presence mixes as its own layer does, in sRGB.
    """
    shown = linear(colors)
    changed = colors.copy()
    for amount, ratio in tones:
        whole = encoded(in_tone(shown, ratio))
        changed += np.float32(amount) * likeness[:, None] * (whole - colors)
    return changed


def toned_backward(
    colors: Floats, likeness: Floats, tones: Sequence[tuple[float, Floats]], gradients: Floats
) -> Floats:
    """Gradients (n, 3) in `colors` from those in what `toned` makes of them; `likeness` is taken as given.

    Every channel is a smooth function of itself alone, so a central difference does.
    """
    above, below = np.minimum(colors + _STEP, 1), np.maximum(colors - _STEP, 0)
    slopes = (toned(above, likeness, tones) - toned(below, likeness, tones)) / (above - below)
    backward: Floats = gradients * slopes
    return backward
