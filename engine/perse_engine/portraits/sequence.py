"""Pose and expression of one head over many frames, as the frames between them allow: the tracker's equations.

The maximum a posteriori of all frames together: landmarks under their pixels, sparse and bounded expressions, and
steps between neighbouring frames as small as the landmarks allow. A step costs the same forwards and backwards, so
nothing lags. Solved frame by frame, back and forth (block Gauss–Seidel), each by Gauss–Newton inside the bounds.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from perse_engine.cameras import Camera
from perse_engine.heads.head import Head
from perse_engine.heads.posing import rotation_matrices
from perse_engine.portraits.correspondence import Correspondence
from perse_engine.portraits.expression_priors import ExpressionPriors, expression_priors
from perse_engine.portraits.fit import JAW_LIMIT, jaw_direction, minimize_in_box
from perse_engine.portraits.landmarks import (
    INNER_LIPS,
    LEFT_BROW,
    LEFT_LIDS,
    OUTER_LIPS,
    OVAL,
    RIGHT_BROW,
    RIGHT_LIDS,
)

Doubles = NDArray[np.float64]

NOISE = 0.012
"""Of a landmark, as a share of the eyes' distance."""
INDEPENDENT = 0.3
"""Share of the landmarks that say something of their own."""
TURN_STEP, MOVE_STEP, UNIT_STEP = 0.05, 0.01, 0.12
"""Likely step between neighbouring frames: radians, metres, of an expression unit."""
QUICK_STEP = 0.5
"""The same for lids and jaw, which are quick."""
QUICK = ("eyeblink", "eyewide", "eyesquint", "jawopen")
LOOSER = 1.5
"""How much further from rest than a still photograph's units a moving face's are believed to be."""
SPARSITY = 0.4
"""What it costs to use a unit, relative to a still photograph: the other frames speak for it too."""
BEYOND = 1.25
"""How far units of jaw and mouth may go beyond full strength: some people's mouths open wider than the model's."""
STEADINESS = 0.3
"""How much of the evidence of lids, lips and brows reaches the head's pose."""
LID_WEIGHT, LIP_WEIGHT, BROW_WEIGHT, OUTLINE_WEIGHT = 5.0, 4.0, 1.5, 0.25


@dataclasses.dataclass(eq=False)
class Motion:
    """Where a head is in F frames, and what it does. Head space to camera: x' = rotation x + translation.

    Attributes:
        rotations: (F, 3, 3).
        translations: (F, 3) metres.
        units: (F, E + 1) expression coefficients, then radians of the jaw joint about its x axis.
    """

    rotations: Doubles
    translations: Doubles
    units: Doubles


