"""Which class each pixel belongs to: what its colour says, what geometry expects, and what its neighbours are.

Colours of a class are a mixture of Gaussians over Lab and place (Rother, Kolmogorov, Blake, "GrabCut", 2004); places
make the model local, as one class seldom has the same colours everywhere. Labels settle by mean-field steps whose
messages are an edge-aware filter (Krähenbühl, Koltun, "Efficient inference in fully connected CRFs", 2011).
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from perse_engine.portraits.matting import guided_filter

CLUSTERS = 5
SAMPLES = 3000  # pixels that a mixture is fitted to
FEWEST = 40  # pixels that a mixture needs
PLACE = 22.0  # Lab units that one face height of distance counts
ROUNDS = 2  # of colour models
STEPS = 6  # of neighbours, in each round
COUPLING = 3.0
TRUST = 0.5  # of colours, as pixels side by side do not judge independently
NOISE = 6.0  # square Lab units of any colour
ANY_COLOR = -21.0  # log likelihood of a colour of which nothing is known
UNLIKELY = -14.0  # log likelihood below which colours do not differ
Probabilities = NDArray[np.float32]


def label_pixels(
    area: NDArray[np.uint8],
    expected: Probabilities,
    seeds: NDArray[np.bool_],
    known: NDArray[np.bool_],
    face_height: float,
    motley: int,
    spread: Sequence[float],
) -> Probabilities:
    """(C, H, W) the probability of each class, summing to 1 over the classes.

    Args:
        area: (H, W, 3) sRGB.
        expected: (C, H, W) what geometry expects of each class, summing to 1.
        seeds: (C, H, W) pixels that teach the first colours of each class.
        known: (C, H, W) pixels of which the class is certain.
        face_height: pixels.
        motley: the class that may have any colour besides those that its seeds teach.
        spread: (C,) face heights over which each class is thought to keep a colour that it has at one place.
    """
    features = _features(area, face_height)
    guide = area.astype(np.float32) / np.float32(255)
    prior = np.log(np.maximum(expected, 1e-4))
    fixed = known.any(0)
    believed, teachers = expected, seeds
    for _ in range(ROUNDS):
        colors = np.stack([_log_likelihood(features, *pair) for pair in zip(teachers, spread, strict=True)])
        colors[motley] = np.maximum(colors[motley], ANY_COLOR)
        field = prior + TRUST * np.maximum(colors - colors.max(0), UNLIKELY)
        believed = _softmax(field)
        for _ in range(STEPS):
            believed = np.where(fixed, known, believed).astype(np.float32)
            near = np.stack([guided_filter(guide, layer, radius=3, epsilon=2e-3) for layer in believed])
            believed = _softmax(field + COUPLING * near)
        believed = np.where(fixed, known, believed).astype(np.float32)
        sure = believed > 0.85
        # a class that lost all its pixels keeps what taught it
        teachers = np.where((sure.sum((1, 2)) > FEWEST)[:, None, None], sure, teachers)
    return believed


def _features(area: NDArray[np.uint8], face_height: float) -> NDArray[np.float32]:
    """(H, W, 5) Lab and place."""
    lab = cv2.cvtColor(area.astype(np.float32) / np.float32(255), cv2.COLOR_RGB2LAB)
    y, x = np.mgrid[: area.shape[0], : area.shape[1]].astype(np.float32) * (PLACE / face_height)
    return np.dstack([lab, x, y]).astype(np.float32)


def _log_likelihood(features: NDArray[np.float32], chosen: NDArray[np.bool_], spread: float) -> NDArray[np.float64]:
    """(H, W) under a mixture fitted to the chosen pixels; nothing is likely where too few are chosen."""
    taught = features[chosen]
    if len(taught) < FEWEST:
        return np.full(features.shape[:2], UNLIKELY - 8.0)
    taught = taught[:: max(1, len(taught) // SAMPLES)].astype(np.float64)
    cv2.setRNGSeed(7)  # k-means starts at random
    stop = (cv2.TERM_CRITERIA_COUNT, 12, 0.0)
    _, member, _ = cv2.kmeans(taught.astype(np.float32), CLUSTERS, None, stop, 2, cv2.KMEANS_PP_CENTERS)
    clusters = [taught[member[:, 0] == k] for k in range(CLUSTERS)]
    clusters = [cluster for cluster in clusters if len(cluster) > taught.shape[1]]
    flat = features.reshape(-1, features.shape[-1]).astype(np.float64)
    noise = np.diag([NOISE] * 3 + [(spread * PLACE) ** 2] * 2)
    logs = np.empty((len(clusters), len(flat)))
    for k, cluster in enumerate(clusters):
        # a model no narrower than the picture's own noise
        root = np.linalg.cholesky(np.cov(cluster.T) + noise)
        apart = np.linalg.solve(root, (flat - cluster.mean(0)).T)
        share = np.log(len(cluster) / len(taught))
        logs[k] = share - np.log(np.diag(root)).sum() - 0.5 * (apart**2).sum(0)
    top = logs.max(0)
    return np.asarray((top + np.log(np.exp(logs - top).sum(0))).reshape(features.shape[:2]))


def _softmax(field: NDArray[np.floating]) -> Probabilities:
    raised = np.exp(field - field.max(0))
    return np.asarray(raised / raised.sum(0), np.float32)
