"""OKLab, the space in which colours are mixed and compared. Ottosson, "A perceptual color space", 2020."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]

_LINEAR_TO_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ],
    np.float32,
)
_CONES_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ],
    np.float32,
)
_CONES_TO_LINEAR = np.linalg.inv(_LINEAR_TO_CONES.astype(np.float64)).astype(np.float32)
_LAB_TO_CONES = np.linalg.inv(_CONES_TO_LAB.astype(np.float64)).astype(np.float32)


def srgb_to_oklab(color: Floats) -> Floats:
    """Take sRGB (..., 3) in [0, 1] to OKLab: lightness in [0, 1], green–red, blue–yellow."""
    flat = np.ascontiguousarray(color, np.float32).reshape(-1, 3)
    return _to_lab(flat, _LINEAR_TO_CONES, _CONES_TO_LAB).reshape(color.shape)


def oklab_to_srgb(lab: Floats) -> Floats:
    """Take OKLab (..., 3) to sRGB, clipped to [0, 1]."""
    flat = np.ascontiguousarray(lab, np.float32).reshape(-1, 3)
    return _from_lab(flat, _LAB_TO_CONES, _CONES_TO_LINEAR).reshape(lab.shape)


def hex_to_srgb(text: str) -> Floats:
    """Read "#rrggbb" as sRGB (3,) in [0, 1]."""
    return np.array([int(text[i : i + 2], 16) for i in (1, 3, 5)], np.float32) / 255


def srgb_to_hex(color: Floats) -> str:
    """Write sRGB (3,) in [0, 1] as "#rrggbb"."""
    red, green, blue = np.round(np.clip(color, 0, 1) * 255).astype(int)
    return f"#{red:02x}{green:02x}{blue:02x}"


@numba.njit(parallel=True, cache=True, nogil=True)
def _to_lab(color: Floats, to_cones: Floats, to_lab: Floats) -> Floats:
    out = np.empty_like(color)
    for i in numba.prange(color.shape[0]):
        cones = np.zeros(3, np.float32)
        for c in range(3):
            s = min(max(color[i, c], np.float32(0)), np.float32(1))
            linear = s / np.float32(12.92) if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4
            for k in range(3):
                cones[k] += to_cones[k, c] * linear
        for k in range(3):
            cones[k] = np.cbrt(cones[k])
        for k in range(3):
            out[i, k] = to_lab[k, 0] * cones[0] + to_lab[k, 1] * cones[1] + to_lab[k, 2] * cones[2]
    return out


@numba.njit(parallel=True, cache=True, nogil=True)
def _from_lab(lab: Floats, to_cones: Floats, to_linear: Floats) -> Floats:
    out = np.empty_like(lab)
    for i in numba.prange(lab.shape[0]):
        cones = np.empty(3, np.float32)
        for k in range(3):
            root = to_cones[k, 0] * lab[i, 0] + to_cones[k, 1] * lab[i, 1] + to_cones[k, 2] * lab[i, 2]
            cones[k] = root * root * root
        for c in range(3):
            linear = to_linear[c, 0] * cones[0] + to_linear[c, 1] * cones[1] + to_linear[c, 2] * cones[2]
            linear = min(max(linear, np.float32(0)), np.float32(1))
            out[i, c] = linear * 12.92 if linear <= 0.0031308 else 1.055 * linear ** (1 / 2.4) - 0.055
    return out