class HeadSequence:
    """The landmarks of F frames and the head that is to explain them."""

    def __init__(
        self, head: Head, correspondence: Correspondence, targets: Doubles, eyes: Doubles, lens: Camera, steps: Doubles
    ) -> None:
        """Prepare the fit.

        Args:
            head: generic, or personal.
            targets: (F, 468, 2) pixels.
            eyes: (F,) distance of the eyes' outer corners, pixels.
            lens: of every frame; its view is the identity.
            steps: (F - 1,) frames of the video between neighbours, 1 where none was lost.
        """
        self.targets, self.eyes, self.lens = targets, eyes, lens
        self._apart = np.asarray(steps, np.float64)
        self.priors = expression_priors(head)
        expressions = np.concatenate([head.expression_directions, jaw_direction(head)[..., None]], 2)
        self.base = correspondence.points(head, head.template)
        self.identity_basis = correspondence.points(head, head.shape_directions)
        self.unit_basis = correspondence.points(head, expressions)
        has_jaw = "jawopen" in head.expression_names
        self._low = np.append(self.priors.low, 0.0)
        open_ended = np.array([name.startswith(("jaw", "mouth")) for name in head.expression_names])
        self._high = np.append(np.where(open_ended, BEYOND, 1.0) * self.priors.high, 0.0 if has_jaw else JAW_LIMIT)
        self._precision = np.append(1 / (LOOSER * self.priors.deviation) ** 2, 25.0)
        quick = np.array([name.startswith(QUICK) for name in head.expression_names] + [True])
        self._unit_stiffness = 1 / np.where(quick, QUICK_STEP, UNIT_STEP) ** 2
        self._weights = _landmark_weights(correspondence, head) * INDEPENDENT / NOISE**2
        self._steadiness = np.ones(468)
        self._steadiness[list(LEFT_LIDS + RIGHT_LIDS + INNER_LIPS + OUTER_LIPS + LEFT_BROW + RIGHT_BROW)] = STEADINESS
        self.motion = self._first_guess()

    def _first_guess(self) -> Motion:
        """Each frame's head at rest, by its stable landmarks."""
        count = len(self.targets)
        lens = np.array([[self.lens.fx, 0, self.lens.cx], [0, self.lens.fy, self.lens.cy], [0, 0, 1]])
        stable = np.setdiff1d(np.arange(468), OVAL + INNER_LIPS + OUTER_LIPS)
        rotations, translations = np.empty((count, 3, 3)), np.empty((count, 3))
        for k in range(count):
            _, turn, move = cv2.solvePnP(
                self.base[stable], self.targets[k][stable], lens, np.zeros(4), flags=cv2.SOLVEPNP_SQPNP
            )
            rotations[k], translations[k] = rotation_matrices(turn.ravel()), move.ravel()
        return Motion(rotations, translations, np.zeros((count, self.unit_basis.shape[2])))

    def solve(self, sweeps: int, iterations: int = 2) -> None:
        """Go through all frames `sweeps` times, forwards and backwards in turn."""
        order = list(range(len(self.targets)))
        for sweep in range(sweeps):
            for k in order if sweep % 2 == 0 else reversed(order):
                for _ in range(iterations):
                    self._step(k)

    def _step(self, k: int) -> None:
        motion = self.motion
        jacobian, residual, weight = self.linearized(k)
        weighted = jacobian * weight[:, None]
        hessian, gradient = weighted.T @ jacobian, weighted.T @ residual
        self._add_neighbours(k, hessian, gradient)
        units = motion.units[k]
        _add_priors(self.priors, self._precision, units, hessian, gradient)
        step = minimize_in_box(hessian, gradient, self._low - units, self._high - units)
        motion.rotations[k] = rotation_matrices(step[:3]) @ motion.rotations[k]
        motion.translations[k] += step[3:6]
        motion.units[k] = np.clip(units + step[6:], self._low, self._high)

    def linearized(self, k: int) -> tuple[Doubles, Doubles, Doubles]:
        """Jacobian (936, 6 + U) by turn, move and units, residual (936,) in eyes' distances, and weight (936,)."""
        rotation = self.motion.rotations[k]
        local = (self.base + self.unit_basis @ self.motion.units[k]) @ rotation.T
        seen = local + self.motion.translations[k]
        z = seen[:, 2]
        fx, fy, scale = self.lens.fx, self.lens.fy, 1 / self.eyes[k]
        pixel = np.zeros((468, 2, 3))
        pixel[:, 0, 0], pixel[:, 0, 2] = fx / z * scale, -fx * seen[:, 0] / z**2 * scale
        pixel[:, 1, 1], pixel[:, 1, 2] = fy / z * scale, -fy * seen[:, 1] / z**2 * scale
        place = np.stack([fx * seen[:, 0] / z + self.lens.cx, fy * seen[:, 1] / z + self.lens.cy], 1)
        residual = (place - self.targets[k]) * scale
        x, y, w = local.T
        zero = np.zeros(468)
        turned = np.stack([zero, w, -y, -w, zero, x, y, -x, zero], 1).reshape(468, 3, 3)  # of a left turn
        # what moves on its own says little about where the head is
        steady = pixel * self._steadiness[:, None, None]
        jacobian = np.concatenate([steady @ turned, steady, (pixel @ rotation) @ self.unit_basis], 2)
        robust = 1 / (1 + (np.linalg.norm(residual, axis=1) / (4 * NOISE)) ** 2)
        return jacobian.reshape(936, -1), residual.reshape(936), np.repeat(self._weights * robust, 2)

    def _add_neighbours(self, k: int, hessian: Doubles, gradient: Doubles) -> None:
        """Steps to the frames before and after cost by their squares."""
        motion = self.motion
        at = np.arange(len(gradient))
        for other, gap in ((k - 1, k - 1), (k + 1, k)):
            if not 0 <= other < len(self.targets):
                continue
            share = 1 / self._apart[gap]
            turn = _turn(motion.rotations[k] @ motion.rotations[other].T)
            step = np.concatenate(
                [turn, motion.translations[k] - motion.translations[other], motion.units[k] - motion.units[other]]
            )
            stiffness = share * np.concatenate(
                [np.full(3, TURN_STEP**-2), np.full(3, MOVE_STEP**-2), self._unit_stiffness]
            )
            hessian[at, at] += stiffness
            gradient += stiffness * step

    def answer(self, answers: Mapping[int, Doubles]) -> None:
        """Take it that the landmarks answer to these units by (468, 3) metres per unit, not as the surface moves."""
        for k, moved in answers.items():
            self.unit_basis[:, :, k] = moved

    def absorb(self, k: int) -> None:
        """Believe frame `k`: what its landmarks still lack is this person's, in every frame."""
        rotation, motion = self.motion.rotations[k], self.motion
        seen = (self.base + self.unit_basis @ motion.units[k]) @ rotation.T + motion.translations[k]
        x = self.lens.fx * seen[:, 0] / seen[:, 2] + self.lens.cx
        y = self.lens.fy * seen[:, 1] / seen[:, 2] + self.lens.cy
        lacking = np.zeros((468, 3))
        lacking[:, :2] = (self.targets[k] - np.stack([x, y], 1)) * seen[:, 2:] / [self.lens.fx, self.lens.fy]
        self.base = self.base + lacking @ rotation

    def fit_identity(self, identity: Doubles, prior: float) -> Doubles:
        """One Gauss–Newton step of the identity that all frames share; pose and units are free to follow it."""
        shapes = len(identity)
        reduced, slope = np.eye(shapes) * prior, prior * identity
        mouth = np.ones(936)
        mouth.reshape(468, 2)[list(INNER_LIPS + OUTER_LIPS + LEFT_LIDS + RIGHT_LIDS)] = 0.3
        share = 3 / len(self.targets)  # frames of one video repeat each other
        for k in range(len(self.targets)):
            jacobian, residual, weight = self.linearized(k)
            rotation = self.motion.rotations[k]
            pixel = jacobian[:, 3:6].reshape(468, 2, 3) / self._steadiness[:, None, None]
            shape = ((pixel @ rotation) @ self.identity_basis).reshape(936, shapes) * mouth[:, None]
            # what lies at a bound stays there; the rest is eliminated (Schur complement)
            units = self.motion.units[k]
            free = np.append(np.ones(6, bool), (units > self._low) & (units < self._high))
            local = jacobian[:, free]
            hessian = (local * weight[:, None]).T @ local
            hessian[np.diag_indices(len(hessian))] += np.append(np.full(6, 1e-6), self._precision)[free]
            cross = (local * weight[:, None]).T @ shape
            solved = np.linalg.solve(hessian, np.column_stack([cross, (local * weight[:, None]).T @ residual]))
            reduced += share * ((shape * weight[:, None]).T @ shape - cross.T @ solved[:, :-1])
            slope += share * ((shape * weight[:, None]).T @ residual - cross.T @ solved[:, -1])
        step = -np.linalg.solve(reduced, slope)
        self.base = self.base + self.identity_basis @ step
        return identity + step

    def error(self) -> Doubles:
        """(F,) median distance of the landmarks, as a share of the eyes' distance."""
        residuals = [self.linearized(k)[1].reshape(468, 2) for k in range(len(self.targets))]
        return np.array([np.median(np.linalg.norm(r, axis=1)) for r in residuals])


