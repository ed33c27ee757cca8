"""Clothes: a body over the shoulders, a collar around the neck, strips for lapels, cords, tie and placket."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import gaussian_filter

from perse_engine.clips.anatomy import MILLIMETRE, Anatomy
from perse_engine.clips.meshes import Accessory, Floats, Grid, joined
from perse_engine.clips.parameters import Clothes
from perse_engine.clips.torso import Body, Torso, find_body, find_torso
from perse_engine.heads.head import Head

SETTLE = 5 * MILLIMETRE
"""How far off the body clothes are when they begin to be put on."""

GRIDS = {
    "body": Grid(19, 65, (0.01, 0.34, 0.99, 0.99)),
    "collar": Grid(10, 65, (0.01, 0.02, 0.66, 0.31)),
    "left": Grid(14, 8, (0.68, 0.02, 0.77, 0.31)),
    "right": Grid(14, 8, (0.79, 0.02, 0.88, 0.31)),
    "front": Grid(14, 8, (0.90, 0.02, 0.99, 0.31)),
}
_ACROSS = np.array([0.0, 0.25, 0.5, 0.75, 1.0, 1.0, 0.5, 0.0])
_RAISED = np.array([0.6, 1.0, 1.0, 1.0, 0.6, 0.0, 0.0, 0.0])


def has(style: Clothes) -> tuple[str, ...]:
    """The grids that a style shows."""
    strips = {"jacket": ("left", "right"), "hoodie": ("left", "right"), "shirt": ("front",)}.get(style.cut, ())
    tie = ("front",) if style.cut == "jacket" and style.trim is not None else ()
    return ("body", "collar", *strips, *tie)


def opening(style: Clothes, bearing: Floats) -> Floats:
    """(...) metres, on a head of usual size, from the neck's foot down to where cloth of the body begins."""
    front = (1 + np.cos(bearing)) / 2
    depth, width = style.depth * MILLIMETRE, style.width * MILLIMETRE
    if style.cut == "vee":
        return width + depth * np.clip(1 - np.abs(np.sin(bearing / 2)) / 0.50, 0, 1)
    if style.cut in ("shirt", "jacket"):
        return np.full_like(front, 3 * MILLIMETRE)
    if style.cut == "turtleneck":
        return np.full_like(front, 8 * MILLIMETRE)
    return width + depth * front**3


def clothes(head: Head, anatomy: Anatomy, styles: Sequence[Clothes]) -> tuple[Accessory, Floats]:
    """The garment in every style, and (N, 5) skinning weights: those of the body under it."""
    torso, body = find_torso(head, anatomy), find_body(head)
    shapes = np.stack([_shape(torso, body, style) for style in styles])
    mean = shapes.mean(0)
    away = mean - np.array([torso.center[0], 0.0, torso.center[1]])
    away[:, 1] = 0.02
    bind = mean + SETTLE * away / np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 1e-6)
    faces, uv = joined(list(GRIDS.values()))
    return Accessory(shapes.astype(np.float32), bind.astype(np.float32), faces, uv), body.weights_at(mean)


def _shape(torso: Torso, body: Body, style: Clothes) -> Floats:
    grids = [_clear(body, _body(torso, style), style), _collar(torso, body, style), *_strips(torso, style)]
    return np.concatenate([grid.reshape(-1, 3) for grid in grids])


def _clear(body: Body, grid: Floats, style: Clothes) -> Floats:
    """The grid without places where the body would come through; what pushes one place pushes those beside it."""
    push = body.outside(grid.reshape(-1, 3), 0.8 * style.ease * MILLIMETRE).reshape(grid.shape) - grid
    push[0] = 0
    spread = gaussian_filter(push, (0.8, 1.2, 0), mode=("nearest", "wrap", "nearest"))
    return grid + np.where(np.abs(spread) > np.abs(push), spread, push)


def _ease(torso: Torso, style: Clothes, below: Floats) -> Floats:
    """(...) metres of air at places `below` metres under the neckline."""
    close = np.clip(below / (50 * MILLIMETRE), 0, 1)
    return torso.size * (2.5 + (style.ease - 2.5) * close) * MILLIMETRE


