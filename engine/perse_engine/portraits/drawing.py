"""Telling drawn faces from photographed and painted ones."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

FLAT = 0.5  # share of the face without any detail
FEW = 0.3  # different colours, relative to the root of the number of pixels


def is_drawn(pixels: NDArray[np.uint8], landmarks: NDArray[np.floating]) -> bool:
    """Whether the face is filled with flat colour: little detail and few colours together.

    Args:
        pixels: (H, W, 3) uint8.
        landmarks: (468, 3) pixels.
    """
    low = np.maximum(landmarks[:, :2].min(0).astype(int), 0)
    high = landmarks[:, :2].max(0).astype(int) + 1
    face = pixels[low[1] : high[1], low[0] : high[0]]
    detail = np.abs(cv2.Laplacian(face.mean(-1).astype(np.float32), cv2.CV_32F))
    colors = np.unique((face.reshape(-1, 3) // 4).astype(int) @ [1, 64, 4096])
    return bool((detail < 0.34).mean() > FLAT and len(colors) < FEW * np.sqrt(face.shape[0] * face.shape[1]))
