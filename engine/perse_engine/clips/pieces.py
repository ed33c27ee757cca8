"""What a category adds to the figure: meshes of their own, each with a tile of the atlas."""

from __future__ import annotations

import dataclasses

import numpy as np

from perse_engine.clips.meshes import Accessory, Floats
from perse_engine.heads.head import NECK


@dataclasses.dataclass(frozen=True, eq=False)
class Piece:
    """A mesh that a category's styles share. V vertices.

    Attributes:
        name: of the figure's part and of the atlas's tile.
        mesh: in every style of the category, and where it waits, invisible, before it is put on.
        weights: (V, 5) skinning weights.
        expressions: (V, 3, E) how the head's expressions move it, added per unit; None where they do not.
    """

    name: str
    mesh: Accessory
    weights: Floats
    expressions: Floats | None = None


def rigid(name: str, mesh: Accessory) -> Piece:
    """A piece that follows the skull."""
    skull = np.zeros(5, np.float32)
    skull[NECK] = 1
    return Piece(name, mesh, np.tile(skull, (len(mesh.bind), 1)))
