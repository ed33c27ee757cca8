"""How headphones look: shells of plastic or metal, soft cushions, and the hair that they press down."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perse_engine.clips.anatomy import MILLIMETRE
from perse_engine.clips.canvas import Canvas, Edit, merged
from perse_engine.clips.hair_under import moves, tucked_under, with_piece
from perse_engine.clips.headphones import CUSHION, GRIDS, has
from perse_engine.clips.materials import glossy, matt, metal, weave
from perse_engine.clips.parameters import Headphones
from perse_engine.clips.shadows import cast_shadow
from perse_engine.clips.worn import Worn, worn
from perse_engine.surfaces.colors import Floats, hex_to_srgb


def headphones(canvas: Canvas, style: Headphones, shape: Floats, seed: int) -> Edit:
    """Paint one pair, and press the hair under band and cups.

    Args:
        canvas: its figure has the part "headphones" where it waits.
        style: its parameters.
        shape: (N, 3) its vertices as worn.
        seed: of the cushions' grain.
    """
    placed = with_piece(canvas, "headphones", shape)
    surface = worn(canvas, "headphones", placed)
    shown = np.any([GRIDS[name].local(surface.uv)[0] for name in has(style)], axis=0)
    openness = surface.openness(15 * MILLIMETRE, surface.faces_at(shown))
    color = np.zeros((len(surface.texels), 3), np.float32)
    for name in has(style):
        here, local = GRIDS[name].local(surface.uv)
        color[here] = _painted(surface, style, name, here, local, openness, seed)
    if style.kind == "band":
        _press(surface, placed, shape)
        surface = worn(canvas, "headphones", placed)
    solid = surface.painted(color, shown)
    shade = cast_shadow(surface, 18 * MILLIMETRE, 0.8, None, surface.faces_at(shown))
    return Edit(merged([solid, shade]), moves(canvas, placed), np.zeros((5, 3), np.float32))


def _painted(
    surface: Worn, style: Headphones, name: str, here: NDArray[np.bool_], local: Floats, openness: Floats, seed: int
) -> Floats:
    """(M, 3) sRGB of the grid `name`."""
    part, opened, place = surface.some(here), openness[here], local[here]
    shell = (
        metal(part, style.color, opened, 0.5)
        if style.metallic
        else glossy(part, hex_to_srgb(style.color), 0.35, opened)
    )
    if style.kind == "buds":
        return shell
    trim = metal(part, style.trim, opened, 0.4)
    _, tone = weave(part, "felt", place[:, 0], place[:, 1], seed)
    leather = np.clip(hex_to_srgb(style.cushion) * (0.9 + 0.2 * (tone[:, None] - 0.9)), 0, 1)
    soft = glossy(part, leather, 0.12, opened, 12.0)
    if name == "band":
        middle = np.abs(place[:, 1] - 0.5) < 0.33  # rows run from cup to cup; the lower side of the middle is padded
        below = np.abs(place[:, 0] - 0.75) < 0.24
        shown = np.where((middle & below)[:, None], soft, shell)
        yoke = np.abs(place[:, 1] - 0.5) > 0.40
        return np.where(yoke[:, None], trim, shown)
    if name.startswith("arm"):
        return np.where((place[:, 1] > 0.8)[:, None], matt(part, hex_to_srgb("#151517"), None, opened), shell)
    rim = np.abs(place[:, 1] - 0.755) < 0.045
    return np.where((place[:, 1] < CUSHION)[:, None], soft, np.where(rim[:, None], trim, shell))


def _press(surface: Worn, placed: Floats, shape: Floats) -> None:
    """The hair under the band's lower side and under the cushions gives way; what a cup covers goes in."""
    canvas = surface.canvas
    start = 0
    for name, grid in GRIDS.items():
        rows = np.arange(start, start + grid.rows * grid.columns).reshape(grid.rows, grid.columns)
        start += grid.rows * grid.columns
        if name == "band":
            ring = shape[rows]
            center = canvas.anatomy.eyes.mean(0) * [0, 1, 0] + [0, 0.01, 0]
            inward = center * [1, 1, 0] - ring * [1, 1, 0]
            inward /= np.maximum(np.linalg.norm(inward, axis=-1, keepdims=True), 1e-9)
            lower = rows[:, [7, 8, 9, 10, 11]].reshape(-1)
            facing = inward[:, [7, 8, 9, 10, 11]].reshape(-1, 3)
            tucked_under(canvas, placed, shape[lower], facing, 0.6 * MILLIMETRE, 0.06, 0.022)
        elif name.startswith("cup"):
            lower = rows[:6].reshape(-1)
            side = np.sign(shape[lower[0], 0])
            facing = np.tile([-side, 0.0, 0.0], (len(lower), 1))
            tucked_under(canvas, placed, shape[lower], facing, 0.5 * MILLIMETRE, 0.06, 0.024)
