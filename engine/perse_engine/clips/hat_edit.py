"""How hats look: their cloth in the photo's light, the shade under them, the hair that they press down."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perse_engine.clips.anatomy import MILLIMETRE
from perse_engine.clips.canvas import Canvas, Edit, merged, sparse_layer
from perse_engine.clips.hair_edit import over_scalp
from perse_engine.clips.hair_under import moves, tucked_under, with_piece
from perse_engine.clips.hats import (
    BRIM_FROM,
    CROWN_FROM,
    CROWN_ROWS,
    INSIDE_ROWS,
    LIFT,
    SECTORS,
    UNDER_ROWS,
    UPPER_FROM,
    hair_room,
    rim_height,
)
from perse_engine.clips.locks import hair_texels
from perse_engine.clips.materials import matt, weave
from perse_engine.clips.noise import smoothstep
from perse_engine.clips.parameters import Hat
from perse_engine.clips.shadows import cast_shadow
from perse_engine.clips.wardrobe import Layer
from perse_engine.clips.worn import Worn, worn
from perse_engine.surfaces.colors import Floats, hex_to_srgb

BELOW = 75 * MILLIMETRE
"""How far below the rim hair is still drawn in."""


def hat(canvas: Canvas, style: Hat, shape: Floats, seed: int) -> Edit:
    """Paint one hat, press the hair under it down, and hide what would come through.

    Args:
        canvas: its figure has the part "hat" where it waits.
        style: its parameters.
        shape: (N, 3) the hat's vertices as worn.
        seed: of its grain.
    """
    placed = with_piece(canvas, "hat", shape)
    shell = np.flatnonzero(canvas.part_vertices("hair"))
    placed[shell] += _pressed(canvas, shell, style.low)
    surface = worn(canvas, "hat", placed)
    if style.cuff == 0:  # hair goes down under a brim
        rows = slice(INSIDE_ROWS * (SECTORS + 1), (INSIDE_ROWS + UNDER_ROWS) * (SECTORS + 1))
        lower = surface.own[rows]
        facing = surface.vertex_normal[lower]
        tucked_under(canvas, placed, placed[lower], facing, 2 * MILLIMETRE, 0.03, 0.008, hairdos=False)
        surface = worn(canvas, "hat", placed)
    reach = 16 * MILLIMETRE + 0.6 * max(style.brim, style.bill) * MILLIMETRE * canvas.anatomy.size
    layers = [_cloth(surface, style, seed), _hidden(canvas, style.low), _band_under(canvas, style.low)]
    layers.append(cast_shadow(surface, reach, 0.75))
    return Edit(merged(layers), moves(canvas, placed), np.zeros((5, 3), np.float32))


def _pressed(canvas: Canvas, shell: NDArray[np.int64], low: float) -> Floats:
    """(n, 3): hair pressed to the skull over the rim, and drawn in towards it below."""
    point = canvas.figure.vertices[shell]
    near, normal = over_scalp(canvas, point)
    a = canvas.anatomy
    left = 1.5 * MILLIMETRE + 0.6 * hair_room(a, canvas.portrait.hair_shell)
    height = np.maximum(np.einsum("nc,nc->n", point - near, normal) - left, 0)
    over = rim_height(a, point, low)
    # just over the rim it goes into the skull, so that fuller hair does not come through the hat either
    extra = 10 * MILLIMETRE * smoothstep(0.002, 0.010, over) * smoothstep(0.002, 0.008, height)
    return (-height * smoothstep(-BELOW, 0.002, over) - extra)[:, None] * normal


def _hidden(canvas: Canvas, low: float) -> Layer:
    """Hair well above the rim disappears; the hat's lift while it is put on does not bare the cut."""
    texels = hair_texels(canvas)
    over = rim_height(canvas.anatomy, canvas.flat_position[texels], low)
    # a hairdo is fuller than the own hair that the hat presses: none of it may come through the band
    start = np.where(canvas.part("locks").reshape(-1)[texels], -0.004, LIFT - 0.002)
    strength = smoothstep(start, start + 0.008, over)
    return sparse_layer(texels, canvas.flat_base[texels, :3], 0.0, strength)


def _band_under(canvas: Canvas, low: float) -> Layer:
    """The band of headphones goes under the hat."""
    texels = np.flatnonzero(canvas.part("headphones"))
    over = rim_height(canvas.anatomy, canvas.flat_position[texels], low)
    return sparse_layer(texels, canvas.flat_base[texels, :3], 0.0, smoothstep(0.012, 0.016, over))


