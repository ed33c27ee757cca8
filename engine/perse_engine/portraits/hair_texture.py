"""The look of the hair shell: the photo where it shows it, its continuation at the sides and behind elsewhere."""

from __future__ import annotations

import dataclasses
import math

import cv2
import numpy as np
from numpy.typing import NDArray

from perse_engine.heads.head import Head
from perse_engine.portraits.hair_cover import Surface, cover, scalp_of
from perse_engine.portraits.hair_outline import COLUMNS, ROWS, SEAM_MARGIN, shell_columns
from perse_engine.portraits.hair_shell import ShellGrid
from perse_engine.portraits.hair_strands import strand_directions, strands, wrapped_fill
from perse_engine.portraits.hair_tail import BOX, find_tail, paint_tail, tail_texels
from perse_engine.portraits.parts import disc
from perse_engine.portraits.window import Window
from perse_engine.surfaces.lighting import irradiance
from perse_engine.surfaces.normals import vertex_normals
from perse_engine.surfaces.unproject import Sight, look, texel_map

SIDE = 1024
SEAM = math.ceil(SEAM_MARGIN * SIDE)  # texels that no triangle reaches, at either side
Texture = NDArray[np.float32]


def paint_hair(
    grid: ShellGrid, head: Head, window: Window, light: NDArray[np.floating], seed: int
) -> tuple[Texture, Sight]:
    """(SIDE, SIDE, 4) sRGB and straight alpha over the whole grid, and where the window sees it but for the tail.

    Args:
        window: of the photo, its camera seeing the skull's rest space.
        light: (9, 3) of the photo, in the axes of the skull.
        seed: of the strands that no photo shows.
    """
    vertices, faces, uv = _full_mesh(grid)
    texels = texel_map(uv, faces, (SIDE, SIDE))
    positions = texels.interpolate(faces, vertices)
    sight = look(vertices, faces, window.camera, texels)
    hanging = find_tail(window.masks["hair"], head, window.camera, grid.center)
    masks = {**window.masks, "hair": np.clip(window.masks["hair"] - hanging, 0, 1)}
    window = dataclasses.replace(window, masks=masks)
    color = sight.read(_spread(window))
    pure = sight.read(_pure(window, 0.03))

    lift = texels.interpolate(faces, (grid.radius - grid.skin).reshape(-1, 1))[..., 0]
    surface = Surface(positions, lift, sight, texels.interpolate(faces, scalp_of(grid, head).reshape(-1, 1))[..., 0])
    alpha = cover(surface, grid, head, window, seed)

    # only what is looked at straight enough is worth more than its continuation
    straight = np.clip((sight.confidence - 0.04) / 0.12, 0, 1)
    own = straight * pure
    other = own[:, ::-1] * np.clip((0.07 - np.maximum(lift, lift[:, ::-1])) / 0.02, 0, 1) * (1 - own)
    normals = texels.interpolate(faces, vertex_normals(vertices, faces))
    normals /= np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-9)
    lit = linear_light(light, normals)
    painted = _completed(color, own, other, lit, seed)
    texture = np.dstack([painted, alpha]).astype(np.float32)
    if grid.tail is not None:
        paint_tail(texture, grid.tail, hanging, window)
        sight.confidence[tail_texels(SIDE)] = 0
    texture[:, : SEAM + 1] = texture[:, SEAM + 1 : SEAM + 2]
    texture[:, -SEAM - 1 :] = texture[:, -SEAM - 2 : -SEAM - 1]
    return texture, sight


def linear_light(light: NDArray[np.floating], normals: Texture) -> Texture:
    """(S, S, 3) by what factor the light brightens hair, sRGB-like; hair scatters it more evenly than skin."""
    bright = irradiance(light, normals)
    even = bright.mean(-1, keepdims=True)
    bright = 0.3 * bright + 0.7 * np.median(even[np.isfinite(even)])
    return np.asarray(np.clip(bright, 0.05, 4) ** (1 / 2.2), np.float32)


