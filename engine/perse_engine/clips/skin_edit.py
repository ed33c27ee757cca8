"""Skin: complexion, freckles, the lines of age, blush and eye shadow."""

from __future__ import annotations

import numpy as np

from perse_engine.avatars.toning import in_tone
from perse_engine.clips.anatomy import MILLIMETRE
from perse_engine.clips.canvas import Canvas, Edit, merged, sparse_layer
from perse_engine.clips.noise import layered_noise, smoothstep, value_noise
from perse_engine.clips.parameters import Skin
from perse_engine.clips.wardrobe import Layer
from perse_engine.clips.wrinkles import wrinkles
from perse_engine.surfaces.colors import Floats, hex_to_srgb, oklab_to_srgb, srgb_to_oklab
from perse_engine.surfaces.lighting import encoded, linear

FOLD = np.array([0.36, 0.50, 0.56], np.float32)
"""What the deepest fold takes of linear red, green and blue: blood shines through where skin folds."""


def skin(canvas: Canvas, style: Skin, seed: int) -> Edit:
    """Skin of the given tone, with freckles and make-up."""
    texels = np.flatnonzero(canvas.part("skin", "bust"))
    lab = canvas.flat_lab[texels]
    cover = canvas.skin_likeness.reshape(-1)[texels]
    cover = cover * (1 - np.clip(canvas.photo_masks["clothes"].reshape(-1)[texels], 0, 1))
    layers: list[Layer] = []
    tone = (1.0, 1.0, 1.0)
    if style.tone is not None:
        ratio = _ratio(canvas, style.tone, style.amount)
        layers.append(_toned(canvas, texels, ratio))
        tone = (float(ratio[0]), float(ratio[1]), float(ratio[2]))
    point = canvas.flat_position[texels]
    if style.freckles > 0:
        layers.append(_freckled(canvas, texels, lab, cover, point, style.freckles, seed))
    if style.lines > 0:
        layers.append(_lined(canvas, texels, cover, point, style.lines, seed))
    for color, amount in ((style.blush, _cheeks), (style.lids, _lids)):
        if color is not None:
            hue = srgb_to_oklab(hex_to_srgb(color))
            painted = lab.copy()
            painted[:, 0] = np.clip(hue[0] + 0.9 * (lab[:, 0] - canvas.skin_lightness), 0.05, 0.98)
            painted[:, 1:] = hue[1:]
            layers.append(sparse_layer(texels, oklab_to_srgb(painted), 1.0, cover * amount(canvas, point)))
    return Edit(merged(layers), np.zeros_like(canvas.figure.vertices), np.zeros((5, 3), np.float32), tone)


def _ratio(canvas: Canvas, tone: str, amount: float) -> Floats:
    """(3,) of linear light: skin whose albedo is mixed with `tone` by `amount`, to the person's own."""
    face = (canvas.part("skin") & (canvas.region("face") > 0.8) & (canvas.skin_likeness > 0.7)).reshape(-1)
    side = canvas.portrait.albedo.shape[0]
    own = np.median(linear(canvas.portrait.albedo)[face.reshape(canvas.base.shape[:2])[:side, :side]], 0)
    return (1 - amount) + amount * linear(hex_to_srgb(tone)) / np.maximum(own, 0.02)


def _toned(canvas: Canvas, texels: np.ndarray, ratio: Floats) -> Layer:
    """Another albedo in the same light: hairs, pores and shadows on the skin stay, scaled as the skin is."""
    color = encoded(in_tone(linear(canvas.flat_base[texels, :3]), ratio))
    bare = 1 - np.clip(canvas.photo_masks["clothes"].reshape(-1)[texels], 0, 1)
    # what the photo does not show of the bust is cloth as often as skin: only its colour tells
    on_bust = canvas.part("bust").reshape(-1)[texels] if "bust" in canvas.figure.parts else np.zeros(len(texels), bool)
    bare = np.where(on_bust, bare * canvas.skin_likeness.reshape(-1)[texels], bare)
    lips = 1 - 0.15 * canvas.lips.reshape(-1)[texels]
    return sparse_layer(texels, color, 1.0, (bare * lips).astype(np.float32))


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


def _lined(canvas: Canvas, texels: np.ndarray, cover: Floats, point: Floats, depth: float, seed: int) -> Layer:
    """Furrows and the light on their lower edges."""
    furrow = wrinkles(canvas.anatomy, point, seed)
    edge = wrinkles(canvas.anatomy, point + np.array([0, 1.3 * MILLIMETRE * canvas.anatomy.size, 0], np.float32), seed)
    relief = depth * (furrow - 0.35 * np.clip(edge - furrow, 0, 1))
    color = encoded(linear(canvas.flat_base[texels, :3]) * (1 - relief[:, None] * FOLD))
    strength = cover * smoothstep(0.02, 0.1, np.maximum(furrow, edge))
    return sparse_layer(texels, color, 1.0, strength)


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
