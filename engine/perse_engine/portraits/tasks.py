"""Landmarks by MediaPipe's Tasks interface, for those who have its `face_landmarker.task` file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perse_engine.errors import InputError
from perse_engine.portraits.landmarks import Face, FaceTracker, Tracker, choose_face

VARIABLE = "PERSE_FACE_LANDMARKER"
LEFT_IRIS, RIGHT_IRIS = (473, 474, 475, 476, 477), (468, 469, 470, 471, 472)  # centre, then the rim


def open_tracker() -> FaceTracker:
    """The user's `face_landmarker.task` where the environment variable PERSE_FACE_LANDMARKER names one, else ours.

    Raises:
        InputError: "landmarker-missing" or "mediapipe-missing" when the variable cannot be followed; "models-missing".
    """
    chosen = os.environ.get(VARIABLE)
    return TaskTracker(Path(chosen)) if chosen else Tracker()


class TaskTracker:
    """MediaPipe's own face landmarker."""

    def __init__(self, task: Path) -> None:
        """Load the task file.

        Raises:
            InputError: "landmarker-missing", "mediapipe-missing".
        """
        if not task.is_file():
            raise InputError("landmarker-missing", f"{task} is not a file", f"correct {VARIABLE} or unset it")
        try:
            import mediapipe
        except ImportError as error:
            raise InputError(
                "mediapipe-missing",
                f"{VARIABLE} is set but the package mediapipe does not load ({error})",
                f"install mediapipe into the engine's environment or unset {VARIABLE}",
            ) from error
        vision = mediapipe.tasks.vision
        options = vision.FaceLandmarkerOptions(
            base_options=mediapipe.tasks.BaseOptions(model_asset_path=str(task)), num_faces=4
        )
        self._image, self._format = mediapipe.Image, mediapipe.ImageFormat.SRGB
        self._landmarker = vision.FaceLandmarker.create_from_options(options)

    def track(self, pixels: NDArray[np.uint8]) -> Face:
        """See `Tracker.track`."""
        image = self._image(image_format=self._format, data=np.ascontiguousarray(pixels))
        height, width = pixels.shape[:2]
        found = self._landmarker.detect(image).face_landmarks
        return choose_face([face_of_task(landmarks, width, height) for landmarks in found])


def face_of_task(landmarks: list[Any], width: int, height: int) -> Face:
    """A face from the 478 normalised landmarks of one result."""
    points = np.array([[point.x * width, point.y * height, point.z * width] for point in landmarks], np.float32)
    irises = [points[list(indices), :2] for indices in (LEFT_IRIS, RIGHT_IRIS)]
    return Face(
        landmarks=points[:468],
        iris_centers=np.stack([iris[0] for iris in irises]),
        iris_radii=np.array([np.linalg.norm(iris[1:] - iris[0], axis=1).mean() for iris in irises], np.float32),
        score=1.0,
        spread=0.0,
    )
