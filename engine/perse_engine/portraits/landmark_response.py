"""How the landmark model errs: by how much in which view, and which of its errors go together.

A landmark model has learnt what faces are like and shifts a whole cheek at once: its 468 points are far from 468
witnesses. Drawn heads, whose truth is known, tell how their errors go together; `bake/bake_landmark_response.py` makes
the file for the open head, and other heads have none. That the model damps the expressions of drawn heads is counted as
error too, not corrected: it does not damp those of photos as much.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from perse_engine.cameras import Camera
from perse_engine.heads.head import Head
from perse_engine.heads.posing import rotation_matrices
from perse_engine.portraits.correspondence import head_hash
from perse_engine.portraits.fit import Fit
from perse_engine.portraits.landmarks import FaceTracker, Tracker

Floats = NDArray[np.float64]

DATA = Path(__file__).parent / "data" / "landmark_response.npz"
LANDMARKS = 468
UNTOLD = 0.004  # of the eyes' distance: noise of each landmark that drawn heads do not show
STEP = 0.02  # radians, of a derivative by difference


@dataclasses.dataclass(frozen=True, eq=False)
class LandmarkResponse:
    """Lengths are shares of the eyes' distance.

    Attributes:
        triangle, barycentric: (468,), (468, 3) which point of the head each landmark means.
        bias: (8, 936) displacement of the landmarks, upright, by `view_features`.
        whitening: (936, 936) turns what is left of their errors into unit noise.
    """

    triangle: NDArray[np.int32]
    barycentric: Floats
    bias: Floats
    whitening: Floats


@functools.cache
def _read(path: Path) -> tuple[str, LandmarkResponse]:
    with np.load(path, allow_pickle=False) as kept:
        spread = kept["spread"].astype(np.float64)
        covariance = spread @ spread.T + np.diag(kept["rest"].astype(np.float64) ** 2 + UNTOLD**2)
        response = LandmarkResponse(
            kept["triangle"],
            kept["barycentric"].astype(np.float64),
            kept["bias"].astype(np.float64),
            np.linalg.inv(np.linalg.cholesky(covariance)),
        )
        return str(kept["head"]), response


def landmark_response(head: Head, tracker: FaceTracker) -> LandmarkResponse | None:
    """How `tracker` errs on `head`, or None where nobody measured it: for other heads and other trackers."""
    name, response = _read(DATA)
    return response if name == head_hash(head) and isinstance(tracker, Tracker) else None


def turn_of(rotation: Floats) -> tuple[float, float, float]:
    """Yaw, pitch and roll in radians of a head seen by `rotation` (3, 3), which takes its axes to the camera's."""
    facing = np.diag([1.0, -1.0, -1.0]) @ rotation
    yaw = math.atan2(facing[0, 2], facing[2, 2])
    pitch = math.asin(min(max(-facing[1, 2], -1.0), 1.0))
    return yaw, pitch, math.atan2(facing[1, 0], facing[1, 1])


def view_features(rotation: Floats) -> Floats:
    """(8,) what the bias is linear in."""
    y, p, _ = turn_of(rotation)
    return np.array([1.0, 2 * y, 4 * p, 4 * y * y, 16 * p * p, 8 * y * p, 8 * y**3, 2 * abs(y)])


def upright(rotation: Floats, seen: Floats) -> Floats:
    """(2, 2) takes pixels' differences, as rows, to shares of the eyes' distance, upright.

    Args:
        seen: (468, 2) pixels of the landmarks.
    """
    yaw, _, roll = turn_of(rotation)
    distance = float(np.linalg.norm(seen[33] - seen[263])) / max(math.cos(yaw), 0.5)
    c, s = math.cos(roll), math.sin(roll)
    return np.array([[c, s], [-s, c]]) / distance


class LandmarkEvidence:
    """What tracked landmarks say of a head, as normal equations of a Gauss–Newton step."""

    def __init__(self, head: Head, response: LandmarkResponse, landmarks: NDArray[np.floating], lens: Camera) -> None:
        """
        Args:
            landmarks: (468, 2) pixels.
            lens: of the whole picture.
        """
        self.response, self.lens = response, lens
        self.target = np.asarray(landmarks, np.float64)
        corners = head.faces[response.triangle]
        blend = lambda values: np.einsum(  # noqa: E731
            "lk,lk...->l...", response.barycentric, values[corners].astype(np.float64)
        )
        self.base = blend(head.template)
        self.shapes = blend(head.shape_directions)
        self.units = blend(head.expression_directions)

    def system(self, fit: Fit) -> tuple[Floats, Floats]:
        """Hessian and gradient over 3 of turn, 3 of shift, S of identity and E of expression, at `fit`."""
        local = (self.base + self.shapes @ fit.identity + self.units @ fit.expression) @ fit.rotation.T
        seen = local + fit.translation
        x, y, z = seen.T
        pixels = np.stack([self.lens.fx * x / z + self.lens.cx, self.lens.fy * y / z + self.lens.cy], 1)
        frame = upright(fit.rotation, pixels)
        view = view_features(fit.rotation)
        residual = ((pixels - self.target) @ frame).ravel() + view @ self.response.bias

        by_place = np.zeros((LANDMARKS, 2, 3))
        by_place[:, 0, 0], by_place[:, 0, 2] = self.lens.fx / z, -self.lens.fx * x / z**2
        by_place[:, 1, 1], by_place[:, 1, 2] = self.lens.fy / z, -self.lens.fy * y / z**2
        by_place = np.einsum("ji,ljk->lik", frame, by_place)
        turned = by_place @ fit.rotation
        jacobian = np.concatenate(
            [np.cross(local[:, None], by_place), by_place, turned @ self.shapes, turned @ self.units], 2
        ).reshape(2 * LANDMARKS, -1)
        for k in range(3):
            turned_view = view_features(rotation_matrices(STEP * np.eye(3)[k]) @ fit.rotation)
            jacobian[:, k] += (turned_view - view) @ self.response.bias / STEP
        white = self.response.whitening @ jacobian
        return white.T @ white, white.T @ (self.response.whitening @ residual)
