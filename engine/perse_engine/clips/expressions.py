"""What faces do: mouth shapes, moods and single units, as sparse coefficients of the head model's expressions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

Coefficients = dict[str, float]

VISEMES: tuple[Mapping[str, float], ...] = (
    {"jawopen": 0.55, "mouthlowerdown*": 0.25},  # ah
    {"jawopen": 0.22, "mouthfunnel": 0.75},  # oh
    {"mouthpucker": 0.8, "jawopen": 0.06},  # oo
    {"jawopen": 0.14, "mouthstretch*": 0.45, "mouthsmile*": 0.25},  # ee
    {"mouthpress*": 0.55, "mouthclose": 0.04},  # m, b, p
    {"mouthrolllower": 0.55, "mouthupperup*": 0.3, "jawopen": 0.08},  # f, v
    {"jawopen": 0.22, "mouthupperup*": 0.25, "mouthlowerdown*": 0.4},  # s, t, d
    {"jawopen": 0.3, "mouthshrugupper": 0.2, "mouthlowerdown*": 0.15},  # eh
)
MOODS: tuple[Mapping[str, float], ...] = (
    {"mouthsmile*": 0.75, "cheeksquint*": 0.4},
    {"mouthsmile*": 0.9, "jawopen": 0.32, "cheeksquint*": 0.55, "mouthupperup*": 0.35},
    {"jawopen": 0.6, "browinnerup": 0.8, "browouterup*": 0.7, "eyewide*": 0.8},
    {"browdown*": 0.9, "nosesneer*": 0.45, "mouthpress*": 0.5, "eyesquint*": 0.4},
    {"browinnerup": 0.8, "mouthfrown*": 0.7, "mouthshruglower": 0.4},
    {"nosesneer*": 0.8, "mouthupperup*": 0.55, "eyesquint*": 0.45},
    {"cheekpuff": 0.8, "mouthpucker": 0.25},
    {"mouthsmileleft": 0.8, "mouthdimpleleft": 0.4, "browouterupright": 0.6},
    {"jawopen": 0.95},
    {"jawopen": 0.55, "tongueout": 0.75},
)
RESERVED: tuple[Mapping[str, float], ...] = (
    {"mouthsmile*": 0.6, "browinnerup": 0.7, "mouthpucker": 0.3},
    {"mouthsmileright": 0.7, "nosesneerright": 0.5, "eyesquintright": 0.7},
    {"jawopen": 0.4, "mouthfrown*": 0.5, "browdown*": 0.5},
    {"mouthfunnel": 0.5, "eyewide*": 0.7, "browouterup*": 0.5},
    {"mouthstretch*": 0.6, "browinnerup": 0.5, "mouthlowerdown*": 0.5, "jawopen": 0.2},
    {"mouthleft": 0.6, "cheekpuff": 0.4},
)
"""Moods that are never trained: their units are, their mixture is not."""

GAZED = "eyelook"
COMPANIONS: Mapping[str, Mapping[str, float]] = {"mouthclose": {"jawopen": 1.0}, "tongueout": {"jawopen": 0.6}}
"""What a unit needs: lips close over an open jaw, and a tongue comes out of an open mouth."""


def expand(recipe: Mapping[str, float], strength: float, names: Sequence[str]) -> Coefficients:
    """The coefficients of a recipe, "*" standing for both sides; units that the model lacks are left out."""
    out: Coefficients = {}
    for key, value in recipe.items():
        for name in (f"{key[:-1]}left", f"{key[:-1]}right") if key.endswith("*") else (key,):
            if name in names:
                out[name] = round(value * strength, 4)
    return out


def reserved(rng: np.random.Generator, names: Sequence[str]) -> Coefficients:
    """A mood that is never trained."""
    return expand(RESERVED[rng.integers(len(RESERVED))], rng.uniform(0.7, 1.0), names)


def unit(rng: np.random.Generator, names: Sequence[str], index: int) -> list[Coefficients]:
    """The `index`-th unit of the model, nearly alone and nearly full: its sides together, or one after the other."""
    recipes = _unit_recipes(names)
    if not recipes:
        return []
    sides = recipes[index % len(recipes)]
    if rng.random() < 0.6:
        sides = [{name: value for side in sides for name, value in side.items()}]
    return [expand(side, rng.uniform(0.7, 1.0), names) for side in sides]


def _unit_recipes(names: Sequence[str]) -> list[list[Mapping[str, float]]]:
    """Every unit but those of gaze and lids, its two sides together, with what it needs to be seen."""
    groups: dict[str, list[Mapping[str, float]]] = {}
    for name in names:
        if name.startswith((GAZED, "eyeblink")):
            continue
        aside = name in ("jawleft", "jawright", "mouthleft", "mouthright")  # these sides exclude each other
        stem = name if aside else name.removesuffix("left").removesuffix("right")
        groups.setdefault(stem, []).append({name: 1.0, **COMPANIONS.get(name, {})})
    return list(groups.values())


def any_model(rng: np.random.Generator, names: Sequence[str]) -> Coefficients:
    """An expression of a model whose coefficients have no names: the leading ones, as its training set had them."""
    return {name: round(float(rng.normal(0, 0.8)), 4) for name in names[:12]}
