"""What pieces are made of, in the photo's light: cloth, knit, felt, straw, metal, plastic, pearl, stone."""

from __future__ import annotations

import numpy as np

from perse_engine.clips.anatomy import MILLIMETRE
from perse_engine.clips.canvas import Canvas
from perse_engine.clips.noise import smoothstep, surface_noise, value_noise
from perse_engine.clips.worn import Worn
from perse_engine.surfaces.colors import Floats, hex_to_srgb
from perse_engine.surfaces.lighting import encoded, irradiance, linear

AMBIENT_LEFT = 0.25
"""Of the light in a crevice that ambient occlusion calls closed: what bounces between its walls."""


def opened(openness: Floats) -> Floats:
    """Share of the light that reaches places of ambient `openness` in [0, 1]."""
    return AMBIENT_LEFT + (1 - AMBIENT_LEFT) * openness


def matt(surface: Worn, albedo: Floats, height: Floats | None, openness: Floats) -> Floats:
    """(M, 3) sRGB of cloth: reflectance `albedo` (M, 3) or (3,), relief `height` (M,) metres, `openness` (M,)."""
    normals = surface.normal if height is None else surface.embossed(height)
    seen = linear(surface.canvas.lit(surface.texels, albedo, normals))
    return encoded(seen * opened(openness)[:, None])


def glossy(surface: Worn, albedo: Floats, gloss: float | Floats, openness: Floats, sharpness: float = 60.0) -> Floats:
    """(M, 3) sRGB of plastic, lacquer or stone: a matt body under a clear coat that mirrors the light."""
    body = linear(surface.canvas.lit(surface.texels, albedo, surface.normal)) * opened(openness)[:, None]
    mirrored, toward = _mirrored(surface)
    grazing = 0.04 + 0.5 * (1 - toward) ** 5
    shine = np.exp(sharpness * (mirrored @ main_light(surface.canvas) - 1))
    sky = smoothstep(0.15, 0.75, mirrored[:, 1])
    coat = np.asarray(gloss) * (0.75 * shine + (0.10 + grazing) * sky * openness)
    return encoded(body + coat[:, None] * _light_color(surface.canvas))


def metal(surface: Worn, color: str, openness: Floats, rough: float = 0.25) -> Floats:
    """(M, 3) sRGB of polished metal: in its colour it shows sky over a dark horizon over the floor."""
    mirrored, toward = _mirrored(surface)
    blur = 0.08 + 0.5 * rough
    sky = smoothstep(-blur, blur + 0.25, mirrored[:, 1] - 0.10)
    floor = smoothstep(0.05, -0.55 - blur, mirrored[:, 1])
    shine = np.exp((90 * (1 - rough) + 4) * (mirrored @ main_light(surface.canvas) - 1))
    around = 0.16 + 0.55 * sky + 0.22 * floor
    fallen = irradiance(surface.canvas.portrait.light, mirrored)
    reflected = fallen * around[:, None] * opened(openness)[:, None] + 0.9 * shine[:, None] * _light_color(
        surface.canvas
    )
    tint = linear(hex_to_srgb(color))
    white = (0.6 * (1 - toward) ** 5)[:, None]
    return encoded(reflected * (tint + (1 - tint) * white))


def pearl(surface: Worn, color: str, openness: Floats) -> Floats:
    """(M, 3) sRGB of nacre: a soft body, a broad veil of sky, a small window, and rose and green towards its edge."""
    _, toward = _mirrored(surface)
    albedo = np.tile(hex_to_srgb(color), (len(surface.texels), 1))
    edge = (1 - toward)[:, None]
    hue = np.array([1.0, 0.93, 0.96]) * (1 - edge) + np.array([0.90, 0.97, 0.95]) * edge
    body = glossy(surface, np.clip(albedo * hue, 0, 1), 0.55, openness, 8.0)
    window = glossy(surface, np.zeros(3, np.float32), 0.9, openness, 120.0)
    return encoded(linear(body) + linear(window))


