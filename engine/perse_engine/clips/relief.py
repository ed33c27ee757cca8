"""What a picture puts on a head, as a relief: a sheet that lies on the head and bulges towards the camera."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter

from perse_engine.cameras import Camera
from perse_engine.clips.meshes import Accessory, grid_faces, grid_uv
from perse_engine.portraits.again import Sighting
from perse_engine.surfaces.colors import Floats

SIDE = 44
"""Vertices along each side of the sheet."""
CLEARANCE = 1.5e-3
"""Metres by which the sheet lies before what it covers."""
BULGE = {"hat": 0.9, "headphones": 0.8, "hair": 0.6, "earrings": 0.5, "clothes": 0.2, "glasses": 0.0}
"""Depth of the sheet's middle over its rim, in half-widths."""
THICKEST = 0.05
MARGIN = 0.04
"""Border around what is taken, as a part of its box."""


def relief_box(mask: NDArray[np.floating]) -> tuple[float, float, float, float]:
    """x, y, width and height, pixels, of the box around `mask` (H, W) with its margin."""
    rows, columns = np.nonzero(np.asarray(mask) > 0.1)
    if not len(rows):
        return 0.0, 0.0, 1.0, 1.0
    x0, x1, y0, y1 = columns.min(), columns.max() + 1, rows.min(), rows.max() + 1
    margin = MARGIN * max(x1 - x0, y1 - y0) + 1
    return x0 - margin, y0 - margin, x1 - x0 + 2 * margin, y1 - y0 + 2 * margin


def relief_points(
    category: str, mask: NDArray[np.floating], depth: NDArray[np.floating], sighting: Sighting, joint: int
) -> Floats:
    """(SIDE², 3) the sheet at rest, head space, rows from the bottom of the picture upwards.

    Args:
        category: what it is.
        mask: (H, W) in [0, 1] what is taken.
        depth: (H, W) of the person without it, metres from the camera, infinite where there is nothing.
        joint: that carries it.
    """
    camera = sighting.camera
    x, y, width, height = relief_box(mask)
    u, v = np.meshgrid(x + width * np.linspace(0, 1, SIDE), y + height * np.linspace(1, 0, SIDE))
    metre = float(np.median(depth[np.isfinite(depth)])) / camera.fx
    solid = np.isfinite(depth)
    # beside the head the sheet goes on at the depth of the nearest rim, falling back as round things do
    gap, (row, column) = distance_transform_edt(~solid, return_indices=True)
    surface = depth[row, column] + 0.5 * gap * metre
    surface = gaussian_filter(surface, max(2.0, 0.004 / metre))
    inside = distance_transform_edt(np.asarray(mask) > 0.5) * metre
    half = float(inside.max(initial=1e-4))
    dome = np.sqrt(np.clip(inside * (2 * half - inside), 0, None))
    distance = surface - CLEARANCE - np.minimum(BULGE[category] * dome, THICKEST)
    z = cv2.remap(
        distance.astype(np.float32), (u - 0.5).astype(np.float32), (v - 0.5).astype(np.float32), cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )  # fmt: skip
    return _at_rest(_unprojected(camera, u, v, z), sighting.transforms[joint])


def relief_mesh(shapes: Floats) -> Accessory:
    """The sheets (K, SIDE², 3) of a category's styles as one mesh; it waits where their mean lies."""
    inset = 0.5 / 64
    uv = grid_uv(SIDE, SIDE, (inset, inset, 1 - inset, 1 - inset))
    return Accessory(shapes, shapes.mean(0), np.ascontiguousarray(grid_faces(SIDE, SIDE)[:, ::-1]), uv)


def relief_texture(mask: NDArray[np.floating], sighting: Sighting, width: int, height: int) -> Floats:
    """(height, width, 4) sRGB and straight alpha of the sheet's tile, row 0 the top of the picture."""
    x, y, box_width, box_height = relief_box(mask)
    picture = np.dstack([sighting.pixels, np.asarray(mask, np.float32)]).astype(np.float32)
    across, down = width / box_width, height / box_height
    matrix = np.array([[across, 0, across * (0.5 - x) - 0.5], [0, down, down * (0.5 - y) - 0.5]])
    shrinking = max(box_width / width, box_height / height)
    if shrinking > 1.5:
        picture = cv2.GaussianBlur(picture, (0, 0), 0.4 * shrinking)
    return np.asarray(cv2.warpAffine(picture, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE), np.float32)


def _unprojected(camera: Camera, u: Floats, v: Floats, z: Floats) -> Floats:
    """(N, 3) points of the camera's world at pixels and depths."""
    seen = np.stack([(u - camera.cx) / camera.fx * z, (v - camera.cy) / camera.fy * z, z], -1).reshape(-1, 3)
    return (seen - camera.view[:3, 3]) @ camera.view[:3, :3]


def _at_rest(points: Floats, transform: NDArray[np.floating]) -> Floats:
    """Undo a joint's transform (4, 4)."""
    back = np.linalg.inv(np.asarray(transform, np.float64))
    return (points @ back[:3, :3].T + back[:3, 3]).astype(np.float32)
