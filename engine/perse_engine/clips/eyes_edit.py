"""Irises of another colour, in the light that lies on the person's own, with fibres, pupil and limbal ring."""

from __future__ import annotations

import numpy as np

from perse_engine.clips.canvas import Canvas, Edit, sparse_layer
from perse_engine.clips.noise import smoothstep
from perse_engine.clips.parameters import Eyes
from perse_engine.heads.head import LEFT_EYE, RIGHT_EYE
from perse_engine.portraits.eyes import iris_relief
from perse_engine.surfaces.colors import Floats, hex_to_srgb, oklab_to_srgb, srgb_to_oklab
from perse_engine.surfaces.lighting import encoded, linear

DEEPEST, LIGHTEST = 0.22, 1.7  # of an iris's light relative to its middle tone


def eyes(canvas: Canvas, style: Eyes) -> Edit:
    """Both irises in the style's colour and with its pupil."""
    texels = np.flatnonzero(canvas.part("eyes"))
    target = canvas.flat_base[texels, :3].copy()
    strength = np.zeros(len(texels), np.float32)
    color = hex_to_srgb(style.color)
    for side, joint in enumerate((LEFT_EYE, RIGHT_EYE)):
        offset = (canvas.flat_position[texels] - canvas.figure.joints[joint]) / float(canvas.portrait.iris.radius[side])
        away = np.hypot(offset[:, 0], offset[:, 1])
        own = np.flatnonzero((away < 1.12) & (offset[:, 2] > 0) & (np.abs(offset).max(1) < 4))
        if len(own):
            target[own], strength[own] = _iris(canvas, texels[own], offset[own], color, style, side)
    move = np.zeros_like(canvas.figure.vertices)
    return Edit(sparse_layer(texels, target, 1.0, strength), move, np.zeros((5, 3), np.float32))


def _iris(
    canvas: Canvas, texels: np.ndarray, offset: Floats, color: Floats, style: Eyes, side: int
) -> tuple[Floats, Floats]:
    """(N, 3) sRGB and (N,) strength at texels of one iris, `offset` (N, 3) iris radii from the eyeball's centre."""
    away, around = np.hypot(offset[:, 0], offset[:, 1]), np.arctan2(offset[:, 1], offset[:, 0])
    base = canvas.flat_base[texels, :3]
    light = srgb_to_oklab(base)[:, 0]
    ring = (away > 0.45) & (away < 0.85)
    usual = float(np.median(light[ring])) if ring.any() else 0.4
    # the person's own fibres, lid shadow and caustics go on under the new colour
    shadow = np.clip(light / max(usual, 0.05), 0.55, 1.35)
    relief = np.clip(iris_relief(away, around, side, style.pupil), DEEPEST, LIGHTEST) * shadow
    overhang = 1 - 0.4 * smoothstep(0.15, 0.95, offset[:, 1])  # the upper lid's shade
    facing = offset / np.maximum(np.linalg.norm(offset, axis=1, keepdims=True), 1e-9)
    lit = linear(canvas.lit(texels, color, facing))
    tone = lit * (0.8 * relief**1.4 * overhang)[:, None].astype(np.float32)
    # warmer around the pupil, as most irises are
    warm = np.exp(-(((away - style.pupil - 0.1) / 0.16) ** 2))[:, None] * np.array([0.16, 0.05, -0.12])
    painted = encoded(np.clip(tone * (1 + warm), 0, 1))
    pupil = smoothstep(style.pupil + 0.05, style.pupil - 0.05, away)
    painted *= (1 - 0.93 * pupil)[:, None]
    glint = smoothstep(0.16, 0.34, light - usual) * smoothstep(0.9, 0.75, away)
    painted += glint[:, None] * (np.maximum(base, painted) - painted)
    lab = srgb_to_oklab(painted.astype(np.float32))
    return oklab_to_srgb(lab), smoothstep(1.07, 0.93, away)
