"""Eyebrows: the person's own taken away where they are in the way, and hairs drawn one by one along their line."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np

from perse_engine.clips.anatomy import MILLIMETRE
from perse_engine.clips.beard_edit import beard_color
from perse_engine.clips.canvas import Canvas, Edit, dilated, sparse_layer
from perse_engine.clips.noise import blurred, smoothstep
from perse_engine.clips.parameters import Beard, Eyebrows
from perse_engine.surfaces.colors import Floats, hex_to_srgb, oklab_to_srgb, srgb_to_oklab
from perse_engine.surfaces.filling import fill_holes

RESOLUTION = 8.0  # pixels a millimetre in which hairs are drawn
BEFORE, ABOVE = 8.0, 14.0  # millimetres drawn before a brow's inner end, and to either side of its line
HAIRS = 2.7  # hairs a square millimetre of a dense brow
GROUPS = 16  # of hairs of one lightness
BODY = 0.72  # of the landmarks' band around a brow, what hair fills


@dataclasses.dataclass(frozen=True, eq=False)
class Line:
    """One brow of the person, in the front view. Millimetres at this person's size.

    Attributes:
        side: 1 on the person's left.
        inner, outer: x of its ends, from the middle of the face.
        height: coefficients of a cubic, y over t from inner (0) to outer (1).
        half: half its thickness.
    """

    side: int
    inner: float
    outer: float
    height: Floats
    half: float


def eyebrows(canvas: Canvas, style: Eyebrows, seed: int) -> Edit:
    """Brows of the given thickness, shape, length, density and colour."""
    mask = own_brows(canvas)
    unit = MILLIMETRE * canvas.anatomy.size
    lines = _lines(canvas, mask, unit)
    move = np.zeros_like(canvas.figure.vertices)
    skin = canvas.part("skin")
    forehead = canvas.anatomy.eyes[:, 1].mean()
    near = skin & (np.abs(canvas.position[..., 1] - forehead - 0.022) < 0.034)
    near &= canvas.position[..., 2] > canvas.anatomy.eyes[:, 2].mean() - 0.045
    near |= skin & (dilated(mask, 5) > 0.05)
    texels = np.flatnonzero(near)
    point = canvas.flat_position[texels] / unit
    coverage, tone = np.zeros(len(texels), np.float32), np.full(len(texels), 0.5, np.float32)
    for line in lines:
        here = np.flatnonzero(point[:, 0] * line.side > 0)
        coverage[here], tone[here] = _hairs(line, style, point[here], seed)
    # a brow ends where the lid begins, and under the hair that hangs over it
    coverage *= 1 - 0.9 * canvas.region("eyelids").reshape(-1)[texels] * (point[:, 1] < forehead / unit + 11)
    coverage *= 1 - np.clip(canvas.photo_masks["hair"].reshape(-1)[texels], 0, 1)

    own = mask.reshape(-1)[texels]
    used = (coverage > 0.002) | (own > 0.02)
    texels, coverage, tone, own = texels[used], coverage[used], tone[used], own[used]
    clean = _without_brows(canvas, mask).reshape(-1, 3)[texels]
    below = clean
    removal = smoothstep(0.02, 0.25, own)
    if style.thickness > 1.0 and style.color is None and style.arch == 0.0 and style.length >= 1.0:
        below = canvas.flat_base[texels, :3]  # a thicker brow keeps every hair that is there
        removal = np.zeros_like(removal)
    lab = _colored(canvas, style, texels, tone)
    # hair shades the skin between it
    painted = below * (1 - 0.22 * np.clip(coverage * 1.5, 0, 1)[:, None])
    painted = painted + coverage[:, None] * (oklab_to_srgb(lab) - painted)
    layer = sparse_layer(texels, painted, 1.0, np.maximum(removal, np.minimum(coverage * 4, 1)))
    return Edit(layer, move, np.zeros((5, 3), np.float32))


def _colored(canvas: Canvas, style: Eyebrows, texels: np.ndarray, tone: Floats) -> Floats:
    """(M, 3) OKLab of hair at each texel: the style's colour in the photo's light, or that of the person's brows."""
    if style.color is None:
        lab = np.tile(beard_color(canvas, Beard(label="brows", length=1.0)), (len(texels), 1))
        shading = np.clip(canvas.soft_lightness.reshape(-1)[texels] / canvas.skin_lightness, 0.6, 1.15)
        lab[:, 0] *= shading**0.5
    else:
        lab = srgb_to_oklab(canvas.lit(texels, hex_to_srgb(style.color)))
    lab[:, 0] = np.clip(lab[:, 0] * (0.78 + 0.44 * tone), 0.04, 0.9)
    return lab.astype(np.float32)


def _hairs(line: Line, style: Eyebrows, point: Floats, seed: int) -> tuple[Floats, Floats]:
    """Coverage (M,) and lightness (M,) in [0, 1] of drawn hair at points (M, 3), millimetres, on the line's side."""
    width = line.outer - line.inner
    x = point[:, 0] * line.side - line.inner
    height = point[:, 1] - _middle(line, style, x / width)
    drawn, shade = _drawing(line, style, seed)
    column, row = (x + BEFORE) * RESOLUTION - 0.5, (ABOVE - height) * RESOLUTION - 0.5
    coverage, tone = _read(drawn, column, row), _read(shade, column, row)
    return coverage, np.where(coverage > 0.02, tone / np.maximum(coverage, 0.02), 0.5).clip(0, 1)


