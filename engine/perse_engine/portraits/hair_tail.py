"""What hangs far off the head, a tail or the end of a turban, as a sheet with depth of its own.

The shell's rays leave the head; what is seen far from it would blow the shell up into a wall. So it becomes a lens over
its outline in the photo, in the plane of the skull's centre. Its texture lies in the shell's layout before the face,
where there is no hair.
"""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
from numpy.typing import NDArray

from perse_engine.cameras import Camera
from perse_engine.heads.head import Head
from perse_engine.portraits.parts import disc
from perse_engine.portraits.window import Window
from perse_engine.surfaces.rasterize import rasterize_mesh

ROWS, COLUMNS = 26, 9
FAR = 0.060  # metres off the head beyond which hair is a tail
TUCKED = 0.05  # metres that a tail reaches into what it hangs from
LEAST = 0.0012  # square metres
THICK = 0.016  # metres, half a tail's depth
BOX = (0.39, 0.61, 0.02, 0.36)  # u and v of its texture
Mask = NDArray[np.floating]


@dataclasses.dataclass(frozen=True, eq=False)
class Tail:
    """The sheet: front and back of one grid.

    Attributes:
        points: (2, ROWS, COLUMNS, 3) head space; front, back.
    """

    points: NDArray[np.float64]

    def mesh(self) -> tuple[NDArray[np.float64], NDArray[np.int32], NDArray[np.float64]]:
        """Vertices (N, 3), faces counter-clockwise from outside, and uv (N, 2); front and back share their texels."""
        index = np.arange(ROWS * COLUMNS).reshape(ROWS, COLUMNS)
        a, b, c, d = (x.reshape(-1) for x in (index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]))
        front = np.concatenate([np.stack([a, d, c], 1), np.stack([a, c, b], 1)])
        faces = np.concatenate([front, front[:, ::-1] + index.size])
        left, right, low, high = BOX
        u, v = np.meshgrid(np.linspace(left, right, COLUMNS), np.linspace(high, low, ROWS))
        uv = np.stack([u.reshape(-1), v.reshape(-1)], 1)
        return self.points.reshape(-1, 3), faces.astype(np.int32), np.concatenate([uv, uv])


def find_tail(hair: Mask, head: Head, camera: Camera, center: NDArray[np.float64]) -> NDArray[np.float32]:
    """(H, W) in [0, 1] what of the hair hangs far off the head, zero where nothing does.

    Args:
        camera: of the picture, seeing the skull's rest space.
        center: (3,) of the skull.
    """
    place = camera.project(center[None])[0]
    metres = float(place[2]) / camera.fx
    bust = head.face_parts == (head.parts.index("bust") if "bust" in head.parts else 255)
    drawn = rasterize_mesh(head.template.astype(np.float64), head.faces[~bust], camera).triangle >= 0
    off = cv2.distanceTransform((~drawn).astype(np.uint8), cv2.DIST_L2, 5) * metres
    rows = np.arange(hair.shape[0])[:, None] > place[1]
    away = ((hair > 0.5) & (off > FAR) & rows).astype(np.uint8)
    away = cv2.morphologyEx(away, cv2.MORPH_OPEN, disc(0.006 / metres))
    if away.sum() * metres**2 < LEAST:
        return np.zeros(hair.shape, np.float32)
    reach = cv2.dilate(away, disc(TUCKED / metres)).astype(np.float32)
    soft = cv2.GaussianBlur(reach, (0, 0), max(0.002 / metres, 0.5))
    return np.asarray(np.clip(soft, 0, 1) * hair, np.float32)


def build_tail(tail: Mask, camera: Camera, center: NDArray[np.float64]) -> Tail | None:
    """The sheet over the mask `tail` (H, W), or None where that is empty.

    Args:
        camera, center: as `find_tail`.
    """
    there = tail > 0.05
    if not there.any():
        return None
    depth = float(camera.project(center[None])[0, 2])
    metres = depth / camera.fx
    ys = np.flatnonzero(there.any(1))
    margin = 0.003 / metres
    levels = np.linspace(ys.min() - margin, ys.max() + margin, ROWS)
    # each row spans what there is at its height, evened out over the neighbours
    left, right = np.full(ROWS, np.nan), np.full(ROWS, np.nan)
    for k, level in enumerate(levels):
        columns = np.flatnonzero(there[int(np.clip(level, ys.min(), ys.max()))])
        left[k], right[k] = columns[0] - margin, columns[-1] + 1 + margin
    left, right = (cv2.GaussianBlur(edge[:, None], (1, 5), 0)[:, 0] for edge in (left, right))
    share = np.linspace(0, 1, COLUMNS)[None]
    x = left[:, None] * (1 - share) + right[:, None] * share
    y = np.broadcast_to(levels[:, None], x.shape)
    round_ = np.sqrt(np.clip(4 * share * (1 - share), 0, 1)) * np.minimum((right - left)[:, None] * metres / 3, THICK)
    sheets = []
    for way in (-1, 1):
        z = depth + way * round_
        local = np.stack([(x - camera.cx) / camera.fx * z, (y + 0.5 - camera.cy) / camera.fy * z, z], -1)
        sheets.append((local - camera.view[:3, 3]) @ camera.view[:3, :3])
    return Tail(np.stack(sheets))


def paint_tail(texture: NDArray[np.float32], tail: Tail, mask: Mask, window: Window) -> None:
    """Draw the tail's part of the photo into its place of the shell's texture (S, S, 4).

    Args:
        mask: (H, W) of the tail in the window.
        window: of the photo, its camera seeing the skull's rest space.
    """
    rows, columns = tail_texels(texture.shape[0])
    height, width = rows.stop - rows.start, columns.stop - columns.start
    nodes = window.camera.project(tail.points[0].reshape(-1, 3))[:, :2].reshape(ROWS, COLUMNS, 2).astype(np.float32)
    across, down = np.meshgrid(
        (np.arange(width, dtype=np.float32) + 0.5) / width * (COLUMNS - 1),
        (np.arange(height, dtype=np.float32) + 0.5) / height * (ROWS - 1),
    )
    place = cv2.remap(nodes, across, down, cv2.INTER_LINEAR) - np.float32(0.5)
    way = cv2.INTER_LINEAR
    color = cv2.remap(window.pixels, place[..., 0], place[..., 1], way, borderMode=cv2.BORDER_REPLICATE)
    alpha = cv2.remap(np.asarray(mask, np.float32), place[..., 0], place[..., 1], way)
    texture[rows, columns, :3] = color.astype(np.float32) / 255
    texture[rows, columns, 3] = np.clip(alpha, 0, 1)


def tail_texels(side: int) -> tuple[slice, slice]:
    """Rows and columns of the tail's place in a texture of `side` x `side`."""
    left, right, low, high = (round(edge * side) for edge in BOX)
    return slice(side - high, side - low), slice(left, right)
