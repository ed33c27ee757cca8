"""The look of the hair shell: the photo where it shows it, its continuation at the sides and behind elsewhere."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from perse_engine.cameras import Camera
from perse_engine.heads.head import LEFT_EYE, Head
from perse_engine.portraits.hair_shell import COLUMNS, ROWS, ShellGrid
from perse_engine.surfaces.filling import fill_holes
from perse_engine.surfaces.unproject import texel_map, unproject

SIDE = 1024


def paint_hair(
    grid: ShellGrid, head: Head, camera: Camera, pixels: NDArray[np.uint8], hair: NDArray[np.floating], seed: int
) -> NDArray[np.float32]:
    """(SIDE, SIDE, 4) sRGB and straight alpha over the whole grid.

    Args:
        camera: whole photo, seeing the skull's rest space.
        pixels: (H, W, 3) uint8 photo.
        hair: (H, W) mask.
        seed: of the strands that no photo shows.
    """
    vertices, faces, uv = _full_mesh(grid)
    texels = texel_map(uv, faces, (SIDE, SIDE))
    positions = texels.interpolate(faces, vertices)
    stacked = np.dstack([pixels.astype(np.float32) / 255])
    color, confidence = unproject(stacked, vertices, faces, camera, texels)
    mask3 = np.repeat(np.asarray(hair, np.float32)[..., None], 3, -1)
    seen_mask = unproject(mask3, vertices, faces, camera, texels)[0][..., 0]

    # where the photo looks at the shell straight enough, it decides; just behind its rim the hair goes on
    trust = np.clip((confidence - 0.02) / 0.10, 0, 1)
    through, through_mask, core = _seen_through(grid, camera, pixels, hair, positions)
    unseen_alpha = np.maximum(_alpha_behind(grid, head, camera, hair, positions), through_mask)
    alpha = unseen_alpha + trust * (seen_mask - unseen_alpha)
    weight = trust * core
    through_weight = core * (1 - trust)
    smooth = _filled_around(color, weight)
    strands = _strands(color, weight, smooth, seed)
    # what is just behind the rim repeats what is just before it
    known = weight + (1 - weight) * through_weight
    base = color * weight[..., None] + through * ((1 - weight) * through_weight)[..., None]
    base = base / np.maximum(known, 1e-6)[..., None]
    filled = _filled_around(base, known)
    detail = strands * (1 - known)[..., None]
    painted = np.clip(filled + detail, 0, 1)
    return np.concatenate([painted, np.clip(alpha, 0, 1)[..., None]], -1).astype(np.float32)


def kept_cells(texture: NDArray[np.float32]) -> NDArray[np.bool_]:
    """(ROWS - 1, COLUMNS - 1) cells of the grid in which the texture is not empty."""
    shown = cv2.resize(cv2.dilate(texture[..., 3], np.ones((9, 9))), ((COLUMNS - 1) * 8, (ROWS - 1) * 8))
    return np.asarray(shown.reshape(ROWS - 1, 8, COLUMNS - 1, 8).max((1, 3)) > 0.02)


def _full_mesh(grid: ShellGrid) -> tuple[NDArray[np.float64], NDArray[np.int32], NDArray[np.float64]]:
    index = np.arange(ROWS * COLUMNS).reshape(ROWS, COLUMNS)
    a, b, c, d = (part.reshape(-1) for part in (index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]))
    faces = np.concatenate([np.stack([a, d, c], 1), np.stack([a, c, b], 1)]).astype(np.int32)
    u, v = np.meshgrid(np.linspace(0, 1, COLUMNS), np.linspace(1, 0, ROWS))
    return grid.points.reshape(-1, 3), faces, np.stack([u.reshape(-1), v.reshape(-1)], 1)


def _alpha_behind(
    grid: ShellGrid, head: Head, camera: Camera, hair: NDArray[np.floating], positions: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Where there is hair that the photo cannot show: over the scalp, and down to where it ends at the sides."""
    eye = head.joints[LEFT_EYE]
    # how low the hair hangs at either side of the photo
    rows, columns = np.nonzero(np.asarray(hair) > 0.5)
    scalp = head.template[head.regions["scalp"] > 0.5]
    nape = float(scalp[:, 1].min())
    bottom = nape
    if len(rows):
        distance = camera.project(grid.center[None])[0, 2]
        rays = np.stack(
            [(columns + 0.5 - camera.cx) / camera.fx, (rows + 0.5 - camera.cy) / camera.fy, np.ones(len(rows))], 1
        )
        world = (rays * distance - camera.view[:3, 3]) @ camera.view[:3, :3]
        middle = float(grid.center[0])
        lowest = [
            np.quantile(world[side, 1], 0.01) if side.sum() > 50 else nape
            for side in (world[:, 0] > middle + 0.03, world[:, 0] < middle - 0.03)
        ]
        bottom = float(np.mean(lowest))
    lower = min(bottom, nape) if bottom < nape + 0.03 else nape
    x, y, z = (positions[..., k] for k in range(3))
    above = _step(y, lower, 0.006)
    # in front of the ears, below the temples, there is skin
    temple = eye[1] + 0.01
    slope = (z - (grid.center[2] - 0.005)) * 1.6
    side = _step(y, temple + np.minimum(slope, 0.09), 0.006)
    back = _step(-z, -(grid.center[2] - 0.012), 0.008)
    return np.asarray(above * np.maximum(side, back), np.float32) * (np.abs(x) < 1)


