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
    """The weight of style `index` of its category, by the engine's own rule, so that the proxy has the picture's shape.

    Values are clamped to their hard ranges; where they add up to more than one, and to more than the largest of them,
    they are scaled down to that. Of a category too large for one expression, values are only clamped.

    Args:
        weights: all styles of the category; variable a is the first one's slider, and so on.
    """
    names = variables(len(weights))
    clamped = [_clamped(name, weight) for name, weight in zip(names, weights, strict=True)]
    if len(weights) == 1:
        return clamped[0]
    sizes = [term if weight.low >= 0 else f"abs({term})" for term, weight in zip(clamped, weights, strict=True)]
    beyond = [size for size, weight in zip(sizes, weights, strict=True) if max(-weight.low, weight.high) > 1]
    largest = f"*min(1,max(1,{','.join(beyond)})/max(1,{{}}))" if beyond else "/max(1,{})"
    expression = clamped[index] + largest.format("+".join(sizes))
    return expression if len(expression) <= LONGEST else clamped[index]


def _clamped(name: str, weight: Weight) -> str:
    if (weight.low, weight.high) == (0.0, 1.0):
        return f"clamp({name})"
    low, high = (f"{limit:g}".replace("0.", ".", 1) for limit in (weight.low, weight.high))
    return f"clamp({name},{low},{high})"
