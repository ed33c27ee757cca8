"""Hair under what is worn: pressed down where a piece lies on it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from perse_engine.clips.canvas import Canvas
from perse_engine.clips.hair_shapes import SHEETS
from perse_engine.clips.wardrobe import LEAST_MOVE
from perse_engine.surfaces.colors import Floats

LAYERED = 4e-3
"""Metres in which pressed layers of hair lie."""
PLATEAU = 6e-3
"""Metres beside a piece over which hair is pressed as much as under it."""


def tucked_under(
    canvas: Canvas,
    placed: Floats,
    piece: Floats,
    inward: Floats,
    clearance: float,
    depth: float,
    reach: float,
    *,
    hairdos: bool = True,
) -> None:
    """Move the hair of `placed` (V, 3), in place, to where it lies at least `clearance` metres below a piece.

    Args:
        canvas: says which vertices are hair.
        placed: the figure's vertices as the style has placed them so far.
        piece: (P, 3) the side of the piece that lies on the hair; `inward` (P, 3) unit length, towards the head.
        depth: hair further than this above the piece stays as it is, metres.
        reach: distance along the piece from which hair begins to give way, metres.
        hairdos: press what other hairdos show too, not only the photo's own hair.
    """
    tree = cKDTree(piece)
    hair = np.flatnonzero(canvas.part_vertices("hair"))
    placed[hair] += _pressed(tree, placed[hair], inward, clearance, depth, reach)
    if hairdos and len(canvas.hairdos):
        # one move must do for all hairdos, and for all their sheets, lest one come through another: the largest
        locks = np.flatnonzero(canvas.part_vertices("locks"))
        presses = np.stack([_pressed(tree, hairdo, inward, clearance, depth, reach) for hairdo in canvas.hairdos])
        each = presses.reshape(len(presses) * SHEETS, -1, 3)
        most = np.linalg.norm(each, axis=-1).argmax(0)
        placed[locks] += np.tile(each[most, np.arange(each.shape[1])], (SHEETS, 1))


def _pressed(
    tree: cKDTree, points: Floats, inward: Floats, clearance: float, depth: float, reach: float
) -> NDArray[np.float32]:
    """(n, 3) what takes `points` (n, 3) below the piece of `tree`."""
    move = np.zeros(points.shape, np.float32)
    distance, index = tree.query(points, distance_upper_bound=depth + reach)
    near = np.flatnonzero(np.isfinite(distance))
    index = index[near]
    offset = points[near] - tree.data[index]
    below = np.einsum("nc,nc->n", offset, inward[index])
    aside = np.linalg.norm(offset - below[:, None] * inward[index], axis=1)
    # what lies deeper in the hair stays deeper, so that its layers do not come through each other
    free = clearance + LAYERED
    target = clearance + (below + depth) * (LAYERED / (free + depth))
    pressed = np.where((below > -depth) & (below < free), target - below, 0)
    share = np.clip(1 - (aside - PLATEAU) / reach, 0, 1)
    move[near] = (pressed * share * share * (3 - 2 * share))[:, None] * inward[index]
    return move


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
