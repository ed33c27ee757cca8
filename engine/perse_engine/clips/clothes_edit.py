"""How clothes look: weave, folds and seams in the photo's light, bare skin at the neck, hair over the shoulders."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perse_engine.clips.anatomy import MILLIMETRE
from perse_engine.clips.canvas import Canvas, Edit, dilated, merged, sparse_layer
from perse_engine.clips.clothes import GRIDS, has, meridians, vee_edge
from perse_engine.clips.hair_under import moves, tucked_under, with_piece
from perse_engine.clips.materials import matt, weave
from perse_engine.clips.noise import blurred, layered_noise, smoothstep
from perse_engine.clips.parameters import Clothes
from perse_engine.clips.shadows import cast_shadow
from perse_engine.clips.torso import Torso
from perse_engine.clips.wardrobe import Layer
from perse_engine.clips.worn import Worn, worn
from perse_engine.surfaces.colors import Floats, hex_to_srgb


def clothes(canvas: Canvas, style: Clothes, shape: Floats, seed: int) -> Edit:
    """Paint one garment, the skin that it leaves bare, and lay the hair over it.

    Args:
        canvas: its figure has the part "clothes" where it waits.
        style: its parameters.
        shape: (N, 3) its vertices as worn.
        seed: of weave and folds.
    """
    placed = with_piece(canvas, "clothes", shape)
    surface = worn(canvas, "clothes", placed)
    torso = canvas.torso
    albedo, height, painted = _cloth(surface, style, torso, seed)
    color = matt(surface, albedo, height, surface.openness(30 * MILLIMETRE, surface.faces_at(painted)))
    # hair lies on the body and on the outside of the collar
    count, collar = (GRIDS[name].rows * GRIDS[name].columns for name in ("body", "collar"))
    lower = surface.own[: count + collar // 2]
    facing = surface.vertex_normal[lower]
    tucked_under(canvas, placed, placed[lower], facing, 2.5 * MILLIMETRE, 0.03, 0.03)
    solid = surface.painted(color, painted)
    shade = cast_shadow(surface, 14 * MILLIMETRE, 0.7, None, surface.faces_at(painted))
    skin = _bared(canvas, style, torso, shade)
    return Edit(merged([solid, skin, shade]), moves(canvas, placed), np.zeros((5, 3), np.float32))


def _cloth(surface: Worn, style: Clothes, torso: Torso, seed: int) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Albedo (M, 3), relief (M,) metres and whether it shows (M,) of every texel of the garment."""
    count = len(surface.texels)
    albedo, height = np.tile(hex_to_srgb(style.color), (count, 1)), np.zeros(count, np.float32)
    painted = np.zeros(count, bool)
    around = np.arctan2(surface.position[:, 0] - torso.center[0], surface.position[:, 2] - torso.center[1])
    for name in has(style):
        here, local = GRIDS[name].local(surface.uv)
        painted |= here
        place, part = local[here], surface.some(here)
        wide, long = {"body": (0.45, 0.24), "collar": (0.45, 0.09)}.get(name, (0.04, 0.16))
        across = place[:, 0] * wide
        kind = "cloth" if style.cut == "jacket" and name in ("collar", "front") else style.weave
        if name == "body":
            across = part.position[:, 0] if style.weave != "knit" else around[here] * 0.13
        relief, tone = weave(part, kind, across, place[:, 1] * long, seed)
        if name == "collar" and style.cut in ("round", "vee", "turtleneck") and kind != "knit":
            rib = np.cos(place[:, 0] * 2 * np.pi * 160)
            relief, tone = relief + 0.25 * MILLIMETRE * rib, tone * (0.96 + 0.04 * rib)
        albedo[here] = np.clip(_tint(style, name, place, part, torso) * (tone[:, None] ** 0.7), 0, 1)
        height[here] = relief + (_folds(style, place, seed) if name == "body" else 0)
    return albedo, height, painted


