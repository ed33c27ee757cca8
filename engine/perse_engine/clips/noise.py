"""Seeded, smooth random fields: the grain of strands, skin and cloth."""

from __future__ import annotations

import cv2
import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]

_SIDE = 256


def value_noise(points: NDArray[np.floating], seed: int) -> Floats:
    """Smooth noise at `points` (..., 2), in cells of side 1, in [0, 1]; it repeats every 256 cells."""
    lattice = np.random.default_rng(seed).random((_SIDE, _SIDE), np.float32)
    lattice = np.pad(lattice, ((0, 2), (0, 2)), mode="wrap")
    shape = points.shape[:-1]
    flat = np.ascontiguousarray(np.mod(points.reshape(-1, 2), _SIDE), np.float32)
    return _sample(lattice, flat).reshape(shape)


def layered_noise(points: NDArray[np.floating], seed: int) -> Floats:
    """Three octaves of `value_noise`, in [0, 1]."""
    weights = (0.55, 0.3, 0.15)
    layers = [w * value_noise(points * 2.0**octave, seed + octave) for octave, w in enumerate(weights)]
    return np.sum(layers, axis=0, dtype=np.float32)


def surface_noise(position: Floats, normal: Floats, cell: float, seed: int) -> Floats:
    """Smooth noise in cells of `cell` metres on a surface at `position` (M, 3) with `normal` (M, 3), in [0, 1].

    Three flat noises, each as strong as the surface faces it, so that nothing is stretched.
    """
    share = normal**4
    share /= np.maximum(share.sum(1, keepdims=True), 1e-9)
    planes = [value_noise(position[:, axes] / cell, seed + k) for k, axes in enumerate(([1, 2], [2, 0], [0, 1]))]
    return np.einsum("km,mk->m", np.stack(planes), share).astype(np.float32)


def strands(across: NDArray[np.floating], along: NDArray[np.floating], seed: int) -> Floats:
    """Thin lines that run along a direction: `across` counts strands, `along` counts strand lengths; in [0, 1].

    Both have any one shape. Lines bend a little and end at random, so that no repeat shows.
    """
    bend = value_noise(np.stack([across * 0.11, along * 0.7], -1), seed + 7)
    fine = value_noise(np.stack([across + 2.5 * bend, along], -1), seed)
    coarse = value_noise(np.stack([across * 0.37 + 2.0 * bend, along * 0.8 + 31], -1), seed + 3)
    return np.clip(0.65 * fine + 0.35 * coarse, 0, 1).astype(np.float32)


@numba.njit(parallel=True, cache=True, nogil=True)
def _sample(lattice: Floats, points: Floats) -> Floats:
    out = np.empty(points.shape[0], np.float32)
    for k in numba.prange(points.shape[0]):
        x, y = int(points[k, 0]), int(points[k, 1])
        u, v = points[k, 0] - x, points[k, 1] - y
        u, v = u * u * (3 - 2 * u), v * v * (3 - 2 * v)  # C1 between cells, so that no grid shows
        low = lattice[y, x] * (1 - u) + lattice[y, x + 1] * u
        high = lattice[y + 1, x] * (1 - u) + lattice[y + 1, x + 1] * u
        out[k] = low * (1 - v) + high * v
    return out


def blurred(field: Floats, sigma: float) -> Floats:
    """`field` (H, W) or (H, W, C) smoothed by a Gaussian of `sigma` pixels."""
    return cv2.GaussianBlur(field, (0, 0), sigma)


def smoothstep(
    low: float | NDArray[np.floating], high: float | NDArray[np.floating], value: NDArray[np.floating]
) -> Floats:
    """0 below `low`, 1 above `high`, smooth between; `low` may exceed `high`, which turns it round. They broadcast."""
    t = np.clip((value - low) / (high - low), 0.0, 1.0)
    return (t * t * (3 - 2 * t)).astype(np.float32)


def in_waves(field: NDArray[np.floating], weight: NDArray[np.floating], waves: int) -> Floats:
    """Onsets (M,) for a softness of 1 / `waves`: in the order of `field` (M,), so that `weight` (M,) comes evenly.

    Every wave has the same share of the weight and takes the same time, one after another: the sum grows linearly.
    """
    order = np.argsort(field, kind="stable")
    reached = np.cumsum(weight[order], dtype=np.float64)
    onset = np.empty(len(field), np.float32)
    onset[order] = np.minimum(np.floor(reached / max(reached[-1], 1e-9) * waves), waves - 1) if len(field) else 0
    return np.asarray(onset / waves, np.float32)
