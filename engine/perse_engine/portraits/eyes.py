"""Painting eyeballs: whole eyes of the photo's colours, and over them what the photo shows between the lids."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from perse_engine.heads.head import LEFT_EYE, RIGHT_EYE, Head
from perse_engine.portraits.parts import disc, eye_openings
from perse_engine.portraits.portrait import Iris
from perse_engine.portraits.window import Window
from perse_engine.surfaces.filling import fill_holes
from perse_engine.surfaces.unproject import Sight, Texels

Colors = NDArray[np.float32]

LIMBUS = 0.13  # iris radii over which iris and white of the eye run into each other
PUPIL = 0.37  # iris radii
PHOTO_SHARE = 0.92  # of what the photo shows of an eye; the rest keeps fibres where it is coarse
GAIN = (0.25, 1.05)  # how far the light in the photo may darken or brighten a painted eye
UNEVEN = (0.6, 1.06)  # and a part of it relative to the whole
FEATHER = 2.0  # texels
TURNED = 0.72  # share of the other eye's white below which an eye is not believed
GLINT = 0.22  # lightness above the iris from which the photo has a highlight of its own


def add_eyes(
    texture: Colors,
    head: Head,
    texels: Texels,
    eyes: NDArray[np.bool_],
    sight: Sight,
    color: Colors,
    window: Window,
    iris: Iris,
    light: Colors,
) -> Colors:
    """Paint the eyeballs into `texture` (T, T, 3), in place; (T, T) in [0, 1] how far each texel is the photo's.

    The painted eye is brought to the light that the photo shows between the lids, and goes on so beyond them.

    Args:
        eyes: (T, T) texels of the eyeballs.
        color: (T, T, 3) what the photo shows at each texel.
        light: (9, 3) of the photo; its reflection lies in eyes of which the photo shows none.
    """
    opening = eye_openings(window.pixels.shape[:2], window.landmarks)
    apart = float(np.linalg.norm(window.landmarks[33, :2] - window.landmarks[263, :2]))
    inner = cv2.GaussianBlur(cv2.erode(opening, disc(apart * 0.014)), (0, 0), max(apart * 0.006, 0.5))
    shown = np.clip(sight.read(inner) * 1.6 - 0.3, 0, 1) * np.clip(sight.confidence / 0.1, 0, 1)
    # where lids end what is seen, it fades: a turned eye would show the line
    shown = cv2.erode(np.where(eyes, shown, 0).astype(np.float32), np.ones((3, 3), np.uint8))
    shown = np.clip(cv2.GaussianBlur(shown, (0, 0), FEATHER) * 2 - 1, 0, 1)
    position = texels.interpolate(head.faces, head.template)
    sides = [eyes & (np.sign(position[..., 0]) == np.sign(head.joints[joint, 0])) for joint in (LEFT_EYE, RIGHT_EYE)]
    whites = []
    for side, joint in enumerate((LEFT_EYE, RIGHT_EYE)):
        offset = position - head.joints[joint]
        beside = np.hypot(offset[..., 0], offset[..., 1]) > 1.15 * float(iris.radius[side])
        whites.append(sclera_tone(color[sides[side] & beside & (shown > 0.8)]))
    brightest = max(float(white.mean()) for white in whites)
    for side, joint in enumerate((LEFT_EYE, RIGHT_EYE)):
        own, white = sides[side], whites[side]
        if white.mean() < TURNED * brightest:  # turned away: what is read there is lashes and shadow
            white, shown = TURNED * whites[1 - side], np.where(own, 0, shown)
        front = own & (position[..., 2] > head.joints[joint, 2])
        if not front.any():
            continue
        offset = position - head.joints[joint]
        away = np.hypot(offset[..., 0], offset[..., 1]) / float(iris.radius[side])
        texture[own] = paint_eye(offset[own], iris, side, white)
        rows, columns = np.nonzero(front)
        box = np.s_[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        share = (shown * front)[box]
        painted = texture[box].copy()
        gain = _gain(painted, color[box], share, front[box])
        lit = painted * gain[..., None]
        if not _has_glint(color[box], share, away[box]):
            glint = _glint(offset[box] / np.float32(iris.radius[side]), light)[..., None]
            lit = lit + glint * (white.max() * 1.05 - lit)
        seen = PHOTO_SHARE * share[..., None]
        texture[box] = np.where(front[box][..., None], lit + seen * (color[box] - lit), texture[box])
    return np.where(eyes, shown, 0).astype(np.float32)


def eye_white(texture: Colors, head: Head, texels: Texels, eyes: NDArray[np.bool_], iris: Iris) -> Colors:
    """(3,) what the photo's light leaves of white, from the painted whites of both eyes beside their irises."""
    position = texels.interpolate(head.faces, head.template)
    tones = []
    for side, joint in enumerate((LEFT_EYE, RIGHT_EYE)):
        offset = (position - head.joints[joint]) / np.float32(iris.radius[side])
        away = np.hypot(offset[..., 0], offset[..., 1])
        ring = eyes & (offset[..., 2] > 0) & (np.abs(offset).max(-1) < 4) & (away > 1.2) & (away < 1.6)
        if ring.any():
            tones.append(np.median(texture[ring], 0))
    if not tones:
        return np.array([0.9, 0.88, 0.86], np.float32)
    tone = np.max(tones, 0) * 1.06
    return np.asarray(np.clip(tone, 0.2, 0.95), np.float32)


