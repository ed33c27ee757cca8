"""Adam for many rows of which few are seen: a row without a gradient is left alone, moments and all.

Kingma and Ba 2015; rows as in the selective Adam of Mallick et al., "Taming 3DGS", 2024. There is no bias correction:
from zero moments the first step has the length of the learning rate, which is what a row seen for the first time needs.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

MEAN_DECAY, SQUARE_DECAY = np.float32(0.9), np.float32(0.99)
TINY = np.float32(1e-16)
FAINT = np.float32(0.05)
"""Of the mean of the gradients that are not zero: what is less counts as unseen. Adam divides by a gradient's size, so
what shows through a gap only, say the far side of a head, would else move as fast as what is looked at, at random."""


@dataclasses.dataclass(frozen=True, eq=False)
class Moments:
    """Running mean and mean square of the gradients of one array of rows (n, c)."""

    mean: Floats
    square: Floats


def fresh_moments(rows: int, columns: int) -> Moments:
    """Moments of gradients that were never seen."""
    return Moments(np.zeros((rows, columns), np.float32), np.zeros((rows, columns), np.float32))


def adam_step(
    values: Floats, gradients: Floats, moments: Moments, anchors: Floats, rate: float, pull: float, rows: slice
) -> None:
    """Move the `rows` of `values` (n, c) in place.

    Args:
        values, gradients, anchors: (n, c).
        rate: learning rate.
        pull: share of the way to its anchor that a row which was seen is drawn each step.
        rows: which of them may move; those whose gradient is faint do not.
    """
    _step(
        values,
        gradients,
        moments.mean,
        moments.square,
        anchors,
        np.float32(rate),
        np.float32(pull),
        FAINT * _usual(gradients, rows.start, rows.stop),
        rows.start,
        rows.stop,
    )


@numba.njit(fastmath=True, cache=True, nogil=True)
def _usual(gradients: Floats, start: int, stop: int) -> np.float32:
    """The mean over rows of the largest gradient in each, rows without any left out; in one thread, so always alike."""
    total, count = 0.0, 0
    for i in range(start, stop):
        largest: Any = np.float32(0.0)
        for c in range(gradients.shape[1]):
            largest = max(largest, abs(gradients[i, c]))
        if largest > np.float32(0.0):
            total += float(largest)
            count += 1
    return np.float32(total / max(count, 1))


@numba.njit(parallel=True, fastmath=True, cache=True, nogil=True)
def _step(
    values: Floats,
    gradients: Floats,
    means: Floats,
    squares: Floats,
    anchors: Floats,
    rate: np.float32,
    pull: np.float32,
    least: np.float32,
    start: int,
    stop: int,
) -> None:
    one = np.float32(1.0)
    for i in numba.prange(start, stop):
        seen = False
        for c in range(values.shape[1]):
            if abs(gradients[i, c]) > least:
                seen = True
        if not seen:
            continue
        for c in range(values.shape[1]):
            gradient = gradients[i, c]
            mean = MEAN_DECAY * means[i, c] + (one - MEAN_DECAY) * gradient
            square = SQUARE_DECAY * squares[i, c] + (one - SQUARE_DECAY) * gradient * gradient
            means[i, c], squares[i, c] = mean, square
            moved = values[i, c] - rate * mean / (math.sqrt(square) + TINY)
            values[i, c] = moved + pull * (anchors[i, c] - moved)