def _completed(color: Texture, own: Texture, other: Texture, lit: Texture, seed: int) -> Texture:
    """(SIDE, SIDE, 3) seen hair, and strands of its colours along its own directions everywhere else."""
    if (own > 0.5).sum() < 200:
        return np.clip(wrapped_fill(color, own), 0, 1)
    albedo = color / lit
    logs = np.log(albedo + 0.02)
    # colours change slowly: a quarter of the texels tells how
    quarter = (SIDE // 4, SIDE // 4)
    share = cv2.resize(own, quarter, interpolation=cv2.INTER_AREA)
    few = cv2.resize(logs * own[..., None], quarter, interpolation=cv2.INTER_AREA)
    soft = cv2.GaussianBlur(share, (0, 0), 3.5)
    broad = cv2.GaussianBlur(few, (0, 0), 3.5) / np.maximum(soft, 1e-4)[..., None]
    seen = broad[share > 0.7] if (share > 0.7).any() else broad[share > 0]
    typical = np.log(np.exp(seen).mean(0))
    # hair has one colour that light varies; cloth has several, and they go on
    blue = np.exp(seen[:, 2]) - np.exp(seen[:, 0])
    cloth = float(np.clip((blue.std() - 0.08) / 0.04, 0, 1))
    # near what is seen the colour goes on; far from it hair has its typical colour
    near = np.clip(2.5 * cv2.GaussianBlur(share, (0, 0), SIDE / 88), 0, 1)[..., None]
    base = wrapped_fill(broad, np.clip(share * 1.5 - 0.3, 0, 1))
    base = typical + (base - typical) * np.maximum(0.25 + 0.75 * near, cloth)
    base = cv2.resize(base, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
    relief = (logs - cv2.GaussianBlur(logs, (0, 0), 7)).mean(-1)
    strength = float(np.clip(relief[own > 0.7].std(), 0.06, 0.24)) * (1 - 0.6 * cloth)
    fibres = strands(strand_directions(color, own), seed)
    grown = np.exp(base + strength * fibres[..., None]) - 0.02
    # what the other side shows is this side's, with its own light
    mirrored = np.clip(albedo[:, ::-1], 0, 1)
    grown = grown * (1 - other[..., None]) + mirrored * other[..., None]
    painted = color * own[..., None] + np.clip(grown, 0, 1) * lit * (1 - own[..., None])
    return np.asarray(np.clip(painted, 0, 1), np.float32)


def _spread(window: Window) -> NDArray[np.uint8]:
    """(S, S, 3) the photo, each pixel beside pure hair as the nearest pure hair is."""
    inside = _pure(window, 0.05) > 0.5
    if not inside.any():
        return window.pixels
    _, labels = cv2.distanceTransformWithLabels(
        (~inside).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    colors = np.zeros((labels.max() + 1, 3), np.uint8)
    colors[labels[inside]] = window.pixels[inside]
    return np.asarray(colors[labels], np.uint8)


def kept_cells(texture: Texture, grid: ShellGrid) -> NDArray[np.bool_]:
    """(ROWS - 1, COLUMNS - 1) cells of the grid in which the texture is not empty; all of them for a bald head."""
    alpha = texture[..., 3].copy()
    own = np.ones((ROWS - 1, COLUMNS - 1), bool)
    if grid.tail is not None:
        alpha[tail_texels(SIDE)] = 0
        # a cell that reaches into the tail's place would show a piece of the tail in the face
        left, right, low, high = BOX
        heights, places = np.linspace(1, 0, ROWS), shell_columns()
        rows = (heights[:-1] > low) & (heights[1:] < high)
        own[np.ix_(rows, (places[1:] > left) & (places[:-1] < right))] = False
    if alpha.max() <= 0.02:
        return own
    shown = cv2.resize(cv2.dilate(alpha, np.ones((9, 9), np.uint8)), ((COLUMNS - 1) * 8, (ROWS - 1) * 8))
    return np.asarray(own & (shown.reshape(ROWS - 1, 8, COLUMNS - 1, 8).max((1, 3)) > 0.02))


def _full_mesh(grid: ShellGrid) -> tuple[NDArray[np.float64], NDArray[np.int32], NDArray[np.float64]]:
    index = np.arange(ROWS * COLUMNS).reshape(ROWS, COLUMNS)
    a, b, c, d = (part.reshape(-1) for part in (index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]))
    faces = np.concatenate([np.stack([a, d, c], 1), np.stack([a, c, b], 1)]).astype(np.int32)
    u, v = np.meshgrid(shell_columns(), np.linspace(1, 0, ROWS))
    return grid.points.reshape(-1, 3), faces, np.stack([u.reshape(-1), v.reshape(-1)], 1)


def _pure(window: Window, margin: float) -> NDArray[np.float32]:
    """(S, S) hair that is not mixed with what lies behind it: `margin`, a share of the eyes' distance, within."""
    eyes = float(np.linalg.norm(window.landmarks[33, :2] - window.landmarks[263, :2]))
    inner = cv2.erode(window.person, disc(eyes * margin))
    return np.asarray(np.clip((inner * window.masks["hair"] - 0.6) / 0.35, 0, 1), np.float32)
