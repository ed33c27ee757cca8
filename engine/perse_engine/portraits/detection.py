"""Finding faces: MediaPipe's short-range detector, over the whole picture and over windows of it.

Bazarevsky, Kartynnik, Vakunov, Raveendran, Grundmann, "BlazeFace", 2019.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray

from perse_engine.portraits.models import FACE_DETECTOR
from perse_engine.portraits.networks import Network, Square

SIZE = 128
SURE = 0.5


@dataclasses.dataclass(frozen=True, eq=False)
class Detection:
    """A face.

    Attributes:
        score: in [0, 1].
        box: (4,) x0, y0, x1, y1 in pixels, brows to chin.
        points: (6, 2) pixels: the eye at the picture's left, the other, nose tip, mouth, ears.
    """

    score: float
    box: NDArray[np.float64]
    points: NDArray[np.float64]

    @property
    def side(self) -> float:
        """The longer side of the box, pixels."""
        return float(max(self.box[2] - self.box[0], self.box[3] - self.box[1]))

    def square(self) -> Square:
        """The turned square that the landmark model wants."""
        (ax, ay), (bx, by) = self.points[:2]
        x, y = (self.box[:2] + self.box[2:]) / 2
        return Square(float(x), float(y), self.side * 1.5, math.atan2(by - ay, bx - ax))


class Detector:
    """The face detector."""

    def __init__(self) -> None:
        self._network = Network(FACE_DETECTOR, ("regressors", "classificators"))
        grid = [
            ((x + 0.5) / cells, (y + 0.5) / cells)
            for cells, anchors in ((16, 2), (8, 6))
            for y in range(cells)
            for x in range(cells)
            for _ in range(anchors)
        ]
        self._anchors = np.array(grid)

    def detect(self, pixels: NDArray[np.uint8]) -> list[Detection]:
        """Every face of (H, W, 3) uint8, largest first. Small ones are looked for only when there is no large one."""
        height, width = pixels.shape[:2]
        side = max(height, width)
        found = self._detect_in(pixels, Square(width / 2, height / 2, side))
        for share in (1 / 2, 1 / 4):
            if found and share < 1 / 2:
                break
            window = side * share
            for y in np.arange(window / 2, height - window / 4, window / 2):
                for x in np.arange(window / 2, width - window / 4, window / 2):
                    found += self._detect_in(pixels, Square(float(x), float(y), window))
        return sorted(_distinct(found), key=lambda face: -face.side)

    def _detect_in(self, pixels: NDArray[np.uint8], window: Square) -> list[Detection]:
        image = window.crop(pixels, SIZE).astype(np.float32) / 127.5 - 1
        regressors, logits = self._network.run(image)
        scores = 1 / (1 + np.exp(-np.clip(logits, -50, 50)))
        values = regressors.reshape(-1, 8, 2) / SIZE
        keep = scores >= SURE
        center, size, points = values[keep, 0] + self._anchors[keep], values[keep, 1], values[keep, 2:]
        points = points + self._anchors[keep][:, None]
        found = []
        for k, score in enumerate(scores[keep]):
            corners = window.to_picture(np.stack([center[k] - size[k] / 2, center[k] + size[k] / 2]))
            found.append(Detection(float(score), corners.reshape(4), window.to_picture(points[k])))
        return _merged(found)


def _overlap(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Intersection over union of two boxes."""
    inner = np.prod(np.maximum(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0))
    return float(inner / (np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - inner + 1e-9))


def _merged(found: list[Detection]) -> list[Detection]:
    """Detections of one face, averaged by their scores: steadier than the best of them."""
    left, merged = sorted(found, key=lambda face: -face.score), []
    while left:
        same = [face for face in left if _overlap(face.box, left[0].box) > 0.3]
        left = [face for face in left[1:] if _overlap(face.box, same[0].box) <= 0.3]
        weights = np.array([face.score for face in same])
        weights /= weights.sum()
        box = sum(w * face.box for w, face in zip(weights, same, strict=True))
        points = sum(w * face.points for w, face in zip(weights, same, strict=True))
        merged.append(Detection(same[0].score, np.asarray(box), np.asarray(points)))
    return merged


def _distinct(found: list[Detection]) -> list[Detection]:
    """One detection per face where windows overlap: the most certain."""
    distinct: list[Detection] = []
    for face in sorted(found, key=lambda face: -face.score):
        if all(_overlap(face.box, other.box) < 0.25 for other in distinct):
            distinct.append(face)
    return distinct
