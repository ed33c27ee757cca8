"""The photo's hair, or what covers it, as a mesh of its own around the skull.

A grid of rays: from the skull's centre over its upper half, and from an axis below it further down, so that long hair
falls. Along each ray the shell lies as far out as the hair's outline in the photo asks at the rim, close to the skin at
the hairline, and as thick behind as at the rim. The hair's exact borders are alpha in its texture, not geometry.
"""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
from numba import njit, prange
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, gaussian_filter1d, map_coordinates

from perse_engine.cameras import Camera
from perse_engine.heads.head import LEFT_EYE, NECK, RIGHT_EYE, ROOT, Head
from perse_engine.portraits.portrait import HairShell

COLUMNS, DOME, CURTAIN = 73, 23, 18  # azimuth with the seam behind; rows from the crown to the equator and below it
ROWS = DOME + CURTAIN
HAIRLINE, THICKEST = 0.0025, 0.35  # metres off the skin
OVERSHOOT = 0.0015  # metres, as the smooth grid cuts the corners of the outline
LOCK = 0.05  # metres, half the depth of hair that stands far off the head
ANGLES = 240  # of the outline above the equator
LONGEST = 0.42  # metres that hair falls below the skull's centre


@dataclasses.dataclass(frozen=True, eq=False)
class ShellGrid:
    """The grid of the shell, in the rest pose.

    Attributes:
        center: (3,) of the skull.
        origins: (R, C, 3) where the rays start.
        directions: (R, C, 3) unit, head space.
        skin: (R, C) metres from the origin to the skin.
        radius: (R, C) metres from the origin to the shell.
    """

    center: NDArray[np.float64]
    origins: NDArray[np.float64]
    directions: NDArray[np.float64]
    skin: NDArray[np.float64]
    radius: NDArray[np.float64]

    @property
    def points(self) -> NDArray[np.float64]:
        """(R, C, 3) head space."""
        return np.asarray(self.origins + self.directions * self.radius[..., None])


def build_grid(head: Head, camera: Camera, hair: NDArray[np.floating], person: NDArray[np.floating]) -> ShellGrid:
    """The shell's geometry.

    Args:
        head: the personal head.
        camera: whole photo, seeing the skull's rest space.
        hair: (H, W) mask.
        person: (H, W) mask of what is person and not hair: face, ears, neck, clothes.
    """
    center = skull_center(head)
    distance = float(camera.project(center[None])[0, 2])
    metres = distance / camera.fx
    origins, directions = _rays(center, lowest_hair(head, center, camera, hair))
    skin = _skin_distance(head, origins, directions, _ears_covered(head, camera, hair))
    groups, outline = _outline(origins, directions, camera, hair, metres)
    towards = -(directions @ camera.view[2, :3])  # 1 straight at the camera
    side = np.sqrt(np.clip(1 - towards**2, 0, 1))
    within = cv2.distanceTransform((person < 0.5).astype(np.uint8), cv2.DIST_L2, 5) * metres
    known = np.isfinite(outline)
    # far from the head hair is a lock or a tail, not a wall that goes around it
    power = np.maximum(1, (np.where(known, outline, 0) / (2.2 * LOCK)) ** 2)[groups]

    limit = np.where(known[groups] & (side > 0.6), np.where(known, outline, 0)[groups] + OVERSHOOT, np.inf)

    thickness = np.where(known, 0.012, HAIRLINE)
    radius = skin + HAIRLINE
    for _ in range(9):
        usual = float(np.clip(np.median(thickness[:ANGLES][known[:ANGLES]]), 0, 0.04)) if known[:ANGLES].any() else 0.0
        full = usual + (thickness[groups] - usual) * side ** (2 * power)
        full[DOME:] = np.where(known[groups][DOME:], full[DOME:], np.minimum(full[DOME:], usual))
        radius = skin + np.maximum(full, HAIRLINE)
        # near the face the hair lies on the skin, and rises away from it
        place = camera.project((origins + directions * radius[..., None]).reshape(-1, 3))
        rise = _sampled(within, place).reshape(ROWS, COLUMNS)
        hugging = skin + HAIRLINE + np.minimum(0.9 * rise, np.maximum(full - HAIRLINE, 0))
        front = 1 / (1 + np.exp(-(towards + 0.05) / 0.06))
        radius = _smooth(radius + front * (np.minimum(hugging, radius) - radius))
        # and nowhere does it reach further than the outline
        across = _across(origins, directions, radius, camera, metres)
        radius = np.maximum(radius * np.clip(limit / np.maximum(across, 1e-6), 0, 1), skin + HAIRLINE)
        reached = _reach(_across(origins, directions, radius, camera, metres), groups, side)
        missing = np.where(known & (reached > 0), outline + OVERSHOOT - reached, 0)
        thickness = np.clip(_smooth_groups(thickness + missing), HAIRLINE, THICKEST)
    return ShellGrid(center, origins, directions, skin, radius)


