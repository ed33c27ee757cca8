"""Painting eyeballs: what the photo shows of them, over a painted eye that is whole."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perse_engine.portraits.portrait import Iris

Colors = NDArray[np.float32]


def sclera_tone(opening_colors: Colors) -> Colors:
    """(3,) the white of the eye as this photo lights it: the brighter part of what lies beside the iris, N colours."""
    usual = np.array([0.80, 0.76, 0.74], np.float32)
    if len(opening_colors) < 12:
        return usual
    light = opening_colors.mean(1)
    bright = opening_colors[light >= np.quantile(light, 0.6)]
    tone = np.median(bright, 0)
    # off-white by nature: only lightness and a little of the hue are the photo's
    grey = float(np.clip(tone.mean(), 0.28, 0.86))
    hue = np.clip(tone / max(float(tone.mean()), 1e-3), 0.88, 1.12)
    return (grey * hue).astype(np.float32)


def paint_eye(offset: Colors, iris: Iris, side: int, sclera: Colors) -> Colors:
    """(N, 3) colours of an eyeball: sclera, limbus, iris with rays, pupil.

    Args:
        offset: (N, 3) metres from the eyeball's centre, at rest.
        side: 0 for the person's left eye.
        sclera: (3,) tone of the white.
    """
    from_axis = np.hypot(offset[:, 0], offset[:, 1])[:, None] / float(iris.radius[side])
    front = (offset[:, 2] > 0)[:, None]
    around = np.arctan2(offset[:, 1], offset[:, 0])[:, None]
    white = sclera * (1 - 0.16 * np.clip(from_axis - 1.1, 0, 1.4) * np.array([0.7, 1.1, 1.1]))
    white = white * (
        1 - 0.22 * np.clip(offset[:, 1:2] / float(iris.radius[side]) - 0.3, 0, 1)
    )  # the upper lid's shadow
    rays = 0.10 * np.sin(around * 29 + 3 * np.sin(around * 7)) * np.clip(from_axis - 0.4, 0, 1)
    ring = np.clip((from_axis - 0.70) / 0.30, 0, 1)
    tint = iris.color[side] * (1.1 + rays) * (1 - 0.5 * ring**2)
    inside = _edge(1.0 - from_axis, 0.12) * front
    pupil = _edge(0.40 - from_axis, 0.10) * front
    painted = white * (1 - inside) + tint * inside
    pupil_tone = 0.12 * iris.color[side]
    return np.asarray(painted * (1 - pupil) + pupil_tone * pupil, np.float32)


def _edge(values: NDArray[np.floating], width: float) -> NDArray[np.float64]:
    return np.clip(np.asarray(values, np.float64) / width + 0.5, 0, 1)
