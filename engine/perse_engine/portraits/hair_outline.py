"""How far hair reaches in the photo, along lines that start at the skull, and how far the shell does."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from perse_engine.cameras import Camera

COLUMNS, DOME, CURTAIN = 73, 23, 18  # azimuth with the seam behind; rows from the crown to the equator and below it
ROWS = DOME + CURTAIN
ANGLES = 240  # of the outline above the equator
SEAM_MARGIN = 0.003  # of u, so that nothing from beyond the texture's border is mixed in at the seam


def shell_columns() -> NDArray[np.float64]:
    """(COLUMNS,) u of the grid's columns."""
    return np.linspace(SEAM_MARGIN, 1 - SEAM_MARGIN, COLUMNS)


def find_outline(
    origins: NDArray[np.float64],
    directions: NDArray[np.float64],
    camera: Camera,
    hair: NDArray[np.floating],
    metres: float,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """What the photo says about how far hair reaches.

    Returns:
        groups (R, C): rays that lie on one line of the picture: ANGLES around the center, then two sides of each row.
        outline (ANGLES + 2 * CURTAIN,): metres that hair reaches along that line; NaN where there is none.
    """
    level = camera.view[:3, :3] @ np.array([1.0, 0, 0])
    local = directions @ camera.view[:3, :3].T
    angle = np.arctan2(local[..., 1], local[..., 0])
    groups = ((angle + np.pi) / (2 * np.pi) * ANGLES).round().astype(np.int64) % ANGLES
    # lines that only rays towards or away from the camera lie on never show the shell's rim: their neighbours do
    across_view = np.zeros(ANGLES)
    np.maximum.at(across_view, groups[:DOME], np.hypot(local[:DOME, :, 0], local[:DOME, :, 1]))
    rims = np.flatnonzero(across_view > 0.95)
    apart = np.abs(np.arange(ANGLES)[:, None] - rims)
    nearest = rims[np.minimum(apart, ANGLES - apart).argmin(1)]
    groups[:DOME] = nearest[groups[:DOME]]
    rightwards = local[DOME:] @ level < 0
    groups[DOME:] = ANGLES + 2 * np.arange(CURTAIN)[:, None] + rightwards

    angles = np.arange(ANGLES) / ANGLES * 2 * np.pi - np.pi
    ways = np.stack([np.cos(angles), np.sin(angles)], 1)
    across = level[:2] / np.linalg.norm(level[:2])
    ways = np.concatenate([ways, np.tile(np.stack([across, -across]), (CURTAIN, 1))])
    starts = np.concatenate([np.repeat(origins[:1, 0], ANGLES, 0), np.repeat(origins[DOME:, 0], 2, 0)])
    pixels = camera.project(starts)[:, :2]
    steps = np.arange(1, int(0.45 / metres), 1.0)
    place = pixels[:, None] + ways[:, None] * steps[None, :, None]
    # beyond the photo's border nothing is known to be hair
    framed = cv2.copyMakeBorder(np.asarray(hair, np.float32), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    there = sampled(framed, place.reshape(-1, 2) + 1).reshape(len(ways), -1) > 0.5
    reach = np.where(there.any(1), (there.shape[1] - there[:, ::-1].argmax(1)) * metres, np.nan)
    known = np.isfinite(reach[:ANGLES])
    if known.any():
        # one stray lock does not move the outline
        filled = np.interp(angles, angles[known], reach[:ANGLES][known], period=2 * np.pi)
        calm = np.median(np.stack([np.roll(filled, k) for k in (-2, -1, 0, 1, 2)]), 0)
        reach[:ANGLES] = np.where(known, calm, np.nan)
    return groups, reach


def reach_in_view(
    origins: NDArray[np.float64],
    directions: NDArray[np.float64],
    radius: NDArray[np.float64],
    camera: Camera,
    metres: float,
) -> NDArray[np.float64]:
    """(R, C) how far each point of the shell lies from its ray's origin in the picture, metres."""
    points = origins + directions * radius[..., None]
    shift = camera.project(points.reshape(-1, 3))[:, :2] - camera.project(origins.reshape(-1, 3))[:, :2]
    return np.asarray(np.hypot(shift[:, 0], shift[:, 1]) * metres).reshape(radius.shape)


def reach_of_lines(
    across: NDArray[np.float64], groups: NDArray[np.int64], side: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(ANGLES + 2 * CURTAIN,) how far the shell reaches along each line of the picture, metres; 0 on unused lines."""
    reach, best = np.zeros(ANGLES + 2 * CURTAIN), np.zeros(ANGLES + 2 * CURTAIN)
    np.maximum.at(reach, groups, across)
    np.maximum.at(best, groups, side)
    # the grid's rays only come close to the rim
    return reach / np.maximum(best, 0.9)


def sampled(image: NDArray[np.floating], place: NDArray[np.floating]) -> NDArray[np.float32]:
    """(N,) values of an image at pixels (N, ≥2)."""
    points = np.asarray(place, np.float64)[:, 1::-1].T - 0.5
    return np.asarray(map_coordinates(np.asarray(image, np.float32), points, order=1, mode="nearest"), np.float32)
