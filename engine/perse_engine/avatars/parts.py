"""The parts of an avatar's figure: which of them anything shows, and the avatar with some of them alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Set

import numpy as np

from perse_engine.avatars.avatar import Appearance, Avatar
from perse_engine.avatars.correctives import Correctives, no_correctives

BROUGHT = "brought_"
"""How the names of reliefs begin; the texture's layout has room for each, whether it is seen or not."""
SEEN = -5.5
"""Logit of a coverage below which a Gaussian is not drawn: less than that of `decoding.INVISIBLE` alone."""


def shown_parts(avatar: Avatar) -> set[int]:
    """The numbers of the parts that are seen without a style or with one."""
    parts, looks = avatar.figure.face_parts[avatar.triangles], avatar.appearance
    visible = avatar.coverage_logits > SEEN
    visible[looks.gaussians[(looks.coverage_logits > SEEN) & (looks.gates > 0)]] = True
    return {int(part) for part in np.unique(parts[visible])}


def with_parts(avatar: Avatar, kept: Set[int]) -> Avatar:
    """`avatar` without the parts that are not `kept`: their vertices, faces, Gaussians and entries."""
    figure = avatar.figure
    if kept >= set(range(len(figure.parts))):
        return avatar
    numbers = sorted(kept)
    faces = np.flatnonzero(np.isin(figure.face_parts, numbers))
    vertices, corners = np.unique(figure.faces[faces], return_inverse=True)
    laid, uv_corners = np.unique(figure.uv_faces[faces], return_inverse=True)
    own = np.flatnonzero(np.isin(figure.face_parts[avatar.triangles], numbers))
    slimmer = dataclasses.replace(
        figure,
        vertices=figure.vertices[vertices],
        faces=corners.reshape(-1, 3).astype(np.int32),
        uv=figure.uv[laid],
        uv_faces=uv_corners.reshape(-1, 3).astype(np.int32),
        parts=tuple(figure.parts[k] for k in numbers),
        face_parts=np.searchsorted(numbers, figure.face_parts[faces]).astype(np.uint8),
        expression_directions=figure.expression_directions[vertices],
        style_directions=figure.style_directions[vertices],
        weights=figure.weights[vertices],
    )
    return dataclasses.replace(
        avatar,
        figure=slimmer,
        triangles=np.searchsorted(faces, avatar.triangles[own]).astype(np.int32),
        barycentric=avatar.barycentric[own],
        offsets=avatar.offsets[own],
        log_scales=avatar.log_scales[own],
        quaternions=avatar.quaternions[own],
        coverage_logits=avatar.coverage_logits[own],
        colors=avatar.colors[own],
        appearance=_of(avatar.appearance, own, avatar.count),
        correctives=_corrected(avatar.correctives, own),
    )


def _corrected(correctives: Correctives, own: np.ndarray) -> Correctives:
    """The correctives of the Gaussians `own`, ascending."""
    kept = np.flatnonzero(np.isin(correctives.gaussians, own))
    if not len(kept):
        return no_correctives()
    return dataclasses.replace(
        correctives,
        gaussians=np.searchsorted(own, correctives.gaussians[kept]).astype(np.int32),
        offsets=correctives.offsets[kept],
        colors=correctives.colors[kept],
    )


def _of(looks: Appearance, own: np.ndarray, count: int) -> Appearance:
    """The entries of the Gaussians `own`, ascending, of `count` that there were."""
    number = np.full(count, -1)
    number[own] = np.arange(len(own))
    kept = np.flatnonzero(number[looks.gaussians] >= 0)
    return Appearance(
        starts=np.searchsorted(kept, looks.starts).astype(np.int32),
        gaussians=number[looks.gaussians[kept]].astype(np.int32),
        gates=looks.gates[kept],
        colors=looks.colors[kept],
        coverage_logits=looks.coverage_logits[kept],
        offsets=looks.offsets[kept],
        onsets=looks.onsets[kept],
        softness=looks.softness,
    )
