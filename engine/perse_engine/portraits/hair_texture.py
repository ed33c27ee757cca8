"""The look of the hair shell: the photo where it shows it, its continuation at the sides and behind elsewhere."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from perse_engine.heads.head import LEFT_EYE, Head
from perse_engine.portraits.hair_shell import COLUMNS, ROWS, ShellGrid, hair_bottoms
from perse_engine.portraits.parts import disc
from perse_engine.portraits.window import Window
from perse_engine.surfaces.filling import fill_holes
from perse_engine.surfaces.unproject import Sight, look, texel_map

SIDE = 1024
BEHIND_RIM = 0.03  # metres within which hair looks like what lies before it
Texture = NDArray[np.float32]


def paint_hair(grid: ShellGrid, head: Head, window: Window, seed: int) -> tuple[Texture, Sight]:
    """(SIDE, SIDE, 4) sRGB and straight alpha over the whole grid, and where the window sees it.

    Args:
        window: of the photo, its camera seeing the skull's rest space.
        seed: of the strands that no photo shows.
    """
    vertices, faces, uv = _full_mesh(grid)
    texels = texel_map(uv, faces, (SIDE, SIDE))
    positions = texels.interpolate(faces, vertices)
    sight = look(vertices, faces, window.camera, texels)
    hair = window.masks["hair"]
    color, mask = sight.read(window.pixels), sight.read(hair)
    pure = sight.read(_pure(window))

    # where the photo looks at the shell straight enough, it decides; what it hides is like the other side, like what
    # lies before it at the rim, and like hair usually grows
    person = sight.read(_around_person(window, 0.0))
    trust = np.clip((sight.confidence - 0.02) / 0.10, 0, 1) * person
    lift = texels.interpolate(faces, _lift(grid))[..., 0]
    close = np.clip((0.035 - lift) / 0.01, 0, 1)
    mirror_trust = trust[:, ::-1] * close * close[:, ::-1] * (1 - trust)
    away = (positions - grid.center.astype(np.float32)) @ window.camera.view[2, :3].astype(np.float32)
    at_rim = np.exp(-((np.maximum(away, 0) / BEHIND_RIM) ** 2))
    # what hangs free of the head has no other shape than the one that is seen
    grows, above = _usual_alpha(grid, head, window, positions, seed)
    # between hair that is seen there is hair
    told = trust + mirror_trust
    shown = (trust * mask + mirror_trust * mask[:, ::-1]) / np.maximum(told, 1e-6)
    between = np.clip((_filled_around(shown[..., None], told)[..., 0] - 0.35) / 0.3, 0, 1) * above
    usual = np.maximum.reduce([grows, between, mask * np.maximum(at_rim, 1 - close)]) * float(hair.max() > 0.5)
    alpha = trust * mask + mirror_trust * mask[:, ::-1] + (1 - trust - mirror_trust) * usual
    # hair that stands off the head is not, near or far, where the photo shows the background
    alpha *= 1 - (1 - sight.read(_around_person(window, 0.015))) * np.clip((lift - 0.008) / 0.008, 0, 1)

    straight = np.clip((sight.confidence - 0.05) / 0.15, 0, 1)
    own = straight * pure
    other = own[:, ::-1] * np.clip((0.07 - np.maximum(lift, lift[:, ::-1])) / 0.02, 0, 1) * (1 - own)
    before = np.clip(2 * mask - 0.5, 0, 1) * (1 - own - other) * at_rim
    known = own + other + before
    spread = sight.read(_spread(window))
    base = color * own[..., None] + color[:, ::-1] * other[..., None] + spread * before[..., None]
    painted = _filled_around(base / np.maximum(known, 1e-6)[..., None], known)
    painted += _strands(color, own, painted, seed) * (1 - known)[..., None]
    return np.dstack([np.clip(painted, 0, 1), np.clip(alpha, 0, 1)]).astype(np.float32), sight


def kept_cells(texture: Texture) -> NDArray[np.bool_]:
    """(ROWS - 1, COLUMNS - 1) cells of the grid in which the texture is not empty; all of them for a bald head."""
    if texture[..., 3].max() <= 0.02:
        return np.ones((ROWS - 1, COLUMNS - 1), bool)
    shown = cv2.resize(cv2.dilate(texture[..., 3], np.ones((9, 9), np.uint8)), ((COLUMNS - 1) * 8, (ROWS - 1) * 8))
    return np.asarray(shown.reshape(ROWS - 1, 8, COLUMNS - 1, 8).max((1, 3)) > 0.02)


def _full_mesh(grid: ShellGrid) -> tuple[NDArray[np.float64], NDArray[np.int32], NDArray[np.float64]]:
    index = np.arange(ROWS * COLUMNS).reshape(ROWS, COLUMNS)
    a, b, c, d = (part.reshape(-1) for part in (index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]))
    faces = np.concatenate([np.stack([a, d, c], 1), np.stack([a, c, b], 1)]).astype(np.int32)
    u, v = np.meshgrid(np.linspace(0, 1, COLUMNS), np.linspace(1, 0, ROWS))
    return grid.points.reshape(-1, 3), faces, np.stack([u.reshape(-1), v.reshape(-1)], 1)


def _lift(grid: ShellGrid) -> NDArray[np.float64]:
    """(R * C, 1) metres between skin and shell: what stands far off, a tail or a knot, is no matter of symmetry."""
    return (grid.radius - grid.skin).reshape(-1, 1)


def _pure(window: Window) -> NDArray[np.float32]:
    """(S, S) hair that is not mixed with what lies behind it."""
    eyes = float(np.linalg.norm(window.landmarks[33, :2] - window.landmarks[263, :2]))
    person = np.clip(sum(window.masks[name] for name in ("hair", "skin", "ears", "neck", "clothes")), 0, 1)
    inner = cv2.erode(np.asarray(person, np.float32), disc(eyes * 0.07))
    return np.asarray(np.clip((inner * window.masks["hair"] - 0.6) / 0.35, 0, 1), np.float32)


def _spread(window: Window) -> NDArray[np.uint8]:
    """(S, S, 3) the photo, each pixel beside pure hair as the nearest pure hair is."""
    inside = _pure(window) > 0.5
    if not inside.any():
        return window.pixels
    _, labels = cv2.distanceTransformWithLabels(
        (~inside).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    colors = np.zeros((labels.max() + 1, 3), np.uint8)
    colors[labels[inside]] = window.pixels[inside]
    return np.asarray(colors[labels], np.uint8)


def _around_person(window: Window, margin: float) -> NDArray[np.float32]:
    """(S, S) the person and what lies within `margin`, a share of the eyes' distance."""
    eyes = float(np.linalg.norm(window.landmarks[33, :2] - window.landmarks[263, :2]))
    person = np.clip(sum(window.masks[name] for name in ("hair", "skin", "ears", "neck", "clothes")), 0, 1)
    # narrow notches between locks are no way through
    closed = cv2.morphologyEx(np.asarray(person, np.float32), cv2.MORPH_CLOSE, disc(eyes * 0.1))
    grown = cv2.dilate(closed, disc(eyes * margin)) if margin else closed
    return np.asarray(cv2.GaussianBlur(grown, (0, 0), max(eyes * 0.008, 0.5)), np.float32)