def main_light(canvas: Canvas) -> Floats:
    """(3,) where most of the photo's light comes from: the first order of its harmonics, never from behind."""
    weights = np.array([0.2126, 0.7152, 0.0722])
    y, z, x = canvas.portrait.light[1:4] @ weights
    level = float(canvas.portrait.light[0] @ weights)
    direction = np.array([x, max(y, 0.0), max(z, 0.0)]) + level * np.array([-0.03, 0.12, 0.15])
    return (direction / max(float(np.linalg.norm(direction)), 1e-6)).astype(np.float32)


def _light_color(canvas: Canvas) -> Floats:
    """(3,) linear RGB that the main light gives a surface that faces it."""
    return irradiance(canvas.portrait.light, main_light(canvas))


def _mirrored(surface: Worn) -> tuple[Floats, Floats]:
    """Where what a viewer sees mirrored lies (M, 3), and the cosine of the view (M,), from where the surface looks."""
    normal = surface.normal
    view = normal * [1.0, 0.12, 1.0] + [0.0, 0.0, 0.35]
    view /= np.maximum(np.linalg.norm(view, axis=1, keepdims=True), 1e-6)
    toward = np.clip(np.einsum("mc,mc->m", view, normal), 0, 1)
    mirrored = 2 * toward[:, None] * normal - view
    return mirrored.astype(np.float32), toward.astype(np.float32)


THREADS = {"knit": 3.4, "cloth": 1.3, "felt": 1.0, "straw": 2.6, "denim": 1.9}
"""Millimetres from thread to thread."""


def weave(surface: Worn, kind: str, across: Floats, along: Floats, seed: int) -> tuple[Floats, Floats]:
    """Relief (M,) metres and brightness (M,) of cloth whose threads run along `across`, `along` (M,) metres over it.

    Args:
        kind: knit, cloth, felt, straw or denim.
    """
    # threads too fine for the texels are drawn coarser rather than as a false pattern
    coarser = max(1.0, 3.6 * surface.texel_size / (THREADS[kind] * MILLIMETRE))
    x, y = across / MILLIMETRE / coarser, along / MILLIMETRE / coarser
    grain = surface_noise(surface.position, surface.normal, 1.6 * MILLIMETRE * min(coarser, 2), seed) - 0.5
    soft = surface_noise(surface.position, surface.normal, 16 * MILLIMETRE, seed + 7) - 0.5
    if kind == "knit":
        rib = np.cos(x * 2 * np.pi / 4.6)
        stitch = np.cos(y * 2 * np.pi / 3.4 + 1.3 * np.abs(np.sin(x * np.pi / 4.6)))
        height = 0.55 * MILLIMETRE * rib + 0.20 * MILLIMETRE * stitch * (rib > -0.3) + 0.12 * MILLIMETRE * grain
        return height, 0.86 + 0.14 * rib + 0.06 * stitch + 0.14 * grain + 0.08 * soft
    if kind == "felt":
        return 0.10 * MILLIMETRE * grain, 1 + 0.10 * grain + 0.10 * soft
    if kind == "straw":
        row, place = np.floor(y / 2.6), x / 5.2
        over = np.cos((place + 0.5 * (row % 2)) * 2 * np.pi)
        strip = np.cos(y * 2 * np.pi / 2.6)
        tone = value_noise(np.stack([place, row + 0.5], -1), seed) - 0.5
        return 0.35 * MILLIMETRE * over * (0.5 + 0.5 * strip), 0.93 + 0.07 * strip + 0.09 * over * strip + 0.16 * tone
    if kind == "denim":
        twill = np.cos((x + y) * 2 * np.pi / 1.9) * (coarser < 2)
        return 0.12 * MILLIMETRE * twill, 0.95 + 0.09 * twill + 0.22 * grain + 0.10 * soft
    return 0.08 * MILLIMETRE * grain, 1 + 0.08 * grain + 0.08 * soft
