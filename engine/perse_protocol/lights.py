"""Light from afar as nine numbers a channel, as `messages.Light` carries it: spherical harmonics of second order.

Ramamoorthi, Hanrahan, "An efficient representation for irradiance environment maps", 2001, equation 3.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def light_from(directions: Floats, irradiances: Floats) -> Floats:
    """(9, 3) the light of n lamps, each so far away that it comes from one direction; pixels of a sky are lamps too.

    Args:
        directions: (n, 3) towards the lamps, unit length.
        irradiances: (n, 3) linear RGB, what falls on a surface that faces the lamp: radiance times solid angle.
    """
    x, y, z = np.asarray(directions, np.float64).reshape(-1, 3).T
    basis = [
        np.full_like(x, 0.282095),
        0.488603 * y,
        0.488603 * z,
        0.488603 * x,
        1.092548 * x * y,
        1.092548 * y * z,
        0.315392 * (3 * z * z - 1),
        1.092548 * x * z,
        0.546274 * (x * x - y * y),
    ]
    found: Floats = np.stack(basis) @ np.asarray(irradiances, np.float64).reshape(-1, 3)
    return found


def light_from_everywhere(radiance: Floats) -> Floats:
    """(9, 3) the light of a sky of one colour (3,) linear RGB: in a sky of 1, a matt white surface is white."""
    light = np.zeros((9, 3))
    light[0] = math.sqrt(4 * math.pi) * np.asarray(radiance, np.float64)
    return light
