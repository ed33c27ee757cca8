"""Which way strands run over the shell, and what they look like where no photograph shows them.

Directions are read from the photo by its structure tensor and continue smoothly; where nothing is near they fall. The
strands are noise smeared along them (Cabral, Leedom, "Imaging vector fields using line integral convolution", 1993).
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from perse_engine.surfaces.filling import fill_holes

GRAIN = 1.0  # texels across which the photo's strands are told apart
AROUND = 4.0  # texels over which they agree on a direction
FALL = 0.35  # share of a direction that has come from afar which gives way to falling
Texture = NDArray[np.float32]


def strand_directions(color: Texture, seen: Texture) -> Texture:
    """(S, S, 2) unit steps in texels along the strands, continuous around u.

    Args:
        color: (S, S, 3) the shell's texture.
        seen: (S, S) in [0, 1] how well the photo shows it.
    """
    side = color.shape[0]
    color = cv2.resize(color, (side // 2, side // 2), interpolation=cv2.INTER_AREA)
    seen = cv2.resize(seen, (side // 2, side // 2), interpolation=cv2.INTER_AREA)
    light = cv2.GaussianBlur(np.log(color.mean(-1) + 0.03), (0, 0), GRAIN)
    dx, dy = cv2.Scharr(light, cv2.CV_32F, 1, 0), cv2.Scharr(light, cv2.CV_32F, 0, 1)
    inner = cv2.erode(seen, np.ones((5, 5), np.uint8))
    weight = np.sqrt(dx * dx + dy * dy) * inner
    # angles of lines are doubled, as a strand has no front
    strength = np.maximum(dx * dx + dy * dy, 1e-9)
    double = np.dstack([(dy * dy - dx * dx), -2 * dx * dy]) / strength[..., None]
    gathered = cv2.GaussianBlur(double * weight[..., None], (0, 0), AROUND)
    total = cv2.GaussianBlur(weight, (0, 0), AROUND)
    local = gathered / np.maximum(total, 1e-6)[..., None]
    sure = (
        np.clip(total / max(float(np.median(total[inner > 0.5])) if (inner > 0.5).any() else 1.0, 1e-6), 0, 1) * inner
    )
    spread = wrapped_fill(local, sure)
    fall = np.array([-1.0, 0.0], np.float32)  # along v
    far = 1 - cv2.GaussianBlur(inner, (0, 0), side / 28)
    share = np.clip(FALL + far, 0, 1)[..., None] * (1 - sure)[..., None]
    field = cv2.GaussianBlur(spread * (1 - share) + fall * share, (0, 0), AROUND)
    field = cv2.resize(field, (side, side), interpolation=cv2.INTER_LINEAR)
    angle = np.arctan2(field[..., 1], field[..., 0]) / 2
    return np.asarray(np.dstack([np.cos(angle), np.sin(angle)]), np.float32)


def strands(directions: Texture, seed: int) -> Texture:
    """(S, S) of unit deviation: fine strands, and broader locks, along `directions`."""
    side = directions.shape[0]
    rng = np.random.default_rng(seed)
    total = np.zeros((side, side), np.float32)
    # coarse strands need no fine grid
    for width, share, doublings, scale in ((0.7, 0.9, 6, 1), (1.0, 0.6, 5, 2), (1.6, 0.35, 4, 4)):
        size = side // scale
        noise = cv2.GaussianBlur(_wrap(rng.normal(size=(size, size)).astype(np.float32)), (0, 0), width)
        coarse = cv2.resize(directions, (size, size), interpolation=cv2.INTER_AREA)
        smeared = _smeared(noise, _wrap(coarse), doublings)[:, size // 4 : -(size // 4)]
        smeared = cv2.resize(smeared, (side, side), interpolation=cv2.INTER_LINEAR)
        total += share * (smeared - smeared.mean()) / smeared.std()
    return np.asarray(total / total.std(), np.float32)


def wrapped_fill(image: Texture, weight: Texture) -> Texture:
    """Pull-push that knows that the left and the right border are one."""
    side = image.shape[1]
    filled = fill_holes(_wrap(image), _wrap(weight))
    return filled[:, side // 4 : side // 4 + side]


def _smeared(noise: Texture, directions: Texture, doublings: int) -> Texture:
    """Averages along the field over 2 ** doublings texels, by doubling steps that bend with it."""
    height, width = noise.shape
    y, x = np.mgrid[:height, :width].astype(np.float32)
    ahead_x, ahead_y = x + 0.5 * directions[..., 0], y + 0.5 * directions[..., 1]
    back_x, back_y = x - 0.5 * directions[..., 0], y - 0.5 * directions[..., 1]
    result = noise
    for k in range(doublings):
        ahead = cv2.remap(result, ahead_x, ahead_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
        back = cv2.remap(result, back_x, back_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
        result = (ahead + back) / 2
        if k + 1 < doublings:
            step = np.float32(2**k)
            ahead_x, ahead_y = x + step * directions[..., 0], y + step * directions[..., 1]
            back_x, back_y = x - step * directions[..., 0], y - step * directions[..., 1]
    return np.asarray(result, np.float32)


def _wrap(image: Texture) -> Texture:
    quarter = image.shape[1] // 4
    return np.concatenate([image[:, -quarter:], image, image[:, :quarter]], 1)
