"""Eyelashes: strips of hair along the lids' margins, which bend down with a blink. They show what the photo's do."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from perse_engine.heads.head import LEFT_EYE, RIGHT_EYE, Head
from perse_engine.portraits.landmarks import LEFT_LIDS, RIGHT_LIDS
from perse_engine.portraits.lids import Margins, lid_fall, lid_margins
from perse_engine.portraits.portrait import Portrait

Floats = NDArray[np.float32]

UPPER, LOWER = 0.0075, 0.0036  # metres, the longest lashes of either lid
ALONG, ROWS = 22, 4  # vertices of a strip, along the lid and from root to tip
EYELASHES = "eyelashes"
"""The strips' part of the figure; the head's own "lashes", where it has them, are drawn in."""
SPLIT = 0.62  # of the texture's height that the upper lashes take
COLOR = np.array([0.095, 0.068, 0.055], np.float32)


@dataclasses.dataclass(frozen=True, eq=False)
class Strips:
    """Lashes of both eyes, N vertices.

    Attributes:
        vertices: (N, 3) head space, the eyes open.
        faces: (G, 3), into `vertices`.
        uv: (N, 2) in [0, 1], v up, over the box that the head's layout keeps for lashes.
        weights: (N, 5) skinning.
        expression_directions: (N, 3, E) as the lids' skin below moves; a blink turns them down.
    """

    vertices: Floats
    faces: NDArray[np.int32]
    uv: Floats
    weights: Floats
    expression_directions: Floats


def lash_box(head: Head) -> tuple[float, float, float, float] | None:
    """Left, bottom, width and height of what the head's texture layout keeps for lashes, or None where it has none."""
    if "lashes" not in head.parts:
        return None
    used = head.uv[head.uv_faces[head.face_parts == head.parts.index("lashes")]].reshape(-1, 2)
    low, high = used.min(0), used.max(0)
    return float(low[0]), float(low[1]), float(high[0] - low[0]), float(high[1] - low[1])


def lash_strips(head: Head) -> Strips | None:
    """Strips for `head`; None where its layout or its lids leave no place for them."""
    box = lash_box(head)
    made = [] if box is None else [strip for side in (0, 1) for strip in _strips(head, side)]
    if box is None or not made:
        return None
    first = np.cumsum([0, *(len(strip.vertices) for strip in made[:-1])])
    return Strips(
        np.concatenate([strip.vertices for strip in made]),
        np.concatenate([strip.faces + start for strip, start in zip(made, first, strict=True)]).astype(np.int32),
        (np.concatenate([strip.uv for strip in made]) * box[2:] + box[:2]).astype(np.float32),
        np.concatenate([strip.weights for strip in made]),
        np.concatenate([strip.expression_directions for strip in made]),
    )


def _strips(head: Head, side: int) -> list[Strips]:
    margins = lid_margins(head, side)
    if margins is None:
        return []
    out = []
    for edge, length, rise, low, high in (
        (margins.upper, UPPER, 0.55, 1 - SPLIT, 1.0),
        (margins.lower, LOWER, -0.75, 0.0, 1 - SPLIT),
    ):
        out.append(_strip(head, side, margins, edge, length, rise, low, high))
    return out


def _strip(
    head: Head,
    side: int,
    margins: Margins,
    edge: NDArray[np.float64],
    length: float,
    rise: float,
    low: float,
    high: float,
) -> Strips:
    """One strip: root on the margin, curving outwards and `rise` up, longest past the middle."""
    joint = (LEFT_EYE, RIGHT_EYE)[side]
    outwards = 1.0 if side == 0 else -1.0
    place = np.linspace(0, 1, ALONG)
    at = np.interp(place, np.linspace(0, 1, len(margins.x)), margins.x)
    roots = np.column_stack([at, *(np.interp(at, margins.x, _even(edge[:, k])) for k in (0, 1))])
    inner = place if side == 0 else 1 - place  # 0 at the nose
    reach = length * np.clip(np.sin(np.pi * np.clip(0.12 + 0.80 * inner, 0, 1)), 0, 1) ** 0.6
    reach *= np.clip(inner / 0.12, 0.1, 1)
    tip = np.linspace(0, 1, ROWS)
    # leaves the lid straight ahead, then curls; fans out towards the temple
    ahead = np.sin(tip * 1.25) / 1.25
    up = rise * tip**1.6
    fan = (inner - 0.38) * 0.75 * outwards
    steps = np.stack(
        [fan[:, None] * tip[None], np.broadcast_to(up, (ALONG, ROWS)), np.broadcast_to(ahead, (ALONG, ROWS))], -1
    )
    vertices = roots[:, None] + reach[:, None, None] * steps
    vertices[..., 2] -= 0.0003  # rooted in the lid, not before it
    flat = vertices.reshape(-1, 3)
    directions, weights = _carried(head, side, np.repeat(roots, ROWS, 0), edge is margins.upper)
    if edge is margins.upper:
        _turn_down(head, side, joint, flat, np.repeat(roots, ROWS, 0), directions)
    grid = np.arange(ALONG * ROWS).reshape(ALONG, ROWS)
    a, b, c, d = (grid[i : ALONG - 1 + i, j : ROWS - 1 + j].reshape(-1) for i, j in ((0, 0), (1, 0), (1, 1), (0, 1)))
    faces = np.concatenate([np.column_stack([a, b, c]), np.column_stack([a, c, d])])
    margin = 0.02
    u = margin + (1 - 2 * margin) * np.repeat(inner, ROWS)
    v = low + margin + (high - low - 2 * margin) * np.tile(tip, ALONG)
    return Strips(
        flat.astype(np.float32),
        faces.astype(np.int32),
        np.column_stack([u, v]).astype(np.float32),
        weights.astype(np.float32),
        directions.astype(np.float32),
    )


