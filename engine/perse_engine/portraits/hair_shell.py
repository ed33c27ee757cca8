"""The photo's hair, or what covers it, as a mesh of its own around the skull.

A grid of directions around the skull's centre; along each the shell lies as far out as the hair's outline in the photo
asks at the rim, close to the skin at the hairline, and as thick behind as at the rim. The hair's exact borders are
alpha in its texture (`hair_texture`), not geometry.
"""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
from numba import njit, prange
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, gaussian_filter1d

from perse_engine.cameras import Camera
from perse_engine.heads.head import LEFT_EYE, NECK, RIGHT_EYE, ROOT, Head
from perse_engine.portraits.portrait import HairShell

COLUMNS, ROWS = 73, 41  # azimuth with the seam behind, polar angle from the crown down
LOWEST = np.radians(-72)
HAIRLINE, THICKEST = 0.0025, 0.35  # metres off the skin
ANGLES = 240  # of the outline


@dataclasses.dataclass(frozen=True, eq=False)
class ShellGrid:
    """The grid of the shell, in the rest pose.

    Attributes:
        center: (3,) of the skull.
        directions: (R, C, 3) unit, head space.
        skin: (R, C) metres from the center to the skin.
        radius: (R, C) metres from the center to the shell.
    """

    center: NDArray[np.float64]
    directions: NDArray[np.float64]
    skin: NDArray[np.float64]
    radius: NDArray[np.float64]

    @property
    def points(self) -> NDArray[np.float64]:
        """(R, C, 3) head space."""
        return np.asarray(self.center + self.directions * self.radius[..., None])


def build_grid(head: Head, camera: Camera, hair: NDArray[np.floating], person: NDArray[np.floating]) -> ShellGrid:
    """The shell's geometry.

    Args:
        head: the personal head.
        camera: whole photo, seeing the skull's rest space.
        hair: (H, W) mask.
        person: (H, W) mask of what is person and not hair: face, ears, neck, clothes.
    """
    center = skull_center(head)
    azimuth = np.linspace(-np.pi, np.pi, COLUMNS)[None]
    latitude = np.linspace(np.pi / 2, LOWEST, ROWS)[:, None]
    directions = np.stack(
        [
            np.sin(azimuth) * np.cos(latitude),
            np.broadcast_to(np.sin(latitude), (ROWS, COLUMNS)),
            np.cos(azimuth) * np.cos(latitude),
        ],
        -1,
    )
    covered = _ears_covered(head, camera, hair)
    skin = _skin_distance(head, center, directions, covered)

    distance = float(camera.project(center[None])[0, 2])
    metres = distance / camera.fx
    outline = _outline(camera.project(center[None])[0, :2], hair, metres)
    local = directions @ camera.view[:3, :3].T
    angle = np.arctan2(local[..., 1], local[..., 0])
    towards = -local[..., 2]  # 1 straight at the camera
    within = cv2.distanceTransform((person < 0.5).astype(np.uint8), cv2.DIST_L2, 5) * metres

    thickness = np.full(ANGLES, 0.012)
    radius = skin + HAIRLINE
    for _ in range(9):
        puff = np.interp(angle, _angles(), thickness, period=2 * np.pi)
        usual = float(np.median(thickness[np.isfinite(outline)])) if np.isfinite(outline).any() else HAIRLINE
        side = np.sqrt(np.clip(1 - towards**2, 0, 1))
        full = usual + (puff - usual) * side**2
        radius = skin + np.clip(full, HAIRLINE, None)
        # near the face the hair lies on the skin, and rises away from it
        place = camera.project((center + directions * radius[..., None]).reshape(-1, 3))
        rise = _sampled(within, place).reshape(ROWS, COLUMNS)
        hugging = skin + HAIRLINE + np.minimum(0.9 * rise, np.maximum(full - HAIRLINE, 0))
        front = 1 / (1 + np.exp(-(towards + 0.05) / 0.06))
        radius = radius + front * (np.minimum(hugging, radius) - radius)
        radius = _smooth(radius)
        reached = _reach(center, directions, radius, camera, metres)
        missing = np.where(np.isfinite(outline), outline - reached, 0)
        thickness = np.clip(gaussian_filter1d(thickness + missing, 1.2, mode="wrap"), HAIRLINE, THICKEST)
    return ShellGrid(center, directions, skin, radius)


