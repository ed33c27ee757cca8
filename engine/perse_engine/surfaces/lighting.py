"""Light on matt surfaces as second-order spherical harmonics: nine numbers a channel hold what a face can tell of it.

Ramamoorthi, Hanrahan, "An efficient representation for irradiance environment maps", 2001, equations 7 to 11.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]

BANDS = np.array([0, 1, 1, 1, 2, 2, 2, 2, 2])
"""The order of each of the nine functions."""
_REFLECTED = np.array([1.0, 2 / 3, 2 / 3, 2 / 3, 0.25, 0.25, 0.25, 0.25, 0.25], np.float32)
DARKEST = 0.02
"""No surface gets less than this share of a light of 1: second order rings below zero on the far side."""


def harmonics(normals: Floats) -> NDArray[np.float32]:
    """(..., 9) what each of the nine lights gives a matt white surface with unit `normals` (..., 3)."""
    x, y, z = np.moveaxis(np.asarray(normals, np.float32), -1, 0)
    basis = np.stack(
        [
            np.full_like(x, 0.282095),
            0.488603 * y,
            0.488603 * z,
            0.488603 * x,
            1.092548 * x * y,
            1.092548 * y * z,
            0.315392 * (3 * z * z - 1),
            1.092548 * x * z,
            0.546274 * (x * x - y * y),
        ],
        -1,
    )
    return np.asarray(basis * _REFLECTED, np.float32)


def irradiance(light: Floats, normals: Floats) -> NDArray[np.float32]:
    """(..., 3) linear RGB that falls on surfaces: 1 leaves a matt white surface white.

    Args:
        light: (9, 3) radiance coefficients, linear RGB, in the axes of `normals`.
        normals: (..., 3) unit length, outwards.
    """
    normals = np.asarray(normals, np.float32)
    fallen = harmonics(normals.reshape(-1, 3)) @ np.asarray(light, np.float32)
    return np.maximum(fallen, DARKEST).astype(np.float32).reshape(normals.shape)


def shade(albedo: Floats, light: Floats, normals: Floats, occlusion: Floats | float = 1.0) -> NDArray[np.float32]:
    """(..., 3) sRGB in [0, 1] of surfaces as `light` shows them.

    Args:
        albedo: (..., 3) sRGB-encoded reflectance, or (3,).
        light: (9, 3).
        normals: (..., 3) unit length.
        occlusion: (...), 1 where all of the light arrives, 0 where none does.
    """
    open_share = np.asarray(occlusion, np.float32)[..., None]
    return encoded(linear(albedo) * irradiance(light, normals) * open_share)


def flat_light(level: float = 1.0) -> NDArray[np.float32]:
    """(9, 3) white light from everywhere, of irradiance `level`."""
    light = np.zeros((9, 3), np.float32)
    light[0] = level / 0.282095
    return light


def linear(color: Floats) -> NDArray[np.float32]:
    """Take sRGB in [0, 1] to linear light."""
    color = np.clip(np.asarray(color, np.float32), 0, 1)
    return np.where(color <= 0.04045, color / 12.92, ((color + 0.055) / 1.055) ** 2.4).astype(np.float32)


def encoded(light: Floats) -> NDArray[np.float32]:
    """Take linear light to sRGB, clipped to [0, 1]."""
    light = np.clip(np.asarray(light, np.float32), 0, 1)
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055).astype(np.float32)
