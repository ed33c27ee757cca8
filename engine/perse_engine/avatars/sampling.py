"""Where Gaussians sit on a figure: stratified by area and importance, even, and the same for the same seed."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from perse_engine.heads.figure import Figure

PART_SHARE = 0.8
"""Exponent that evens out the shares of large and small parts."""
LEAST_SHARE = 0.004
"""Of all Gaussians, what every part gets at least."""
LEAST_AREA = 1e-12
"""Square metres below which a triangle has no area."""
DETAIL = 0.6
"""Exponent of a triangle's area: below 1, finely meshed places (lids, lips, ears) get more."""


@dataclasses.dataclass(frozen=True, eq=False)
class Sites:
    """N places on a surface: triangles (N,) int32, barycentric (N, 3), spacing (N,) metres to the neighbours."""

    triangles: NDArray[np.int32]
    barycentric: NDArray[np.float32]
    spacing: NDArray[np.float32]


@dataclasses.dataclass(frozen=True, eq=False)
class Widest:
    """Where triangles are largest: areas (F,) square metres, and the styles (F,) they are so in, -1 for the bind pose.

    A triangle that never shows has no area.
    """

    areas: NDArray[np.float64]
    styles: NDArray[np.int64]


def triangle_areas(figure: Figure) -> NDArray[np.float64]:
    """(F,) square metres, in the bind pose."""
    return _areas(figure.vertices.astype(np.float64), figure.faces)


def widest_styles(figure: Figure, shown: NDArray[np.bool_] | None = None) -> Widest:
    """Where each triangle is largest: a brim is little in the bind pose, and much on the head.

    Args:
        figure: the surface, of F triangles and with K styles.
        shown: (K + 1, F) whether a triangle can be seen in each style, and without any; always, where not given.
            Hair that falls before and behind a shoulder is torn there, and large where nobody sees it.
    """
    vertices = figure.vertices.astype(np.float64)
    largest, widest = triangle_areas(figure), np.full(len(figure.faces), -1)
    if shown is not None:
        largest[~shown[-1]] = 0
    moved = (figure.style_directions != 0).any(1)
    for k in range(len(figure.style_names)):
        changed = moved[:, k][figure.faces].any(1)
        faces = np.flatnonzero(changed if shown is None else shown[k] & (changed | ~shown[-1]))
        areas = _areas(vertices + figure.style_directions[:, :, k], figure.faces[faces])
        larger = areas > largest[faces]
        largest[faces[larger]], widest[faces[larger]] = areas[larger], k
    return Widest(largest, widest)


def _areas(vertices: NDArray[np.float64], faces: NDArray[np.integer]) -> NDArray[np.float64]:
    corners = vertices[faces]
    (ax, ay, az), (bx, by, bz) = (corners[:, 1] - corners[:, 0]).T, (corners[:, 2] - corners[:, 0]).T
    areas: NDArray[np.float64] = np.sqrt((ay * bz - az * by) ** 2 + (az * bx - ax * bz) ** 2 + (ax * by - ay * bx) ** 2)
    return areas / 2


def sample_sites(
    figure: Figure, importance: NDArray[np.floating], count: int, seed: int, widest: Widest | None = None
) -> Sites:
    """Spread `count` sites over `figure`.

    Args:
        figure: the surface.
        importance: (F,) >= 0, how densely each triangle is wanted, relative to others; zero for none at all.
        count: N > 0.
        seed: of the jitter.
        widest: of `figure`.
    """
    areas = (widest or widest_styles(figure)).areas
    mean_area = areas.mean() if areas.any() else 1.0
    wanted = importance * areas**DETAIL * mean_area ** (1 - DETAIL)
    shares = np.bincount(figure.face_parts, wanted, minlength=len(figure.parts))
    present = shares > 0
    evened = np.where(present, np.maximum(shares, 1e-30) ** PART_SHARE, 0.0)
    evened = np.where(present, np.maximum(evened / evened.sum(), LEAST_SHARE), 0.0)
    scale = np.where(present, evened / evened.sum() / np.where(present, shares, 1.0), 0.0)
    share = wanted * scale[figure.face_parts]

    generator = np.random.default_rng(seed)
    cumulative = np.cumsum(share)
    at = (np.arange(count) + generator.random(count)) / count * cumulative[-1]
    triangles = np.minimum(np.searchsorted(cumulative, at, side="right"), len(share) - 1)
    # The R2 sequence (Roberts 2018) fills each triangle evenly; a fold keeps it inside.
    plane = (np.outer(np.arange(count), [0.7548776662466927, 0.5698402909980532]) + generator.random(2)) % 1.0
    outside = plane.sum(1) > 1
    plane[outside] = 1 - plane[outside]
    barycentric = np.column_stack([1 - plane.sum(1), plane])
    density = count * share[triangles] / np.maximum(triangle_areas(figure)[triangles], LEAST_AREA)
    return Sites(triangles.astype(np.int32), barycentric.astype(np.float32), (1 / np.sqrt(density)).astype(np.float32))