def lowest_hair(head: Head, center: NDArray[np.float64], camera: Camera, hair: NDArray[np.floating]) -> float:
    """The height, head space, below which there is no hair: the nape's, or where the photo's hair ends."""
    nape = float(head.template[head.regions["scalp"] > 0.5, 1].min())
    sides = hair_bottoms(center, camera, hair)
    return max(min([nape, *sides]) - 0.01, float(center[1]) - LONGEST)


def hair_bottoms(center: NDArray[np.float64], camera: Camera, hair: NDArray[np.floating]) -> list[float]:
    """How low the hair hangs beside the head, head space, at each side of the photo that has some."""
    rows, columns = np.nonzero(np.asarray(hair) > 0.5)
    if not len(rows):
        return []
    distance = camera.project(center[None])[0, 2]
    x, y = (columns + 0.5 - camera.cx) / camera.fx, (rows + 0.5 - camera.cy) / camera.fy
    world = (np.stack([x, y, np.ones(len(rows))], 1) * distance - camera.view[:3, 3]) @ camera.view[:3, :3]
    sides = (world[:, 0] > center[0] + 0.03, world[:, 0] < center[0] - 0.03)
    return [float(np.quantile(world[side, 1], 0.01)) for side in sides if side.sum() > 50]


def shell_mesh(
    grid: ShellGrid, head: Head, keep: NDArray[np.bool_], transforms: NDArray[np.floating]
) -> tuple[HairShell, NDArray[np.float32]]:
    """The grid's kept cells as a mesh, and its vertices (H, 3) as in the photo.

    Args:
        transforms: (5, 4, 4) skinning transforms of the photo's pose; the grid rides the skull in it.
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
    pose = np.asarray(transforms, np.float64)
    posed = vertices @ pose[NECK, :3, :3].T + pose[NECK, :3, 3]
    blended = (weights.astype(np.float64) @ pose.reshape(5, 16)).reshape(-1, 4, 4)
    rest = np.linalg.solve(blended[:, :3, :3], (posed - blended[:, :3, 3])[..., None])[..., 0]
    shell = HairShell(rest.astype(np.float32), renumbered[faces].astype(np.int32), uv.astype(np.float32), weights)
    return shell, posed.astype(np.float32)


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


def _rays(center: NDArray[np.float64], lowest: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Origins and directions (ROWS, COLUMNS, 3): a dome of rays from the center, and level ones from the axis below."""
    azimuth = np.linspace(-np.pi, np.pi, COLUMNS)[None]
    latitude = np.concatenate([np.linspace(np.pi / 2, 0, DOME), np.zeros(CURTAIN)])[:, None]
    directions = np.stack(
        [
            np.sin(azimuth) * np.cos(latitude),
            np.broadcast_to(np.sin(latitude), (ROWS, COLUMNS)),
            np.cos(azimuth) * np.cos(latitude),
        ],
        -1,
    )
    origins = np.broadcast_to(center, (ROWS, COLUMNS, 3)).copy()
    origins[DOME:, :, 1] = np.linspace(center[1], lowest, CURTAIN + 1)[1:, None]
    return origins, directions


def _skin_distance(
    head: Head, origins: NDArray[np.float64], directions: NDArray[np.float64], covered: tuple[bool, bool]
) -> NDArray[np.float64]:
    """(R, C) how far the skin reaches along each ray; ears count where hair covers them."""
    ears = head.regions["ears"] > 0.3
    left = head.template[:, 0] > 0
    hidden = ears & ((left & (not covered[0])) | (~left & (not covered[1])))
    solid = (head.face_parts == head.parts.index("skin")) & ~hidden[head.faces].any(1)
    corners = head.template[head.faces[solid]].astype(np.float64)
    reach = _cast(corners, origins.reshape(-1, 3), directions.reshape(-1, 3)).reshape(origins.shape[:2])
    # holes (ears left out, below the neck) continue their surroundings, down the column
    for column in range(reach.shape[1]):
        known = np.flatnonzero(reach[:, column] > 0)
        reach[:, column] = np.interp(np.arange(len(reach)), known, reach[known, column])
    return np.asarray(np.minimum(reach, 0.16))


