"""Scenes that the tests of the rasteriser share."""

from __future__ import annotations

import math

import numpy as np

from perse_engine.cameras import Camera
from perse_engine.splatting.gaussians import Gaussians


def camera(width: int, height: int, *, focal: float = 60.0, cx: float | None = None, cy: float | None = None) -> Camera:
    """A camera two units before the origin, turned a little about every axis."""
    view = np.eye(4)
    view[2, 3] = 2.0
    turned = Camera(view, focal, focal * 1.1, cx or width / 2, cy or height / 2, width, height)
    return turned.orbited(np.zeros(3), 12, -7, 20)


def cloud(
    count: int, seed: int, *, size: tuple[float, float] = (0.01, 0.12), opacity: tuple[float, float] = (0.1, 0.95)
) -> Gaussians:
    """Gaussians of every shape in a ball about the origin, sizes evenly spread in logarithm."""
    rng = np.random.default_rng(seed)
    directions = rng.normal(size=(count, 3))
    means = directions / np.linalg.norm(directions, axis=1, keepdims=True) * rng.uniform(0, 0.6, (count, 1))
    return Gaussians(
        means.astype(np.float32),
        (rng.normal(size=(count, 4)) * rng.uniform(0.1, 5, (count, 1))).astype(np.float32),
        np.exp(rng.uniform(math.log(size[0]), math.log(size[1]), (count, 3))).astype(np.float32),
        rng.uniform(*opacity, count).astype(np.float32),
        rng.uniform(-0.2, 1.3, (count, 3)).astype(np.float32),
    )
