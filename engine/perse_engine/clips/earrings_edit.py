"""How earrings look: metal, pearl, cut stone or enamel, and the shade that they lay on ear and neck."""

from __future__ import annotations

import dataclasses

import numpy as np

from perse_engine.clips.anatomy import MILLIMETRE
from perse_engine.clips.canvas import Canvas, Edit, merged
from perse_engine.clips.earrings import GRIDS, has
from perse_engine.clips.hair_under import moves, with_piece
from perse_engine.clips.materials import glossy, metal, pearl
from perse_engine.clips.parameters import Earrings
from perse_engine.clips.shadows import cast_shadow
from perse_engine.clips.worn import Worn, worn
from perse_engine.surfaces.colors import Floats, hex_to_srgb

FACETS = np.array([10, 7])
"""Around a cut stone and along it."""


def earrings(canvas: Canvas, style: Earrings, shape: Floats, seed: int) -> Edit:
    """Paint one pair.

    Args:
        canvas: its figure has the part "earrings" where it waits.
        style: its parameters.
        shape: (N, 3) its vertices as worn.
        seed: of a stone's sparkle.
    """
    placed = with_piece(canvas, "earrings", shape)
    surface = worn(canvas, "earrings", placed)
    shown = has(style)
    painted = np.any([ear[name].local(surface.uv)[0] for ear in GRIDS for name in shown], axis=0)
    openness = surface.openness(10 * MILLIMETRE, surface.faces_at(painted))
    color = np.zeros((len(surface.texels), 3), np.float32)
    for ear in GRIDS:
        for name in shown:
            here, local = ear[name].local(surface.uv)
            part = surface.some(here)
            if name == "ball" and style.material != "metal":
                color[here] = _stone(part, style, local[here], openness[here], seed)
            else:
                color[here] = metal(part, style.color if name == "ball" else style.metal, openness[here])
    solid = surface.painted(color, painted)
    shade = cast_shadow(surface, 9 * MILLIMETRE, 0.8, None, surface.faces_at(painted))
    return Edit(merged([solid, shade]), moves(canvas, placed), np.zeros((5, 3), np.float32))


def _stone(part: Worn, style: Earrings, uv: Floats, openness: Floats, seed: int) -> Floats:
    """(M, 3) sRGB of a pearl, an enamelled bead or a cut stone at `uv` (M, 2) over its ball."""
    if style.material == "pearl":
        return pearl(part, style.color, openness)
    albedo = hex_to_srgb(style.color)
    if style.material == "enamel":
        return glossy(part, albedo, 0.8, openness)
    cell = np.clip(uv * FACETS, 0, FACETS - 1e-3).astype(int)
    facet = cell[:, 0] * FACETS[1] + cell[:, 1]
    count = np.bincount(facet, minlength=int(FACETS.prod()))
    sums = [np.bincount(facet, part.normal[:, k], int(FACETS.prod())) for k in range(3)]
    flat = np.stack(sums, -1) / np.maximum(count, 1)[:, None]
    flat /= np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6)
    sparkle = 0.45 + 1.1 * np.random.default_rng(seed).random(int(FACETS.prod()))
    cut = dataclasses.replace(part, normal=flat[facet].astype(np.float32))
    tone = np.clip(albedo * sparkle[facet][:, None], 0, 1).astype(np.float32)
    return glossy(cut, tone, 1.0, openness, 25.0)
