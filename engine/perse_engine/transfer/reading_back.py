"""A texture from Gaussians: what they look like together, laid out flat."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from perse_engine.avatars.avatar import Avatar
from perse_engine.surfaces.filling import fill_holes
from perse_engine.surfaces.unproject import texel_map

Floats = NDArray[np.float32]

NEAREST = 8
"""Gaussians that a texel is read from."""
LAYOUT_METRES = 0.3
"""What the width of the texture's layout counts as, so that lips that touch are not read as one."""
APART = 10.0
"""Metres that lie between parts when a texel looks for its Gaussians."""
FAINTEST = 0.02
"""What a Gaussian that hides nothing counts in a mean colour, where an opaque one counts 1."""


def read_back(avatar: Avatar, faces: slice, uv: Floats, uv_faces: NDArray[np.integer], side: int) -> Floats:
    """(T, T, 4) the base colours and coverages of the Gaussians on `faces`; texels that no face uses are filled in.

    Args:
        faces: of the avatar's figure.
        uv: (n, 2) in [0, 1], v up, and
        uv_faces: (F, 3) where each of `faces` lies on the texture.
        side: T.
    """
    figure = avatar.figure
    chosen, first = figure.faces[faces], faces.start
    texels = texel_map(uv, uv_faces, (side, side))
    used = texels.triangle >= 0
    row, column = np.nonzero(used)
    places = _places(
        texels.interpolate(chosen, figure.vertices)[used],
        np.stack([column + 0.5, row + 0.5], 1) / side,
        figure.face_parts[faces][texels.triangle[used]],
    )
    own = np.flatnonzero((avatar.triangles >= first) & (avatar.triangles < first + len(chosen)))
    triangle, weight = avatar.triangles[own] - first, avatar.barycentric[own][..., None]
    spots = _places(
        (figure.vertices[chosen[triangle]] * weight).sum(1),
        (uv[uv_faces[triangle]] * weight).sum(1) * [1, -1] + [0, 1],
        figure.face_parts[first + triangle],
    )
    distance, index = cKDTree(spots).query(places, k=NEAREST, workers=-1)
    width = np.exp(avatar.log_scales[own][:, :2]).mean(1)[index]
    share = np.exp(-np.minimum((distance**2 - distance[:, :1] ** 2) / (2 * width**2), 60.0))
    coverage = (1 / (1 + np.exp(-avatar.coverage_logits[own])))[index]
    opacity = share * np.maximum(coverage, FAINTEST)
    texture = np.zeros((side, side, 4), np.float32)
    color = np.einsum("nk,nkc->nc", opacity, avatar.colors[own][index])
    texture[used, :3] = color / opacity.sum(1, keepdims=True)
    texture[used, 3] = (share * coverage).sum(1) / share.sum(1)
    texture[..., :3] = fill_holes(texture[..., :3], used.astype(np.float32))
    return np.clip(texture, 0, 1)


def _places(
    points: NDArray[np.floating], flat: NDArray[np.floating], parts: NDArray[np.integer]
) -> NDArray[np.floating]:
    """(n, 6) where two places are near if they are so in space, in the layout, and of one part."""
    return np.column_stack([points, flat * LAYOUT_METRES, parts * APART])