def _tint(style: Clothes, name: str, local: Floats, surface: Worn, torso: Torso) -> Floats:
    """(M, 3) the colour of the cloth on the grid `name`."""
    color = np.tile(hex_to_srgb(style.color), (len(local), 1))
    inner = hex_to_srgb(style.inner)
    if name in ("left", "right") and style.cut == "jacket":
        edge = np.abs(local[:, 0] - 2 / 7) / (2 / 7)  # the upper side's five columns are the first
        color[edge > 0.86] *= 0.62
        color[np.abs(edge - 0.74) < 0.03] *= 0.8
    if style.cut == "jacket":
        if name == "collar":
            color[:] = inner
        if name == "body":
            x = surface.position[:, 0] - torso.center[0]
            down = _down(surface, torso, style)
            shirt = (np.abs(x) < vee_edge(style, torso, down)) & (surface.position[:, 2] > torso.center[1])
            color[shirt] = inner
            button = np.hypot(x, down - (style.depth + 26) * MILLIMETRE * torso.size) < 6.5 * MILLIMETRE * torso.size
            front = surface.position[:, 2] > torso.center[1]
            color[button & front] = hex_to_srgb(style.color) * 0.45
            color[front & (np.abs(x - 1 * MILLIMETRE) < 0.8 * MILLIMETRE) & (down > style.depth * MILLIMETRE)] *= 0.6
    if style.stripe > 0 and style.stripe_color is not None and name == "body":
        y = _down(surface, torso, style) / (MILLIMETRE * torso.size)
        band = (y / style.stripe) % 2 > 1
        color[band] = hex_to_srgb(style.stripe_color)
    if style.trim is not None and (name == "front" and style.cut == "jacket"):
        color[:] = hex_to_srgb(style.trim)
        slant = ((local[:, 1] * 0.17 + local[:, 0] * 0.03) / 0.016) % 1 > 0.8
        color[slant] = hex_to_srgb(style.trim) * 0.6 + 0.15
    if style.cut == "hoodie" and name in ("left", "right"):
        color[:] = hex_to_srgb(style.trim or style.inner)
        color[local[:, 1] > 0.93] *= 0.4
    if style.cut == "shirt" and name == "front":
        middle = np.abs(local[:, 0] - 2 / 7) * 0.056  # the upper side's five columns are the first
        spaced = np.abs((local[:, 1] * 0.19 + 0.03) % 0.075 - 0.0375)
        color[np.hypot(middle, spaced) < 5 * MILLIMETRE] = hex_to_srgb(style.trim or "#d9d4c8")
        color[np.abs(middle - 0.0125) < 0.0007] *= 0.82
    return color


def _down(surface: Worn, torso: Torso, style: Clothes) -> Floats:
    """(M,) metres from the neck's foot down the body, of places on the garment's body; anything elsewhere."""
    _, down = meridians(torso, style)
    level = np.zeros((len(surface.vertices), 1), np.float32)
    level[surface.own[: down.size], 0] = down.reshape(-1)
    return surface.at_texels(level)[:, 0]


def _folds(style: Clothes, local: Floats, seed: int) -> Floats:
    """(M,) metres: soft folds that fall from the shoulders, deeper in looser cloth."""
    u, v = local.T
    wave = layered_noise(np.stack([u * 15 + 1.5 * np.sin(v * 3), v * 2.2], -1), seed + 21) - 0.5
    slack = layered_noise(np.stack([u * 7, v * 5], -1), seed + 22) - 0.5
    deep = {"knit": 0.8, "felt": 0.55, "denim": 0.7}.get(style.weave, 1.0) * (0.5 + style.ease / 10)
    return deep * smoothstep(1.0, 0.75, v) * (3.4 * wave + 2.0 * slack) * MILLIMETRE


def _bared(canvas: Canvas, style: Clothes, torso: Torso, shade: Layer) -> Layer:
    """Skin where the photo shows clothes and the garment does not cover them, with the garment's shade on it."""
    a = canvas.anatomy
    reach = (max(style.depth, 0) + style.width + 45) * MILLIMETRE * torso.size
    bust = canvas.part("bust")
    neck = canvas.part("skin") & (canvas.position[..., 1] < a.mouth[1]) & (canvas.region("neck") > 0.02)
    foot = np.array([torso.center[0], torso.profile[:, 0, 1].mean(), torso.center[1]])
    near = np.zeros(bust.shape, bool)
    either = bust | neck
    near[either] = np.linalg.norm(canvas.position[either] - foot, axis=-1) < 0.11 * torso.size + reach
    worn_now = np.maximum(dilated(canvas.photo_masks["clothes"], 3), bust & (canvas.region("neck") < 0.5))
    below = smoothstep(a.chin[1] + 0.03, a.chin[1], canvas.position[..., 1])
    unlike = smoothstep(0.75, 0.35, canvas.skin_likeness) * below
    strength = blurred(np.maximum(worn_now, unlike).astype(np.float32), 1.2) * near
    texels = np.flatnonzero(strength > 0.02)
    side = canvas.portrait.albedo.shape[0]
    face = (canvas.part("skin") & (canvas.region("face") > 0.7) & (canvas.lips < 0.1))[:side, :side]
    tone = np.median(canvas.portrait.albedo[face], 0)
    grain = np.random.default_rng(5).normal(0, 0.012, (len(texels), 1))
    bare = canvas.lit(texels, np.clip(tone + grain, 0, 1).astype(np.float32))
    dark = np.zeros(canvas.base.shape[0] * canvas.base.shape[1], np.float32)
    dark[shade.texels] = shade.strength / 255
    bare = bare * (1 - 0.85 * dark[texels, None])
    return sparse_layer(texels, bare, 1.0, strength.reshape(-1)[texels])