def _seen_through(
    grid: ShellGrid,
    camera: Camera,
    pixels: NDArray[np.uint8],
    hair: NDArray[np.floating],
    positions: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """The photo, its hair mask and the mask of pure hair at the pixel of each texel, as if the head were of glass."""
    place = camera.project(positions.reshape(-1, 3)).astype(np.float32)
    x = (place[:, 0] - 0.5).reshape(positions.shape[:2])
    y = (place[:, 1] - 0.5).reshape(positions.shape[:2])
    # at its border the photo's hair is mixed with what lies behind it
    margin = max(1, round(0.004 * camera.fx / float(camera.project(grid.center[None])[0, 2])))
    inner = cv2.erode(np.asarray(hair, np.float32), _disc(margin))
    through = cv2.remap(pixels.astype(np.float32) / 255, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    mask = cv2.remap(np.asarray(hair, np.float32), x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    core = cv2.remap(inner, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    return np.asarray(through, np.float32), np.asarray(mask, np.float32), np.clip((core - 0.5) * 2, 0, 1)


def _filled_around(color: NDArray[np.float32], weight: NDArray[np.float32]) -> NDArray[np.float32]:
    """Pull-push that knows that the left and the right border are one."""
    wrapped = [np.concatenate([image[:, -SIDE // 4 :], image, image[:, : SIDE // 4]], 1) for image in (color, weight)]
    return fill_holes(*wrapped)[:, SIDE // 4 : SIDE // 4 + SIDE]


def _disc(radius: int) -> NDArray[np.uint8]:
    size = (2 * radius + 1, 2 * radius + 1)
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, size), np.uint8)


def _strands(
    color: NDArray[np.float32], weight: NDArray[np.float32], smooth: NDArray[np.float32], seed: int
) -> NDArray[np.float32]:
    """(SIDE, SIDE, 3) variation of lightness along strands that fall from the crown, as strong as the photo's."""
    seen = weight > 0.8
    detail = (color - cv2.GaussianBlur(smooth, (0, 0), 12)).mean(-1)
    strength = float(detail[seen].std()) if seen.sum() > 500 else 0.03
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(SIDE, SIDE)).astype(np.float32)
    total = np.zeros_like(noise)
    for width, length, share in ((1.2, 40, 0.5), (3.0, 90, 0.6), (9.0, 160, 0.6)):
        layer = gaussian_filter1d(gaussian_filter1d(noise, width, axis=1, mode="wrap"), length, axis=0)
        total += share * layer / layer.std()
    total *= strength * 0.7 / total.std()
    tone = smooth / np.maximum(smooth.mean(-1, keepdims=True), 1e-3)
    return total[..., None] * tone


def _step(values: NDArray[np.floating], edge: NDArray[np.floating] | float, width: float) -> NDArray[np.float32]:
    """A soft step from 0 below `edge` to 1 above it."""
    return np.asarray(1 / (1 + np.exp(-np.clip((values - edge) / width, -30, 30))), np.float32)
