"""The texture atlas: the head's own texture at the left, hair and what is put on at the right."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclasses.dataclass(frozen=True)
class Tile:
    """A rectangle of the atlas, texels from its upper left corner."""

    x: int
    y: int
    width: int
    height: int

    def slices(self) -> tuple[slice, slice]:
        """Rows and columns."""
        return slice(self.y, self.y + self.height), slice(self.x, self.x + self.width)


HEAD, HAIR = "head", "hair"

PLAN: Mapping[str, tuple[int, int, int, int]] = {
    HEAD: (0, 0, 32, 32),
    HAIR: (32, 0, 16, 16),
    "locks": (48, 0, 16, 16),
    "clothes": (32, 16, 16, 12),
    "whiskers": (32, 28, 16, 4),
    "hat": (48, 16, 16, 8),
    "glasses": (48, 24, 8, 4),
    "lenses": (56, 24, 8, 4),
    "earrings": (48, 28, 8, 4),
    "headphones": (56, 28, 8, 4),
}
"""x, y, width and height of each tile, in 32nds of the head texture's side."""


@dataclasses.dataclass(frozen=True)
class Atlas:
    """Where the tiles are, by name. Every tile is divisible by four, so that its mip levels do not mix."""

    width: int
    height: int
    tiles: Mapping[str, Tile]

    def place(self, name: str, uv: Floats) -> Floats:
        """(T, 2) coordinates in [0, 1] of a tile, v up, as coordinates of the atlas."""
        tile = self.tiles[name]
        size = np.array([self.width, self.height], np.float32)
        corner = np.array([tile.x, self.height - tile.y - tile.height], np.float32)
        return ((uv * [tile.width, tile.height] + corner) / size).astype(np.float32)


def layout(side: int, more: Sequence[str] = ()) -> Atlas:
    """The atlas for a head texture of `side` x `side` texels, a multiple of 32, with a tile for each name of `more`."""
    unit = side // 32
    plan = dict(PLAN)
    plan |= {name: (16 * (k % 4), 32 + 16 * (k // 4), 16, 16) for k, name in enumerate(more)}
    height = side + 16 * unit * -(-len(more) // 4)
    return Atlas(2 * side, height, {name: Tile(*(unit * n for n in box)) for name, box in plan.items()})
