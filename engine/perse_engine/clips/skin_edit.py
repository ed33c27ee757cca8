"""Skin: tone, freckles, blush and eye shadow."""

from __future__ import annotations

import numpy as np

from perse_engine.clips.anatomy import MILLIMETRE
from perse_engine.clips.canvas import Canvas, Edit, merged, sparse_layer
from perse_engine.clips.colors import Floats, hex_to_srgb, oklab_to_srgb, srgb_to_oklab
from perse_engine.clips.noise import layered_noise, smoothstep, value_noise
from perse_engine.clips.parameters import Skin
from perse_engine.clips.wardrobe import Layer


def skin(canvas: Canvas, style: Skin, seed: int) -> Edit:
    """Skin of the given tone, with freckles and make-up."""
    texels = np.flatnonzero(canvas.part("skin", "bust"))
    lab = canvas.flat_lab[texels]
    cover = canvas.skin_likeness.reshape(-1)[texels]
    cover = cover * (1 - np.clip(canvas.photo_masks["clothes"].reshape(-1)[texels], 0, 1))
    layers: list[Layer] = []
    if style.tone is not None:
        layers.append(_toned(canvas, texels, lab, cover, style.tone, style.amount))
    point = canvas.flat_position[texels]
    if style.freckles > 0:
        layers.append(_freckled(canvas, texels, lab, cover, point, style.freckles, seed))
    for color, amount in ((style.blush, _cheeks), (style.lids, _lids)):
        if color is not None:
            hue = srgb_to_oklab(hex_to_srgb(color))
            painted = lab.copy()
            painted[:, 0] = np.clip(hue[0] + 0.9 * (lab[:, 0] - canvas.skin_lightness), 0.05, 0.98)
            painted[:, 1:] = hue[1:]
            layers.append(sparse_layer(texels, oklab_to_srgb(painted), 1.0, cover * amount(canvas, point)))
    return Edit(merged(layers), np.zeros_like(canvas.figure.vertices), np.zeros((5, 3), np.float32))


def _toned(canvas: Canvas, texels: np.ndarray, lab: Floats, cover: Floats, tone: str, amount: float) -> Layer:
    hue = srgb_to_oklab(hex_to_srgb(tone))
    painted = np.empty_like(lab)
    painted[:, 0] = np.clip(hue[0] + (lab[:, 0] - canvas.skin_lightness) * 0.95, 0.03, 0.98)
    painted[:, 1:] = hue[1:] + 0.5 * (lab[:, 1:] - np.median(lab[:, 1:], 0))
    return sparse_layer(texels, oklab_to_srgb(painted), 1.0, amount * cover)


def _freckled(
    canvas: Canvas, texels: np.ndarray, lab: Floats, cover: Floats, point: Floats, density: float, seed: int
) -> Layer:
    a = canvas.anatomy
    unit = MILLIMETRE * a.size
    flat = np.stack([point[:, 0], point[:, 1] + 0.6 * point[:, 2]], -1)
    dots = value_noise(flat / (1.5 * unit), seed)
    small = value_noise(flat / (0.95 * unit) + 40, seed + 1)
    patches = layered_noise(flat / (12 * unit), seed + 2)
    x = np.abs(point[:, 0]) / unit
    y = (point[:, 1] - a.eyes[:, 1].mean()) / unit
    cheeks = np.exp(-(((y + 22) / 16) ** 2) - ((x - 18) / 26) ** 2) + 0.35 * np.exp(-(((y - 40) / 18) ** 2))
    spots = np.maximum(smoothstep(0.74, 0.88, dots), 0.7 * smoothstep(0.76, 0.9, small))
    where = np.clip(cheeks, 0, 1) * smoothstep(0.3, 0.6, patches) * (point[:, 2] > a.eyes[:, 2].mean() - 0.06)
    painted = lab * np.array([0.74, 1.25, 1.15], np.float32) + np.array([0, 0.012, 0.012], np.float32)
    strength = np.clip(density * cover * where * spots, 0, 1)
    return sparse_layer(texels, oklab_to_srgb(painted), 1.0, strength)


def _cheeks(canvas: Canvas, point: Floats) -> Floats:
    """(M,) how much blush lies at skin points: the apples of the cheeks, towards the ears."""
    a = canvas.anatomy
    unit = MILLIMETRE * a.size
    x = np.abs(point[:, 0]) / unit - 43
    y = (point[:, 1] - a.eyes[:, 1].mean()) / unit + 29 - 0.35 * x
    return 0.24 * np.exp(-((x / 19) ** 2) - (y / 11) ** 2)


def _lids(canvas: Canvas, point: Floats) -> Floats:
    """(M,) how much eye shadow lies at skin points: the upper lid and the crease above it."""
    a = canvas.anatomy
    unit = MILLIMETRE * a.size
    x = (np.abs(point[:, 0]) - np.abs(a.eyes[:, 0]).mean()) / unit
    y = (point[:, 1] - a.eyes[:, 1].mean()) / unit
    arch = 7.0 - 0.018 * x**2
    shadow = smoothstep(1.0, 3.5, y) * smoothstep(arch + 4, arch - 3, y) * smoothstep(21, 12, np.abs(x))
    return 0.62 * shadow * (point[:, 2] > a.eyes[:, 2].mean() - 0.02)
