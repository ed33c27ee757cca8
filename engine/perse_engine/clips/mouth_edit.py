"""Lips: lipstick that keeps the light on them, and fullness."""

from __future__ import annotations

import numpy as np

from perse_engine.clips.anatomy import MILLIMETRE
from perse_engine.clips.canvas import Canvas, Edit, sparse_layer
from perse_engine.clips.colors import Floats, hex_to_srgb, oklab_to_srgb, srgb_to_oklab
from perse_engine.clips.noise import blurred, smoothstep
from perse_engine.clips.parameters import Mouth


def mouth(canvas: Canvas, style: Mouth) -> Edit:
    """Lips of the given fullness and colour."""
    mask = blurred(canvas.lips, 0.8)
    texels = np.flatnonzero(mask > 0.004)
    amount = smoothstep(0.12, 0.62, mask.reshape(-1)[texels])
    lab = canvas.flat_lab[texels]
    strength = np.zeros(len(texels), np.float32)
    if style.color is not None:
        hue = srgb_to_oklab(hex_to_srgb(style.color))
        solid = amount > 0.5
        middle = float(np.median(lab[solid, 0])) if solid.any() else 0.6
        relief = lab[:, 0] - middle
        lab[:, 0] = hue[0] + 0.85 * relief + style.gloss * 0.9 * np.maximum(relief - 0.04, 0)
        shine = smoothstep(0.02, 0.16, relief)[:, None] * (0.25 + 0.5 * style.gloss)
        lab[:, 1:] = hue[1:] * (1 - shine)
        lab[:, 0] = np.clip(lab[:, 0], 0.03, 0.98)
        strength = style.opacity * amount
    layer = sparse_layer(texels, oklab_to_srgb(lab), 1.0, strength)
    return Edit(layer, _fuller(canvas, mask, style.fullness), np.zeros((5, 3), np.float32))


def _fuller(canvas: Canvas, mask: Floats, fullness: float) -> Floats:
    """(V, 3): lips rolled out and away from the mouth line."""
    move = np.zeros_like(canvas.figure.vertices)
    if fullness == 0.0:
        return move
    a = canvas.anatomy
    skin = np.flatnonzero(canvas.part_vertices("skin"))
    point = canvas.figure.vertices[skin]
    unit = MILLIMETRE * a.size
    x = point[:, 0] / (min(a.mouth_half_width, 26 * unit) * 1.02)
    y = (point[:, 1] - a.mouth[1]) / unit
    front = smoothstep(a.mouth[2] - 0.022 * a.size, a.mouth[2] - 0.010 * a.size, point[:, 2])
    taper = np.sqrt(np.clip(1 - x**2, 0, 1))
    # a lip is about 8 mm high; the roll ends softly on the skin around it
    roll = np.exp(-((np.abs(y) / 8.5) ** 4)) * taper * front
    lift = np.sign(y) * smoothstep(0.0, 4.0, np.abs(y)) * np.exp(-((np.abs(y) / 12.0) ** 4))
    amount = fullness * unit * roll
    move[skin, 1] = 2.2 * amount * lift
    move[skin, 2] = 2.4 * amount
    return move