def sclera_tone(opening_colors: Colors) -> Colors:
    """(3,) the white of the eye as this photo lights it: the brighter part of what lies beside the iris, N colours."""
    usual = np.array([0.80, 0.76, 0.74], np.float32)
    if len(opening_colors) < 12:
        return usual
    light = opening_colors.mean(1)
    bright = opening_colors[light >= np.quantile(light, 0.6)]
    tone = np.median(bright, 0)
    # off-white by nature: only lightness and a little of the hue are the photo's
    grey = float(np.clip(tone.mean(), 0.28, 0.86))
    hue = np.clip(tone / max(float(tone.mean()), 1e-3), 0.88, 1.12)
    return (grey * hue).astype(np.float32)


def paint_eye(offset: Colors, iris: Iris, side: int, sclera: Colors) -> Colors:
    """(N, 3) colours of an eyeball in even light: white with veins, limbus, iris with fibres and collarette, pupil.

    Args:
        offset: (N, 3) metres from the eyeball's centre, at rest.
        side: 0 for the person's left eye.
        sclera: (3,) tone of the white.
    """
    radius = float(iris.radius[side])
    away = np.hypot(offset[:, 0], offset[:, 1]) / radius
    front = offset[:, 2] > 0
    white = _white(offset / radius, away, sclera, side)
    inside = (_edge(1.0 - away, LIMBUS) * front)[:, None]
    tint = iris_relief(away, np.arctan2(offset[:, 1], offset[:, 0]), side)[:, None] * iris.color[side]
    # the limbus of the white is bluish grey, and darker than the rest
    white *= 1 - 0.22 * (np.exp(-(((away - 1.0) / 0.16) ** 2)) * front)[:, None] * np.array([1.0, 0.95, 0.85])
    painted = white * (1 - inside) + tint * inside
    pupil = (_edge(PUPIL - away, 0.09) * front)[:, None]
    return np.asarray(np.clip(painted * (1 - pupil) + 0.10 * iris.color[side] * pupil, 0, 1), np.float32)


def iris_relief(
    away: NDArray[np.floating], around: NDArray[np.floating], side: int, pupil: float = PUPIL
) -> NDArray[np.float64]:
    """(N,) lightness of an iris relative to its mean: fibres, collarette, dark limbal ring, light pooled at the bottom.

    Args:
        away: (N,) iris radii from the middle.
        around: (N,) radians, 0 to the person's left, counter-clockwise as the eye is seen.
        side: 0 for the person's left eye; the two differ in their fibres.
    """
    rng = np.random.default_rng(11 + side)
    fibres = np.zeros(np.shape(away))
    for waves in (17, 23, 31, 43, 57):
        phase, bend, beat = rng.uniform(0, 6.28), rng.uniform(0.5, 1.6), rng.integers(3, 8)
        fibres += np.sin(around * waves + phase + bend * np.sin(around * beat + 4 * away)) / 5**0.5
    depth = np.clip((away - pupil) / (1 - pupil), 0, 1)
    relief = 1.08 + 0.17 * fibres * np.sqrt(np.clip(4 * depth * (1 - depth), 0, 1))
    relief += 0.22 * np.exp(-(((depth - 0.28) / 0.16) ** 2))  # the collarette
    relief *= 1 - 0.16 * np.sin(around) * np.clip(away, 0, 1)  # light gathers opposite to where it falls in
    return np.asarray(relief * (1 - 0.62 * np.clip((away - 0.74) / 0.26, 0, 1) ** 2))


