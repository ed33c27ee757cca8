"""Whether two pictures show the same person: distances between dlib's face descriptors.

King, "Dlib-ml", 2009; the network is public domain. The 5-point landmark model is used, for the 68-point one forbids
commercial use. Both are for measuring only and no dependency of the engine.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Descriptor = NDArray[np.float64]

UNDETECTED = 9.0
"""The distance of a face that was not detected: a failure whatever the bar."""
_MARGIN = 0.35
"""A face may reach the border of the picture: the detector wants some air around it."""


class FaceReader:
    """dlib's detector, landmarks and descriptor network, loaded once (about 100 MB)."""

    def __init__(self) -> None:
        import dlib

        folder = _models_folder()
        assert folder is not None
        self._detector: Any = dlib.get_frontal_face_detector()
        self._landmarks: Any = dlib.shape_predictor(str(folder / "shape_predictor_5_face_landmarks.dat"))
        self._network: Any = dlib.face_recognition_model_v1(str(folder / "dlib_face_recognition_resnet_model_v1.dat"))

    def descriptor(self, picture: Bytes) -> Descriptor | None:
        """128 numbers for the largest face in the sRGB `picture` (H, W, 3), or None where none is detected."""
        pad = int(_MARGIN * min(picture.shape[:2]))
        padded = np.ascontiguousarray(np.pad(picture, ((pad, pad), (pad, pad), (0, 0)), mode="edge"))
        faces = self._detector(padded, 0) or self._detector(padded, 1)
        if not faces:
            return None
        face = max(faces, key=lambda box: box.area())
        shape = self._landmarks(padded, face)
        return np.array(self._network.compute_face_descriptor(padded, shape))


def distance(first: Descriptor | None, second: Descriptor | None) -> float:
    """Euclidean distance of two descriptors, `UNDETECTED` where one is missing; same person below about 0.6."""
    if first is None or second is None:
        return UNDETECTED
    return float(np.linalg.norm(first - second))


def missing() -> str | None:
    """What identity cannot be measured without, or None when everything is here."""
    if importlib.util.find_spec("dlib") is None:
        return "dlib absent"
    if _models_folder() is None:
        return "face-recognition-models absent"
    return None


def _models_folder() -> Path | None:
    """Where the models lie; their package is never imported, for it needs pkg_resources."""
    spec = importlib.util.find_spec("face_recognition_models")
    if spec is None or not spec.submodule_search_locations:
        return None
    folder = Path(spec.submodule_search_locations[0]) / "models"
    return folder if folder.is_dir() else None
