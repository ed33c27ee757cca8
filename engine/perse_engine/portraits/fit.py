"""From landmarks to a head: camera, identity, expression and pose.

Gauss–Newton on the reprojection of 468 landmarks, with Gaussian priors on identity and bounded, sparse expressions.
"""

from __future__ import annotations

import dataclasses
import math

import cv2
import numpy as np
from numba import njit
from numpy.typing import NDArray

from perse_engine.cameras import Camera
from perse_engine.heads.head import JAW, Head
from perse_engine.heads.posing import rotation_matrices
from perse_engine.portraits.correspondence import Correspondence
from perse_engine.portraits.expression_priors import expression_priors
from perse_engine.portraits.images import DIAGONAL_35MM
from perse_engine.portraits.landmarks import (
    INNER_LIPS,
    LEFT_BROW,
    LEFT_LIDS,
    OUTER_LIPS,
    OVAL,
    RIGHT_BROW,
    RIGHT_LIDS,
    Face,
)
from perse_engine.surfaces.normals import vertex_normals

DEFAULT_FOCAL = 50.0  # millimetres, 35 mm equivalent
NOISE = 0.012  # of a landmark, as a share of the eyes' distance
INDEPENDENT = 0.2  # share of the landmarks that say something of their own
JAW_LIMIT = 0.6  # radians


@dataclasses.dataclass(frozen=True, eq=False)
class Fit:
    """A head in front of a camera. Rotation and translation take head space to the camera's axes.

    Attributes:
        identity: (S,) standard deviations.
        expression: (E,).
        jaw: radians about the jaw joint's x axis; zero for heads that have a unit for it.
        rotation: (3, 3).
        translation: (3,) metres.
        residual: root mean square of the landmarks' distance, as a share of the eyes' distance.
    """

    identity: NDArray[np.float64]
    expression: NDArray[np.float64]
    jaw: float
    rotation: NDArray[np.float64]
    translation: NDArray[np.float64]
    residual: float

    def view(self) -> NDArray[np.float64]:
        """(4, 4) head space to camera."""
        matrix = np.eye(4)
        matrix[:3, :3], matrix[:3, 3] = self.rotation, self.translation
        return matrix

    def vertices(self, head: Head) -> NDArray[np.float64]:
        """(V, 3) head space, expressing, the jaw joint's turn aside."""
        shaped = head.template + head.shape_directions @ self.identity + head.expression_directions @ self.expression
        return np.asarray(shaped, np.float64)


def photo_lens(width: int, height: int, focal_mm: float | None) -> Camera:
    """The lens of a whole photograph, its view still the identity.

    Args:
        focal_mm: 35 mm equivalent by the diagonal, or None where it is unknown.
    """
    focal = (focal_mm or DEFAULT_FOCAL) / DIAGONAL_35MM * math.hypot(width, height)
    return Camera(np.eye(4), focal, focal, width / 2, height / 2, width, height)


def fit_head(
    head: Head,
    correspondence: Correspondence,
    face: Face,
    lens: Camera,
    expected: NDArray[np.floating] | None = None,
) -> Fit:
    """Fit `head` to a tracked face.

    The mouth is trusted to expressions first and to identity last: a grin is no wide mouth.

    Args:
        expected: (S,) the identity before looking, such as a video's; the mean head where None.
    """
    target = face.landmarks[:, :2].astype(np.float64)
    problem = _Problem(head, correspondence, target, face.eye_distance, lens)
    if expected is not None:
        problem.expect(np.asarray(expected, np.float64))
    problem.solve(identity_weight=6.0, mouth_identity=0.25, iterations=8)
    problem.follow_silhouette()
    problem.solve(identity_weight=2.5, mouth_identity=0.4, iterations=6)
    problem.drop_antagonists()
    problem.follow_silhouette()
    problem.solve(identity_weight=1.5, mouth_identity=0.5, iterations=6)
    return problem.result()


