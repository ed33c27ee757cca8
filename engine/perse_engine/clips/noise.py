"""Seeded, smooth random fields: the grain of strands, skin and cloth."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]

_SIDE = 256


def value_noise(points: NDArray[np.floating], seed: int) -> Floats:
    """Smooth noise at `points` (..., 2), in cells of side 1, in [0, 1]; it repeats every 256 cells."""
    lattice = np.random.default_rng(seed).random((_SIDE, _SIDE), np.float32)
    lattice = np.pad(lattice, ((0, 2), (0, 2)), mode="wrap")
    shape = points.shape[:-1]
    flat = np.mod(points.reshape(-1, 2), _SIDE).astype(np.float32)
    return _sample(lattice, flat).reshape(shape)


def layered_noise(points: NDArray[np.floating], seed: int) -> Floats:
    """Three octaves of `value_noise`, in [0, 1]."""
    weights = (0.55, 0.3, 0.15)
    layers = [w * value_noise(points * 2.0**octave, seed + octave) for octave, w in enumerate(weights)]
    return np.sum(layers, axis=0, dtype=np.float32)


def strands(across: NDArray[np.floating], along: NDArray[np.floating], seed: int) -> Floats:
    """Thin lines that run along a direction: `across` counts strands, `along` counts strand lengths; in [0, 1].

    Both have any one shape. Lines bend a little and end at random, so that no repeat shows.
    """
    bend = value_noise(np.stack([across * 0.11, along * 0.7], -1), seed + 7)
    fine = value_noise(np.stack([across + 2.5 * bend, along], -1), seed)
    coarse = value_noise(np.stack([across * 0.37 + 2.0 * bend, along * 0.8 + 31], -1), seed + 3)
    return np.clip(0.65 * fine + 0.35 * coarse, 0, 1).astype(np.float32)


def _sample(lattice: Floats, points: Floats) -> Floats:
    cell = np.floor(points)
    t = points - cell
    t = t * t * (3 - 2 * t)  # C1 between cells, so that no grid shows
    i = cell.astype(np.int64)
    x, y = i[:, 0], i[:, 1]
    low = lattice[y, x] * (1 - t[:, 0]) + lattice[y, x + 1] * t[:, 0]
    high = lattice[y + 1, x] * (1 - t[:, 0]) + lattice[y + 1, x + 1] * t[:, 0]
    return low * (1 - t[:, 1]) + high * t[:, 1]


def blurred(field: Floats, sigma: float) -> Floats:
    """`field` (H, W) or (H, W, C) smoothed by a Gaussian of `sigma` pixels."""
    return cv2.GaussianBlur(field, (0, 0), sigma)


def smoothstep(low: float, high: float, value: NDArray[np.floating]) -> Floats:
    """0 below `low`, 1 above `high`, smooth between; `low` may exceed `high`, which turns it round."""
    t = np.clip((value - low) / (high - low), 0.0, 1.0)
    return (t * t * (3 - 2 * t)).astype(np.float32)
