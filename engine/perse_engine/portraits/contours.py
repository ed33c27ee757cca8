"""Where the fitted head's outline should lie: on the person's own, wherever bare skin ends at background."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from perse_engine.cameras import Camera
from perse_engine.heads.head import Head
from perse_engine.surfaces.normals import vertex_normals
from perse_engine.surfaces.rasterize import rasterize_mesh

REACH = 0.03  # metres in which the photo's outline is looked for
STAND_OFF = 0.005  # metres that clothes are followed outwards
BESIDE_EAR = 0.03  # metres
STEPS = 121
NEXT = np.ones((1, 13), np.uint8)  # steps around the end of a bare neck in which there must be no hair


def outline_targets(
    head: Head,
    vertices: NDArray[np.floating],
    camera: Camera,
    matte: NDArray[np.floating],
    hair: NDArray[np.floating],
    clothes: NDArray[np.floating],
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Vertices on the outline of jaw, ears and neck, and the displacement (N, 3) that each is asked for.

    Args:
        vertices: (V, 3) as in the photo, in the axes that `camera` sees.
        matte: (H, W) the person.
        hair: (H, W) where it lies over the outline, nothing is known.
        clothes: (H, W); they may stand off the body, so that it is not blown up to reach them.
    """
    normals = vertex_normals(vertices, head.faces).astype(np.float64)
    place = camera.project(np.asarray(vertices, np.float64))
    across = normals @ camera.view[:3, :3].T
    towards = camera.position() - vertices
    facing = np.einsum("vk,vk->v", normals, towards) / np.linalg.norm(towards, axis=1)
    skin = np.zeros(len(vertices), bool)
    for part in {"skin", "bust"} & set(head.parts):
        skin[head.faces[head.face_parts == head.parts.index(part)]] = True
    region = (head.regions["scalp"] < 0.5) & ~_before_ears(head)
    chosen = np.flatnonzero(skin & region & (np.abs(facing) < 0.25))
    depth = rasterize_mesh(vertices, head.faces, camera).depth
    height, width = depth.shape
    normal = across[chosen, :2] / np.maximum(np.linalg.norm(across[chosen, :2], axis=1, keepdims=True), 1e-9)
    x, y, z = place[chosen].T
    # of the outline are those with nothing of the head just beyond them
    step = np.maximum(0.004 * camera.fx / z, 1.5)
    column = np.clip((x + normal[:, 0] * step).astype(int), 0, width - 1)
    row = np.clip((y + normal[:, 1] * step).astype(int), 0, height - 1)
    edge = np.isinf(depth[row, column]) & (x > 2) & (x < width - 3) & (y > 2) & (y < height - 3)
    chosen, normal, x, y, z = chosen[edge], normal[edge], x[edge], y[edge], z[edge]

    offset = np.linspace(-REACH, REACH, STEPS)
    pixels = offset[None] * (camera.fx / z)[:, None]
    columns = (x[:, None] + normal[:, :1] * pixels - 0.5).astype(np.float32)
    rows = (y[:, None] + normal[:, 1:] * pixels - 0.5).astype(np.float32)
    person = _read(matte, columns, rows) > 0.5
    covered = _read(hair, columns, rows) > 0.3
    dressed = _read(clothes, columns, rows) > 0.5
    leaves = person[:, :-1] & ~person[:, 1:]
    # a bare neck ends where it ends, also before a collar that stands off it
    bare = person & (_read(np.clip(matte - clothes - hair, 0, 1), columns, rows) > 0.5)
    neck = head.regions["neck"][chosen] > 0.5 if "neck" in head.regions else np.zeros(len(chosen), bool)
    ends = bare[:, :-1] & ~bare[:, 1:] & ~cv2.dilate(covered.astype(np.uint8), NEXT)[:, :-1].astype(bool)
    leaves = np.where((neck & ends.any(1))[:, None], ends, leaves)
    away = np.where(leaves, np.abs(offset[None, :-1]), np.inf)
    best = away.argmin(1)
    found = np.isfinite(away.min(1)) & ~np.take_along_axis(covered, best[:, None], 1)[:, 0] & ~covered[:, STEPS // 2]
    amount = (offset[best] + offset[best + 1]) / 2
    worn = np.take_along_axis(dressed, best[:, None], 1)[:, 0]
    found &= ~worn | (amount < STAND_OFF)
    direction = np.concatenate([normal, np.zeros((len(normal), 1))], 1) @ camera.view[:3, :3]
    return chosen[found], (direction * amount[:, None])[found]


def _before_ears(head: Head) -> NDArray[np.bool_]:
    """(V,) the cheeks and temples at the height of the ears: in front of a face, ears stand beyond them.

    Drawn out to the person's outline there they would be as wide as the ears, and show these once more.
    """
    ear = head.regions.get("ears", np.zeros(len(head.template))) > 0.5
    if not ear.any():
        return ear
    distance, _ = cKDTree(head.template[ear]).query(head.template)
    height = head.template[:, 1]
    low, high = head.template[ear, 1].min(), head.template[ear, 1].max()
    return np.asarray(~ear & (distance < BESIDE_EAR) & (height > low) & (height < high + BESIDE_EAR), bool)


def _read(image: NDArray[np.floating], x: NDArray[np.float32], y: NDArray[np.float32]) -> NDArray[np.float32]:
    read = cv2.remap(np.asarray(image, np.float32), x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(read, np.float32)
