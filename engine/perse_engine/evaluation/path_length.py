"""Perceptual path length: how much a picture changes, to the eye, on the way from one style to another."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

SAMPLES = 16
EPSILON = 1e-4


def path_length(draw: Callable[[float], Floats], distance: Callable[[Floats, Floats], float]) -> float:
    """The mean over t of d(draw(t), draw(t + ε)) / ε², at the middles of `SAMPLES` equal parts of the way.

    Karras, Laine, Aila, "A style-based generator architecture for generative adversarial networks", 2019, section 4.1,
    with its ε of 1e-4: d is LPIPS, which is quadratic by itself, so it is not squared again. A path along which
    LPIPS's features go straight ahead at a steady pace has the length d(draw(0), draw(1)), and any other a larger one;
    what pops from one picture to the next counts by 1 / ε.

    Args:
        draw: the picture (H, W, 3) at t in [0, 1], as floats: rounded to bytes it would not change by ε.
        distance: LPIPS.
    """
    ways = (np.arange(SAMPLES) + 0.5) / SAMPLES
    return float(np.mean([distance(draw(way), draw(way + EPSILON)) for way in ways])) / EPSILON**2
