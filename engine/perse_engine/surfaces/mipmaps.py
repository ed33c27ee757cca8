"""A texture at several sizes, so that what is small in the picture is read from a small copy.

Sixteen bits a channel are finer than what is painted and what is seen, halve what a frame reads from memory, and let a
repainted texel give the same bytes as a texture made anew.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

FULL = 65535
MOST_LEVELS = 3
LEAST_SIDE = 64
"""Texels of the shorter side from which a level is halved once more."""


@dataclasses.dataclass(frozen=True, eq=False)
class Mipmap:
    """A texture made ready once, to be drawn many times.

    Attributes:
        texels: (n, 4) uint16 premultiplied, `FULL` is 1; the levels one after another, each row by row.
        sizes: (L, 2) int64 height and width of each level, each half of the one before.
        offsets: (L,) int64 where each level starts.
    """

    texels: NDArray[np.uint16]
    sizes: NDArray[np.int64]
    offsets: NDArray[np.int64]

    def alpha(self, level: int) -> NDArray[np.uint16]:
        """(h, w) the alpha of one level."""
        rows, columns = self.sizes[level]
        start = self.offsets[level]
        return self.texels[start : start + rows * columns, 3].reshape(rows, columns)


def mipmap(texture: NDArray[np.floating]) -> Mipmap:
    """The mip levels of a texture (h, w, 3) or (h, w, 4), sRGB and straight alpha in [0, 1]."""
    height, width, channels = texture.shape
    sizes = [(height, width)]
    while len(sizes) < MOST_LEVELS and min(sizes[-1]) >= LEAST_SIDE and not any(n % 2 for n in sizes[-1]):
        sizes.append((sizes[-1][0] // 2, sizes[-1][1] // 2))
    counts = np.array([h * w for h, w in sizes], np.int64)
    offsets = np.cumsum(counts) - counts
    texels = np.empty((int(counts.sum()), 4), np.uint16)
    made = Mipmap(texels, np.array(sizes, np.int64), offsets)
    _premultiply(np.ascontiguousarray(texture, np.float32).reshape(-1, channels), texels)
    for level in range(1, len(sizes)):
        _reduce(texels, made.sizes, offsets, level, np.ones(counts[level], np.bool_))
    return made


def repainted(texture: Mipmap, where: NDArray[np.integer], color: NDArray[np.floating]) -> Mipmap:
    """A copy of `texture` with other texels: what `mipmap` makes of the texture that has them.

    Args:
        where: (M,) row-major texels of the finest level; one may occur more than once.
        color: (h w, 4) float32 sRGB and straight alpha in [0, 1], of which only those texels are looked at.
    """
    texels = texture.texels.copy()
    _repaint(texels, where, color)
    below = where
    for level in range(1, len(texture.sizes)):
        dirty = np.zeros(int(texture.sizes[level].prod()), np.bool_)
        _mark(below, texture.sizes[level - 1, 1], dirty)
        _reduce(texels, texture.sizes, texture.offsets, level, dirty)
        below = np.flatnonzero(dirty)
    return Mipmap(texels, texture.sizes, texture.offsets)


@njit(cache=True, parallel=True)
def _premultiply(color: NDArray, texels: NDArray) -> None:
    for m in prange(color.shape[0]):
        alpha = color[m, 3] if color.shape[1] > 3 else np.float32(1)
        for c in range(3):
            texels[m, c] = _sixteen_bits(color[m, c] * alpha)
        texels[m, 3] = _sixteen_bits(alpha)


@njit(cache=True, parallel=True)
def _repaint(texels: NDArray, where: NDArray, color: NDArray) -> None:
    for m in prange(where.shape[0]):
        k = where[m]
        alpha = color[k, 3]
        for c in range(3):
            texels[k, c] = _sixteen_bits(color[k, c] * alpha)
        texels[k, 3] = _sixteen_bits(alpha)


@njit(cache=True, inline="always")
def _sixteen_bits(value: np.float32) -> np.uint16:
    return np.uint16(min(max(value, np.float32(0)), np.float32(1)) * np.float32(FULL) + np.float32(0.5))


@njit(cache=True, parallel=True)
def _mark(where: NDArray, columns: int, dirty: NDArray) -> None:
    """Set the texels of the next level above `where`, texels of a level of so many `columns`."""
    for m in prange(where.shape[0]):
        row, column = where[m] // columns, where[m] % columns
        dirty[(row // 2) * (columns // 2) + column // 2] = True


@njit(cache=True, parallel=True)
def _reduce(texels: NDArray, sizes: NDArray, offsets: NDArray, level: int, dirty: NDArray) -> None:
    """Average the level below into the `dirty` texels of `level`."""
    rows, columns = sizes[level, 0], sizes[level, 1]
    base, fine, wide = offsets[level], offsets[level - 1], sizes[level - 1, 1]
    for y in prange(rows):
        for x in range(columns):
            if dirty[y * columns + x]:
                k = fine + 2 * y * wide + 2 * x
                for c in range(4):
                    total = np.uint32(texels[k, c]) + texels[k + 1, c] + texels[k + wide, c] + texels[k + wide + 1, c]
                    texels[base + y * columns + x, c] = np.uint16((total + 2) // 4)
