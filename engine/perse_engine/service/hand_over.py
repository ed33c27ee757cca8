"""From the rasteriser's picture to what Blender takes: one pass over the pixels, straight into shared memory."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

_STEPS = 4096
"""Intervals of the tabulated transfer curve; linear interpolation then errs by less than 3e-8."""


def srgb_to_linear(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """The sRGB transfer curve (IEC 61966-2-1), any shape; below zero it is mirrored, above one it continues."""
    magnitude = np.abs(np.asarray(values, np.float64))
    linear = np.where(magnitude <= 0.04045, magnitude / 12.92, ((magnitude + 0.055) / 1.055) ** 2.4)
    signed: NDArray[np.float64] = np.copysign(linear, values)
    return signed


_TABLE = srgb_to_linear(np.arange(_STEPS + 2) / _STEPS).astype(np.float32)


def hand_over_srgb(
    color: Floats, alpha: Floats, depth: Floats, background: Floats, out_color: Floats, out_depth: Floats
) -> None:
    """Write premultiplied sRGB colour as it is, turned upside down.

    Args:
        color: (H, W, 3) premultiplied sRGB, rows from the top down.
        alpha: (H, W) in [0, 1].
        depth: (H, W).
        background: (4,) premultiplied RGBA in the result's colour space, put behind.
        out_color: (H, W, 4) premultiplied RGBA, rows from the bottom up.
        out_depth: (H, W), rows from the bottom up.
    """
    through = (1 - alpha)[..., None]
    out_color[::-1, :, :3] = color + through * background[:3]
    out_color[::-1, :, 3:] = alpha[..., None] + through * background[3]
    out_depth[::-1] = depth


def hand_over_linear(
    color: Floats,
    alpha: Floats,
    depth: Floats,
    matrix: Floats,
    background: Floats,
    out_color: Floats,
    out_depth: Floats,
) -> None:
    """As `hand_over_srgb`, in scene-linear colour: the transfer curve acts on unpremultiplied colour.

    Args:
        matrix: (3, 3) from linear Rec.709 to the working space.
    """
    to_working = np.ascontiguousarray(matrix, np.float32)
    _hand_over_linear(color, alpha, depth, to_working, background, _TABLE, out_color, out_depth)


@numba.njit(parallel=True, fastmath=True, cache=True, nogil=True)
def _hand_over_linear(
    color: Floats,
    alpha: Floats,
    depth: Floats,
    matrix: Floats,
    background: Floats,
    table: Floats,
    out_color: Floats,
    out_depth: Floats,
) -> None:
    height, width = alpha.shape
    steps = np.float32(table.shape[0] - 2)
    m00, m01, m02 = matrix[0, 0], matrix[0, 1], matrix[0, 2]
    m10, m11, m12 = matrix[1, 0], matrix[1, 1], matrix[1, 2]
    m20, m21, m22 = matrix[2, 0], matrix[2, 1], matrix[2, 2]
    for row in numba.prange(height):
        target = height - 1 - row
        for column in range(width):
            out_depth[target, column] = depth[row, column]
            a = alpha[row, column]
            if a <= np.float32(0.0):
                for c in range(4):
                    out_color[target, column, c] = background[c]
                continue
            inverse = np.float32(1.0) / a
            r = _linear(color[row, column, 0] * inverse, table, steps) * a
            g = _linear(color[row, column, 1] * inverse, table, steps) * a
            b = _linear(color[row, column, 2] * inverse, table, steps) * a
            through = np.float32(1.0) - a
            out_color[target, column, 0] = m00 * r + m01 * g + m02 * b + through * background[0]
            out_color[target, column, 1] = m10 * r + m11 * g + m12 * b + through * background[1]
            out_color[target, column, 2] = m20 * r + m21 * g + m22 * b + through * background[2]
            out_color[target, column, 3] = a + through * background[3]


@numba.njit(inline="always")
def _linear(value: np.float32, table: Floats, steps: np.float32) -> np.float32:
    position = min(max(value, np.float32(0.0)), np.float32(1.0)) * steps
    cell = int(position)
    share = position - np.float32(cell)
    return np.float32(table[cell] + share * (table[cell + 1] - table[cell]))