def _cloth(surface: Worn, style: Hat, seed: int) -> Layer:
    a = surface.canvas.anatomy
    u, v = surface.uv.T
    crown = v > CROWN_FROM
    across = (u - 0.5) * 2 * np.pi * 0.095 * a.size
    along = _along(surface, style)
    height, tone = weave(surface, style.weave, across, along, seed)
    albedo = np.tile(hex_to_srgb(style.color), (len(v), 1))
    over = (surface.position[:, 1] - _rim_of(surface, u)) / (MILLIMETRE * a.size)
    if style.band is not None:
        band = crown & (over < style.band_height)
        ribbon = 0.94 + 0.06 * np.cos(over * 2 * np.pi / 1.2)
        albedo[band], tone = hex_to_srgb(style.band), np.where(band, ribbon, tone)
        edge = smoothstep(style.band_height + 0.8, style.band_height - 0.8, over) * crown
        height = np.where(band, 0.04 * MILLIMETRE * ribbon, height) + 0.7 * MILLIMETRE * edge
    if style.bill > 0:
        height, tone = _stitched(u, v, height, tone)
    if style.cuff == 0 and style.weave != "straw":
        hem = np.abs((v - UPPER_FROM) / (UPPER_FROM - BRIM_FROM))
        tone = tone * (1 - 0.10 * np.exp(-(((hem - 0.12) / 0.02) ** 2)))
    shown = np.clip(albedo * tone[:, None] ** 0.6, 0, 1)
    color = matt(surface, shown, height, surface.openness(25 * MILLIMETRE))
    return surface.painted(color)


def _along(surface: Worn, style: Hat) -> Floats:
    """(M,) metres along the meridian: up the crown, out over the brim, up the cuff."""
    v = surface.uv[:, 1]
    size = surface.canvas.anatomy.size * MILLIMETRE
    width = max(style.brim, style.bill, style.cuff, 2.0) * size
    crown = (v - CROWN_FROM) / (1 - CROWN_FROM) * (150 + style.height) * size
    upper = (v - CROWN_FROM) / (CROWN_FROM - UPPER_FROM) * width
    under = (BRIM_FROM - v) / (UPPER_FROM - BRIM_FROM) * width
    return np.where(v > CROWN_FROM, crown, np.where(v > UPPER_FROM, upper, under)).astype(np.float32)


def _rim_of(surface: Worn, u: Floats) -> Floats:
    """(M,) the height of the crown's foot in the direction of `u`."""
    foot = surface.vertices[surface.own].reshape(-1, SECTORS + 1, 3)[-CROWN_ROWS]
    return np.interp((u - 0.01) / 0.98, np.linspace(0, 1, SECTORS + 1), foot[:, 1]).astype(np.float32)


def _stitched(u: Floats, v: Floats, height: Floats, tone: Floats) -> tuple[Floats, Floats]:
    """A cap's six panels, the rows of stitches on its bill, its button and its eyelets."""
    crown = v > CROWN_FROM
    up = (v - CROWN_FROM) / (1 - CROWN_FROM)
    panel = np.abs((u * 6 + 0.5) % 1 - 0.5) / 6  # turns to the nearest seam
    narrow = np.cos(np.clip(up, 0, 1) * np.pi / 2) + 0.05
    seam = panel * narrow / 0.0035
    height = height - crown * 0.9 * MILLIMETRE * np.exp(-(seam**2))
    rows = np.exp(-(((seam - 2.6) / 0.7) ** 2))
    tone = tone * (1 - crown * (0.16 * np.exp(-(seam**2)) + 0.10 * rows))
    eyelet = np.hypot(((u * 6) % 1 - 0.5) / 6 * narrow / 0.006, (up - 0.62) / 0.018)
    height = height + crown * 0.5 * MILLIMETRE * np.exp(-(((eyelet - 1) / 0.3) ** 2))
    tone = tone * (1 - crown * 0.6 * (eyelet < 0.7))
    button = up > 0.955
    height = height + 2.0 * MILLIMETRE * smoothstep(0.945, 0.965, up) * crown
    tone = np.where(crown & button, tone * 0.95, tone)
    bill = (v > BRIM_FROM) & ~crown
    line = np.cos((v - BRIM_FROM) / (UPPER_FROM - BRIM_FROM) * 2 * np.pi * 6)
    return height + bill * 0.14 * MILLIMETRE * line, tone * (1 + bill * 0.05 * line)