def _usual_alpha(grid: ShellGrid, head: Head, window: Window, positions: Texture, seed: int) -> tuple[Texture, Texture]:
    """Where hair grows that the photo cannot show: over the scalp, and down to where it ends at the sides.

    Returns:
        (SIDE, SIDE) that alpha, and what lies above the hair's lower end.
    """
    nape = float(head.template[head.regions["scalp"] > 0.5, 1].min())
    bottoms = hair_bottoms(grid.center, window.camera, window.masks["hair"])
    lower = min(float(np.mean(bottoms)), nape) if bottoms else nape
    y, z = positions[..., 1], positions[..., 2]
    ragged = _locks(seed) * 0.004
    above = _step(y + ragged, lower, 0.0015)
    # in front of the ears, below the temples, there is skin
    temple = float(head.joints[LEFT_EYE, 1]) + 0.01
    slope = np.minimum((z - (grid.center[2] - 0.005)) * 1.6, 0.09)
    side = _step(y + ragged, temple + slope, 0.002)
    # hair that hangs below the ears covers them too
    ears = float(head.template[head.regions["ears"] > 0.5, 1].mean()) if (head.regions["ears"] > 0.5).any() else lower
    hangs = float(np.clip((ears - lower - 0.01) / 0.03, 0, 1))
    back = _step(ragged - z, -(grid.center[2] - 0.012 + 0.035 * hangs), 0.003)
    return np.asarray(above * np.maximum(side, back), np.float32), above


def _filled_around(color: Texture, weight: Texture) -> Texture:
    """Pull-push that knows that the left and the right border are one."""
    quarter = SIDE // 4
    wrapped = [np.concatenate([image[:, -quarter:], image, image[:, :quarter]], 1) for image in (color, weight)]
    return fill_holes(*wrapped)[:, quarter : quarter + SIDE]


def _strands(color: Texture, weight: Texture, smooth: Texture, seed: int) -> Texture:
    """(SIDE, SIDE, 3) variation of lightness along strands that fall from the crown, as strong as the photo's."""
    seen = weight > 0.8
    detail = (color - cv2.GaussianBlur(color, (0, 0), 10)).mean(-1)
    strength = float(detail[seen].std()) if seen.sum() > 500 else 0.03
    tone = np.clip(smooth / np.maximum(smooth.mean(-1, keepdims=True), 1e-2), 0.6, 1.6)
    amount = np.minimum(min(0.8 * strength, 0.08), 0.3 * smooth.mean(-1, keepdims=True))
    return np.asarray(_locks(seed)[..., None] * tone * amount, np.float32)


def _locks(seed: int) -> Texture:
    """(SIDE, SIDE) noise of unit deviation, long along v and continuous around u."""
    rng = np.random.default_rng(seed)
    total = np.zeros((SIDE, SIDE), np.float32)
    for width, length in ((1.2, 61), (3.0, 121), (9.0, 181)):
        noise = rng.normal(size=(SIDE // 4, SIDE)).astype(np.float32)
        noise = np.concatenate([noise[:, -64:], noise, noise[:, :64]], 1)
        for _ in range(2):
            noise = cv2.blur(noise, (1, length // 4 | 1), borderType=cv2.BORDER_REFLECT)
        noise = cv2.GaussianBlur(noise, (0, 0), sigmaX=width, sigmaY=0.3)[:, 64:-64]
        total += cv2.resize(noise / noise.std(), (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
    return np.asarray(total / total.std(), np.float32)


def _step(values: NDArray[np.floating], edge: NDArray[np.floating] | float, width: float) -> Texture:
    """A soft step from 0 below `edge` to 1 above it."""
    return np.asarray(1 / (1 + np.exp(-np.clip((values - edge) / width, -30, 30))), np.float32)
