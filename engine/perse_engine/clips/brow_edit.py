"""Eyebrows: the person's own taken away where they are too wide, and hairs drawn along their line."""

from __future__ import annotations

import numpy as np

from perse_engine.clips.anatomy import MILLIMETRE
from perse_engine.clips.beard_edit import beard_color
from perse_engine.clips.canvas import Canvas, Edit, dilated, sparse_layer
from perse_engine.clips.colors import Floats, hex_to_srgb, oklab_to_srgb, srgb_to_oklab
from perse_engine.clips.noise import blurred, smoothstep, strands
from perse_engine.clips.parameters import Beard, Eyebrows
from perse_engine.surfaces.filling import fill_holes


def eyebrows(canvas: Canvas, style: Eyebrows, seed: int) -> Edit:
    """Brows of the given thickness, density and colour."""
    mask = _own(canvas)
    wide = dilated(mask, 7) > 0.05
    texels = np.flatnonzero(wide & canvas.part("skin"))
    point = canvas.flat_position[texels]
    own = mask.reshape(-1)[texels]
    height, half, along = _line(canvas, texels, point, own)
    if style.color is None:
        hue = beard_color(canvas, Beard(label="brows", length=1.0))
    else:
        hue = srgb_to_oklab(hex_to_srgb(style.color))

    tail = smoothstep(0.0, 0.10, along) * smoothstep(1.0, 0.86, along)
    reach = half * style.thickness * (0.45 + 0.55 * tail)
    # hairs point outwards, and up at the inner end
    slant = along * 26 + height / (1.6 * MILLIMETRE)
    fine = strands(slant, along * 5 + height / (9 * MILLIMETRE), seed)
    ragged = reach * (0.8 + 0.45 * fine)
    inside = smoothstep(1.15, 0.35, np.abs(height) / np.maximum(ragged, 1e-5)) * np.minimum(tail * 2, 1)
    hairs = style.density * inside * (0.35 + 0.65 * smoothstep(0.25, 0.7, fine))

    clean = _without_brows(canvas, mask).reshape(-1, 3)[texels]
    shading = np.clip(canvas.soft_lightness.reshape(-1)[texels] / canvas.skin_lightness, 0.6, 1.15)
    lab = np.empty((len(texels), 3), np.float32)
    lab[:, 0] = np.clip(hue[0] * (0.75 + 0.45 * fine) * shading**0.5, 0.04, 0.9)
    lab[:, 1:] = hue[1:]
    painted = clean + hairs[:, None] * (oklab_to_srgb(lab) - clean)
    removal = smoothstep(0.02, 0.25, own)
    if style.thickness > 1.0:  # a thicker brow keeps every hair that is there
        own_color = canvas.flat_base[texels, :3]
        painted = own_color + hairs[:, None] * (oklab_to_srgb(lab) - own_color)
        removal = np.zeros_like(removal)
    layer = sparse_layer(texels, painted, 1.0, np.maximum(removal, np.minimum(hairs * 3, 1)))
    return Edit(layer, np.zeros_like(canvas.figure.vertices), np.zeros((5, 3), np.float32))


def _own(canvas: Canvas) -> Floats:
    """(A, B) the person's brows: what the photo shows, or where the model has them if the photo hides them."""
    mask = canvas.photo_masks["brows"] * (1 - np.clip(canvas.photo_masks["hair"], 0, 1))
    model = canvas.region("brows") * canvas.part("skin")
    shown = np.minimum(mask, 1).sum() > 0.15 * model.sum()
    return mask if shown else np.where(model > 0.5, model, 0)


def _line(canvas: Canvas, texels: np.ndarray, point: Floats, own: Floats) -> tuple[Floats, Floats, Floats]:
    """Of each texel (M,): height over the brow's middle line, the brow's half thickness there, place from inner end."""
    height = np.full(len(texels), 1.0, np.float32)
    half = np.full(len(texels), 1e-5, np.float32)
    along = np.zeros(len(texels), np.float32)
    for side in (1, -1):
        here = point[:, 0] * side > 0
        strong = here & (own > 0.3)
        if strong.sum() < 20:
            continue
        x, y, w = point[strong, 0] * side, point[strong, 1], own[strong]
        inner, outer = np.percentile(x, [1.5, 98.5])
        t = (x - inner) / max(outer - inner, 1e-4)
        middle = np.polyfit(t, y, 3, w=w)
        spread = np.sqrt(np.average((y - np.polyval(middle, t)) ** 2, weights=w))
        place = (point[here, 0] * side - inner) / max(outer - inner, 1e-4)
        height[here] = point[here, 1] - np.polyval(middle, np.clip(place, -0.05, 1.05))
        half[here] = np.sqrt(3) * spread  # of an even band, so that the spread is its half thickness
        along[here] = np.clip(place, 0, 1)
    return height, half, along


def _without_brows(canvas: Canvas, mask: Floats) -> Floats:
    """(A, B, 3) the skin as if no brow grew: filled from around it, with the skin's own grain."""
    rows, columns = np.nonzero(mask > 0.02)
    margin = 24
    box = np.s_[
        max(rows.min() - margin, 0) : rows.max() + margin, max(columns.min() - margin, 0) : columns.max() + margin
    ]
    color = canvas.base[..., :3].copy()
    skin = canvas.part("skin")[box] & (canvas.region("eyelids")[box] < 0.3)
    known = skin & (dilated(mask[box], 3) < 0.04)
    filled = fill_holes(color[box], known.astype(np.float32))
    grain = color[box] - blurred(color[box], 2.0)
    spread = float(np.std(grain[known])) if known.any() else 0.0
    noise = np.random.default_rng(5).normal(0, min(spread, 0.02), filled.shape[:2]).astype(np.float32)
    color[box] = np.clip(filled + noise[..., None], 0, 1)
    return color