def shell_mesh(grid: ShellGrid, head: Head, keep: NDArray[np.bool_]) -> HairShell:
    """The grid's kept cells as a mesh.

    Args:
        keep: (R - 1, C - 1) cells in which the texture shows anything.
    """
    rows, columns = grid.radius.shape
    index = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]
    faces = np.concatenate([np.stack([a, d, c], -1)[keep], np.stack([a, c, b], -1)[keep]])
    u, v = np.meshgrid(np.linspace(0, 1, columns), np.linspace(1, 0, rows))
    used = np.unique(faces)
    vertices = grid.points.reshape(-1, 3)[used]
    renumbered = np.full(rows * columns, -1, np.int32)
    renumbered[used] = np.arange(len(used))
    # what falls below the neck joint lies on the shoulders and stays with them
    neck = head.joints[NECK, 1]
    falls = np.clip((neck + 0.02 - vertices[:, 1]) / 0.10, 0, 1)
    weights = np.zeros((len(used), 5), np.float32)
    weights[:, ROOT], weights[:, NECK] = falls, 1 - falls
    uv = np.stack([u.reshape(-1), v.reshape(-1)], 1)[used]
    return HairShell(vertices.astype(np.float32), renumbered[faces].astype(np.int32), uv.astype(np.float32), weights)


def skull_center(head: Head) -> NDArray[np.float64]:
    """(3,) the middle of the skull, a little above the eyes."""
    scalp = head.template[head.regions["scalp"] > 0.5].astype(np.float64)
    eyes = head.joints[[LEFT_EYE, RIGHT_EYE]].mean(0)
    low, high = scalp.min(0), scalp.max(0)
    return np.array([(low[0] + high[0]) / 2, eyes[1] + 0.2 * (high[1] - eyes[1]), (low[2] + eyes[2]) / 2])


def _ears_covered(head: Head, camera: Camera, hair: NDArray[np.floating]) -> tuple[bool, bool]:
    """Whether hair lies over the person's left and right ear."""
    covered = []
    for side in (1, -1):
        ear = (head.regions["ears"] > 0.5) & (np.sign(head.template[:, 0]) == side)
        if not ear.any():
            covered.append(False)
            continue
        place = camera.project(head.template[ear].astype(np.float64))
        covered.append(bool(_sampled(np.asarray(hair, np.float32), place).mean() > 0.6))
    return covered[0], covered[1]


def _skin_distance(
    head: Head, center: NDArray[np.float64], directions: NDArray[np.float64], covered: tuple[bool, bool]
) -> NDArray[np.float64]:
    """(R, C) how far the skin reaches from the center; ears count where hair covers them."""
    ears = head.regions["ears"] > 0.3
    left = head.template[:, 0] > 0
    hidden = ears & ((left & (not covered[0])) | (~left & (not covered[1])))
    low = head.template[:, 1] < head.joints[NECK, 1] - 0.03
    skin = head.face_parts == head.parts.index("skin")
    solid = skin & ~(hidden | low)[head.faces].any(1)
    corners = head.template[head.faces[solid]].astype(np.float64) - center
    reach = _cast(corners, directions.reshape(-1, 3)).reshape(directions.shape[:2])
    # holes (ears left out, the neck's opening) continue their surroundings, down the column
    for column in range(reach.shape[1]):
        known = np.flatnonzero(reach[:, column] > 0)
        reach[:, column] = np.interp(np.arange(len(reach)), known, reach[known, column])
    return np.asarray(np.minimum(reach, 0.17))


