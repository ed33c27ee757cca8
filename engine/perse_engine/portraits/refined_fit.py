"""The fit, once more: with landmarks weighed as their errors go, and with the picture itself.

Gauss–Newton with the priors of `fit`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from perse_engine.cameras import Camera
from perse_engine.heads.head import Head
from perse_engine.heads.posing import rotation_matrices
from perse_engine.portraits.expression_priors import ExpressionPriors, expression_priors
from perse_engine.portraits.fit import Fit, minimize_in_box
from perse_engine.portraits.landmark_response import LandmarkEvidence, LandmarkResponse
from perse_engine.portraits.landmarks import Face
from perse_engine.portraits.parts import Mask
from perse_engine.portraits.photometric import PictureEvidence

IDENTITY = 2.8
"""Weight of the identity prior: people differ by 0.6 of the head model's own deviations."""
WIDER = 1.5  # how much larger units may be than `expression_priors` expects, as the evidence is better
LANDMARK_STEPS, PICTURE_STEPS = 8, 3


def refine_fit(
    head: Head,
    fit: Fit,
    face: Face,
    lens: Camera,
    pixels: NDArray[np.uint8],
    matte: Mask,
    parts: Mapping[str, Mask],
    response: LandmarkResponse | None,
    expected: NDArray[np.floating] | None = None,
) -> Fit:
    """A better fit of `head` to the same picture; `fit` itself where `response` is not known.

    Its `residual` stays that of `fit`. Antagonists may both act a little, as the evidence says.

    Args:
        fit: as `fit_head` finds it.
        pixels: (H, W, 3) sRGB, the picture that `lens` takes.
        matte, parts: (H, W) masks.
        response: how the landmarks err that `face` has, see `landmark_response`.
        expected: (S,) the identity before looking; the mean head where None.
    """
    if response is None:
        return fit
    priors = expression_priors(head)
    priors = dataclasses.replace(priors, deviation=WIDER * priors.deviation)
    mean = np.zeros(len(fit.identity)) if expected is None else np.asarray(expected, np.float64)
    landmarks = LandmarkEvidence(head, response, face.landmarks[:, :2], lens)
    for _ in range(LANDMARK_STEPS):
        fit = _step(fit, priors, mean, *landmarks.system(fit))
    picture = PictureEvidence(head, face, lens, pixels, matte, parts)
    free = priors.high > priors.low
    for _ in range(PICTURE_STEPS):
        told, shown = landmarks.system(fit), picture.system(fit, free, priors.high)
        fit = _step(fit, priors, mean, told[0] + shown[0], told[1] + shown[1])
    return fit


def _step(
    fit: Fit, priors: ExpressionPriors, mean: NDArray[np.float64], hessian: NDArray[np.float64], gradient: NDArray
) -> Fit:
    shapes = len(fit.identity)
    at = np.arange(6, 6 + shapes)
    hessian[at, at] += IDENTITY
    gradient[at] += IDENTITY * (fit.identity - mean)
    hessian[np.diag_indices(6)] += 1e-6
    priors.add_to(hessian, gradient, 6 + shapes, fit.expression)
    free = priors.high > priors.low
    low = np.where(free, priors.low - fit.expression, 0.0)
    high = np.where(free, priors.high - fit.expression, 0.0)
    step = minimize_in_box(hessian, gradient, low, high)
    return dataclasses.replace(
        fit,
        rotation=rotation_matrices(step[:3]) @ fit.rotation,
        translation=fit.translation + step[3:6],
        identity=fit.identity + step[6 : 6 + shapes],
        expression=np.clip(fit.expression + step[6 + shapes :], priors.low, priors.high),
    )
