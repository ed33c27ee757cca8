"""The person's alpha: MediaPipe's selfie segmentation, coarse and close, refined along the picture's own edges."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from perse_engine.portraits.models import SELFIE_MATTE
from perse_engine.portraits.networks import Network, Square

SIZE = 256


class Matter:
    """The matting model, loaded once."""

    def __init__(self) -> None:
        self._network = Network(SELFIE_MATTE)

    def matte(self, pixels: NDArray[np.uint8], landmarks: NDArray[np.floating]) -> NDArray[np.float32]:
        """(H, W) float32 alpha of the person whose face `landmarks` (468, 3) outline."""
        height, width = pixels.shape[:2]
        whole = cv2.resize(pixels, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
        coarse = cv2.resize(self._run(whole), (width, height), interpolation=cv2.INTER_LINEAR)
        low, high = landmarks[:, :2].min(0), landmarks[:, :2].max(0)
        face = float((high - low).max())
        x, y = (low + high) / 2
        alpha = coarse
        for share in (3.6, 2.6):
            square = Square(float(x), float(y), face * share)
            close, inside = _placed(self._run(square.crop(pixels, SIZE)), square, (height, width))
            alpha = alpha * (1 - inside) + close * inside
        alpha = guided_filter(_luma_rgb(pixels), alpha, radius=max(2, round(face / 24)), epsilon=2e-4)
        alpha = np.clip((alpha - 0.08) / 0.84, 0, 1)
        return _component_with_face(alpha, landmarks)

    def _run(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        return self._network.run(image.astype(np.float32) / 255)[0].reshape(SIZE, SIZE)


def guided_filter(
    guide: NDArray[np.float32], image: NDArray[np.float32], *, radius: int, epsilon: float
) -> NDArray[np.float32]:
    """He, Sun, Tang, "Guided image filtering", 2013, for colour guides, by box filters.

    Args:
        guide: (H, W, 3) in [0, 1].
        image: (H, W).
        radius: of the box, pixels.
        epsilon: variance of the guide below which it is taken as flat.
    """

    def mean(values: NDArray[np.float32]) -> NDArray[np.float32]:
        size = (2 * radius + 1, 2 * radius + 1)
        return np.asarray(cv2.blur(values, size, borderType=cv2.BORDER_REFLECT), np.float32)

    mean_guide, mean_image = mean(guide), mean(image)
    covariance = mean(guide * image[..., None]) - mean_guide * mean_image[..., None]
    pairs = [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)]
    rr, rg, rb, gg, gb, bb = (
        mean(guide[..., i] * guide[..., j]) - mean_guide[..., i] * mean_guide[..., j] for i, j in pairs
    )
    rr, gg, bb = rr + epsilon, gg + epsilon, bb + epsilon
    # the inverse of each pixel's symmetric 3 x 3 covariance, by cofactors
    a, b, c = gg * bb - gb * gb, gb * rb - rg * bb, rg * gb - gg * rb
    d, e, f = rr * bb - rb * rb, rb * rg - rr * gb, rr * gg - rg * rg
    determinant = rr * a + rg * b + rb * c
    x, y, z = covariance[..., 0], covariance[..., 1], covariance[..., 2]
    slope = np.stack([a * x + b * y + c * z, b * x + d * y + e * z, c * x + e * y + f * z], -1) / determinant[..., None]
    offset = mean_image - (slope * mean_guide).sum(-1)
    return (mean(slope) * guide).sum(-1) + mean(offset)


def _luma_rgb(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    return pixels.astype(np.float32) / np.float32(255)


def _placed(
    small: NDArray[np.float32], square: Square, shape: tuple[int, int]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The square's matte in the whole picture, and how much to believe it: 1 inside, fading to its border."""
    k = square.side / small.shape[0]
    corner = (square.x - square.side / 2, square.y - square.side / 2)
    matrix = np.array([[k, 0, corner[0] + k / 2 - 0.5], [0, k, corner[1] + k / 2 - 0.5]])
    ramp = np.minimum(np.arange(SIZE) + 0.5, SIZE - np.arange(SIZE) - 0.5)
    border = np.clip(np.minimum(ramp[:, None], ramp[None]) / (SIZE / 8), 0, 1).astype(np.float32)
    size = (shape[1], shape[0])
    placed = cv2.warpAffine(small, matrix, size, flags=cv2.INTER_LINEAR)
    inside = cv2.warpAffine(border, matrix, size, flags=cv2.INTER_LINEAR)
    return np.asarray(placed, np.float32), np.asarray(inside, np.float32)


def _component_with_face(alpha: NDArray[np.float32], landmarks: NDArray[np.floating]) -> NDArray[np.float32]:
    """Only what hangs together with the face; other people and things vanish softly."""
    count, labels = cv2.connectedComponents((alpha > 0.3).astype(np.uint8))
    if count <= 1:
        return alpha
    x = np.clip(landmarks[:, 0].astype(int), 0, alpha.shape[1] - 1)
    y = np.clip(landmarks[:, 1].astype(int), 0, alpha.shape[0] - 1)
    votes = np.bincount(labels[y, x], minlength=count)
    votes[0] = 0
    person = (labels == votes.argmax()).astype(np.float32)
    near = cv2.dilate(person, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (7, 7)))
    return alpha * near
