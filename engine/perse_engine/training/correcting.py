"""The expression correctives at step zero: which drivers a recording spans, and whom they may move."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from perse_engine.avatars.avatar import Avatar
from perse_engine.avatars.correctives import Correctives, expression_features, no_correctives
from perse_engine.training.views import View

DRIVERS = 8
LEAST_SHARE = 0.004
"""Of the features' energy, below which a direction is noise and no driver."""
BEYOND = 1.15
"""How far drivers go beyond what the recording shows, relative to it."""
LEAST_MOTION = 5e-4
"""Metres that the recording's expressions must move a triangle for its Gaussians to be corrected."""
ALIKE, MOST_TIMES = 0.25, 8
"""Distance of expressions that count as one, and how often a rare view is repeated at most."""
INNER = ("teeth", "tongue", "mouth", "eyes", "lashes", "sockets")
"""Parts that are always corrected: what they show changes although they hardly move."""


def start_correctives(avatar: Avatar, recorded: Sequence[View]) -> Correctives:
    """Correctives of zero for the expressions that `recorded` shows; none where it shows none.

    The drivers are the principal directions of the frames' expression features about rest, each scaled to reach 1.
    """
    names = avatar.figure.expression_names
    features = np.array([expression_features(names, view.state) for view in recorded], np.float64)
    if not features.any():
        return no_correctives()
    _, sizes, directions = np.linalg.svd(features, full_matrices=False)
    count = max(1, min(DRIVERS, int((sizes**2 > LEAST_SHARE * (sizes**2).sum()).sum())))
    values = features @ directions[:count].T
    reach = np.abs(values).max(0)
    mixing, values = directions[:count] / reach[:, None], values / reach
    gaussians = _moved(avatar, features)
    nothing = np.zeros((len(gaussians), count, 3), np.float32)
    return Correctives(
        mixing=mixing.astype(np.float32),
        low=(BEYOND * np.minimum(values.min(0), 0)).astype(np.float32),
        high=(BEYOND * np.maximum(values.max(0), 0)).astype(np.float32),
        gaussians=gaussians,
        offsets=nothing,
        colors=nothing.copy(),
    )


def balanced(recorded: Sequence[View], names: tuple[str, ...]) -> tuple[View, ...]:
    """`recorded` with the views of rare expressions repeated: people on film are mostly at rest.

    Args:
        names: the figure's expressions.
    """
    if not recorded:
        return ()
    features = np.array([expression_features(names, view.state) for view in recorded], np.float64)
    apart = np.sqrt(((features[:, None] - features[None]) ** 2).sum(-1))
    crowd = (apart < ALIKE).sum(1)
    times = np.clip(np.round(np.median(crowd) / crowd), 1, MOST_TIMES).astype(int)
    return tuple(view for view, count in zip(recorded, times, strict=True) for _ in range(count))


def _moved(avatar: Avatar, features: NDArray[np.float64]) -> NDArray[np.int32]:
    """The Gaussians on triangles that the frames' expressions move, and on what lies inside eyes and mouth."""
    figure = avatar.figure
    most = np.zeros(len(figure.vertices))
    for row in features[:: max(1, len(features) // 32)]:
        moved = figure.expression_directions @ row[: figure.expression_directions.shape[2]].astype(np.float32)
        most = np.maximum(most, np.linalg.norm(moved, axis=1))
    inner = [k for k, name in enumerate(figure.parts) if name in INNER]
    chosen = (most > LEAST_MOTION)[figure.faces].any(1) | np.isin(figure.face_parts, inner)
    return np.flatnonzero(chosen[avatar.triangles]).astype(np.int32)
