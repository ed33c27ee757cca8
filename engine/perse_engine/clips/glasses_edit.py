"""How glasses look: frames of lacquer or metal, lenses with a window in them, the shade of both on the face."""

from __future__ import annotations

import numpy as np

from perse_engine.clips.anatomy import MILLIMETRE
from perse_engine.clips.canvas import Canvas, Edit, merged, sparse_layer
from perse_engine.clips.glasses import RIM_VERTICES
from perse_engine.clips.hair_under import moves
from perse_engine.clips.materials import glossy, metal
from perse_engine.clips.noise import smoothstep
from perse_engine.clips.parameters import Glasses
from perse_engine.clips.shadows import SHADE, cast_shadow
from perse_engine.clips.wardrobe import Layer
from perse_engine.clips.worn import worn
from perse_engine.surfaces.colors import Floats, hex_to_srgb, oklab_to_srgb, srgb_to_oklab


def glasses(canvas: Canvas, style: Glasses, frame: Floats, lenses: Floats) -> Edit:
    """Paint one pair.

    Args:
        canvas: its figure has the parts "glasses" and "lenses" where they wait.
        style: its parameters.
        frame, lenses: (N, 3) the parts' vertices as worn.
    """
    placed = canvas.figure.vertices.copy()
    placed[canvas.part_vertices("glasses")] = frame
    placed[canvas.part_vertices("lenses")] = lenses
    surface = worn(canvas, "glasses", placed)
    openness = surface.openness(12 * MILLIMETRE)
    if style.metallic:
        color = metal(surface, style.color, openness, 0.3)
    else:
        color = glossy(surface, hex_to_srgb(style.color), 0.5, openness)
    solid = surface.painted(color)
    # light comes from above: the shade falls a little lower than the frame
    below = np.array([0.0, -2.0, -1.0], np.float32) * MILLIMETRE
    rims = surface.faces[(surface.faces < surface.own[0] + RIM_VERTICES).all(1)]
    shade = cast_shadow(surface, 14 * MILLIMETRE, 0.9, below, rims)
    layers = [solid, _lenses(canvas, style), *([_tinted(canvas, style)] if style.tint > 0.3 else []), shade]
    return Edit(merged(layers), moves(canvas, placed), np.zeros((5, 3), np.float32))


def _lenses(canvas: Canvas, style: Glasses) -> Layer:
    texels = np.flatnonzero(canvas.part("lenses"))
    point = canvas.flat_position[texels]
    y = (point[:, 1] - canvas.anatomy.eyes[:, 1].mean()) / (0.02 * canvas.anatomy.size)
    center = np.abs(canvas.anatomy.eyes[:, 0]).mean()
    x = (point[:, 0] - np.sign(point[:, 0]) * center) / (0.024 * canvas.anatomy.size)
    # a window's soft reflection, the same way round in both lenses
    streak = smoothstep(0.42, 0.2, np.abs(y - 0.55 + 0.5 * x)) * smoothstep(-0.9, -0.2, -x) * smoothstep(-0.1, 0.3, y)
    lab = np.tile(srgb_to_oklab(hex_to_srgb(style.lens)), (len(texels), 1))
    lab[:, 0] = np.clip(lab[:, 0] * (1 - 0.08 * y) + 0.22 * streak, 0, 1)
    alpha = np.clip(style.tint * (1 + 0.10 * y) + (0.16 if style.tint < 0.4 else 0.04) * streak, 0, 1)
    return sparse_layer(texels, oklab_to_srgb(lab), alpha, np.ones(len(texels), np.float32))


def _tinted(canvas: Canvas, style: Glasses) -> Layer:
    """The shade behind dark lenses."""
    a = canvas.anatomy
    skin = canvas.part("skin") & (canvas.position[..., 2] > a.eyes[:, 2].mean() - 0.02)
    texels = np.flatnonzero(skin & (np.abs(canvas.position[..., 1] - a.eyes[:, 1].mean()) < 0.05))
    point = canvas.flat_position[texels]
    x = (np.abs(point[:, 0]) - np.abs(a.eyes[:, 0]).mean()) / (style.width * 0.5 * MILLIMETRE * a.size)
    y = (point[:, 1] - a.eyes[:, 1].mean() + 0.004) / (style.height * 0.55 * MILLIMETRE * a.size)
    strength = 0.38 * style.tint * smoothstep(1.15, 0.7, np.hypot(x, y)) * canvas.exposed.reshape(-1)[texels]
    return sparse_layer(texels, SHADE, 1.0, strength)
