"""How far a picture is from what it should be."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

WINDOW, STRIDE = 8, 4
"""Of SSIM: overlapping boxes on a grid cost a tenth of a window at every pixel and pull alike."""
C1, C2 = 1e-4, 9e-4
"""What keeps SSIM finite on plain pictures."""
LEVELS = 4
STRUCTURE, PYRAMID, MATTE = 0.2, 0.4, 0.25


def picture_loss(color: Tensor, alpha: Tensor, target: Tensor, matte: Tensor, weights: Tensor) -> Tensor:
    """L1 + SSIM + Laplacian pyramid + matte.

    Args:
        color: (H, W, 3) over some background, sRGB.
        alpha: (H, W).
        target: (H, W, 3) over the same background.
        matte: (H, W) alpha of the target.
        weights: (H, W) >= 0, what each pixel counts; zero where the target says nothing.
    """
    wrong = (color - target) * weights[..., None]
    planes = wrong.permute(2, 0, 1)[None]
    loss = (1 - STRUCTURE) * wrong.abs().mean()
    loss = loss + STRUCTURE * (1 - structural_similarity(color, target, weights))
    loss = loss + PYRAMID * pyramid_difference(planes)
    return loss + MATTE * ((alpha - matte) * weights).abs().mean()


def structural_similarity(first: Tensor, second: Tensor, weights: Tensor) -> Tensor:
    """Mean SSIM (Wang et al. 2004) of two pictures (H, W, 3) in [0, 1] over `WINDOW` boxes every `STRIDE` pixels.

    Boxes count by the mean of `weights` (H, W), at most 1, so that what is not known does not count.
    """
    x, y = first.permute(2, 0, 1), second.permute(2, 0, 1)
    # What depends on the target alone is averaged apart, so that no gradient is carried through it.
    mean_x, mean_xx, mean_xy = avg_pool2d(torch.stack([x, x * x, x * y]), WINDOW, STRIDE).unbind(0)
    mean_y, mean_yy = avg_pool2d(torch.stack([y, y * y]), WINDOW, STRIDE).unbind(0)
    variance = mean_xx - mean_x**2 + mean_yy - mean_y**2
    covariance = mean_xy - mean_x * mean_y
    similarity = ((2 * mean_x * mean_y + C1) * (2 * covariance + C2)) / ((mean_x**2 + mean_y**2 + C1) * (variance + C2))
    count = avg_pool2d(weights[None, None], WINDOW, STRIDE)[0].clamp(max=1)
    return 1 - ((1 - similarity) * count).mean()


def pyramid_difference(wrong: Tensor) -> Tensor:
    """Mean absolute value of the Laplacian pyramid of a difference (1, C, H, W), summed over its levels.

    The pyramid is linear, so that of the difference is the difference of the two pictures' (Bojanowski et al. 2018).
    """
    total = wrong.new_zeros(())
    for _ in range(LEVELS):
        if min(wrong.shape[-2:]) < 4:
            break
        coarse = avg_pool2d(wrong, 2)
        total = total + (wrong - interpolate(coarse, size=wrong.shape[-2:], mode="bilinear")).abs().mean()
        wrong = coarse
    return total + wrong.abs().mean()
