"""The first shape of each Gaussian: flat on its surface, round where the surface is widest."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from perse_engine.avatars.binding import bind, vertex_frames
from perse_engine.avatars.placing import LEAST_STRETCH, MOST_STRETCH
from perse_engine.avatars.sampling import LEAST_AREA, Sites, triangle_areas, widest_styles
from perse_engine.heads.figure import Figure

COVERING = 0.72
"""Standard deviation across the surface, in spacings: neighbours overlap without a hole."""
THICKNESS = 0.16


def lay_flat(figure: Figure, sites: Sites) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Shapes for `sites` (N,) of `figure`.

    A disc is laid on each triangle in the style that makes most of it, and given the bind pose's axes and sizes that
    `placing` turns into this disc when that style is worn: what a style stretches, say a brim, is then round and not a
    needle, and what has no area in the bind pose, say a lock that waits, is as large as it will be.

    Returns:
        quaternions (N, 4) w x y z and log_scales (N, 3), the thickness last, in the bind pose.
    """
    areas, widest = widest_styles(figure)
    widening = np.sqrt(areas / np.maximum(triangle_areas(figure), LEAST_AREA))[sites.triangles]
    binding = bind(figure)
    axes = np.empty((len(sites.triangles), 3, 3))
    stretches = np.empty((len(sites.triangles), 3))
    for style in np.unique(widest):
        here = np.flatnonzero(widest[sites.triangles] == style)
        worn = figure.vertices if style < 0 else figure.vertices + figure.style_directions[:, :, style]
        corners = figure.faces[sites.triangles[here]]
        frames = vertex_frames(binding, worn)[corners]
        signs = np.sign((frames[:, :1, 12:] * frames[..., 12:]).sum(-1, keepdims=True))  # as `placing` aligns them
        frames[..., 12:] *= np.where(signs == 0, 1, signs)
        frames = (frames * sites.barycentric[here][..., None]).sum(1)
        gradients = frames[:, 3:12].reshape(-1, 3, 3)
        axes[here] = Rotation.from_quat(frames[:, 12:], scalar_first=True).inv().as_matrix() @ _discs(
            worn[corners].astype(np.float64)
        )
        stretches[here] = np.linalg.norm(gradients @ axes[here], axis=1).clip(LEAST_STRETCH, MOST_STRETCH)
    quaternions = Rotation.from_matrix(axes).as_quat(scalar_first=True)
    sizes = np.array([COVERING, COVERING, THICKNESS]) * (widening * sites.spacing)[:, None] / stretches
    return quaternions.astype(np.float32), np.log(sizes).astype(np.float32)


def _discs(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, 3, 3) right-handed columns [along, along, normal] of triangles (n, 3, 3); any axes where one has no area."""
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    normals = np.cross(first, second)
    lengths = np.linalg.norm(normals, axis=1), np.linalg.norm(first, axis=1)
    flat = (lengths[0] > 1e-14) & (lengths[1] > 1e-7)
    frames = np.tile(np.eye(3), (len(corners), 1, 1))
    frames[flat, :, 2] = normals[flat] / lengths[0][flat, None]
    frames[flat, :, 0] = first[flat] / lengths[1][flat, None]
    frames[flat, :, 1] = np.cross(frames[flat, :, 2], frames[flat, :, 0])
    return frames
