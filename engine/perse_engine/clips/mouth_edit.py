"""Lips: their fullness, width, bow and corners, and lipstick that keeps the relief and the shine on them."""

from __future__ import annotations

import numpy as np

from perse_engine.clips.anatomy import MILLIMETRE
from perse_engine.clips.canvas import Canvas, Edit, sparse_layer
from perse_engine.clips.noise import blurred, smoothstep
from perse_engine.clips.parameters import Mouth
from perse_engine.surfaces.colors import Floats, hex_to_srgb, oklab_to_srgb, srgb_to_oklab

FINE = 2.5  # texels: finer than this are the furrows of the lips, coarser their shape in the light


def mouth(canvas: Canvas, style: Mouth) -> Edit:
    """Lips of the given shape and colour."""
    mask = blurred(canvas.lips, 0.8)
    texels = np.flatnonzero(mask > 0.004)
    amount = smoothstep(0.12, 0.62, mask.reshape(-1)[texels])
    target = canvas.flat_base[texels, :3]
    strength = np.zeros(len(texels), np.float32)
    if style.color is not None:
        target = _painted(canvas, texels, amount, style)
        strength = style.opacity * amount
    layer = sparse_layer(texels, target, 1.0, strength)
    return Edit(layer, _shaped(canvas, style), np.zeros((5, 3), np.float32))


def _painted(canvas: Canvas, texels: np.ndarray, amount: Floats, style: Mouth) -> Floats:
    """(M, 3) sRGB of lipstick: the photo's light on the style's colour, the lips' own furrows, and gloss."""
    assert style.color is not None
    lab = srgb_to_oklab(canvas.lit(texels, hex_to_srgb(style.color)))
    own = canvas.flat_lab[texels, 0]
    soft = blurred(canvas.lightness, FINE).reshape(-1)[texels]
    solid = amount > 0.5
    middle = float(np.median(own[solid])) if solid.any() else 0.6
    relief = 0.85 * (own - soft) + 0.4 * (soft - middle)
    shine = smoothstep(0.02, 0.16, own - middle) * (0.1 + 0.5 * style.gloss)
    lab[:, 0] = np.clip(lab[:, 0] + relief + style.gloss * 0.9 * np.maximum(own - middle - 0.04, 0), 0.03, 0.98)
    lab[:, 1:] *= (1 - shine)[:, None]
    return oklab_to_srgb(lab)


def _shaped(canvas: Canvas, style: Mouth) -> Floats:
    """(V, 3) how lips and the skin beside them move: each shape is the linear part of a style of its own."""
    move = np.zeros_like(canvas.figure.vertices)
    if not (style.fullness or style.width or style.bow or style.corners):
        return move
    a = canvas.anatomy
    own = np.flatnonzero(canvas.part_vertices("skin", "mouth"))
    point = canvas.figure.vertices[own]
    unit = MILLIMETRE * a.size
    half = min(a.mouth_half_width, 26 * unit)
    x = point[:, 0] / half
    y = (point[:, 1] - a.mouth[1]) / unit
    front = smoothstep(a.mouth[2] - 0.030 * a.size, a.mouth[2] - 0.012 * a.size, point[:, 2])
    jaw = canvas.figure.weights[own, 2]
    upper = np.where(np.abs(y) < 3, 1.0 - 2.0 * (jaw > 0.5), np.sign(y))  # where lips touch only the jaw tells them

    # a lip is about 8 mm high; the roll ends softly on the skin around it
    taper = np.sqrt(np.clip(1 - (x / 1.02) ** 2, 0, 1))
    roll = style.fullness * unit * np.exp(-((np.abs(y) / 8.5) ** 4)) * taper * front
    lift = smoothstep(0.0, 4.0, np.abs(y)) * np.exp(-((np.abs(y) / 12.0) ** 4))
    move[own, 1] += 2.2 * roll * np.sign(y) * lift
    move[own, 2] += (2.4 if style.fullness > 0 else 1.2) * roll

    around = np.exp(-((y / 17.0) ** 4)) * front
    wide = np.clip(x, -1.15, 1.15) * smoothstep(2.1, 1.15, np.abs(x))
    move[own, 0] += style.width * 5.5 * unit * wide * around
    move[own, 2] -= style.width * 1.6 * unit * np.clip(x, -1.3, 1.3) ** 2 * smoothstep(2.1, 1.3, np.abs(x)) * around

    millimetres = np.abs(point[:, 0]) / unit
    border = np.exp(-(((y - 6.5) / 4.5) ** 2)) * (upper > 0) * front
    peaks = np.exp(-(((millimetres - 5.5) / 3.2) ** 2)) - 0.95 * np.exp(-((millimetres / 2.4) ** 2))
    sides = -0.45 * np.exp(-(((millimetres - 16) / 6.0) ** 2))
    move[own, 1] += style.bow * 1.9 * unit * (peaks + sides) * border

    corner = np.exp(-(((np.abs(x) - 1.0) / 0.42) ** 2)) * np.exp(-((y / 12.0) ** 2)) * front
    move[own, 1] += style.corners * 3.6 * unit * corner
    move[own, 0] += style.corners * 1.2 * unit * np.sign(x) * corner * (style.corners > 0)
    move[own, 2] -= abs(style.corners) * 0.8 * unit * corner
    return move
