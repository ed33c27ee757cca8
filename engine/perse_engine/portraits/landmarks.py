"""Landmarks of a face: the 468 of the mesh, lids, irises.

Kartynnik, Ablavatski, Grishchenko, Grundmann, "Real-time facial surface geometry", 2019; Ablavatski, Vakunov,
Grishchenko, Raveendran, Zhdanovich, "Real-time pupil tracking from monocular video", 2020.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from perse_engine.errors import InputError
from perse_engine.portraits.detection import Detection, Detector
from perse_engine.portraits.models import FACE_LANDMARKS, IRIS_LANDMARKS
from perse_engine.portraits.networks import Network, Square

# Indices of the mesh. The "image left" eye is the person's right one.
# fmt: off
OVAL = (10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152, 148, 176, 149,
        150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109)
RIGHT_LIDS = (33, 7, 163, 144, 145, 153, 154, 155, 133, 246, 161, 160, 159, 158, 157, 173)  # lower 9, then upper 7
LEFT_LIDS = (263, 249, 390, 373, 374, 380, 381, 382, 362, 466, 388, 387, 386, 385, 384, 398)
RIGHT_BROW = (70, 63, 105, 66, 107, 55, 65, 52, 53, 46)
LEFT_BROW = (300, 293, 334, 296, 336, 285, 295, 282, 283, 276)
OUTER_LIPS = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185)
INNER_LIPS = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191)
# fmt: on
EYE_CORNERS = ((362, 263), (33, 133))  # the person's left eye, then the right; each from the picture's left to right

MESH_SIZE, IRIS_SIZE = 192, 64
FACE_SURE = 0.5
SMALLEST_FACE = 20  # pixels between the outer corners of the eyes
COMPARABLE = 0.6  # a second face at least this large, relative to the first, makes the choice unclear
LARGEST_YAW = math.radians(55)


@dataclasses.dataclass(frozen=True, eq=False)
class Face:
    """A tracked face. Pixels of the picture, centres at + 0.5.

    Attributes:
        landmarks: (468, 3); z grows away from the camera, in pixels, relative to the head.
        iris_centers: (2, 2) the person's left iris first.
        iris_radii: (2,).
        score: how sure the mesh model is that this is a face, in [0, 1].
        spread: how much the landmarks differ between crops, as a share of the eyes' distance; large when guessing.
    """

    landmarks: NDArray[np.float32]
    iris_centers: NDArray[np.float32]
    iris_radii: NDArray[np.float32]
    score: float
    spread: float

    @property
    def eye_distance(self) -> float:
        """Between the outer corners of the eyes, pixels, in three dimensions."""
        return float(np.linalg.norm(self.landmarks[33] - self.landmarks[263]))

    @property
    def yaw(self) -> float:
        """Radians by which the face is turned; positive towards the picture's right."""
        across = self.landmarks[263] - self.landmarks[33]
        return math.atan2(-float(across[2]), float(np.hypot(across[0], across[1])))


class FaceTracker(Protocol):
    """What finds the landmarks of the one face of a portrait."""

    def track(self, pixels: NDArray[np.uint8]) -> Face:
        """See `Tracker.track`."""


def choose_face(tracked: list[Face]) -> Face:
    """The face that a portrait is of.

    Raises:
        InputError: "no-face", "several-faces", "face-too-small" or "profile-face".
    """
    sure = sorted((face for face in tracked if face.score >= FACE_SURE), key=lambda face: -face.eye_distance)
    if not sure:
        raise InputError("no-face", "no face was found in the picture", "use a photograph of one face, upright")
    if len(sure) > 1 and sure[1].eye_distance > COMPARABLE * sure[0].eye_distance:
        raise InputError(
            "several-faces", f"{len(sure)} faces of about one size were found", "crop the picture to one person"
        )
    face = sure[0]
    if face.eye_distance < SMALLEST_FACE:
        raise InputError(
            "face-too-small",
            f"the eyes are only {face.eye_distance:.0f} pixels apart",
            f"use a larger picture or a closer one, with {SMALLEST_FACE} or more",
        )
    if abs(face.yaw) > LARGEST_YAW:
        raise InputError(
            "profile-face",
            f"the head is turned by about {abs(math.degrees(face.yaw)):.0f} degrees",
            "use a photograph that shows both eyes",
        )
    return face


