"""How far two pictures lie apart, inside a mask."""

from __future__ import annotations

import itertools
import math

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]

LEAST_MSE = 1e-10
"""100 dB: what identical pictures get."""
_SSIM_C1, _SSIM_C2 = 0.01**2, 0.03**2
_SSIM_SIGMA = 1.5


def psnr(picture: Floats, reference: Floats, mask: Mask) -> float:
    """Peak signal-to-noise ratio in dB of (H, W, C) pictures with peak 1, over the pixels of `mask` (H, W).

    NaN where the mask is empty.
    """
    if not mask.any():
        return math.nan
    error = float(np.mean((picture[mask].astype(np.float64) - reference[mask]) ** 2))
    return -10 * math.log10(max(error, LEAST_MSE))


def ssim(picture: Floats, reference: Floats, mask: Mask) -> float:
    """Mean structural similarity over the pixels of `mask` (H, W) of (H, W, C) pictures with peak 1.

    Wang, Bovik, Sheikh, Simoncelli, "Image quality assessment", 2004: Gaussian window, sigma 1.5. What lies outside the
    mask is taken from the reference in both pictures, so that windows across the border compare nothing else.
    NaN where the mask is empty.
    """
    if not mask.any():
        return math.nan
    first = np.where(mask[..., None], picture, reference).astype(np.float64)
    second = reference.astype(np.float64)
    mean1, mean2 = _smooth(first), _smooth(second)
    var1 = _smooth(first * first) - mean1 * mean1
    var2 = _smooth(second * second) - mean2 * mean2
    both = _smooth(first * second) - mean1 * mean2
    similarity = ((2 * mean1 * mean2 + _SSIM_C1) * (2 * both + _SSIM_C2)) / (
        (mean1**2 + mean2**2 + _SSIM_C1) * (var1 + var2 + _SSIM_C2)
    )
    return float(similarity[mask].mean())


def area_reduced(picture: Floats, width: int, height: int) -> Floats:
    """`picture` (H, W, ...) averaged over areas to a smaller size; returned as it is when it has that size."""
    if picture.shape[:2] == (height, width):
        return picture
    reduced: Floats = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
    return reduced


def eroded(mask: Mask, pixels: int) -> Mask:
    """`mask` without what lies within `pixels` of its outside; the picture's border counts as outside."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * pixels + 1, 2 * pixels + 1))
    inner = cv2.erode(mask.astype(np.uint8), kernel, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    return inner.astype(bool)


def dilated(mask: Mask, pixels: int) -> Mask:
    """`mask` with what lies within `pixels` of it."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * pixels + 1, 2 * pixels + 1))
    return cv2.dilate(mask.astype(np.uint8), kernel).astype(bool)


def over(picture: Floats, background: float) -> Floats:
    """Premultiplied (H, W, 4) before a grey: (H, W, 3)."""
    return picture[..., :3] + (1 - picture[..., 3:]) * np.float32(background)


def step_uniformity(pictures: list[Floats]) -> float:
    """How evenly a sequence of (H, W, C) pictures changes: the largest step over the mean step, 1 is perfect.

    1 where nothing changes at all.
    """
    steps = [float(np.abs(after - before).mean()) for before, after in itertools.pairwise(pictures)]
    mean = float(np.mean(steps))
    return max(steps) / mean if mean > 0 else 1.0


def _smooth(picture: NDArray[np.float64]) -> NDArray[np.float64]:
    blurred: NDArray[np.float64] = cv2.GaussianBlur(picture, (11, 11), _SSIM_SIGMA, borderType=cv2.BORDER_REFLECT)
    return blurred
