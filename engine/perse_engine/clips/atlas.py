"""The texture atlas: the head's own texture at the left, hair and what is put on at the right."""

from __future__ import annotations

import dataclasses

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


@dataclasses.dataclass(frozen=True)
class Atlas:
    """Where the tiles are. Every tile of what is put on is divisible by four, so that its mip levels do not mix."""

    width: int
    height: int
    head: Tile
    hair: Tile
    hat: Tile
    glasses: Tile
    lenses: Tile

    def place(self, tile: Tile, uv: Floats) -> Floats:
        """(T, 2) coordinates in [0, 1] of a tile, v up, as coordinates of the atlas."""
        size = np.array([self.width, self.height], np.float32)
        corner = np.array([tile.x, self.height - tile.y - tile.height], np.float32)
        return ((uv * [tile.width, tile.height] + corner) / size).astype(np.float32)


def layout(side: int) -> Atlas:
    """The atlas for a head texture of `side` x `side` texels, a multiple of 32."""
    half, quarter = side // 2, side // 4
    return Atlas(
        width=side + half,
        height=side,
        head=Tile(0, 0, side, side),
        hair=Tile(side, 0, half, half),
        hat=Tile(side, half, half, quarter),
        glasses=Tile(side, half + quarter, quarter, quarter // 2),
        lenses=Tile(side + quarter, half + quarter, quarter, quarter // 2),
    )
