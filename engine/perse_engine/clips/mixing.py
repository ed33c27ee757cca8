"""How far a style is worn, and between which two: what is trained, and what never is."""

from __future__ import annotations

import itertools

from perse_engine.clips.catalogue import Catalogue

TRAINED_STRENGTHS = (1.0, 0.5, 1.0, 0.25, 1.0, 0.75, 1.0, 0.12, 1.0, 0.88, 1.0, 0.33)
UNTRAINED_STRENGTHS = (0.4, 0.6)
TRAINED_SHARES = (0.5, 1 / 3, 2 / 3, 1 / 6, 5 / 6)
UNTRAINED_SHARES = (0.25, 0.5, 0.75)


def pairs(catalogue: Catalogue) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Pairs of styles of one category: neighbours, which are trained, and the others, which are not."""
    near: list[tuple[int, int]] = []
    far: list[tuple[int, int]] = []
    for category in catalogue.categories:
        indices = catalogue.indices(category.name)
        for a, b in itertools.combinations(indices, 2):
            (near if b - a == 1 else far).append((a, b))
    return near, far


def between(first: str, second: str, share: float) -> dict[str, float]:
    """The sliders of what lies at `share` of the way between two styles."""
    return {first: round(1 - share, 6), second: round(share, 6)}
