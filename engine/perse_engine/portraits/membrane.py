"""The smoothest field over a surface that is a grid, closed around, that meets wishes here and there: a thin plate."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_matrix, diags, vstack
from scipy.sparse.linalg import spsolve

STIFF = 0.013  # metres: what is narrower than this gives way
LEAST = 0.006  # metres between neighbours, as columns meet at the pole


class Membrane:
    """The plate over one surface, its matrices made once."""

    def __init__(self, surface: NDArray[np.floating]) -> None:
        """Measure the surface.

        Args:
            surface: (R, C, 3) metres; the last column repeats the first, the first row is the pole.
        """
        rows, columns = surface.shape[0], surface.shape[1] - 1
        self._shape = (rows, columns)
        points = np.asarray(surface[:, :-1], np.float64)
        around = np.maximum(np.linalg.norm(np.roll(points, -1, 1) - points, axis=-1), LEAST)
        down = np.maximum(np.linalg.norm(np.diff(points, axis=0), axis=-1), LEAST)
        step_around = (around + np.roll(around, 1, 1)) / 2
        step_down = np.concatenate([down[:1], (down[1:] + down[:-1]) / 2, down[-1:]])
        self._root_area = np.sqrt(step_around * step_down).reshape(-1)
        index = np.arange(rows * columns).reshape(rows, columns)
        bending = [_second(index, np.roll(index, 1, 1), np.roll(index, -1, 1), step_around)]
        # past the pole a column goes on at the other side
        up = np.concatenate([np.roll(index[1:2], columns // 2, 1), index[:-1]])
        inner = slice(0, rows - 1)
        bending.append(_second(index[inner], up[inner], np.roll(index, -1, 0)[inner], step_down[inner]))
        stiff = diags(np.concatenate([self._root_area, self._root_area[: bending[1].shape[0]]]))
        plate = stiff @ (STIFF**2 * vstack(bending))
        self._normal = (plate.T @ plate).tocsc()

    def settle(self, wanted: NDArray[np.floating], weight: NDArray[np.floating]) -> NDArray[np.float64]:
        """(R, C) the field nearest to `wanted` (R, C), where and as much as `weight` (R, C) says."""
        rows, columns = self._shape
        pull = (weight[:, :-1].reshape(-1) + 1e-6) * self._root_area**2
        solved = spsolve(self._normal + diags(pull).tocsc(), pull * wanted[:, :-1].reshape(-1))
        field = solved.reshape(rows, columns)
        field[0] = field[0].mean()
        return np.concatenate([field, field[:, :1]], 1)


def _second(
    here: NDArray[np.integer], before: NDArray[np.integer], after: NDArray[np.integer], step: NDArray[np.float64]
) -> csc_matrix:
    """(n, N) second differences of neighbours, per square metre."""
    count = here.size
    row = np.tile(np.arange(count), 3)
    column = np.concatenate([before.reshape(-1), here.reshape(-1), after.reshape(-1)])
    scale = 1 / step.reshape(-1) ** 2
    value = np.concatenate([scale, -2 * scale, scale])
    size = int(max(here.max(), before.max(), after.max())) + 1
    return csc_matrix((value, (row, column)), shape=(count, size))
