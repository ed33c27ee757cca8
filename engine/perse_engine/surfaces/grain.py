"""Grain from an example: more of the same pores, brush strokes or weave than a photograph shows.

Overlapping patches at random places, blended so that contrast stays: Heitz, Neyret, "High-performance by-example noise
using a histogram-preserving blending operator", 2018, without the transport of the histogram.
"""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

Floats = NDArray[np.floating]
SIDES = (128, 96, 64, 48, 32)
"""Texels of the side of an example, the largest that fits."""
WHOLE = 0.985
"""Share of an example that has to be good."""
USUAL = 0.35
"""Of all squares that fit, the one that is rougher than this share of them."""
LARGEST = 3.0
"""Standard deviations beyond which a value is a mark and no grain."""


@dataclasses.dataclass(frozen=True, eq=False)
class Example:
    """A square of grain.

    Attributes:
        values: (n, m, C) of mean zero.
        texel: metres between neighbouring values.
    """

    values: NDArray[np.float32]
    texel: float


def find_example(
    field: Floats, good: NDArray[np.bool_], sigma: float, strongest: float, position: Floats
) -> Example | None:
    """The largest square of `field` (T, T, C) that is `good` (T, T), without what is wider than `sigma` texels.

    Args:
        strongest: standard deviation to which an example is toned down that shows folds or an edge.
        position: (T, T, 3) metres, by which the example is made as long as it is wide.
    """
    weight = good.astype(np.float32)[..., None]
    smooth = _blurred(field * weight, sigma) / np.maximum(_blurred(weight, sigma), 1e-6)
    detail = (np.asarray(field, np.float32) - smooth) * weight
    rough = (detail**2).sum(-1)
    for side in SIDES:
        covered = cv2.boxFilter(weight, -1, (side, side), anchor=(0, 0), borderType=cv2.BORDER_CONSTANT)
        whole = covered > WHOLE
        whole[-side:], whole[:, -side:] = False, False
        if not whole.any():
            continue
        spread = cv2.boxFilter(rough, -1, (side, side), anchor=(0, 0), borderType=cv2.BORDER_CONSTANT)
        # neither the smoothest place nor one with an edge in it
        usual = np.quantile(spread[whole], USUAL)
        row, column = np.unravel_index(int(np.argmin(np.where(whole, np.abs(spread - usual), np.inf))), whole.shape)
        window = np.s_[row : row + side, column : column + side]
        wide, high = (_step(position[window], axis) for axis in (1, 0))
        texel = float(np.sqrt(wide * high))
        size = (max(round(side * wide / texel), 24), max(round(side * high / texel), 24))
        values = cv2.resize(detail[window], size, interpolation=cv2.INTER_LINEAR).reshape(size[1], size[0], -1)
        values = values - values.mean((0, 1))
        bound = LARGEST * np.maximum(1.4826 * np.median(np.abs(values), (0, 1)), 1e-4)
        values *= np.minimum(strongest / np.maximum(values.std((0, 1)), 1e-6), 1)
        return Example(np.clip(values, -bound, bound).astype(np.float32), texel)
    return None


def _step(position: Floats, axis: int) -> float:
    return float(np.median(np.linalg.norm(np.diff(position, axis=axis), axis=-1))) + 1e-6


def _blurred(image: Floats, sigma: float) -> NDArray[np.float32]:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma).reshape(image.shape), np.float32)


def grain(example: Example, position: Floats, normal: Floats, seed: int) -> NDArray[np.float32]:
    """(M, C) grain on a surface at `position` (M, 3) metres with `normal` (M, 3), as strong as in the example.

    It is laid on from three sides and blended by where the surface faces, so that nothing is stretched.
    """
    share = np.abs(np.asarray(normal, np.float64)) ** 4
    share /= np.maximum(share.sum(1, keepdims=True), 1e-9)
    places = np.asarray(position, np.float64) / example.texel
    return _laid(np.ascontiguousarray(example.values), places, share, np.uint32(seed))


@njit(cache=True, nogil=True, inline="always")
def _mixed(x: np.uint32, y: np.uint32, seed: np.uint32) -> np.uint32:
    """A hash of a place of the lattice."""
    h = np.uint32(x * np.uint32(0x8DA6B343)) ^ np.uint32(y * np.uint32(0xD8163841)) ^ seed
    h = np.uint32((h ^ (h >> np.uint32(15))) * np.uint32(0x2C1B3C6D))
    h = np.uint32((h ^ (h >> np.uint32(12))) * np.uint32(0x297A2D39))
    return np.uint32(h ^ (h >> np.uint32(15)))


@njit(cache=True, parallel=True, nogil=True)
def _laid(values: NDArray, places: NDArray, share: NDArray, seed: np.uint32) -> NDArray:
    height, width, channels = values.shape
    edge = min(height, width) / 4.0
    out = np.zeros((places.shape[0], channels), np.float32)
    for m in prange(places.shape[0]):
        power = 0.0
        for plane in range(3):
            part = share[m, plane]
            if part < 0.02:
                continue
            u, v = places[m, (plane + 1) % 3], places[m, (plane + 2) % 3]
            # a lattice of triangles: corners are the centres of patches
            p, q = (u - v / np.sqrt(3.0)) / edge, 2 * v / np.sqrt(3.0) / edge
            i, j = int(np.floor(p)), int(np.floor(q))
            s, t = p - i, q - j
            flipped = s + t > 1
            for corner in range(3):
                if corner == 0:
                    di, dj, w = (1, 1, s + t - 1) if flipped else (0, 0, 1 - s - t)
                elif corner == 1:
                    di, dj, w = (0, 1, 1 - s) if flipped else (1, 0, s)
                else:
                    di, dj, w = (1, 0, 1 - t) if flipped else (0, 1, t)
                w = w * w * part
                ci, cj = i + di, j + dj
                h = _mixed(np.uint32(ci & 0xFFFFFFFF), np.uint32(cj & 0xFFFFFFFF), np.uint32(seed + np.uint32(plane)))
                cu, cv = (ci + 0.5 * cj) * edge, cj * edge * np.sqrt(3.0) / 2
                x = edge + 1 + (width - 2 * edge - 3) * ((h & np.uint32(0xFFFF)) / 65536.0) + (u - cu)
                y = edge + 1 + (height - 2 * edge - 3) * ((h >> np.uint32(16)) / 65536.0) + (v - cv)
                c, r = min(max(int(x), 0), width - 2), min(max(int(y), 0), height - 2)
                fx, fy = x - c, y - r
                power += w * w
                for k in range(channels):
                    upper = values[r, c, k] * (1 - fx) + values[r, c + 1, k] * fx
                    lower = values[r + 1, c, k] * (1 - fx) + values[r + 1, c + 1, k] * fx
                    out[m, k] += w * (upper * (1 - fy) + lower * fy)
        for k in range(channels):
            out[m, k] /= max(np.sqrt(power), 1e-9)
    return out
