"""Which of two layers of a thin thing is in front: the one that faces the eye.

Gaussians are drawn in the order of their centres. Where two surfaces lie closer together than neighbours on them do,
such as the two sides of a brim, that order is a matter of chance at a slant, and the dark underside shows as fur on the
upper side. So what faces away on such parts is drawn as if it lay a little farther along the ray from the eye, and as
much larger: it covers the same pixels, and comes later.
"""

from __future__ import annotations

import math

import numba
import numpy as np
from numpy.typing import NDArray

from perse_engine.avatars.placing import Placed

Floats = NDArray[np.float32]

THIN = frozenset({"hat", "headphones", "clothes"})
"""Parts of a figure of which both sides can be seen, a few millimetres apart."""
SET_BACK = np.float32(0.006)
"""Metres: a little more than neighbours on a brim are apart."""
FROM, TO = np.float32(-0.1), np.float32(0.2)
"""Cosines between the outward normal and the ray at which setting back begins, and at which it is whole."""


def set_back(placed: Placed, thin: NDArray[np.bool_], eye: NDArray[np.floating]) -> Floats:
    """Move what faces away, in place.

    Args:
        placed: n Gaussians, whose last axis points out of the surface.
        thin: (n,) which of them lie on `THIN` parts.
        eye: (3,) head space, metres, where they are seen from.

    Returns:
        (n,) how many times as far from the eye each is now, and as large.
    """
    times = np.ones(len(thin), np.float32)
    _set_back(placed.means, placed.quaternions, placed.scales, thin, np.asarray(eye, np.float32), times)
    return times


@numba.njit(parallel=True, fastmath=True, cache=True, nogil=True)
def _set_back(
    means: Floats, quaternions: Floats, scales: Floats, thin: NDArray[np.bool_], eye: Floats, times: Floats
) -> None:
    one, two, three = np.float32(1.0), np.float32(2.0), np.float32(3.0)
    for n in numba.prange(means.shape[0]):
        if not thin[n]:
            continue
        w, x, y, z = quaternions[n, 0], quaternions[n, 1], quaternions[n, 2], quaternions[n, 3]
        rx, ry, rz = means[n, 0] - eye[0], means[n, 1] - eye[1], means[n, 2] - eye[2]
        distance = math.sqrt(rx * rx + ry * ry + rz * rz) + np.float32(1e-6)
        normal = two * (x * z + w * y) * rx + two * (y * z - w * x) * ry + (one - two * (x * x + y * y)) * rz
        share = min(max((normal / distance - FROM) / (TO - FROM), np.float32(0)), one)
        factor = one + SET_BACK * share * share * (three - two * share) / distance
        times[n] = factor
        means[n, 0], means[n, 1], means[n, 2] = eye[0] + factor * rx, eye[1] + factor * ry, eye[2] + factor * rz
        for axis in range(3):
            scales[n, axis] *= factor
