"""Running a MediaPipe model on a turned square of a picture, by OpenCV."""

from __future__ import annotations

import dataclasses
import math

import cv2
import numpy as np
from numpy.typing import NDArray

from perse_engine.portraits.models import model_path


@dataclasses.dataclass(frozen=True)
class Square:
    """A turned square of a picture: centre and side in pixels, angle in radians, clockwise as seen."""

    x: float
    y: float
    side: float
    angle: float = 0.0

    def crop(self, pixels: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
        """(size, size, 3) the square's content; the picture's border is repeated outside of it."""
        k = size / self.side
        c, s = math.cos(self.angle) * k, math.sin(self.angle) * k
        # pixel centres lie at + 0.5, OpenCV's at + 0
        matrix = np.array(
            [
                [c, s, size / 2 - 0.5 - c * (self.x - 0.5) - s * (self.y - 0.5)],
                [-s, c, size / 2 - 0.5 + s * (self.x - 0.5) - c * (self.y - 0.5)],
            ]
        )
        area = cv2.INTER_AREA if k < 0.5 else cv2.INTER_LINEAR
        if area == cv2.INTER_AREA:  # warpAffine does not average: shrink in steps first
            factor = 2 ** math.floor(math.log2(1 / k))
            smaller = cv2.resize(
                pixels, (max(1, pixels.shape[1] // factor), max(1, pixels.shape[0] // factor)), interpolation=area
            )
            fx, fy = smaller.shape[1] / pixels.shape[1], smaller.shape[0] / pixels.shape[0]
            matrix[:, 2] += matrix[:, 0] * (0.5 / fx - 0.5) + matrix[:, 1] * (0.5 / fy - 0.5)
            matrix[:, 0] /= fx
            matrix[:, 1] /= fy
            pixels = smaller.astype(np.uint8)
        cropped = cv2.warpAffine(pixels, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return cropped.astype(np.uint8)

    def to_picture(self, points: NDArray[np.floating]) -> NDArray[np.float64]:
        """Points (N, 2) or (N, 3) in the unit square to pixels of the picture; a third coordinate scales alike."""
        local = np.asarray(points, np.float64).copy()
        x, y = (local[:, 0] - 0.5) * self.side, (local[:, 1] - 0.5) * self.side
        c, s = math.cos(self.angle), math.sin(self.angle)
        local[:, 0], local[:, 1] = self.x + c * x - s * y, self.y + s * x + c * y
        if local.shape[1] == 3:
            local[:, 2] *= self.side
        return local


class Network:
    """One model file, ready to run. Not for several threads at a time."""

    def __init__(self, name: str, outputs: tuple[str, ...] = ()) -> None:
        # the newer engine hides all but one output of these graphs
        self._net = cv2.dnn.readNetFromTFLite(str(model_path(name)), cv2.dnn.ENGINE_CLASSIC)
        self._outputs = list(outputs) or list(self._net.getUnconnectedOutLayersNames())

    def run(self, image: NDArray[np.floating]) -> list[NDArray[np.float32]]:
        """All outputs, flat, for an (H, W, 3) image in the model's own range."""
        self._net.setInput(np.ascontiguousarray(image.transpose(2, 0, 1)[None], np.float32))
        return [np.asarray(output, np.float32).reshape(-1) for output in self._net.forward(self._outputs)]
