"""The first shape of each Gaussian: flat on its surface, round where the surface is widest."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from perse_engine.avatars.binding import bind, vertex_frames
from perse_engine.avatars.placing import LEAST_STRETCH, MOST_STRETCH
from perse_engine.avatars.sampling import LEAST_AREA, Sites, Widest, triangle_areas, widest_styles
from perse_engine.heads.figure import Figure

COVERING = 0.72
"""Standard deviation across the surface, in spacings: neighbours overlap without a hole."""
THICKNESS = 0.16
ALONG: Mapping[str, float] = {"locks": 3.0}
"""How many times as long as wide a disc is on parts that consist of strands, which go the way of the texture's rows."""


def lay_flat(
    figure: Figure, sites: Sites, widest: Widest | None = None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Shapes for `sites` (N,) of `figure`, whose triangles are largest as `widest` says.

    A disc is laid on each triangle in the style that makes most of it, and given the bind pose's axes and sizes that
    `placing` turns into this disc when that style is worn: what a style stretches, say a brim, is then round and not a
    needle, and what has no area in the bind pose, say a lock that waits, is as large as it will be. On strands it is an
    ellipse of the same area, as what is seen there changes fast across them and slowly along them.

    Returns:
        quaternions (N, 4) w x y z and log_scales (N, 3), the thickness last, in the bind pose.
    """
    widest = widest or widest_styles(figure)
    widening = np.sqrt(widest.areas / np.maximum(triangle_areas(figure), LEAST_AREA))[sites.triangles]
    binding = bind(figure)
    axes = np.empty((len(sites.triangles), 3, 3))
    stretches = np.empty((len(sites.triangles), 3))
    for style in np.unique(widest.styles[sites.triangles]):
        here = np.flatnonzero(widest.styles[sites.triangles] == style)
        worn = figure.vertices if style < 0 else figure.vertices + figure.style_directions[:, :, style]
        corners = figure.faces[sites.triangles[here]]
        frames = vertex_frames(binding, worn)[corners]
        signs = np.sign((frames[:, :1, 12:] * frames[..., 12:]).sum(-1, keepdims=True))  # as `placing` aligns them
        frames[..., 12:] *= np.where(signs == 0, 1, signs)
        frames = (frames * sites.barycentric[here][..., None]).sum(1)
        gradients = frames[:, 3:12].reshape(-1, 3, 3)
        axes[here] = Rotation.from_quat(frames[:, 12:], scalar_first=True).inv().as_matrix() @ _discs(
            worn[corners].astype(np.float64), figure.uv[figure.uv_faces[sites.triangles[here]]].astype(np.float64)
        )
        stretches[here] = np.linalg.norm(gradients @ axes[here], axis=1).clip(LEAST_STRETCH, MOST_STRETCH)
    quaternions = Rotation.from_matrix(axes).as_quat(scalar_first=True)
    slenderness = np.sqrt([ALONG.get(part, 1.0) for part in figure.parts])[figure.face_parts[sites.triangles]]
    shapes = np.stack([COVERING * slenderness, COVERING / slenderness, np.full(len(slenderness), THICKNESS)], 1)
    sizes = shapes * (widening * sites.spacing)[:, None] / stretches
    return quaternions.astype(np.float32), np.log(sizes).astype(np.float32)


def _discs(corners: NDArray[np.float64], uv: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, 3, 3) right-handed columns of triangles (n, 3, 3): the way in which v of their `uv` (n, 3, 2) grows, the way
    across, the normal; any axes where a triangle has no area, here or in the texture."""
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    normals = np.cross(first, second)
    sides = uv[:, 1:] - uv[:, :1]
    turned = np.sign(sides[:, 0, 0] * sides[:, 1, 1] - sides[:, 1, 0] * sides[:, 0, 1])
    upwards = (sides[:, 0, :1] * second - sides[:, 1, :1] * first) * turned[:, None]
    along = np.where((turned != 0)[:, None], upwards, first)
    lengths = np.linalg.norm(normals, axis=1), np.linalg.norm(along, axis=1)
    flat = (lengths[0] > 1e-14) & (lengths[1] > 1e-12)
    frames = np.tile(np.eye(3), (len(corners), 1, 1))
    frames[flat, :, 2] = normals[flat] / lengths[0][flat, None]
    frames[flat, :, 0] = along[flat] / lengths[1][flat, None]
    frames[flat, :, 1] = np.cross(frames[flat, :, 2], frames[flat, :, 0])
    return frames
