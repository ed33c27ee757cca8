"""The part of the photograph that holds the head, at the size that textures want."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from perse_engine.cameras import Camera

EYES = 200  # pixels between the outer corners of the eyes in the window
BARE = ("skin", "ears", "neck", "clothes")
LARGEST = 1500  # pixels of the window's side


@dataclasses.dataclass(frozen=True, eq=False)
class Window:
    """A square of the photograph, enlarged or reduced.

    Attributes:
        pixels: (S, S, 3) uint8.
        masks: (S, S) float32 by name.
        landmarks: (468, 3) pixels of the window.
        camera: of the window.
        scale: window pixels per pixel of the photo.
    """

    pixels: NDArray[np.uint8]
    masks: Mapping[str, NDArray[np.float32]]
    landmarks: NDArray[np.float32]
    camera: Camera
    scale: float

    @cached_property
    def bare(self) -> NDArray[np.float32]:
        """(S, S) in [0, 1] the person but for hair, eyes and the inside of the mouth: skin and cloth."""
        return np.asarray(np.clip(sum(self.masks[name] for name in BARE), 0, 1), np.float32)

    @cached_property
    def person(self) -> NDArray[np.float32]:
        """(S, S) in [0, 1] the same with hair."""
        return np.asarray(np.clip(sum(self.masks[name] for name in ("hair", *BARE)), 0, 1), np.float32)


def open_window(
    pixels: NDArray[np.uint8],
    masks: Mapping[str, NDArray[np.float32]],
    landmarks: NDArray[np.float32],
    camera: Camera,
    square: tuple[float, float, float],
) -> Window:
    """The window on `square` (x, y, side in pixels) and what lies around it."""
    x, y, side = square
    x, y, side = x - 0.15 * side, y - 0.05 * side, 1.3 * side
    eyes = float(np.linalg.norm(landmarks[33] - landmarks[263]))
    scale = min(EYES / eyes, LARGEST / side)
    size = math.ceil(side * scale)
    matrix = np.array([[scale, 0, -x * scale + scale / 2 - 0.5], [0, scale, -y * scale + scale / 2 - 0.5]])

    def warped(image: NDArray[np.generic], flags: int) -> NDArray[np.generic]:
        if scale < 0.6:  # warpAffine does not average
            image = cv2.GaussianBlur(image, (0, 0), 0.35 / scale)
        return np.asarray(cv2.warpAffine(image, matrix, (size, size), flags=flags, borderMode=cv2.BORDER_REPLICATE))

    moved = landmarks.copy()
    moved[:, :2] = (landmarks[:, :2] - np.array([x, y], np.float32)) * scale
    moved[:, 2] *= scale
    view = dataclasses.replace(
        camera,
        fx=camera.fx * scale,
        fy=camera.fy * scale,
        cx=(camera.cx - x) * scale,
        cy=(camera.cy - y) * scale,
        width=size,
        height=size,
    )
    return Window(
        warped(pixels, cv2.INTER_CUBIC).astype(np.uint8),
        {name: warped(mask, cv2.INTER_LINEAR).astype(np.float32) for name, mask in masks.items()},
        moved,
        view,
        scale,
    )
