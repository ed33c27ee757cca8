"""Blendshapes kept only where they move something: most styles and expressions move a small part of a figure."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perse_engine.heads.head import Ints


@dataclasses.dataclass(frozen=True, eq=False)
class Moves:
    """K blendshapes of S moved vertices in all; those of shape k are starts[k] to starts[k + 1].

    Attributes:
        starts: (K + 1,) int32, ascending from 0 to S.
        vertices: (S,) int32, strictly ascending within a shape.
        moves: (S, 3) metres per unit, as precise as the directions that they come from.
    """

    starts: Ints
    vertices: Ints
    moves: NDArray[Any]


def moves_of(directions: NDArray[Any]) -> Moves:
    """What of `directions` (V, 3, K) is not zero."""
    shapes, vertices = np.nonzero(directions.any(1).T)
    starts = np.searchsorted(shapes, np.arange(directions.shape[2] + 1)).astype(np.int32)
    return Moves(starts, vertices.astype(np.int32), np.ascontiguousarray(directions[vertices, :, shapes]))


def directions_of(moves: Moves, count: int) -> NDArray[np.float32]:
    """The (V, 3, K) directions of a figure with `count` vertices."""
    shapes = np.repeat(np.arange(len(moves.starts) - 1), np.diff(moves.starts))
    directions = np.zeros((count, 3, len(moves.starts) - 1), np.float32)
    directions[moves.vertices, :, shapes] = moves.moves
    return directions
