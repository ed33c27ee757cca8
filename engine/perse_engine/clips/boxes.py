"""The part of a frame that differs from the frame below it, from which the rest is inherited."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Box = tuple[int, int, int, int]
"""x, y, width and height in pixels."""


def box_of(spans: NDArray[np.int32]) -> Box:
    """The smallest box about spans (H, 2), columns of each row, half open; one pixel where they are empty."""
    rows = np.flatnonzero(spans[:, 0] < spans[:, 1])
    if not len(rows):
        return 0, 0, 1, 1
    left, right = int(spans[rows, 0].min()), int(spans[rows, 1].max())
    return left, int(rows[0]), right - left, int(rows[-1] - rows[0]) + 1


def window(box: Box) -> tuple[slice, slice]:
    """Rows and columns of a box."""
    x, y, width, height = box
    return slice(y, y + height), slice(x, x + width)


def within(spans: NDArray[np.int32], box: Box) -> NDArray[np.bool_]:
    """(height, width) which pixels of a box lie in the spans."""
    rows, columns = window(box)
    x = np.arange(columns.start, columns.stop)
    return np.asarray((x >= spans[rows, :1]) & (x < spans[rows, 1:]))


def pasted(below: Bytes, patch: Bytes, box: Box) -> Bytes:
    """`below` with `patch` in the place of `box`."""
    whole = below.copy()
    whole[window(box)] = patch
    return whole
