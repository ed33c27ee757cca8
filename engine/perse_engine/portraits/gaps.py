"""How far mouth and eyes are open, by landmarks: what renders of a face and footage of it can be compared by."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perse_engine.portraits.landmarks import LEFT_LIDS, RIGHT_LIDS

UPPER_LIP, LOWER_LIP = (82, 13, 312), (87, 14, 317)  # the middles of the inner rims


def lip_gap(landmarks: NDArray[np.floating]) -> NDArray[np.float64]:
    """(...) distance between the lips' inner rims, as a share of the eyes' outer corners', of (..., 468, 3)."""
    return _between(landmarks, UPPER_LIP, LOWER_LIP)


def lid_gap(landmarks: NDArray[np.floating], lids: tuple[int, ...]) -> NDArray[np.float64]:
    """(...) distance between the middles of an eye's `lids`, as `lip_gap`."""
    return _between(landmarks, lids[11:14], lids[3:6])


def eye_gap(landmarks: NDArray[np.floating]) -> NDArray[np.float64]:
    """(...) the mean of both eyes' `lid_gap`."""
    return (lid_gap(landmarks, LEFT_LIDS) + lid_gap(landmarks, RIGHT_LIDS)) / 2


def _between(landmarks: NDArray[np.floating], upper: tuple[int, ...], lower: tuple[int, ...]) -> NDArray[np.float64]:
    eyes = np.linalg.norm(landmarks[..., 33, :2] - landmarks[..., 263, :2], axis=-1)
    apart = np.linalg.norm(landmarks[..., list(upper), :2] - landmarks[..., list(lower), :2], axis=-1)
    return np.asarray(apart.mean(-1) / eyes, np.float64)
