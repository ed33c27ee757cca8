"""The first shape of each Gaussian: flat on its surface, round where the surface is widest."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from perse_engine.avatars.sampling import Sites, widest_styles
from perse_engine.heads.figure import Figure

COVERING = 0.72
"""Standard deviation across the surface, in spacings: neighbours overlap without a hole."""
THICKNESS = 0.16
LEAST, MOST = 0.1, 2.0
"""Bounds of a standard deviation, in spacings."""


def lay_flat(figure: Figure, sites: Sites) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Shapes for `sites` (N,) of `figure`.

    A disc is laid on each triangle in the style that makes most of it, and carried back to the bind pose by the
    inverse of that style's deformation gradient: what a style stretches, say a brim, is then round and not a needle.

    Returns:
        quaternions (N, 4) w x y z and log_scales (N, 3), the thickness last, in the bind pose.
    """
    areas, widest = widest_styles(figure)
    vertices = figure.vertices.astype(np.float64)
    bind = _frames(vertices, figure.faces)
    worn = bind.copy()
    for k in np.unique(widest[widest >= 0]):
        here = widest == k
        worn[here] = _frames(vertices + figure.style_directions[:, :, k], figure.faces[here])
    back = bind @ np.linalg.inv(worn)
    bind_areas = np.linalg.norm(np.cross(bind[:, :, 0], bind[:, :, 1]), axis=1) / 2
    widening = np.sqrt(areas / np.maximum(bind_areas, 1e-14))

    triangles = sites.triangles
    normals = worn[triangles][:, :, 2]
    flat = COVERING**2 * np.eye(3) + (THICKNESS**2 - COVERING**2) * normals[:, :, None] * normals[:, None, :]
    carried = back[triangles] * np.minimum(widening, 1 / LEAST)[triangles, None, None]
    variances, axes = np.linalg.eigh(carried @ flat @ carried.transpose(0, 2, 1))
    variances, axes = variances[:, ::-1], axes[:, :, ::-1].copy()
    axes[:, :, 2] *= np.sign(np.linalg.det(axes))[:, None]
    quaternions = Rotation.from_matrix(axes).as_quat()[:, [3, 0, 1, 2]]
    spread = np.sqrt(np.maximum(variances, 0)).clip(LEAST, MOST) * sites.spacing[:, None]
    return quaternions.astype(np.float32), np.log(spread).astype(np.float32)


def _frames(vertices: NDArray[np.float64], faces: NDArray[np.integer]) -> NDArray[np.float64]:
    """(F, 3, 3) the columns [edge, edge, unit normal] of each face; the identity where a face has no area."""
    corners = vertices[faces]
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    normals = np.cross(first, second)
    doubled = np.linalg.norm(normals, axis=1)
    frames = np.stack([first, second, normals / np.maximum(doubled, 1e-20)[:, None]], -1)
    frames[doubled < 1e-12] = np.eye(3)
    return frames
