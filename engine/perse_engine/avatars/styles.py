"""What a slider means: the one place where teacher, trainer, command line and Blender agree on it.

A category's sub-code is the sum of weight x style code with the person at its origin (PERSE, section 3.3). Weights of
one category that add up to more than one are normalised, so a mixture lies in the hull of what was trained; a weight
beyond one, where the hard range allows it, is extrapolation that someone asked for, and bounds the mixture instead.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from perse_engine.errors import InputError

LAYERS = (
    "shape",
    "skin",
    "brows",
    "eyes",
    "lips",
    "beard",
    "hair",
    "clothes",
    "glasses",
    "earrings",
    "headphones",
    "hat",
)
"""The order in which appearance is applied; a later layer may hide an earlier one."""

Between = Literal["morph", "grow", "appear"]
"""How a style comes: its parameters interpolate; it grows out of the skin; it is put on."""

GROW_FULL_AT = 0.5
"""Weight at which a growing style (beard, hair) covers fully; from there it only gets longer."""
APPEAR_FULL_AT = 0.2
"""Weight at which a style that is put on (glasses, hat) is solid; it dissolves in the last fifth."""


@dataclasses.dataclass(frozen=True)
class Category:
    """A group of styles that exclude each other: "hair", "beard", "hat".

    Attributes:
        name: [a-z0-9]+.
        label: what people read.
        layer: one of `LAYERS`.
    """

    name: str
    label: str
    layer: str

    def __post_init__(self) -> None:
        if self.layer not in LAYERS:
            raise ValueError(f"category {self.name!r} names the unknown layer {self.layer!r}")


@dataclasses.dataclass(frozen=True)
class Style:
    """One attribute slider.

    Attributes:
        slider: "attr_<category>_<style>", [a-z0-9_], at most 48 characters.
        label: what people read.
        category: the name of its `Category`.
        between: how intermediate weights look.
        soft_min, soft_max: the trained range, that a slider shows.
        hard_min, hard_max: the extrapolated range, that values are clamped to.
        tone: what it multiplies linear red, green and blue of bare skin by; see `toning`.
    """

    slider: str
    label: str
    category: str
    between: Between = "morph"
    soft_min: float = 0.0
    soft_max: float = 1.0
    hard_min: float = 0.0
    hard_max: float = 1.0
    tone: tuple[float, float, float] = (1.0, 1.0, 1.0)


@dataclasses.dataclass(frozen=True)
class Range:
    """The ranges of an expression slider, as in `Style`."""

    soft_min: float
    soft_max: float
    hard_min: float
    hard_max: float


def expression_range(name: str) -> Range:
    """The range of the expression `name` ("jawopen", "flame_000"): ARKit units, or FLAME's standard deviations."""
    return Range(-2.0, 2.0, -4.0, 4.0) if name.startswith("flame_") else Range(0.0, 1.0, -0.5, 1.5)


_ARKIT_WORD = re.compile(
    "brow|cheek|eye|jaw|mouth|nose|tongue|blink|close|dimple|down|forward|frown|funnel|inner|in|left|look|lower|open|"
    "outer|out|press|pucker|puff|right|roll|shrug|smile|sneer|squint|stretch|upper|up|wide|.+"
)


def expression_label(name: str) -> str:
    """What people read for the expression `name`: "jawopen" is "Jaw open", "flame_003" is "Expression 3"."""
    if name.startswith("flame_"):
        return f"Expression {name[6:].lstrip('0') or '0'}"
    return " ".join(_ARKIT_WORD.findall(name)).replace("_", " ").capitalize()


