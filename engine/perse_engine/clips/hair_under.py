"""Hair under what is worn: pressed down where a piece lies on it."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from perse_engine.clips.canvas import Canvas
from perse_engine.clips.colors import Floats
from perse_engine.clips.wardrobe import LEAST_MOVE


def tucked_under(
    canvas: Canvas, placed: Floats, piece: Floats, inward: Floats, clearance: float, depth: float, reach: float
) -> None:
    """Move the hair of `placed` (V, 3), in place, to where it lies at least `clearance` metres below a piece.

    Args:
        canvas: says which vertices are hair.
        placed: the figure's vertices as the style has placed them so far.
        piece: (P, 3) the side of the piece that lies on the hair; `inward` (P, 3) unit length, towards the head.
        depth: hair further than this above the piece stays as it is, metres.
        reach: distance along the piece from which hair begins to give way, metres.
    """
    hair = np.flatnonzero(canvas.part_vertices("hair"))
    distance, index = cKDTree(piece).query(placed[hair], distance_upper_bound=depth + reach)
    near = np.isfinite(distance)
    hair, index = hair[near], index[near]
    if not len(hair):
        return
    offset = placed[hair] - piece[index]
    below = np.einsum("nc,nc->n", offset, inward[index])
    aside = np.linalg.norm(offset - below[:, None] * inward[index], axis=1)
    pressed = np.where(below > -depth, np.maximum(clearance - below, 0), 0)
    share = np.clip(1 - aside / reach, 0, 1)
    pressed *= share * share * (3 - 2 * share)
    placed[hair] += pressed[:, None] * inward[index]


def moves(canvas: Canvas, placed: Floats) -> Floats:
    """(V, 3) what takes the canvas's figure to `placed` (V, 3), exactly zero where it is next to nothing."""
    move = placed - canvas.figure.vertices
    move[np.linalg.norm(move, axis=1) < LEAST_MOVE] = 0
    return move.astype(np.float32)


def with_piece(canvas: Canvas, part: str, vertices: Floats) -> Floats:
    """(V, 3) the canvas's figure with the vertices of `part` as worn."""
    placed = canvas.figure.vertices.copy()
    placed[canvas.part_vertices(part)] = vertices
    return placed