class Tracker:
    """Detector, mesh and iris models, loaded once. Not for several threads at a time."""

    def __init__(self) -> None:
        self._detector = Detector()
        self._mesh = Network(FACE_LANDMARKS, ("conv2d_21", "conv2d_31"))
        self._iris = Network(IRIS_LANDMARKS, ("output_eyes_contours_and_brows", "output_iris"))

    def track(self, pixels: NDArray[np.uint8]) -> Face:
        """Track the one face of a portrait.

        Args:
            pixels: (H, W, 3) uint8 sRGB.

        Raises:
            InputError: "no-face", "several-faces", "face-too-small" or "profile-face".
        """
        found = self._detector.detect(pixels)
        return choose_face([self._track_one(pixels, face) for face in found[:4]])

    def track_all(self, pixels: NDArray[np.uint8]) -> list[Face]:
        """Every face of a picture (H, W, 3) that the mesh model is sure of, largest first, four at most."""
        tracked = [self._track_one(pixels, found) for found in self._detector.detect(pixels)[:4]]
        return sorted((face for face in tracked if face.score >= FACE_SURE), key=lambda face: -face.eye_distance)

    def follow(self, pixels: NDArray[np.uint8], before: Face) -> Face:
        """The face that lay at `before` in the frame before; look at its score to know whether it still does."""
        landmarks, _ = self._run_mesh(pixels, _mesh_square(before.landmarks.astype(np.float64)))
        return self._settle(pixels, landmarks)

    def _track_one(self, pixels: NDArray[np.uint8], found: Detection) -> Face:
        landmarks, _ = self._run_mesh(pixels, found.square())
        landmarks, _ = self._run_mesh(pixels, _mesh_square(landmarks))
        return self._settle(pixels, landmarks)

    def _settle(self, pixels: NDArray[np.uint8], landmarks: NDArray[np.float64]) -> Face:
        """The face near `landmarks` (468, 3)."""
        landmarks, score = self._run_mesh(pixels, _mesh_square(landmarks))
        # the same face in slightly different squares: the mean is steadier than any one answer
        square = _mesh_square(landmarks)
        varied = [landmarks]
        for dx, dy, scale, turn in ((0.02, 0, 1, 0.03), (-0.02, 0, 1, -0.03), (0, 0.02, 1.06, 0), (0, -0.02, 0.95, 0)):
            moved = Square(
                square.x + dx * square.side, square.y + dy * square.side, square.side * scale, square.angle + turn
            )
            varied.append(self._run_mesh(pixels, moved)[0])
        stack = np.stack(varied)
        landmarks = stack.mean(0)
        eyes = np.linalg.norm(landmarks[33] - landmarks[263])
        spread = float(np.linalg.norm(stack.std(0)[:, :2], axis=-1).mean() / eyes)

        left, left_center, left_radius = self._run_iris(pixels, landmarks, 0)
        right, right_center, right_radius = self._run_iris(pixels, landmarks, 1)
        landmarks[list(LEFT_LIDS), :2] = left
        landmarks[list(RIGHT_LIDS), :2] = right
        return Face(
            landmarks.astype(np.float32),
            np.stack([left_center, right_center]).astype(np.float32),
            np.array([left_radius, right_radius], np.float32),
            score,
            spread,
        )

    def _run_mesh(self, pixels: NDArray[np.uint8], square: Square) -> tuple[NDArray[np.float64], float]:
        image = square.crop(pixels, MESH_SIZE).astype(np.float32) / 255
        points, flag = self._mesh.run(image)
        score = 1 / (1 + math.exp(-max(-50.0, min(50.0, float(flag[0])))))
        # the model's pixel k is its crop's pixel centre
        unit = points.reshape(468, 3).astype(np.float64) / MESH_SIZE
        unit[:, :2] += 0.5 / MESH_SIZE
        return square.to_picture(unit), score

    def _run_iris(
        self, pixels: NDArray[np.uint8], landmarks: NDArray[np.float64], side: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
        """Lids (16, 2) in the order of `LEFT_LIDS`, the iris' centre (2,) and its radius."""
        a, b = (landmarks[k, :2] for k in EYE_CORNERS[side])
        (x, y), across = (a + b) / 2, b - a
        square = Square(float(x), float(y), float(np.hypot(*across)) * 2.3, math.atan2(across[1], across[0]))
        image = square.crop(pixels, IRIS_SIZE).astype(np.float32) / 255
        flipped = side == 0  # the model knows the eye at the picture's left
        lids, iris = self._iris.run(image[:, ::-1] if flipped else image)
        points = np.concatenate([lids.reshape(-1, 3)[:16, :2], iris.reshape(-1, 3)[:, :2]]).astype(np.float64)
        unit = (points + 0.5) / IRIS_SIZE
        if flipped:
            unit[:, 0] = 1 - unit[:, 0]
        placed = square.to_picture(unit)
        rim = placed[17:21]
        radius = float(np.linalg.norm(rim[0] - rim[2]) + np.linalg.norm(rim[1] - rim[3])) / 4
        return placed[:16], placed[16], radius


def _mesh_square(landmarks: NDArray[np.float64]) -> Square:
    """The square that holds the landmarks of the frame before, as the models were trained."""
    across = landmarks[263] - landmarks[33]
    angle = math.atan2(across[1], across[0])
    c, s = math.cos(angle), math.sin(angle)
    turned = landmarks[:, :2] @ np.array([[c, -s], [s, c]])
    low, high = turned.min(0), turned.max(0)
    x, y = (low + high) / 2 @ np.array([[c, s], [-s, c]])
    return Square(float(x), float(y), float((high - low).max()) * 1.5, angle)
