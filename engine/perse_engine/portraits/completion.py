"""What the photo does not show of skin and clothes: what the other side shows, or what goes on from what is seen.

Everything is completed without its light and lit again, so that the side away from the window gets no sunlit cheek. The
completion meets what is seen without a seam, and has its grain.
"""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from perse_engine.heads.head import NECK, Head
from perse_engine.portraits.light import Relief, fallen
from perse_engine.portraits.mirroring import opposite
from perse_engine.surfaces.filling import fill_holes
from perse_engine.surfaces.grain import find_example, grain
from perse_engine.surfaces.lighting import encoded, linear
from perse_engine.surfaces.unproject import Texels

Texture = NDArray[np.float32]
BLACK = 4e-3  # linear, added before logarithms: what is nearly black has no hue
BRIGHT = 0.4  # share of the brightest light from which skin's usual reflectance is told
SHADED = 0.12  # share of the brightest light below which colour tells little of reflectance
SHADING = 0.25  # natural logarithms by which plain skin of one side may differ from smooth
FARTHEST, TINTED = 0.8, 0.2  # ... by which a completion follows what it borders on: in lightness, in hue
UNLIKE = (0.55, 0.30)  # ... by which skin differs from the usual: in darkness, in hue
SKIN_GRAIN = 3.5, 0.08  # texels that it is finer than, and its largest deviation in natural logarithms
CLOTH_GRAIN = 14.0, 0.28
COARSE = 4  # texels between samples of the clothes
WAYS = np.array([0.02, 0.03, 0.5])  # height, distance from the neck's axis (metres), angle: how far cloth goes on alike


@dataclasses.dataclass(frozen=True, eq=False)
class Seen:
    """What the photo shows of each texel of the head.

    Attributes:
        color: (T, T, 3) sRGB.
        own: (T, T) in [0, 1] where it is believed.
        cloth: (T, T) in [0, 1] where what is seen is cloth.
        plain: (T, T) in [0, 1] where skin is only skin: no brows, lips, lids.
    """

    color: Texture
    own: Texture
    cloth: Texture
    plain: Texture


def complete(
    head: Head,
    texels: Texels,
    seen: Seen,
    areas: tuple[NDArray[np.bool_], ...],
    light: Texture,
    relief: Relief,
    seed: int,
) -> Texture:
    """(T, T, 3) sRGB: the photo where it is believed, completed elsewhere.

    Args:
        areas: skin, lips and bust (T, T).
        light: (9, 3).
        seed: of the grain.
    """
    skin, lips, bust = areas
    arriving = fallen(light, relief)
    brightness = arriving.mean(-1)
    known = seen.own > 0.5
    brightest = float(np.quantile(brightness[known], 0.95)) if known.any() else 1.0
    # nothing that is not seen gets more light than what is
    arriving *= np.minimum(brightest / np.maximum(brightness, 1e-6), 1)[..., None]
    matter = np.log((linear(seen.color) + BLACK) / arriving)
    told = seen.own * np.clip(brightness / brightest / SHADED - 0.5, 0, 1).astype(np.float32)
    cloth_seen = np.clip(seen.cloth, 0, 1)
    plain = _plain(matter, told * seen.plain * (1 - cloth_seen) * skin)
    # shade that the light does not explain must not go on around a ridge
    bright = plain * np.clip(brightness / brightest / BRIGHT - 0.5, 0, 1).astype(np.float32)

    guess = np.zeros_like(matter)
    guess[skin | bust] = _continued(matter, bright)[skin | bust]
    if lips.any():
        guess[lips] = _continued(matter, np.where(lips, told, 0).astype(np.float32))[lips]
    guess += _grain(matter, plain > 0.5, head, texels, relief, *SKIN_GRAIN, seed)
    lower = bust | (skin & (relief.occlusion > 0) & (cloth_seen > 0.02)) | _below(head, texels, skin)
    covered, cloth = _clothes(head, texels, matter, told, cloth_seen, lower)
    if covered.any():
        good = (told > 0.9) & (cloth_seen > 0.9) & lower
        cloth += _grain(matter, good, head, texels, relief, *CLOTH_GRAIN, seed + 1)
        guess += covered[..., None] * (cloth - guess)

    other = opposite(head, texels)
    inner = cv2.erode(told, np.ones((11, 11), np.uint8))  # hair and cloth tint the border of what is seen
    share = other.read(inner)
    mirrored = other.read(matter * inner[..., None]) / np.maximum(share, 1e-4)[..., None]
    outer = skin | lips
    share *= np.where(outer, other.read(outer.astype(np.float32)), other.read(bust.astype(np.float32)) * bust) > 0.9
    # a shadow on one side is not one on the other; brows, lips and nostrils are
    beside = mirrored - guess
    limited = SHADING * np.tanh(beside / SHADING)
    plain_there = np.minimum(seen.plain, 1 - other.read(1 - seen.plain)) * outer * (1 - other.read(cloth_seen))
    mirrored = guess + beside + plain_there[..., None] * (limited - beside)
    mirrored += _bordering(matter - mirrored, told * (share > 0.5), 5.0, 24)
    guess += np.clip(share * 1.3 - 0.15, 0, 1)[..., None] * (mirrored - guess)
    guess += _bordering(matter - guess, cv2.erode(seen.own, np.ones((3, 3), np.uint8)), 1.0, 22)
    lit = encoded(np.exp(guess) * arriving - BLACK)
    return np.asarray(lit + seen.own[..., None] * (seen.color - lit), np.float32)