@njit(cache=True, parallel=True)
def _cast(corners: NDArray[np.float64], rays: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N,) the farthest hit of each ray from the origin (Möller and Trumbore, 1997); 0 where there is none."""
    reach = np.zeros(len(rays))
    for r in prange(len(rays)):
        d = rays[r]
        for f in range(len(corners)):
            a, b, c = corners[f, 0], corners[f, 1], corners[f, 2]
            u0, u1, u2 = b[0] - a[0], b[1] - a[1], b[2] - a[2]
            v0, v1, v2 = c[0] - a[0], c[1] - a[1], c[2] - a[2]
            p0, p1, p2 = d[1] * v2 - d[2] * v1, d[2] * v0 - d[0] * v2, d[0] * v1 - d[1] * v0
            determinant = u0 * p0 + u1 * p1 + u2 * p2
            if abs(determinant) < 1e-14:
                continue
            s = -(a[0] * p0 + a[1] * p1 + a[2] * p2) / determinant
            if s < -1e-6 or s > 1 + 1e-6:
                continue
            q0, q1, q2 = -a[1] * u2 + a[2] * u1, -a[2] * u0 + a[0] * u2, -a[0] * u1 + a[1] * u0
            t = (d[0] * q0 + d[1] * q1 + d[2] * q2) / determinant
            if t < -1e-6 or s + t > 1 + 1e-6:
                continue
            reach[r] = max(reach[r], (v0 * q0 + v1 * q1 + v2 * q2) / determinant)
    return reach


def _angles() -> NDArray[np.float64]:
    return np.linspace(-np.pi, np.pi, ANGLES, endpoint=False)


def _outline(center: NDArray[np.float64], hair: NDArray[np.floating], metres: float) -> NDArray[np.float64]:
    """(ANGLES,) how far hair reaches from the center in each direction of the picture, metres; NaN without."""
    steps = np.arange(1, int(0.45 / metres), 1.0)
    x = center[0] + np.cos(_angles())[:, None] * steps - 0.5
    y = center[1] + np.sin(_angles())[:, None] * steps - 0.5
    seen = cv2.remap(np.asarray(hair, np.float32), x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR)
    there = seen > 0.5
    reach = np.where(there.any(1), (there.shape[1] - there[:, ::-1].argmax(1)) * metres, np.nan)
    known = np.isfinite(reach)
    if not known.any():
        return reach
    # one stray lock does not move the outline
    filled = np.interp(_angles(), _angles()[known], reach[known], period=2 * np.pi)
    return np.where(known, np.median(np.stack([np.roll(filled, k) for k in (-2, -1, 0, 1, 2)]), 0), np.nan)


def _reach(
    center: NDArray[np.float64],
    directions: NDArray[np.float64],
    radius: NDArray[np.float64],
    camera: Camera,
    metres: float,
) -> NDArray[np.float64]:
    """(ANGLES,) how far the shell reaches in each direction of the picture, metres."""
    middle = camera.project(center[None])[0, :2]
    fine = cv2.resize(directions * radius[..., None], None, fx=4, fy=4, interpolation=cv2.INTER_LINEAR)
    place = camera.project(center + fine.reshape(-1, 3))[:, :2] - middle
    bins = ((np.arctan2(place[:, 1], place[:, 0]) + np.pi) / (2 * np.pi) * ANGLES).round().astype(int) % ANGLES
    reach = np.zeros(ANGLES)
    np.maximum.at(reach, bins, np.hypot(place[:, 0], place[:, 1]) * metres)
    return gaussian_filter1d(reach, 1, mode="wrap")


def _smooth(radius: NDArray[np.float64]) -> NDArray[np.float64]:
    """Over the grid, around the seam, with one value at the crown."""
    around = gaussian_filter(radius[:, :-1], (0.7, 0.8), mode=("nearest", "wrap"))
    around[0] = around[0].mean()
    return np.concatenate([around, around[:, :1]], 1)


def _sampled(image: NDArray[np.floating], place: NDArray[np.floating]) -> NDArray[np.float32]:
    """(N,) values of an image at pixels (N, ≥2)."""
    points = np.asarray(place[:, :2], np.float32) - np.float32(0.5)
    read = cv2.remap(
        np.asarray(image, np.float32),
        np.ascontiguousarray(points[:, 0]).reshape(-1, 1),
        np.ascontiguousarray(points[:, 1]).reshape(-1, 1),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(read.reshape(-1), np.float32)
