"""Which faces show which texels: what a style can change of a picture, found before it is drawn."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CELL = 4
"""Texels of the finest level along a side of a texel of the coarsest; the atlas is looked at in cells of this size."""
SLACK = 1e-3
"""Cells by which rounding may move what a face reads."""

Cells = NDArray[np.int64]
"""(F, 4) for each face the cells (left, top, right, bottom) about it, half open."""


def cells_of(uv: NDArray[np.floating], uv_faces: NDArray[np.integer], shape: tuple[int, int], margin: float) -> Cells:
    """The cells of an atlas of `shape` texels that a face covers, `margin` cells more on every side."""
    rows, columns = shape[0] // CELL, shape[1] // CELL
    corners = uv[uv_faces].astype(np.float64)
    x, y = corners[..., 0] * columns, (1 - corners[..., 1]) * rows
    # at least one cell, the one that holds the face
    left, top = np.floor(x.min(1) - margin + SLACK), np.floor(y.min(1) - margin + SLACK)
    right, bottom = np.ceil(x.max(1) + margin - SLACK), np.ceil(y.max(1) + margin - SLACK)
    left, right = np.clip(left, 0, columns - 1), np.clip(right, 1, columns)
    top, bottom = np.clip(top, 0, rows - 1), np.clip(bottom, 1, rows)
    return np.stack([left, top, np.maximum(right, left + 1), np.maximum(bottom, top + 1)], -1).astype(np.int64)


def marked(texels: NDArray[np.integer], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """(h, w) the cells of an atlas of `shape` in which any of `texels`, row-major, lies."""
    cells = np.zeros((shape[0] // CELL, shape[1] // CELL), np.bool_)
    cells[texels // (shape[1] * CELL), texels % shape[1] // CELL] = True
    return cells


def shows(cells: NDArray[np.bool_], faces: Cells) -> NDArray[np.bool_]:
    """(F,) does any marked cell lie about a face? By a summed-area table (Crow 1984)."""
    table = np.zeros((cells.shape[0] + 1, cells.shape[1] + 1), np.int32)
    table[1:, 1:] = cells.cumsum(0, dtype=np.int32).cumsum(1, dtype=np.int32)
    left, top, right, bottom = faces.T
    counts: NDArray[np.int32] = table[bottom, right] - table[top, right] - table[bottom, left] + table[top, left]
    return counts > 0