def _plain(matter: Texture, weight: Texture) -> Texture:
    """(T, T) `weight` where reflectance is that of most of this skin."""
    chosen = weight > 0.5
    if not chosen.any():
        return np.zeros_like(weight)
    off = matter - np.median(matter[chosen], 0)
    level = off.mean(-1)
    hue = np.abs(off - level[..., None]).max(-1)
    return np.asarray(
        weight * np.clip(2 - 2 * np.abs(level) / UNLIKE[0], 0, 1) * np.clip(2 - 2 * hue / UNLIKE[1], 0, 1)
    )


def _continued(matter: Texture, weight: Texture) -> Texture:
    """What has `weight` carried on smoothly, and drawn towards the usual tone far away."""
    sure = weight > 0.5
    if not sure.any():
        tone = np.median(matter[weight > 0], 0) if (weight > 0).any() else np.log(np.full(3, 0.3))
        return np.broadcast_to(tone.astype(np.float32), matter.shape).copy()
    tone = np.median(matter[sure], 0)
    side = matter.shape[0]
    small = (side // 4, side // 4)
    weight = cv2.erode(weight, np.ones((5, 5), np.uint8))
    amount = cv2.resize(weight, small, interpolation=cv2.INTER_AREA)
    mean = cv2.resize(matter * weight[..., None], small, interpolation=cv2.INTER_AREA)
    around = cv2.GaussianBlur(amount, (0, 0), 3)[..., None]
    smooth = cv2.GaussianBlur(mean, (0, 0), 3) / np.maximum(around, 1e-6)
    filled = cv2.GaussianBlur(fill_holes(smooth, np.clip(around[..., 0] * 4, 0, 1)), (0, 0), 3)
    near = np.clip(cv2.GaussianBlur(amount, (0, 0), side / 48) * 3, 0, 1)[..., None]
    return np.asarray(cv2.resize(tone + near * (filled - tone), (side, side)), np.float32)


def _bordering(lacking: Texture, weight: Texture, sigma: float, reach: int) -> Texture:
    """What `lacking` is where it has `weight`, carried on and fading; `sigma` and `reach` in steps of four texels."""
    side = lacking.shape[0]
    small = (side // 4, side // 4)
    level = np.clip(lacking.mean(-1, keepdims=True), -FARTHEST, FARTHEST)
    bounded = level + np.clip(lacking - lacking.mean(-1, keepdims=True), -TINTED, TINTED)
    amount = cv2.resize(weight.astype(np.float32), small, interpolation=cv2.INTER_AREA)
    mean = cv2.resize(bounded * weight[..., None], small, interpolation=cv2.INTER_AREA)
    mean, around = (cv2.GaussianBlur(image, (0, 0), sigma) for image in (mean, amount))
    filled = fill_holes(mean / np.maximum(around, 1e-6)[..., None], np.clip(around * 4, 0, 1))
    filled = cv2.GaussianBlur(filled, (0, 0), 2)
    away = cv2.distanceTransform((amount < 0.1).astype(np.uint8), cv2.DIST_L2, 5)
    fade = np.exp(-((away / reach) ** 2))[..., None]
    return np.asarray(cv2.resize(filled * fade, (side, side), interpolation=cv2.INTER_LINEAR), np.float32)


def _grain(
    matter: Texture,
    good: NDArray[np.bool_],
    head: Head,
    texels: Texels,
    relief: Relief,
    sigma: float,
    strongest: float,
    seed: int,
) -> Texture:
    """(T, T, 1) grain as where `good`; none where too little is good to tell."""
    result = np.zeros((*good.shape, 1), np.float32)
    position = texels.interpolate(head.faces, head.template)
    example = find_example(matter.mean(-1, keepdims=True), good, sigma, strongest, position)
    if example is None:
        return result
    laid = texels.triangle >= 0
    result[laid] = grain(example, position[laid], relief.normal[laid], seed)
    return result


def _below(head: Head, texels: Texels, skin: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(T, T) the neck's skin, which a collar may cover."""
    none = np.zeros(len(head.template), np.float32)
    fields = np.stack([head.regions.get("neck", none), head.regions.get("face", none)], 1)
    neck, face = np.moveaxis(texels.interpolate(head.faces, fields), -1, 0)
    return skin & (neck > 0.2) & (face < 0.5)


def _clothes(
    head: Head, texels: Texels, matter: Texture, own: Texture, cloth: Texture, lower: NDArray[np.bool_]
) -> tuple[Texture, Texture]:
    """How far clothes cover each texel (T, T), and their reflectance (T, T, 3).

    Collars and seams go around the neck: what is not seen is like what is seen at its height and distance from the
    neck's axis, on either side.
    """
    covered, tone = np.zeros_like(own), np.zeros_like(matter)
    every = np.zeros_like(lower)
    every[::COARSE, ::COARSE] = lower[::COARSE, ::COARSE]
    seen = every & (own > 0.7)
    if seen.sum() < 50 or cloth[seen].max() < 0.5:
        return covered, tone
    position = texels.interpolate(head.faces, head.template)
    offset = position - head.joints[NECK]
    angle = np.arctan2(np.abs(offset[..., 0]), offset[..., 2])  # both sides alike
    ways = np.stack([offset[..., 1], np.hypot(offset[..., 0], offset[..., 2]), angle], -1) / WAYS
    distance, near = cKDTree(ways[seen]).query(ways[every], k=6)
    share = 1 / (distance + 0.05) ** 2
    worn = share * np.clip(cloth[seen][near], 0, 1)
    covered[every] = worn.sum(1) / share.sum(1)
    tone[every] = np.einsum("nk,nkc->nc", worn, matter[seen][near]) / np.maximum(worn.sum(1), 1e-9)[:, None]
    some = every & (covered > 0.01)
    if not some.any():
        return covered * 0, tone
    small = np.s_[::COARSE, ::COARSE]
    size = (own.shape[1], own.shape[0])
    spread = fill_holes(covered[small][..., None], every[small])
    tones = fill_holes(tone[small], some[small])
    spread = cv2.GaussianBlur(spread.astype(np.float32), (0, 0), 2)
    covered = np.clip(3 * cv2.resize(spread, size).reshape(own.shape) - 1, 0, 1) * lower
    return covered.astype(np.float32), np.asarray(cv2.resize(cv2.GaussianBlur(tones, (0, 0), 1.5), size), np.float32)