def _white(place: Colors, away: NDArray[np.floating], sclera: Colors, side: int) -> NDArray[np.float64]:
    """(N, 3) the white of the eye at `place` (N, 3), iris radii: redder and darker to the corners, with faint veins."""
    corner = np.clip((away - 1.25) / 1.1, 0, 1)[:, None]
    white = sclera * (1 - corner * np.array([0.11, 0.16, 0.17]))
    # towards the nose the caruncle reddens it, and the upper lid keeps light off the top
    inner = np.clip((away - 1.55) / 0.4, 0, 1) * (place[:, 0] * (1 if side else -1) > 0.6)
    white *= 1 - inner[:, None] * np.array([0.03, 0.11, 0.10])
    white *= 1 - 0.16 * np.clip(place[:, 1:2] - 0.35, 0, 1)
    x, y = place[:, 0], place[:, 1]
    run = y * 5.5 + 0.9 * np.sin(2.3 * x + 1.0) + 0.35 * np.sin(6.1 * x + 2.0 * y) + 0.18 * np.sin(15 * x + 4 * y)
    vein = np.clip(1 - np.abs(np.sin(run)) / 0.10, 0, 1) * (0.5 + 0.5 * np.sin(3.1 * x - 4.7 * y))
    return np.asarray(white * (1 - 0.5 * corner * vein[:, None] * np.array([0.10, 0.30, 0.28])))


def _gain(painted: Colors, color: Colors, share: Colors, front: NDArray[np.bool_]) -> Colors:
    """(h, w) how much light the photo lets fall on each texel of an eye, continued smoothly under the lids."""
    if (share > 0.5).sum() < 12:
        return np.ones(share.shape, np.float32)
    seen, believed = color.mean(-1) * share, painted.mean(-1) * share
    sigma = max(share.shape) / 18
    sums = [cv2.GaussianBlur(field, (0, 0), sigma) for field in (seen, believed, share)]
    gain = (sums[0] + 1e-3) / (sums[1] + 1e-3)
    usual = float(np.clip(np.median(gain[share > 0.5]), *GAIN))
    gain = np.clip(gain, UNEVEN[0] * usual, UNEVEN[1] * usual)
    filled = fill_holes(gain[..., None].astype(np.float32), np.clip(sums[2] * 2, 0, 1) * front)[..., 0]
    return np.asarray(cv2.GaussianBlur(filled, (0, 0), sigma / 2), np.float32)


def _has_glint(color: Colors, share: Colors, away: NDArray[np.floating]) -> bool:
    """Whether the photo shows the light's reflection on this iris, or shows too little of it to tell."""
    inside = (away < 0.9) & (share > 0.7)
    if inside.sum() < 20:
        return False
    light = color[inside].mean(1)
    return bool(np.quantile(light, 0.985) - np.median(light) > GLINT)


def _glint(place: Colors, light: Colors) -> Colors:
    """(h, w) strength of the light's reflection at `place` (h, w, 3), iris radii from the eyeball's centre.

    The cornea is steeper than the eyeball: what it mirrors lies about half way to where the light comes from.
    """
    towards = np.asarray(light, np.float64)[[3, 1, 2]].mean(1)
    towards = towards / max(float(np.linalg.norm(towards)), 1e-6)
    x, y = np.clip(0.62 * towards[0], -0.42, 0.42), np.clip(0.62 * towards[1], 0.16, 0.42)
    spot = np.hypot(place[..., 0] - x, (place[..., 1] - y) * 1.15)
    faint = np.hypot(place[..., 0] + x, place[..., 1] + y)
    strength = 0.85 * np.clip((0.19 - spot) / 0.10, 0, 1) + 0.16 * np.clip((0.24 - faint) / 0.2, 0, 1)
    return np.asarray(strength * (place[..., 2] > 0), np.float32)


def _edge(values: NDArray[np.floating], width: float) -> NDArray[np.float64]:
    return np.asarray(np.clip(np.asarray(values, np.float64) / width + 0.5, 0, 1))