class _Problem:
    """The state of one fit; units of residuals are shares of the eyes' distance."""

    def __init__(
        self, head: Head, correspondence: Correspondence, target: NDArray[np.float64], eyes: float, lens: Camera
    ) -> None:
        self.head, self.target, self.eyes, self.lens = head, target, eyes, lens
        self.priors = expression_priors(head)
        self.triangle = correspondence.triangle.copy()
        self.barycentric = correspondence.barycentric.astype(np.float64)
        self.expressions = np.concatenate([head.expression_directions, jaw_direction(head)[..., None]], 2)
        self.free = np.append(self.priors.high > self.priors.low, "jawopen" not in head.expression_names)
        self.high = np.append(self.priors.high, JAW_LIMIT)
        self.low = np.append(self.priors.low, 0.0)
        self.expected = np.zeros(head.shape_directions.shape[2])
        self.identity = self.expected
        self.expression = np.zeros(self.expressions.shape[2])
        self.weights = _weights(correspondence, float(np.linalg.norm(head.joints[3] - head.joints[4])))
        self.slides = np.zeros(468, bool)
        self._gather()
        self.rotation, self.translation = self._initial_pose()

    def _gather(self) -> None:
        corners = self.head.faces[self.triangle]
        blend = lambda values: np.einsum("lk,lk...->l...", self.barycentric, values[corners].astype(np.float64))  # noqa: E731
        self.base = blend(self.head.template)
        self.shape_basis = blend(self.head.shape_directions)
        self.expression_basis = blend(self.expressions)

    def _initial_pose(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        intrinsics = np.array([[self.lens.fx, 0, self.lens.cx], [0, self.lens.fy, self.lens.cy], [0, 0, 1]])
        stable = np.setdiff1d(np.arange(468), OVAL + INNER_LIPS + OUTER_LIPS)
        _, turn, move = cv2.solvePnP(
            self.base[stable], self.target[stable], intrinsics, np.zeros(4), flags=cv2.SOLVEPNP_SQPNP
        )
        return rotation_matrices(turn.ravel()), move.ravel()

    def expect(self, identity: NDArray[np.float64]) -> None:
        """Begin at `identity` (S,), and be drawn to it."""
        self.expected = self.identity = identity

    def points(self) -> NDArray[np.float64]:
        """(468, 3) head space."""
        return self.base + self.shape_basis @ self.identity + self.expression_basis @ self.expression

    def vertices(self) -> NDArray[np.float64]:
        """(V, 3) head space."""
        shaped = self.head.template + self.head.shape_directions @ self.identity
        return np.asarray(shaped + self.expressions @ self.expression, np.float64)

    def residuals(self) -> NDArray[np.float64]:
        """(468, 2)."""
        seen = self.points() @ self.rotation.T + self.translation
        x = self.lens.fx * seen[:, 0] / seen[:, 2] + self.lens.cx
        y = self.lens.fy * seen[:, 1] / seen[:, 2] + self.lens.cy
        return (np.stack([x, y], 1) - self.target) / self.eyes

    def solve(self, *, identity_weight: float, mouth_identity: float, iterations: int) -> None:
        """Gauss–Newton from where it stands.

        Args:
            identity_weight: of the identity prior, 1 for the model's own variance.
            mouth_identity: how much of the mouth's evidence reaches identity.
        """
        shapes, units = len(self.identity), len(self.expression)
        damp = np.ones(468)
        damp[list(INNER_LIPS + OUTER_LIPS)] = mouth_identity
        frames = _contour_frames(self.target, self.slides)
        for _ in range(iterations):
            local = self.points() @ self.rotation.T
            seen = local + self.translation
            z = seen[:, 2]
            pixel = np.zeros((468, 2, 3))  # derivative of the pixel by the seen point
            pixel[:, 0, 0], pixel[:, 0, 2] = self.lens.fx / z, -self.lens.fx * seen[:, 0] / z**2
            pixel[:, 1, 1], pixel[:, 1, 2] = self.lens.fy / z, -self.lens.fy * seen[:, 1] / z**2
            pixel = np.einsum("lij,ljk->lik", frames, pixel) / self.eyes
            residual = np.einsum("lij,lj->li", frames, self.residuals())
            jacobian = np.zeros((468, 2, 6 + shapes + units))
            jacobian[:, :, :3] = np.einsum("lij,ljk->lik", pixel, -_cross_matrices(local))
            jacobian[:, :, 3:6] = pixel
            turned = np.einsum("lij,jk->lik", pixel, self.rotation)
            jacobian[:, :, 6 : 6 + shapes] = np.einsum("lij,ljk->lik", turned, self.shape_basis) * damp[:, None, None]
            jacobian[:, :, 6 + shapes :] = np.einsum("lij,ljk->lik", turned, self.expression_basis)
            robust = 1 / (1 + (np.linalg.norm(residual, axis=1) / (4 * NOISE)) ** 2)
            weight = (self.weights * robust)[:, None] * INDEPENDENT / NOISE**2
            flat = jacobian.reshape(936, -1)
            weighted = flat * np.repeat(weight, 2, 1).reshape(-1, 1)
            hessian, gradient = weighted.T @ flat, weighted.T @ residual.reshape(-1)
            self._add_priors(hessian, gradient, identity_weight)
            low = np.where(self.free, self.low - self.expression, 0)
            high = np.where(self.free, self.high - self.expression, 0)
            step = minimize_in_box(hessian, gradient, low, high)
            self.rotation = rotation_matrices(step[:3]) @ self.rotation
            self.translation = self.translation + step[3:6]
            self.identity = self.identity + step[6 : 6 + shapes]
            self.expression = self.expression + step[6 + shapes :]

    def _add_priors(self, hessian: NDArray[np.float64], gradient: NDArray[np.float64], identity_weight: float) -> None:
        shapes = len(self.identity)
        at = np.arange(6, 6 + shapes)
        hessian[at, at] += identity_weight
        gradient[at] += identity_weight * (self.identity - self.expected)
        self.priors.add_to(hessian, gradient, 6 + shapes, self.expression[:-1])
        jaw = 1 / 0.2**2
        hessian[-1, -1] += jaw
        gradient[-1] += jaw * self.expression[-1]
        hessian[np.diag_indices(6)] += 1e-6

    def drop_antagonists(self) -> None:
        """Of each antagonist pair only the stronger unit may act from here on."""
        for a, b in self.priors.antagonists:
            weaker = a if self.expression[a] < self.expression[b] else b
            if min(self.expression[a], self.expression[b]) > 0 or self.expression[weaker] == 0:
                self.free[weaker] = False
                self.expression[weaker] = 0.0

    def follow_silhouette(self) -> None:
        """Landmarks of the face's outline mean whatever surface is outlined in this view."""
        vertices = self.vertices()
        normals = vertex_normals(vertices, self.head.faces).astype(np.float64)
        eye = -self.rotation.T @ self.translation
        towards = eye - vertices
        facing = np.einsum("vk,vk->v", normals, towards) / np.linalg.norm(towards, axis=1)
        seen = vertices @ self.rotation.T + self.translation
        place = np.stack(
            [
                self.lens.fx * seen[:, 0] / seen[:, 2] + self.lens.cx,
                self.lens.fy * seen[:, 1] / seen[:, 2] + self.lens.cy,
            ],
            1,
        )
        outline = (np.abs(facing) < 0.2) & (self.head.regions["face"] > 0.5) & (self.head.regions["ears"] < 0.1)
        candidates = np.flatnonzero(outline)
        self.slides[:] = False
        if not len(candidates):
            return
        own = np.einsum("lk,lk->l", self.barycentric, facing[self.head.faces[self.triangle]])
        owner = {int(v): (f, k) for f, corners in enumerate(self.head.faces) for k, v in enumerate(corners)}
        for k in OVAL:
            if own[k] > 0.35:
                continue
            self.slides[k] = True
            nearest = candidates[((place[candidates] - self.target[k]) ** 2).sum(1).argmin()]
            if np.linalg.norm(place[nearest] - self.target[k]) < 0.35 * self.eyes:
                self.triangle[k], corner = owner[int(nearest)]
                self.barycentric[k] = np.eye(3)[corner]
        self._gather()

    def result(self) -> Fit:
        """Where it stands."""
        distance = np.linalg.norm(self.residuals()[~self.slides], axis=1)
        return Fit(
            self.identity,
            np.clip(self.expression[:-1], self.priors.low, self.priors.high),
            float(self.expression[-1]),
            self.rotation,
            self.translation,
            float(np.sqrt((distance**2).mean())),
        )


def _weights(correspondence: Correspondence, eye_distance: float) -> NDArray[np.float64]:
    """(468,) precision of each landmark, relative to one that is known to `NOISE`."""
    own = np.minimum(correspondence.error / (1.45 * eye_distance), 0.08)  # joints lie closer than the lids' corners
    weights = NOISE**2 / (NOISE**2 + own.astype(np.float64) ** 2)
    weights[list(LEFT_LIDS + RIGHT_LIDS)] = 3.0
    weights[list(INNER_LIPS + OUTER_LIPS)] = 2.0
    weights[list(LEFT_BROW + RIGHT_BROW)] *= 1.5
    weights[list(OVAL)] *= 0.7
    return weights


def _contour_frames(target: NDArray[np.float64], slides: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(468, 2, 2) what scales residuals: sliding landmarks care about the distance across the outline only."""
    frames = np.broadcast_to(np.eye(2), (468, 2, 2)).copy()
    for i, k in enumerate(OVAL):
        if slides[k]:
            along = target[OVAL[(i + 1) % len(OVAL)]] - target[OVAL[i - 1]]
            along /= np.linalg.norm(along)
            frames[k] = np.array([[-along[1], along[0]], [0.15 * along[0], 0.15 * along[1]]])
    return frames


def jaw_direction(head: Head) -> NDArray[np.float32]:
    """(V, 3) how vertices move per radian of the jaw joint, for small turns."""
    arm = head.template - head.joints[JAW]
    return head.weights[:, JAW, None] * np.cross(np.array([1, 0, 0], np.float32), arm).astype(np.float32)


def _cross_matrices(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, 3, 3) with M v = p × v."""
    x, y, z = points.T
    zero = np.zeros_like(x)
    return np.stack([zero, -z, y, z, zero, -x, -y, x, zero], 1).reshape(-1, 3, 3)


def minimize_in_box(
    hessian: NDArray[np.float64], gradient: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The (N,) x that minimises ½ xᵀ H x + gᵀ x where the last len(low) of its numbers stay in [low, high]."""
    free = len(gradient) - len(low)
    # the unbounded ones are eliminated exactly (Schur complement); the few bounded ones are found one at a time
    inner = np.linalg.solve(hessian[:free, :free], np.column_stack([hessian[:free, free:], gradient[:free]]))
    reduced = hessian[free:, free:] - hessian[free:, :free] @ inner[:, :-1]
    slope = gradient[free:] - hessian[free:, :free] @ inner[:, -1]
    bounded = _coordinate_descent(np.ascontiguousarray(reduced), slope, low, high)
    return np.concatenate([-inner[:, -1] - inner[:, :-1] @ bounded, bounded])


@njit(cache=True)
def _coordinate_descent(
    hessian: NDArray[np.float64], gradient: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64]
) -> NDArray[np.float64]:
    x = np.minimum(np.maximum(np.zeros(len(low)), low), high)
    slope = hessian @ x + gradient
    for _ in range(500):
        moved = 0.0
        for i in range(len(x)):
            new = min(max(x[i] - slope[i] / hessian[i, i], low[i]), high[i])
            step = new - x[i]
            if step != 0:
                slope += hessian[:, i] * step
                x[i] = new
                moved = max(moved, abs(step))
        if moved < 1e-7:
            break
    return x
