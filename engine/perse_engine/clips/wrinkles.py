"""Where faces fold as they age: forehead, between the brows, around the eyes, from nose to mouth and below it."""

from __future__ import annotations

import numpy as np

from perse_engine.clips.anatomy import MILLIMETRE, Anatomy
from perse_engine.clips.noise import layered_noise, smoothstep
from perse_engine.surfaces.colors import Floats

Curve = tuple[tuple[float, float], tuple[float, float], tuple[float, float], float, float]
"""Start, middle and end as x outwards and y upwards in millimetres, then half-width and depth."""


def wrinkles(anatomy: Anatomy, points: Floats, seed: int) -> Floats:
    """(n,) in [0, 1]: how deep the skin folds at `points` (n, 3) of the head at rest."""
    unit = MILLIMETRE * anatomy.size
    x = np.abs(points[:, 0]) / unit
    y = (points[:, 1] - anatomy.mouth[1]) / unit
    # no line is drawn with a ruler, and the two sides of a face differ
    side = np.sign(points[:, 0]) * 37.0
    wobble = layered_noise(np.stack([points[:, 0] / (11 * unit) + side, y / 11], -1), seed) - 0.5
    broken = smoothstep(0.25, 0.5, layered_noise(np.stack([x / 9 + side, y / 5], -1), seed + 1))
    y, x = y + 2.4 * wobble, x + 1.6 * wobble
    front = smoothstep(anatomy.eyes[:, 2].mean() - 0.045, anatomy.eyes[:, 2].mean() - 0.025, points[:, 2])
    depth = np.zeros(len(points), np.float32)
    for curve in _curves(anatomy, unit):
        depth = np.maximum(depth, _along(curve, x, y))
    return depth * front * (0.55 + 0.45 * broken)


def _curves(anatomy: Anatomy, unit: float) -> list[Curve]:
    eye_x = float(np.abs(anatomy.eyes[:, 0]).mean()) / unit
    eye_y = float(anatomy.eyes[:, 1].mean() - anatomy.mouth[1]) / unit
    nose = float(anatomy.nose_base[1] - anatomy.mouth[1]) / unit
    chin = float(anatomy.chin[1] - anatomy.mouth[1]) / unit
    corner = anatomy.mouth_half_width / unit
    top = eye_y + 34
    curves: list[Curve] = [
        ((0, top + k * 9), (18, top + 2.5 + k * 9), (34, top - 3 + k * 8), 1.7, 0.7 - 0.12 * k) for k in range(3)
    ]
    curves += [((3.5 + k, eye_y + 12), (4.5 + k, eye_y + 19), (3.0 + k, eye_y + 25), 1.5, 0.35) for k in (0,)]
    curves += [
        ((eye_x + 17, eye_y - 1 + k), (eye_x + 23, eye_y - 1 + 2.2 * k), (eye_x + 29, eye_y - 3 + 3.6 * k), 1.2, 0.6)
        for k in (-2.2, 0.0, 2.2)
    ]
    curves += [((eye_x - 13, eye_y - 10), (eye_x, eye_y - 16), (eye_x + 13, eye_y - 11), 1.9, 0.5)]
    curves += [((15, nose + 5), (corner + 1, nose - 4), (corner + 6, -4), 2.4, 0.85)]
    curves += [((corner + 2, -5), (corner + 4, 0.35 * chin), (corner + 3, 0.6 * chin), 2.0, 0.7)]
    return curves


def _along(curve: Curve, x: Floats, y: Floats) -> Floats:
    """(n,): depth beside a quadratic curve, fading towards its ends."""
    start, middle, end, half, deep = curve
    t = np.linspace(0, 1, 40)[:, None]
    path = (1 - t) ** 2 * np.array(start) + 2 * t * (1 - t) * np.array(middle) + t**2 * np.array(end)
    low, high = path.min(0) - 4 * half, path.max(0) + 4 * half
    near = (x > low[0]) & (x < high[0]) & (y > low[1]) & (y < high[1])
    out = np.zeros(len(x), np.float32)
    if not near.any():
        return out
    place = np.stack([x[near], y[near]], -1)
    squared = ((place[:, None] - path[None]) ** 2).sum(-1)
    nearest = squared.argmin(1)
    fade = np.sin(np.pi * (0.06 + 0.88 * t[:, 0])) ** 0.6
    out[near] = deep * fade[nearest] * np.exp(-squared[np.arange(len(place)), nearest] / (half * fade[nearest]) ** 2)
    return out