def style_weights(styles: Sequence[Style], sliders: Mapping[str, float]) -> NDArray[np.float32]:
    """The weight of every style, (K,): clamped to its hard range, normalised where a category's add up to too much.

    The magnitudes of a category add up to at most one, or to the largest of them where that is more.

    Args:
        styles: K styles.
        sliders: values by name; names that are absent are zero, names of other kinds ("expr_…") are passed over.

    Raises:
        InputError: unknown-slider, not-a-number.
    """
    raw = _values([style.slider for style in styles], "attr_", sliders)
    low = np.array([style.hard_min for style in styles])
    high = np.array([style.hard_max for style in styles])
    return _normalised(styles, np.clip(raw, low, high)).astype(np.float32)


def presence(styles: Sequence[Style], weights: NDArray[np.floating]) -> NDArray[np.float32]:
    """How far each style's appearance has come, (K,) in [0, 1], at `weights` (K,) from `style_weights`.

    The shape of a style follows its weight; its colour and opacity follow this. A morph follows the weight, a growing
    style covers fully at `GROW_FULL_AT`, a style that is put on is solid from `APPEAR_FULL_AT`. The sum of that, one at
    most, is how present a category is; its styles share it as their weights are, so that from one style to another
    everything changes evenly.
    """
    full_at = {"morph": 1.0, "grow": GROW_FULL_AT, "appear": APPEAR_FULL_AT}
    reach = np.array([full_at[style.between] for style in styles])
    come = np.clip(weights / reach, 0.0, 1.0)
    sizes = np.clip(weights, 0.0, None)
    shown = np.zeros(len(styles), np.float32)
    for category in {style.category for style in styles}:
        own = [k for k, style in enumerate(styles) if style.category == category]
        total = float(sizes[own].sum())
        if total > 0:
            shown[own] = sizes[own] / total * min(float(come[own].sum()), 1.0)
    return shown


def expression_weights(names: Sequence[str], sliders: Mapping[str, float]) -> NDArray[np.float32]:
    """The coefficient of every expression, (E,), clamped to its hard range.

    Args:
        names: E expression names, without "expr_".
        sliders: values by name; names that are absent are zero, names of other kinds ("attr_…") are passed over.

    Raises:
        InputError: unknown-slider, not-a-number.
    """
    raw = _values([f"expr_{name}" for name in names], "expr_", sliders)
    ranges = [expression_range(name) for name in names]
    low = np.array([r.hard_min for r in ranges])
    high = np.array([r.hard_max for r in ranges])
    return np.clip(raw, low, high).astype(np.float32)


def _values(names: Sequence[str], prefix: str, sliders: Mapping[str, float]) -> NDArray[np.float64]:
    index = {name: k for k, name in enumerate(names)}
    values = np.zeros(len(names))
    for name, value in sliders.items():
        if not name.startswith(("attr_", "expr_")):
            raise unknown_slider(name, names)
        if not name.startswith(prefix):
            continue
        if name not in index:
            raise unknown_slider(name, names)
        number = float(value)
        if math.isnan(number):
            raise InputError("not-a-number", f"the slider {name} is not a number", "give it a number or remove its key")
        values[index[name]] = number
    return values


def _normalised(styles: Sequence[Style], weights: NDArray[np.floating]) -> NDArray[np.floating]:
    totals: dict[str, float] = {}
    largest: dict[str, float] = {}
    for style, weight in zip(styles, weights, strict=True):
        size = abs(float(weight))
        totals[style.category] = totals.get(style.category, 0.0) + size
        largest[style.category] = max(largest.get(style.category, 1.0), size)
    scale = {name: min(1.0, largest[name] / total) if total else 1.0 for name, total in totals.items()}
    return np.array([weight * scale[style.category] for style, weight in zip(styles, weights, strict=True)])


def unknown_slider(name: str, known: Iterable[str]) -> InputError:
    """The error for a slider that an avatar does not have, naming the nearest that it has."""
    near = difflib.get_close_matches(name, list(known), n=3, cutoff=0.4)
    hint = f"did you mean {' or '.join(near)}" if near else "perse info lists the sliders of an avatar"
    return InputError("unknown-slider", f"there is no slider {name!r}", hint)