def _body(torso: Torso, style: Clothes) -> Floats:
    """(rows, columns, 3) from the neckline to the body's lower end; the front is the middle column."""
    bearing, down = meridians(torso, style)
    place, normal = torso.point(bearing, down)
    off = _ease(torso, style, down - down[:1])
    off[0] = 0.3 * MILLIMETRE  # the hem's inside lies on the skin
    if style.cut == "jacket":  # cloth over a shirt
        x = place[..., 0] - torso.center[0]
        off += 3.5 * MILLIMETRE * torso.size * _beside_vee(style, torso, x, down)
        off[0] = 0.3 * MILLIMETRE
    return place + off[..., None] * normal


def meridians(torso: Torso, style: Clothes) -> tuple[Floats, Floats]:
    """Bearing and metres below the neck's foot of the body's vertices, (rows, columns) each."""
    grid = GRIDS["body"]
    bearing = np.linspace(-np.pi, np.pi, grid.columns)[None]
    start = opening(style, bearing) * torso.size
    end = np.interp((bearing / (2 * np.pi) % 1) * len(torso.length), np.arange(len(torso.length)), torso.length)
    t = np.concatenate([[0.0, 0.0], np.linspace(0, 1, grid.rows - 1)[1:] ** 1.25])[:, None]
    down = start + (np.maximum(end - start, 0.02) + 6 * MILLIMETRE) * t
    return np.broadcast_to(bearing, down.shape), down


def _beside_vee(style: Clothes, torso: Torso, x: Floats, down: Floats) -> Floats:
    """(...) in [0, 1]: jacket rather than the shirt that shows between its lapels."""
    edge = vee_edge(style, torso, down)
    return np.clip((np.abs(x) - edge) / (4 * MILLIMETRE) + 0.5, 0, 1)


def vee_edge(style: Clothes, torso: Torso, down: Floats) -> Floats:
    """(...) metres from the middle to a jacket's edge, `down` metres under the neck's foot; the back has none."""
    left = np.clip(1 - down / (style.depth * MILLIMETRE * torso.size), 0, 1)
    return torso.size * (style.width * MILLIMETRE * left + 30 * MILLIMETRE * np.clip(left - 0.85, 0, 1))


def _collar(torso: Torso, body: Body, style: Clothes) -> Floats:
    """(rows, columns, 3); its seam is in front. Rows run over its cross-section, from the outside to the inside."""
    columns = GRIDS["collar"].columns
    gap = {"shirt": 0.10, "jacket": 0.015}.get(style.cut, 0.0)
    bearing = np.linspace(2 * np.pi - gap, gap, columns)
    front = np.clip(np.cos(bearing), 0, 1)
    edge = opening(style, bearing) / MILLIMETRE
    section = {"shirt": _folded, "jacket": _folded, "turtleneck": _rolled, "hoodie": _hood}.get(style.cut, _ribbed)
    down, off = section(style, edge, front)
    place, normal = torso.point(np.broadcast_to(bearing, down.shape), down * MILLIMETRE * torso.size)
    shaped = place + (off * MILLIMETRE * torso.size)[..., None] * normal
    clear = np.where(np.arange(len(down)) >= len(down) - 2, 0.3, 1.2) * MILLIMETRE
    push = np.stack([body.outside(line, float(least)) for line, least in zip(shaped, clear, strict=True)]) - shaped
    return shaped + gaussian_filter(push, (0.6, 1.6, 0), mode="nearest")


def _ribbed(style: Clothes, edge: Floats, _front: Floats) -> tuple[Floats, Floats]:
    """A band of ribs around the neckline: millimetres down and off the body, (10, columns) each."""
    t = np.array([1.15, 0.95, 0.6, 0.3, 0.08, -0.02, 0.0, 0.2, 0.5, 0.8])[:, None]
    off = np.array([2.4, 4.2, 4.6, 4.6, 4.4, 3.4, 1.6, 0.8, 0.5, 0.3])[:, None]
    return edge - style.collar * (1 - t), off + np.zeros_like(edge)


def _rolled(style: Clothes, edge: Floats, front: Floats) -> tuple[Floats, Floats]:
    """A turtleneck: up the neck, folded over, halfway down again."""
    top = edge - 8 - style.collar * (1 + 0.15 * front)
    t = np.array([0.86, 0.90, 0.75, 0.5, 0.25, 0.06, -0.01, 0.03, 0.3, 0.6])[:, None]
    off = np.array([3.5, 7.5, 8.6, 8.4, 7.8, 6.4, 4.6, 2.6, 1.4, 1.0])[:, None]
    return top + t * (edge + 6 - top), off + np.zeros_like(edge)


