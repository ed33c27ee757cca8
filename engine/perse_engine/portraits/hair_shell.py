"""The photo's hair, or what covers it, as a mesh of its own around the skull.

A grid of rays: from the skull's centre over its upper half, and from an axis below it further down, so that long hair
falls. Its thickness is the smoothest there is that meets the hair's outline in the photo at the rim, lies close to the
skin at the hairline, and is as thick behind as at the rim. The hair's exact borders are alpha in its texture.
"""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
from numba import njit, prange
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from perse_engine.cameras import Camera
from perse_engine.heads.head import LEFT_EYE, NECK, RIGHT_EYE, ROOT, Head
from perse_engine.portraits.hair_outline import (
    COLUMNS,
    CURTAIN,
    DOME,
    ROWS,
    find_outline,
    reach_in_view,
    reach_of_lines,
    sampled,
    shell_columns,
)
from perse_engine.portraits.hair_tail import Tail, build_tail, find_tail
from perse_engine.portraits.membrane import Membrane
from perse_engine.portraits.portrait import HairShell

HAIRLINE, THICKEST = 0.0025, 0.20  # metres off the skin
OVERSHOOT = 0.0025  # metres, as the smooth grid cuts the corners of the outline
RIM = 0.005  # metres within which what is nearest the outline makes it
ROUNDS = 7
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
        tail: what hangs too far off for the shell.
    """

    center: NDArray[np.float64]
    origins: NDArray[np.float64]
    directions: NDArray[np.float64]
    skin: NDArray[np.float64]
    radius: NDArray[np.float64]
    tail: Tail | None

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
    hanging = find_tail(hair, head, camera, center)
    hair = np.clip(hair - hanging, 0, 1)
    lowest = lowest_hair(head, center, camera, hair)
    origins, directions = _rays(center, lowest)
    skin = _skin_distance(head, origins, directions, _ears_covered(head, camera, hair))
    groups, outline = find_outline(origins, directions, camera, hair, metres)
    towards = -(directions @ camera.view[2, :3])  # 1 straight at the camera
    side = np.sqrt(np.clip(1 - towards**2, 0, 1))
    within = cv2.distanceTransform((person < 0.5).astype(np.uint8), cv2.DIST_L2, 5) * metres
    asked = outline[groups]  # (R, C), NaN where the photo says nothing
    known = np.isfinite(asked)
    nape = float(head.template[head.regions["scalp"] > 0.5, 1].min())
    ends = np.clip((nape + 0.025 - origins[..., 1]) / 0.02, 0, 1) * (directions[..., 2] < -0.3) * (lowest > nape - 0.03)
    front = 1 / (1 + np.exp(-(towards - 0.25) / 0.06))

    # beside cheek and jaw what is seen hangs behind them
    ears = head.template[head.regions["ears"] > 0.5]
    behind = float(ears[:, 2].mean()) - 0.006 if len(ears) else np.inf
    below = float(ears[:, 1].mean()) if len(ears) else -np.inf
    skin_points = origins + directions * skin[..., None]
    beside = (skin_points[..., 2] > behind) & (skin_points[..., 1] < below)

    membrane = Membrane(origins + directions * skin[..., None])
    thickness = np.where(known.any(), np.full_like(skin, 0.015), HAIRLINE)
    for _ in range(ROUNDS):
        points = origins + directions * (skin + thickness)[..., None]
        across = reach_in_view(origins, directions, skin + thickness, camera, metres)
        reached = reach_of_lines(np.where(beside, 0, across), groups, side)[groups]
        # the outline pulls what lies at the rim, and pushes back whatever lies beyond it
        at_rim = np.exp(-(((reached - across) / RIM) ** 2)) * known * (reached > 0) * ~beside
        lacking = np.where(known, asked + OVERSHOOT - reached, 0) / np.maximum(side, 0.5)
        wanted, weight = thickness + lacking * at_rim, 8.0 * at_rim
        beyond = np.where(known & (side > 0.3), across - asked - OVERSHOOT, 0)
        wanted, weight = _also(wanted, weight, thickness - beyond / np.maximum(side, 0.3), 6.0 * (beyond > 0))
        # near the face the hair lies on the skin, and rises away from it
        rise = sampled(within, camera.project(points.reshape(-1, 3))).reshape(skin.shape)
        hugging = HAIRLINE + 0.8 * rise
        wanted, weight = _also(wanted, weight, hugging, 3.0 * front * (thickness > hugging))
        wanted, weight = _also(wanted, weight, np.full_like(skin, HAIRLINE), 1.5 * ends * (1 - at_rim))
        # behind it is as thick as where the same height is seen
        seen = np.where(at_rim > 0.3, thickness, np.nan)
        usual = _usual(seen, thickness)
        wanted, weight = _also(wanted, weight, usual[:, None], 0.05 + 0.2 * (towards < -0.2))
        thickness = np.clip(membrane.settle(wanted, weight), HAIRLINE, THICKEST)
    radius = skin + thickness
    # to the last millimetre nothing reaches further than the outline
    limit = np.where(known & (side > 0.6), asked + OVERSHOOT, np.inf)
    across = reach_in_view(origins, directions, radius, camera, metres)
    radius = np.maximum(radius * np.clip(limit / np.maximum(across, 1e-6), 0, 1), skin + HAIRLINE)
    radius[0] = (4 * radius[1].mean() - radius[2].mean()) / 3  # level across the pole
    return ShellGrid(center, origins, directions, skin, radius, build_tail(hanging, camera, center))


def _also(
    wanted: NDArray[np.float64], weight: NDArray[np.float64], more: NDArray[np.floating], share: NDArray[np.floating]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """One more wish for the thickness: both wishes as one, weighted."""
    total = weight + share
    return (wanted * weight + more * share) / np.maximum(total, 1e-9), total


def _usual(seen: NDArray[np.float64], thickness: NDArray[np.float64]) -> NDArray[np.float64]:
    """(R,) how thick hair is at each height, by what shows at the rim of the picture; metres."""
    count = np.isfinite(seen).sum(1)
    typical = float(np.nanmedian(seen)) if count.any() else float(np.median(thickness))
    rows = np.array([np.nanmean(row) if n else typical for row, n in zip(seen, count, strict=True)])
    # heights at which little is seen follow their neighbours
    rows = np.where(count > 0, np.minimum(rows, 2.0 * typical), typical)
    return np.asarray(gaussian_filter1d(rows, 2.0, mode="nearest"))


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
    u, v = np.meshgrid(shell_columns(), np.linspace(1, 0, rows))
    used = np.unique(faces)
    vertices = grid.points.reshape(-1, 3)[used]
    faces = np.searchsorted(used, faces)
    uv = np.stack([u.reshape(-1), v.reshape(-1)], 1)[used]
    if grid.tail is not None:
        points, triangles, layout = grid.tail.mesh()
        faces = np.concatenate([faces, triangles + len(vertices)])
        vertices, uv = np.concatenate([vertices, points]), np.concatenate([uv, layout])
    # what falls below the neck joint lies on the shoulders and stays with them
    neck = head.joints[NECK, 1]
    falls = np.clip((neck + 0.02 - vertices[:, 1]) / 0.10, 0, 1)
    weights = np.zeros((len(vertices), 5), np.float32)
    weights[:, ROOT], weights[:, NECK] = falls, 1 - falls
    pose = np.asarray(transforms, np.float64)
    posed = vertices @ pose[NECK, :3, :3].T + pose[NECK, :3, 3]
    blended = (weights.astype(np.float64) @ pose.reshape(5, 16)).reshape(-1, 4, 4)
    rest = np.linalg.solve(blended[:, :3, :3], (posed - blended[:, :3, 3])[..., None])[..., 0]
    shell = HairShell(rest.astype(np.float32), faces.astype(np.int32), uv.astype(np.float32), weights)
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
        covered.append(bool(sampled(np.asarray(hair, np.float32), place).mean() > 0.6))
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
