"""Expression correctives: what this person's face does beyond the head model, as footage of it shows.

A few drivers are mixed from the expression coefficients and the jaw; each Gaussian of the face has an offset and a
tint for every driver. Drivers stop at the range that was trained, and are zero at rest, so nothing can explode and a
face without expression is as it was.
"""

from __future__ import annotations

import dataclasses

import cv2
import numba
import numpy as np
from numpy.typing import NDArray

from perse_engine.avatars.state import AvatarState
from perse_engine.avatars.styles import expression_weights
from perse_engine.heads.head import JAW, NECK

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]


@dataclasses.dataclass(frozen=True, eq=False)
class Correctives:
    """D drivers that correct C Gaussians; none where an avatar was built from a photograph alone.

    Attributes:
        mixing: (D, E + 3) drivers per unit of each expression and of the jaw's axis-angle.
        low, high: (D,) the trained range; low <= 0 <= high.
        gaussians: (C,) int32, strictly ascending.
        offsets: (C, D, 3) metres per unit of a driver, bind axes, added to a Gaussian's offset.
        colors: (C, D, 3) sRGB per unit of a driver, added to its colour before any style paints.
    """

    mixing: Floats
    low: Floats
    high: Floats
    gaussians: Ints
    offsets: Floats
    colors: Floats

    def drivers(self, names: tuple[str, ...], state: AvatarState) -> Floats:
        """(D,) at the expressions of `state`, whose names are `names`.

        Raises:
            InputError: unknown-slider, not-a-number.
        """
        if not len(self.mixing):
            return self.low
        return np.clip(self.mixing @ expression_features(names, state), self.low, self.high).astype(np.float32)


def no_correctives() -> Correctives:
    """None at all."""
    empty = np.zeros(0, np.float32)
    rows = np.zeros((0, 0, 3), np.float32)
    return Correctives(np.zeros((0, 0), np.float32), empty, empty, np.zeros(0, np.int32), rows, rows)


def expression_features(names: tuple[str, ...], state: AvatarState) -> Floats:
    """(E + 3,) the expression coefficients of `state`, then the jaw's axis-angle relative to the neck.

    Raises:
        InputError: unknown-slider, not-a-number.
    """
    jaw = state.pose[JAW]
    if state.transforms is not None:
        neck, turned = (np.asarray(state.transforms[joint][:3, :3], np.float64) for joint in (NECK, JAW))
        jaw = cv2.Rodrigues(neck.T @ turned)[0].ravel()
    return np.concatenate([expression_weights(names, state.sliders), jaw]).astype(np.float32)


def correct(correctives: Correctives, drivers: Floats, colors: Floats, offsets: Floats) -> None:
    """Add what `drivers` (D,) ask for to `colors` (N, 3), which stay in [0, 1], and `offsets` (N, 3), in place."""
    if drivers.any():
        _correct(correctives.gaussians, drivers, correctives.colors, correctives.offsets, colors, offsets)


def correct_backward(
    correctives: Correctives, drivers: Floats, to_colors: Floats, to_offsets: Floats
) -> tuple[Floats, Floats]:
    """Gradients of the correctives' offsets and colors, (C, D, 3), from those of the corrected (N, 3) arrays."""
    offsets, colors = np.zeros_like(correctives.offsets), np.zeros_like(correctives.colors)
    if drivers.any():
        _correct_backward(correctives.gaussians, drivers, to_colors, to_offsets, colors, offsets)
    return offsets, colors


@numba.njit(parallel=True, fastmath=True, cache=True, nogil=True)
def _correct(gaussians: Ints, drivers: Floats, tints: Floats, shifts: Floats, colors: Floats, offsets: Floats) -> None:
    for n in numba.prange(gaussians.shape[0]):
        i = gaussians[n]
        for c in range(3):
            tint, shift = np.float32(0.0), np.float32(0.0)
            for d in range(drivers.shape[0]):
                tint += drivers[d] * tints[n, d, c]
                shift += drivers[d] * shifts[n, d, c]
            colors[i, c] = min(max(colors[i, c] + tint, np.float32(0.0)), np.float32(1.0))
            offsets[i, c] += shift


@numba.njit(parallel=True, fastmath=True, cache=True, nogil=True)
def _correct_backward(
    gaussians: Ints, drivers: Floats, to_colors: Floats, to_offsets: Floats, tints: Floats, shifts: Floats
) -> None:
    for n in numba.prange(gaussians.shape[0]):
        i = gaussians[n]
        for d in range(drivers.shape[0]):
            for c in range(3):
                tints[n, d, c] = drivers[d] * to_colors[i, c]
                shifts[n, d, c] = drivers[d] * to_offsets[i, c]