def _folded(style: Clothes, edge: Floats, front: Floats) -> tuple[Floats, Floats]:
    """A shirt's collar: the stand goes up, the leaf falls outside, longest at its points in front."""
    top = edge - style.collar * (1 - 0.38 * front**2)
    tip = edge + 10 + 26 * np.clip((front - 0.55) / 0.40, 0, 1) ** 1.5
    fall = np.array([0.97, 1.0, 0.72, 0.45, 0.20, 0.02])[:, None]
    leaf = top + fall * (tip - top)
    stand = top + np.array([-0.015, 0.12, 0.55, 1.0])[:, None] * (edge + 4 - top)
    off_leaf = np.array([4.0, 5.6, 6.6, 7.0, 6.2, 4.6])[:, None] + np.zeros_like(edge)
    off_stand = np.array([3.4, 1.8, 1.2, 0.8])[:, None] + np.zeros_like(edge)
    return np.concatenate([leaf, stand]), np.concatenate([off_leaf, off_stand])


def _hood(style: Clothes, edge: Floats, front: Floats) -> tuple[Floats, Floats]:
    """A hood that lies on shoulders and back: a thick roll, flat in front."""
    bulk = style.collar * (1 - 0.72 * np.clip(front, 0, 1) ** 0.7)
    angle = np.radians([-20, 5, 35, 70, 105, 135, 165, 195, 225, 250])[:, None]
    down = edge + 0.30 * bulk + 0.85 * bulk * np.cos(angle)
    return down, np.maximum(2.5 + 0.42 * bulk * (np.sin(angle) + 0.25), 0.6)


def _strips(torso: Torso, style: Clothes) -> list[Floats]:
    """Left, right and front strip, (rows, 8, 3) each."""
    t = np.linspace(0, 1, GRIDS["left"].rows)
    size = MILLIMETRE * torso.size
    if style.cut == "jacket":
        down = (6 + (style.depth - 2) * t) * size
        width = np.interp(t, [0, 0.30, 0.34, 0.42, 1.0], [20, 36, 27, 44, 7]) * size
        inner = vee_edge(style, torso, down) - 1 * size
        sides = [(inner, inner + width), (-inner - width, -inner)]
        rise = [(style.ease + 5.5, style.ease + 9.0)] * 2
    else:
        down = (max(style.depth, 0) + style.width + 6 + 88 * t) * size
        middle = (26 - 4 * t) * size
        sides = [(middle - 2.6 * size, middle + 2.6 * size), (-middle - 2.6 * size, -middle + 2.6 * size)]
        rise = [(style.ease - 1, style.ease + 4.0)] * 2
    strips = [_strip(torso, down, *side, *height) for side, height in zip(sides, rise, strict=True)]
    if style.cut == "jacket":
        half = np.interp(t, [0, 0.10, 0.16, 1.0], [10, 12, 8.5, 26]) * size
        bulge = np.interp(t, [0, 0.1, 0.2, 1.0], [6.5, 7.0, 3.5, 3.0])
        tie = (-9 + (style.depth * 1.1 + 13) * t) * size
        ease = _ease(torso, style, tie) / size
        return [*strips, _strip(torso, tie, -half, half, ease, ease + bulge)]
    down = (8 + 190 * t) * size
    half = np.full(len(t), 14.0 * size)
    ease = _ease(torso, style, down) / size
    return [*strips, _strip(torso, down, -half, half, ease - 1, ease + 1.4)]


def _strip(
    torso: Torso, down: Floats, left: Floats, right: Floats, low: Floats | float, high: Floats | float
) -> Floats:
    """(rows, 8, 3) a strip between x = `left` and `right` (rows,), from `low` to `high` millimetres off the body."""
    x = left[:, None] + (right - left)[:, None] * _ACROSS
    bearing = torso.bearing_of(x, np.broadcast_to(down[:, None], x.shape))
    place, normal = torso.point(bearing, np.broadcast_to(down[:, None], x.shape))
    low, high = np.broadcast_to(low, down.shape)[:, None], np.broadcast_to(high, down.shape)[:, None]
    return place + ((low + (high - low) * _RAISED) * MILLIMETRE * torso.size)[..., None] * normal