def _read(image: Floats, column: Floats, row: Floats) -> Floats:
    """(M,) bilinear values of `image` at pixels (M,) and (M,); 0 outside."""
    count = -(-len(column) // 1024) * 1024  # OpenCV takes no row of any length
    x, y = (np.pad(values.astype(np.float32), (0, count - len(values))).reshape(-1, 1024) for values in (column, row))
    read = cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
    return np.asarray(read.reshape(-1)[: len(column)], np.float32)


def _middle(line: Line, style: Eyebrows, t: Floats) -> Floats:
    """(M,) millimetres: the height of the styled brow's middle line at `t` (M,), 0 inner to 1 outer."""
    inside = np.clip(t, 0.0, 1.0)
    own = np.polyval(line.height, inside)
    ends = np.polyval(line.height, [0.0, 0.55, 1.0])
    beyond = np.maximum(t - 1, 0) * (line.outer - line.inner)
    own = own - 0.35 * beyond
    if style.arch > 0:
        peak = np.exp(-(((inside - 0.66) / 0.22) ** 2))
        return np.asarray(own + style.arch * (3.4 * peak - 0.9 * (1 - inside) - 0.8 * inside**6))
    level = ends[0] + (0.45 * (ends[2] - ends[0]) + 0.35 * (ends[1] - ends[0])) * inside
    return np.asarray(own - style.arch * (level - own))


def _drawing(line: Line, style: Eyebrows, seed: int) -> tuple[Floats, Floats]:
    """Two pictures of one brow, straightened: how much hair covers the skin, and that times the hair's lightness."""
    width = line.outer - line.inner
    reach = width * style.length
    rng = np.random.default_rng(seed)
    shape = (round(2 * ABOVE * RESOLUTION), round((BEFORE + 1.45 * width + 6) * RESOLUTION))
    cover, shade = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    half = BODY * line.half * style.thickness
    count = round(HAIRS * style.density * reach * 2 * half * (1.0 + 0.25 * style.wild))
    along = rng.random(count) ** 0.92
    level = rng.triangular(-1, -0.1, 1, count)
    standing = along + 0.12 * rng.random(count) > 0.11  # soft at the inner end
    along, level = along[standing], level[standing]
    # full at the body, thin at the tail
    profile = np.minimum(1, 0.72 + 1.4 * along) * (1 - 0.78 * np.maximum(0, (along - 0.55) / 0.45) ** 1.6)
    # at the nose hairs stand up, then they lean outwards; those above come down to meet those below
    lean = np.interp(along, [0.0, 0.12, 0.35, 0.75, 1.0], [80, 62, 32, 8, -14])
    lean -= 26 * np.maximum(level, 0) * np.minimum(1, 2 * along)
    lean += rng.normal(0, 1, len(along)) * (7 + 22 * style.wild)
    length = (2.6 + 2.4 * (1 - np.abs(along - 0.4))) * rng.uniform(0.75, 1.25, len(along))
    length *= (0.55 + 0.45 * style.thickness**0.5) * (1 + 0.35 * style.wild * rng.random(len(along)))
    angle = np.radians(lean[:, None] + rng.normal(-16, 7, len(along))[:, None] * np.linspace(0, 0.75, 4))
    root = np.column_stack([along * reach, level * half * profile])
    steps = np.stack([np.cos(angle), np.sin(angle)], -1) * length[:, None, None] / 4
    points = root[:, None] + np.concatenate([np.zeros_like(steps[:, :1]), np.cumsum(steps, 1)], 1)
    pixels = np.stack([(points[..., 0] + BEFORE) * RESOLUTION, (ABOVE - points[..., 1]) * RESOLUTION], -1)
    drawn = np.round(pixels * 8).astype(np.int32)
    for group in range(GROUPS):
        light = float(rng.random())
        for hairs, ink in ((drawn[group::GROUPS, :3], 0.8), (drawn[group::GROUPS, 2:], 0.5)):  # they taper
            stroke = np.zeros(shape, np.uint8)
            cv2.polylines(stroke, list(hairs), False, 255, 1, cv2.LINE_AA, 3)
            inked = stroke * np.float32(ink / 255) * (1 - cover)
            shade += inked * light
            cover += inked
    return cv2.GaussianBlur(cover, (0, 0), 1.3), cv2.GaussianBlur(shade, (0, 0), 1.3)


def own_brows(canvas: Canvas) -> Floats:
    """(A, B) the person's brows: what the photo shows, or where the model has them if the photo hides them."""
    mask = canvas.photo_masks["brows"] * (1 - np.clip(canvas.photo_masks["hair"], 0, 1))
    model = canvas.region("brows") * canvas.part("skin")
    shown = np.minimum(mask, 1).sum() > 0.15 * model.sum()
    return mask if shown else np.where(model > 0.5, model, 0)


def _lines(canvas: Canvas, mask: Floats, unit: float) -> list[Line]:
    """The line of each brow that is known; the other's mirror image where one is hidden."""
    own = mask.reshape(-1)
    texels = np.flatnonzero(own > 0.3)
    point, weight = canvas.flat_position[texels] / unit, own[texels]
    lines: list[Line] = []
    for side in (1, -1):
        here = point[:, 0] * side > 0
        if here.sum() < 20:
            continue
        x, y, w = point[here, 0] * side, point[here, 1], weight[here]
        inner, outer = np.percentile(x, [1.5, 98.5])
        t = (x - inner) / max(outer - inner, 0.1)
        height = np.polyfit(t, y, 3, w=w)
        spread = float(np.sqrt(np.average((y - np.polyval(height, t)) ** 2, weights=w)))
        # of an even band, so that the spread tells its half thickness
        lines.append(Line(side, float(inner), float(outer), height, float(np.clip(np.sqrt(3) * spread, 1.2, 6.0))))
    if len(lines) == 1:
        lines.append(dataclasses.replace(lines[0], side=-lines[0].side))
    return lines


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