def _even(values: NDArray[np.float64]) -> NDArray[np.float64]:
    padded = np.pad(values, 2, mode="edge")
    return np.asarray(np.convolve(padded, np.ones(5) / 5, "valid"))


def _carried(
    head: Head, side: int, roots: NDArray[np.float64], upper: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Expression directions (N, 3, E) and skinning (N, 5) of the lid's skin at the roots."""
    skin = np.unique(head.faces[head.face_parts == head.parts.index("skin")])
    fall = lid_fall(head, side)[skin]
    own = skin[fall > 0.02] if upper else skin[fall < 0.05]
    distance, index = cKDTree(head.template[own]).query(roots, k=4)
    share = 1 / (distance + 5e-4) ** 2
    share /= share.sum(1, keepdims=True)
    near = own[index]
    directions = np.einsum("nk,nkce->nce", share, head.expression_directions[near].astype(np.float64))
    return directions, np.einsum("nk,nkj->nj", share, head.weights[near].astype(np.float64))


def _turn_down(
    head: Head,
    side: int,
    joint: int,
    points: NDArray[np.float64],
    roots: NDArray[np.float64],
    directions: NDArray[np.float64],
) -> None:
    """Let a blink turn the lashes about their roots as the lid turns on the eyeball, in place."""
    name = ("eyeblinkleft", "eyeblinkright")[side]
    unit = head.expression_names.index(name)
    center = head.joints[joint].astype(np.float64)
    closed = roots + directions[:, :, unit]
    before, after = (
        np.arctan2(place[:, 1] - center[1], np.maximum(place[:, 2] - center[2], 1e-4)) for place in (roots, closed)
    )
    angle = after - before
    arm = points - roots
    cosine, sine = np.cos(angle), np.sin(angle)
    turned = np.column_stack([arm[:, 0], cosine * arm[:, 1] + sine * arm[:, 2], cosine * arm[:, 2] - sine * arm[:, 1]])
    directions[:, :, unit] += turned - arm


def paint_lashes(texture: Floats, portrait: Portrait) -> None:
    """Put the lashes into the head's texture (T, T, 4), sRGB and alpha, in place."""
    box = lash_box(portrait.head)
    if box is None:
        return
    side = texture.shape[0]
    left, right = round(box[0] * side), round((box[0] + box[2]) * side)
    top, bottom = round((1 - box[1] - box[3]) * side), round((1 - box[1]) * side)
    texture[top:bottom, left:right] = lash_texture(portrait, bottom - top, right - left)


def lash_texture(portrait: Portrait, height: int, width: int) -> Floats:
    """(height, width, 4) sRGB and alpha of `lash_box`: single hairs, as many as the photo's dark lids have."""
    strength = _lash_strength(portrait)
    image = np.zeros((height, width), np.float32)
    rng = np.random.default_rng(4)
    scale = 4
    split = round(height * (1 - SPLIT))  # rows of the lower lashes, at the bottom of the box
    for top, bottom, count, tilt, weight in (
        (0, height - split, 150, 0.05, strength),
        (height - split, height, 70, 0.03, 0.35 * strength),
    ):
        drawn = np.zeros(((bottom - top) * scale, width * scale), np.uint8)
        tall, wide = drawn.shape
        for k in range(count):
            u = (k + rng.uniform(-0.35, 0.35)) / count
            length = rng.uniform(0.35, 0.97)
            lean = (u - 0.4) * tilt + rng.normal(0, 0.022)
            steps = np.linspace(0, 1, 9)
            x = wide * (0.02 + 0.96 * u + lean * steps**1.5)
            y = tall * (0.97 - 0.93 * length * steps)
            for s in range(8):
                thick = max(1, round(scale * 1.0 * (1 - steps[s])))
                ends = [(round(float(x[s + i])), round(float(y[s + i]))) for i in (0, 1)]
                cv2.line(drawn, ends[0], ends[1], 255, thick, cv2.LINE_AA)
        rows = cv2.resize(drawn, (width, bottom - top), interpolation=cv2.INTER_AREA).astype(np.float32) / np.float32(
            255
        )
        root = np.linspace(0, 1, bottom - top, dtype=np.float32)[:, None] ** 6  # a dense line at the roots
        image[top:bottom] = np.clip(np.maximum(rows, 0.85 * root), 0, 1) * weight
    color = np.broadcast_to(COLOR, (height, width, 3))
    return np.concatenate([color, image[..., None]], -1).astype(np.float32)


def _lash_strength(portrait: Portrait) -> float:
    """In [0.3, 1]: how dark the photo's upper margins are beside the skin of the lids."""
    light = cv2.GaussianBlur(portrait.photo, (0, 0), 0.8).mean(-1).astype(np.float32) / np.float32(255)
    marks = portrait.landmarks[:, :2]
    eyes = float(np.linalg.norm(marks[33] - marks[263]))
    dark = []
    for lids in (LEFT_LIDS, RIGHT_LIDS):
        line = marks[list(lids[10:15])]
        across = np.array([0, -1.0]) * eyes
        cheek = _read(light, marks[list(lids[2:7])] - across * 0.10)
        dark.append(
            float(np.min([_read(light, line + across * t).mean() for t in (-0.005, 0.01, 0.02)]) / cheek.mean())
        )
    return float(np.clip((1.0 - np.mean(dark)) / 0.5, 0.3, 1.0))


def _read(image: Floats, places: NDArray[np.floating]) -> Floats:
    x, y = np.round(places - 0.5).astype(int).T
    return image[np.clip(y, 0, image.shape[0] - 1), np.clip(x, 0, image.shape[1] - 1)]
