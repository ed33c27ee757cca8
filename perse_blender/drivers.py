"""Drivers that Blender evaluates without running Python: property to shape key, property to hidden bone."""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import dataclass

import bpy

LONGEST = 255
"""Characters that Blender keeps of a driver's expression."""


@dataclass(frozen=True)
class Weight:
    """A style's slider and the hard range that its value is clamped to."""

    slider: str
    low: float
    high: float


def drive(curve: bpy.types.FCurve, expression: str, sources: Sequence[tuple[bpy.types.ID, str]]) -> None:
    """Make `curve` a driver of `expression`, whose variables a, b, c … are the data paths of `sources`, in order."""
    driver = curve.driver
    driver.type = "SCRIPTED"
    for name, (owner, path) in zip(variables(len(sources)), sources, strict=True):
        variable = driver.variables.new()
        variable.name = name
        target = variable.targets[0]
        target.id_type = owner.id_type
        target.id = owner
        target.data_path = path
    driver.expression = expression


def variables(count: int) -> list[str]:
    """`count` names for variables: a … z, then A … Z.

    Raises:
        ValueError: more than 52 are asked for.
    """
    if count > len(string.ascii_letters):
        raise ValueError(f"a driver of {count} variables cannot be written")
    return list(string.ascii_letters[:count])


def normalized(weights: Sequence[Weight], index: int) -> str:
    """The weight of style `index` of a category: clamped, and divided by the category's sum where that exceeds one.

    It is the engine's own rule, so that the proxy has the shape of the picture.

    Args:
        weights: all styles of the category; variable a is the first one's slider, and so on.

    Raises:
        ValueError: the expression is longer than Blender can keep.
    """
    clamped = [_clamped(name, weight) for name, weight in zip(variables(len(weights)), weights, strict=True)]
    if len(weights) == 1 and weights[0].high <= 1.0 and weights[0].low >= -1.0:
        return clamped[0]
    sizes = [term if weight.low >= 0 else f"abs({term})" for term, weight in zip(clamped, weights, strict=True)]
    expression = f"{clamped[index]}/max(1,{'+'.join(sizes)})"
    if len(expression) > LONGEST:
        raise ValueError(f"a category of {len(weights)} styles is too large for a driver")
    return expression


def _clamped(name: str, weight: Weight) -> str:
    if (weight.low, weight.high) == (0.0, 1.0):
        return f"clamp({name})"
    return f"clamp({name},{weight.low:g},{weight.high:g})"
