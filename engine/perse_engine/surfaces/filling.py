"""Smooth completion of what no photograph shows.

Pull-push: Gortler, Grzeszczuk, Szeliski, Cohen, "The Lumigraph", 1996, section 3.4.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray


def fill_holes(texture: NDArray[np.floating], weight: NDArray[np.floating] | NDArray[np.bool_]) -> NDArray[np.float32]:
    """`texture` (H, W, C) where `weight` (H, W) is 1, blended into a smooth continuation where it falls to 0."""
    height, width = weight.shape
    side = 1 << max(int(np.ceil(np.log2(max(height, width)))), 1)
    value: NDArray[np.floating] = np.zeros((side, side, texture.shape[2]), np.float32)
    known: NDArray[np.floating] = np.zeros((side, side, 1), np.float32)
    known[:height, :width, 0] = np.clip(weight, 0, 1)
    value[:height, :width] = texture
    value *= known
    levels = []
    while known.shape[0] > 1:
        levels.append((value, known))
        total = _halved(known)
        # weights saturate: a coarse texel is known as soon as one full texel under it is
        saturated = np.minimum(total * 4, 1)
        value = _halved(value) / np.maximum(total, 1e-12) * saturated
        known = saturated
    filled = value / np.maximum(known, 1e-12)
    for value, known in reversed(levels):
        size = known.shape[0]
        upsampled = cv2.resize(filled, (size, size), interpolation=cv2.INTER_LINEAR).reshape(value.shape)
        filled = value + (1 - known) * upsampled
    return np.ascontiguousarray(filled[:height, :width])


def _halved(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """(2n, 2n, C) to (n, n, C) by the mean of 2 x 2."""
    return (image[0::2, 0::2] + image[1::2, 0::2] + image[0::2, 1::2] + image[1::2, 1::2]) * np.float32(0.25)