def _add_priors(
    priors: ExpressionPriors, precision: Doubles, units: Doubles, hessian: Doubles, gradient: Doubles
) -> None:
    at = np.arange(6, len(gradient))
    hessian[at, at] += precision
    gradient[at] += precision * units
    gradient[at[:-1]] += SPARSITY * priors.sparsity * (priors.low >= 0)
    for a, b in priors.sides:
        i, j, stiffness = at[a], at[b], 20.0
        difference = units[a] - units[b]
        hessian[i, i] += stiffness
        hessian[j, j] += stiffness
        hessian[i, j] -= stiffness
        hessian[j, i] -= stiffness
        gradient[i] += stiffness * difference
        gradient[j] -= stiffness * difference
    hessian[np.diag_indices(6)] += 1e-6


def _landmark_weights(correspondence: Correspondence, head: Head) -> Doubles:
    """(468,) what each landmark counts: lids and lips most, the outline little, for it slides over the surface."""
    distance = float(np.linalg.norm(head.joints[3] - head.joints[4])) * 1.45
    own = np.minimum(correspondence.error / distance, 0.08).astype(np.float64)
    weights = NOISE**2 / (NOISE**2 + own**2)
    weights[list(LEFT_LIDS + RIGHT_LIDS)] = LID_WEIGHT
    weights[list(INNER_LIPS + OUTER_LIPS)] = LIP_WEIGHT
    weights[list(LEFT_BROW + RIGHT_BROW)] *= BROW_WEIGHT
    weights[list(OVAL)] *= OUTLINE_WEIGHT
    return weights


def _turn(rotation: Doubles) -> Doubles:
    """(3,) axis-angle of a rotation by less than half a turn."""
    return np.asarray(cv2.Rodrigues(rotation)[0], np.float64).ravel()