@njit(cache=True, parallel=True)
def _cast(corners: NDArray[np.float64], origins: NDArray[np.float64], rays: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N,) the farthest hit of each ray (Möller and Trumbore, 1997); 0 where there is none."""
    reach = np.zeros(len(rays))
    for r in prange(len(rays)):
        o, d = origins[r], rays[r]
        for f in range(len(corners)):
            a, b, c = corners[f, 0], corners[f, 1], corners[f, 2]
            u0, u1, u2 = b[0] - a[0], b[1] - a[1], b[2] - a[2]
            v0, v1, v2 = c[0] - a[0], c[1] - a[1], c[2] - a[2]
            p0, p1, p2 = d[1] * v2 - d[2] * v1, d[2] * v0 - d[0] * v2, d[0] * v1 - d[1] * v0
            determinant = u0 * p0 + u1 * p1 + u2 * p2
            if abs(determinant) < 1e-14:
                continue
            a0, a1, a2 = a[0] - o[0], a[1] - o[1], a[2] - o[2]
            s = -(a0 * p0 + a1 * p1 + a2 * p2) / determinant
            if s < -1e-6 or s > 1 + 1e-6:
                continue
            q0, q1, q2 = -a1 * u2 + a2 * u1, -a2 * u0 + a0 * u2, -a0 * u1 + a1 * u0
            t = (d[0] * q0 + d[1] * q1 + d[2] * q2) / determinant
            if t < -1e-6 or s + t > 1 + 1e-6:
                continue
            reach[r] = max(reach[r], (v0 * q0 + v1 * q1 + v2 * q2) / determinant)
    return reach


def _outline(
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
    there = _sampled(framed, place.reshape(-1, 2) + 1).reshape(len(ways), -1) > 0.5
    reach = np.where(there.any(1), (there.shape[1] - there[:, ::-1].argmax(1)) * metres, np.nan)
    known = np.isfinite(reach[:ANGLES])
    if known.any():
        # one stray lock does not move the outline
        filled = np.interp(angles, angles[known], reach[:ANGLES][known], period=2 * np.pi)
        calm = np.median(np.stack([np.roll(filled, k) for k in (-2, -1, 0, 1, 2)]), 0)
        reach[:ANGLES] = np.where(known, calm, np.nan)
    return groups, reach


def _across(
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


def _reach(across: NDArray[np.float64], groups: NDArray[np.int64], side: NDArray[np.float64]) -> NDArray[np.float64]:
    """(ANGLES + 2 * CURTAIN,) how far the shell reaches along each line of the picture, metres; 0 on unused lines."""
    reach, best = np.zeros(ANGLES + 2 * CURTAIN), np.zeros(ANGLES + 2 * CURTAIN)
    np.maximum.at(reach, groups, across)
    np.maximum.at(best, groups, side)
    # the grid's rays only come close to the rim
    return reach / np.maximum(best, 0.9)


def _smooth_groups(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Over neighbouring angles, and over neighbouring rows of either side."""
    result = values.copy()
    result[:ANGLES] = gaussian_filter1d(values[:ANGLES], 1.2, mode="wrap")
    for side in (0, 1):
        result[ANGLES + side :: 2] = gaussian_filter1d(values[ANGLES + side :: 2], 0.6, mode="nearest")
    return result


def _smooth(radius: NDArray[np.float64]) -> NDArray[np.float64]:
    """Over the grid, around the seam, with one value at the crown."""
    around = gaussian_filter(radius[:, :-1], (0.7, 0.8), mode=("nearest", "wrap"))
    around[0] = around[0].mean()
    return np.concatenate([around, around[:, :1]], 1)


def _sampled(image: NDArray[np.floating], place: NDArray[np.floating]) -> NDArray[np.float32]:
    """(N,) values of an image at pixels (N, ≥2)."""
    points = np.asarray(place, np.float64)[:, 1::-1].T - 0.5
    return np.asarray(map_coordinates(np.asarray(image, np.float32), points, order=1, mode="nearest"), np.float32)
