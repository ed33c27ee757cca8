"""`picture_loss` on a CPU: the loss and its slopes in one go, as torch would take a fifth of a step for them.

Slopes are worked out by hand and tested against torch's own. Rows are shared out among the threads and summed in their
order, so that the same pictures give the same loss, to the last bit, on however many.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from perse_engine.training.losses import C1, C2, LEVELS, MATTE, PYRAMID, STRIDE, STRUCTURE, WINDOW

Floats = NDArray[np.float32]
Ints = NDArray[np.intp]

STEADY1, STEADY2 = np.float32(C1), np.float32(C2)
CELLS = WINDOW // STRIDE
"""Cells of `STRIDE` pixels along the side of a window of SSIM."""


def fused_picture_loss(color: Tensor, alpha: Tensor, target: Tensor, matte: Tensor, weights: Tensor) -> Tensor:
    """What `losses.picture_loss` gives, with slopes to `color` and `alpha` only; float32 on a CPU."""
    loss: Tensor = _PictureLoss.apply(color, alpha, target, matte, weights)
    return loss


class _PictureLoss(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, color: Tensor, alpha: Tensor, target: Tensor, matte: Tensor, weights: Tensor) -> Tensor:
        arrays = [np.ascontiguousarray(t.detach().numpy()) for t in (color, alpha, target, matte, weights)]
        value, to_color, to_alpha = loss_and_slopes(*arrays)
        ctx.slopes = torch.from_numpy(to_color), torch.from_numpy(to_alpha)
        return torch.tensor(value)

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor | None, ...]:
        (slope,) = slopes
        to_color, to_alpha = ctx.slopes
        return to_color * slope, to_alpha * slope, None, None, None


def loss_and_slopes(
    color: Floats, alpha: Floats, target: Floats, matte: Floats, weights: Floats
) -> tuple[np.float32, Floats, Floats]:
    """The loss of a picture (H, W, 3), arguments as in `picture_loss`, and its slopes in (H, W, 3) and alpha (H, W)."""
    wrong, to_alpha, sums = np.empty_like(color), np.empty_like(alpha), np.empty((len(color), 2))
    _differences(color, alpha, target, matte, weights, np.float32(MATTE / alpha.size), wrong, to_alpha, sums)
    absolute, off = sums.sum(0) / (color.size, alpha.size)
    apart, to_wrong = _pyramid(wrong)
    dissimilar, to_color = _dissimilarity(color, target, weights)
    _gather(wrong, weights, to_wrong, np.float32((1 - STRUCTURE) / color.size), to_color)
    value = (1 - STRUCTURE) * absolute + STRUCTURE * dissimilar + PYRAMID * apart + MATTE * off
    return np.float32(value), to_color, to_alpha


def _pyramid(wrong: Floats) -> tuple[float, Floats]:
    """`pyramid_difference` of (H, W, 3), and its slopes times `PYRAMID`."""
    levels, slopes, total = [wrong], [], 0.0
    while len(levels) <= LEVELS and min(levels[-1].shape[:2]) >= 4:
        fine = levels[-1]
        coarse, sums = np.empty((fine.shape[0] // 2, fine.shape[1] // 2, 3), np.float32), np.empty(fine.shape[0])
        _halve(fine, coarse)
        slope = np.empty_like(fine)
        rows, columns = (_between(fine.shape[k], coarse.shape[k]) for k in (0, 1))
        _residual(fine, coarse, *rows, *columns, np.float32(PYRAMID / fine.size), slope, sums)
        total += sums.sum() / fine.size
        levels.append(coarse)
        slopes.append(slope)
    last = levels[-1]
    total += float(np.abs(last).mean(dtype=np.float64))
    below = np.sign(last) * np.float32(PYRAMID / last.size)
    for fine, slope in zip(levels[-2::-1], slopes[::-1], strict=True):
        rows, columns = (_between(fine.shape[k], below.shape[k]) for k in (0, 1))
        narrow = np.zeros((fine.shape[0], below.shape[1], 3), np.float32)
        _squeeze(slope, *columns, narrow)
        _carry(narrow, *rows, below, slope)
        below = slope
    return total, below


def _between(fine: int, coarse: int) -> tuple[Ints, Floats]:
    """Of `fine` samples the coarse one (n,) before each, and how far towards the next (n,) it lies, as torch does."""
    place = np.maximum((np.arange(fine) + 0.5) * (coarse / fine) - 0.5, 0)
    first = np.minimum(place.astype(np.intp), coarse - 1)
    return first, np.where(first < coarse - 1, place - first, 0).astype(np.float32)


def _dissimilarity(color: Floats, target: Floats, weights: Floats) -> tuple[float, Floats]:
    """One minus `structural_similarity`, and its slopes (H, W, 3) times `STRUCTURE`."""
    rows, columns = (side // STRIDE for side in weights.shape)
    across, down = columns - CELLS + 1, rows - CELLS + 1
    slopes = np.zeros_like(color)
    if across < 1 or down < 1:
        return 0.0, slopes
    cells = np.empty((rows, columns, 16), np.float32)
    _cells(color, target, weights, cells)
    windows, sums = np.empty((down, across, 9), np.float32), np.empty(down)
    boxes = 3 * down * across
    _windows(cells, np.float32(STRUCTURE / boxes / WINDOW**2), windows, sums)
    _spread(color, target, windows, slopes)
    return float(sums.sum() / boxes), slopes


@numba.njit(parallel=True, cache=True, nogil=True, error_model="numpy")
def _differences(
    color: Floats,
    alpha: Floats,
    target: Floats,
    matte: Floats,
    weights: Floats,
    unit: np.float32,
    wrong: Floats,
    to_alpha: Floats,
    sums: NDArray[np.float64],
) -> None:
    for y in numba.prange(color.shape[0]):
        absolute, off = 0.0, 0.0
        for x in range(color.shape[1]):
            weight = weights[y, x]
            for c in range(3):
                value = (color[y, x, c] - target[y, x, c]) * weight
                wrong[y, x, c] = value
                absolute += abs(value)
            value = (alpha[y, x] - matte[y, x]) * weight
            off += abs(value)
            to_alpha[y, x] = np.sign(value) * weight * unit
        sums[y, 0], sums[y, 1] = absolute, off


@numba.njit(parallel=True, cache=True, nogil=True, error_model="numpy")
def _halve(fine: Floats, coarse: Floats) -> None:
    quarter = np.float32(0.25)
    for y in numba.prange(coarse.shape[0]):
        for x in range(coarse.shape[1]):
            for c in range(3):
                above = fine[2 * y, 2 * x, c] + fine[2 * y, 2 * x + 1, c]
                coarse[y, x, c] = quarter * (above + fine[2 * y + 1, 2 * x, c] + fine[2 * y + 1, 2 * x + 1, c])


@numba.njit(parallel=True, cache=True, nogil=True, error_model="numpy")
def _residual(
    fine: Floats,
    coarse: Floats,
    rows: Ints,
    down: Floats,
    columns: Ints,
    right: Floats,
    unit: np.float32,
    slope: Floats,
    sums: NDArray[np.float64],
) -> None:
    """What is left of `fine` without the enlarged `coarse`: sums of its absolute values, and their slopes in it."""
    one = np.float32(1)
    last_row, last_column = coarse.shape[0] - 1, coarse.shape[1] - 1
    for y in numba.prange(fine.shape[0]):
        j, q, total = rows[y], down[y], 0.0
        j1 = min(j + 1, last_row)
        for x in range(fine.shape[1]):
            i, p = columns[x], right[x]
            i1 = min(i + 1, last_column)
            for c in range(3):
                above = (one - p) * coarse[j, i, c] + p * coarse[j, i1, c]
                under = (one - p) * coarse[j1, i, c] + p * coarse[j1, i1, c]
                value = fine[y, x, c] - ((one - q) * above + q * under)
                total += abs(value)
                slope[y, x, c] = np.sign(value) * unit
        sums[y] = total


@numba.njit(parallel=True, cache=True, nogil=True, error_model="numpy")
def _squeeze(slope: Floats, columns: Ints, right: Floats, narrow: Floats) -> None:
    """Give the slopes of an enlarged row (H, W, 3) back to what it was enlarged from (H, w, 3)."""
    one, last = np.float32(1), narrow.shape[1] - 1
    for y in numba.prange(slope.shape[0]):
        for x in range(slope.shape[1]):
            i, p = columns[x], right[x]
            i1 = min(i + 1, last)
            for c in range(3):
                narrow[y, i, c] += (one - p) * slope[y, x, c]
                narrow[y, i1, c] += p * slope[y, x, c]


@numba.njit(parallel=True, cache=True, nogil=True, error_model="numpy")
def _carry(narrow: Floats, rows: Ints, down: Floats, below: Floats, slope: Floats) -> None:
    """Take what was enlarged from `below`, and add what is left of its slopes to those of what it was halved from."""
    one, quarter = np.float32(1), np.float32(0.25)
    height, last = slope.shape[0], below.shape[0] - 1
    for j in numba.prange(below.shape[0]):
        for y in range(max(2 * j - 3, 0), min(2 * j + 6, height)):
            weight = np.float32(0)
            if rows[y] == j:
                weight += one - down[y]
            if min(rows[y] + 1, last) == j:
                weight += down[y]
            if weight > 0:
                for x in range(below.shape[1]):
                    for c in range(3):
                        below[j, x, c] -= weight * narrow[y, x, c]
    for j in numba.prange(below.shape[0]):
        for x in range(below.shape[1]):
            for c in range(3):
                value = quarter * below[j, x, c]
                slope[2 * j, 2 * x, c] += value
                slope[2 * j, 2 * x + 1, c] += value
                slope[2 * j + 1, 2 * x, c] += value
                slope[2 * j + 1, 2 * x + 1, c] += value


@numba.njit(parallel=True, cache=True, nogil=True, error_model="numpy")
def _cells(color: Floats, target: Floats, weights: Floats, cells: Floats) -> None:
    """Over each cell the sums of x, y, xx, yy and xy of three channels, and of the weights."""
    for j in numba.prange(cells.shape[0]):
        for i in range(cells.shape[1]):
            for k in range(16):
                cells[j, i, k] = 0
            for y in range(STRIDE * j, STRIDE * j + STRIDE):
                for x in range(STRIDE * i, STRIDE * i + STRIDE):
                    cells[j, i, 15] += weights[y, x]
                    for c in range(3):
                        a, b = color[y, x, c], target[y, x, c]
                        cells[j, i, 5 * c] += a
                        cells[j, i, 5 * c + 1] += b
                        cells[j, i, 5 * c + 2] += a * a
                        cells[j, i, 5 * c + 3] += b * b
                        cells[j, i, 5 * c + 4] += a * b


@numba.njit(parallel=True, cache=True, nogil=True, error_model="numpy")
def _windows(cells: Floats, unit: np.float32, windows: Floats, sums: NDArray[np.float64]) -> None:
    """For each window the slopes in the sums of x, xx and xy, by channel; for each row of them what they are worth."""
    share, one, two = np.float32(1 / WINDOW**2), np.float32(1), np.float32(2)
    for j in numba.prange(windows.shape[0]):
        total = 0.0
        means = np.empty(16, np.float32)
        for i in range(windows.shape[1]):
            for k in range(16):
                value = np.float32(0)
                for v in range(CELLS):
                    for u in range(CELLS):
                        value += cells[j + v, i + u, k]
                means[k] = value * share
            count = min(means[15], one)
            for c in range(3):
                x, y, xx, yy, xy = means[5 * c : 5 * c + 5]
                a, b = two * x * y + STEADY1, two * (xy - x * y) + STEADY2
                d, e = x * x + y * y + STEADY1, (xx - x * x) + (yy - y * y) + STEADY2
                similarity = a * b / (d * e)
                total += count * (one - similarity)
                slope = -count * unit
                to_a, to_b = slope * b / (d * e), slope * a / (d * e)
                to_d, to_e = -slope * similarity / d, -slope * similarity / e
                windows[j, i, 3 * c] = two * (y * (to_a - to_b) + x * (to_d - to_e))
                windows[j, i, 3 * c + 1] = to_e
                windows[j, i, 3 * c + 2] = two * to_b
        sums[j] = total


@numba.njit(parallel=True, cache=True, nogil=True, error_model="numpy")
def _spread(color: Floats, target: Floats, windows: Floats, slopes: Floats) -> None:
    """Give each pixel the slopes of all windows around it."""
    down, across = windows.shape[:2]
    for j in numba.prange(down + CELLS - 1):
        around = np.empty(9, np.float32)
        for i in range(across + CELLS - 1):
            around[:] = 0
            for v in range(max(j - CELLS + 1, 0), min(j + 1, down)):
                for u in range(max(i - CELLS + 1, 0), min(i + 1, across)):
                    for k in range(9):
                        around[k] += windows[v, u, k]
            for y in range(STRIDE * j, STRIDE * j + STRIDE):
                for x in range(STRIDE * i, STRIDE * i + STRIDE):
                    for c in range(3):
                        a, b = color[y, x, c], target[y, x, c]
                        slopes[y, x, c] = around[3 * c] + np.float32(2) * a * around[3 * c + 1] + b * around[3 * c + 2]


@numba.njit(parallel=True, cache=True, nogil=True, error_model="numpy")
def _gather(wrong: Floats, weights: Floats, to_wrong: Floats, unit: np.float32, to_color: Floats) -> None:
    """Add the slopes of the plain difference and of the pyramid to those in `to_color`."""
    for y in numba.prange(wrong.shape[0]):
        for x in range(wrong.shape[1]):
            for c in range(3):
                to_color[y, x, c] += weights[y, x] * (np.sign(wrong[y, x, c]) * unit + to_wrong[y, x, c])
