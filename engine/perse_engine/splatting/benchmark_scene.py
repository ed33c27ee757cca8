"""The named scene on which rasterisers are timed: the open head, covered evenly with flat Gaussians."""

from __future__ import annotations

import numpy as np

from perse_engine.cameras import Camera, front_camera
from perse_engine.heads.open_head import load_open_head
from perse_engine.splatting.gaussians import Gaussians

_SEED = 0
_DISTANCE = 0.9
# Together these make 50,000 Gaussians at 512 x 512 cover 32 % of the picture, and touch 162,800 tiles of 16 x 16 pixels
# with the boxes of their outlines after a dilation of 0.3.
_FOCAL_LENGTH = 2.52
_SPREAD = 0.775


def benchmark_scene(count: int, width: int, height: int) -> tuple[Gaussians, Camera]:
    """`count` Gaussians over the open head without its bust, inside and out, and a camera straight before it.

    Sizes shrink as `count` grows, so that the surface stays equally dense.
    """
    head = load_open_head()
    corners = head.template[head.faces[head.face_parts != head.parts.index("bust")]].astype(np.float64)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    areas = np.linalg.norm(normals, axis=1) / 2
    normals /= 2 * areas[:, None] + 1e-12
    rng = np.random.default_rng(_SEED)
    triangles = rng.choice(len(areas), count, p=areas / areas.sum())
    weights = rng.dirichlet(np.ones(3), count)
    means = np.einsum("nk,nkc->nc", weights, corners[triangles])
    normal = normals[triangles]

    spacing = np.sqrt(areas.sum() / count)
    flat = np.concatenate([_SPREAD * rng.uniform(0.7, 1.4, (count, 2)), np.full((count, 1), 0.15)], 1)
    shade = normal @ np.array([[0.5, 0.4, 0.3], [0.4, 0.5, 0.5], [0.8, 0.8, 0.7]])
    gaussians = Gaussians(
        means.astype(np.float32),
        _turning_z_to(normal).astype(np.float32),
        (spacing * flat).astype(np.float32),
        np.clip(rng.normal(0.9, 0.05, count), 0.05, 0.99).astype(np.float32),
        np.clip(0.5 + 0.35 * shade + rng.normal(0, 0.05, (count, 3)), 0, 1).astype(np.float32),
    )
    middle = (corners.min((0, 1)) + corners.max((0, 1))) / 2
    return gaussians, front_camera(middle, _DISTANCE, _FOCAL_LENGTH * min(width, height), width, height)


def _turning_z_to(directions: np.ndarray) -> np.ndarray:
    """(N, 4) quaternions, w x y z, of rotations that take the z axis to unit `directions` (N, 3)."""
    quaternions = np.zeros((len(directions), 4))
    quaternions[:, 0] = 1 + directions[:, 2]
    quaternions[:, 1] = -directions[:, 1]
    quaternions[:, 2] = directions[:, 0]
    quaternions[quaternions[:, 0] < 1e-6] = (0, 1, 0, 0)
    return quaternions / np.linalg.norm(quaternions, axis=1, keepdims=True)
