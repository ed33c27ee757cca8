"""Finding the face, its landmarks and irises."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from perse_engine.errors import InputError
from perse_engine.portraits import tasks
from perse_engine.portraits.landmarks import LEFT_LIDS, RIGHT_LIDS, Face, Tracker, choose_face


def test_the_astronaut_is_found_where_she_is(astronaut_face: Face) -> None:
    landmarks = astronaut_face.landmarks
    assert landmarks.shape == (468, 3)
    np.testing.assert_allclose(landmarks[1, :2], [224, 124], atol=8)  # the tip of the nose
    assert 50 < astronaut_face.eye_distance < 70
    assert abs(astronaut_face.yaw) < 0.1
    assert astronaut_face.iris_centers[0, 0] > astronaut_face.iris_centers[1, 0]  # her left is at the picture's right
    for side, lids in enumerate((LEFT_LIDS, RIGHT_LIDS)):
        low, high = landmarks[list(lids), :2].min(0), landmarks[list(lids), :2].max(0)
        assert (low < astronaut_face.iris_centers[side]).all()
        assert (high > astronaut_face.iris_centers[side]).all()
    assert ((astronaut_face.iris_radii > 2.5) & (astronaut_face.iris_radii < 6)).all()


@pytest.mark.parametrize(("scale", "turn"), [(2.0, 0), (0.5, 0), (1.0, 20), (1.3, -15)])
def test_landmarks_follow_the_picture(
    tracker: Tracker, astronaut: NDArray[np.uint8], astronaut_face: Face, scale: float, turn: float
) -> None:
    matrix = cv2.getRotationMatrix2D((224, 124), turn, scale)
    moved = cv2.warpAffine(astronaut, matrix, (round(512 * scale), round(512 * scale)), borderMode=cv2.BORDER_REPLICATE)
    face = tracker.track(moved)
    expected = astronaut_face.landmarks[:, :2] @ matrix[:, :2].T + matrix[:, 2]
    apart = np.linalg.norm(face.landmarks[:, :2] - expected, axis=1) / face.eye_distance
    assert np.median(apart) < 0.025


def test_pictures_without_a_face_and_with_several_are_refused(tracker: Tracker, astronaut: NDArray[np.uint8]) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (200, 300, 3), np.uint8)
    for picture in (noise, np.full((128, 128, 3), 200, np.uint8)):
        with pytest.raises(InputError, match="no-face"):
            tracker.track(picture)
    with pytest.raises(InputError, match="several-faces"):
        tracker.track(np.concatenate([astronaut[:300, 60:400], astronaut[:300, 60:400]], 1))


def test_a_face_of_a_few_pixels_is_refused(tracker: Tracker, astronaut: NDArray[np.uint8]) -> None:
    small = cv2.resize(astronaut[30:230, 120:330], (64, 61), interpolation=cv2.INTER_AREA)
    with pytest.raises(InputError, match="face-too-small"):
        tracker.track(small)


def test_which_face_is_chosen(astronaut_face: Face) -> None:
    def scaled(factor: float, score: float = 1.0) -> Face:
        landmarks = astronaut_face.landmarks * np.float32(factor)
        return dataclasses.replace(astronaut_face, landmarks=landmarks, score=score)

    assert choose_face([scaled(0.4), scaled(1.0)]).eye_distance == pytest.approx(astronaut_face.eye_distance)
    assert choose_face([scaled(1.0), scaled(1.0, score=0.1)]) is not None
    with pytest.raises(InputError, match="several-faces"):
        choose_face([scaled(1.0), scaled(0.8)])
    with pytest.raises(InputError, match="no-face"):
        choose_face([])
    turned = astronaut_face.landmarks.copy()
    x = turned[:, 0] - turned[:, 0].mean()
    turned[:, 0], turned[:, 2] = x * np.cos(1.1), x * np.sin(1.1)
    with pytest.raises(InputError, match="profile-face"):
        choose_face([dataclasses.replace(astronaut_face, landmarks=turned)])


def test_the_task_of_the_user_is_used_when_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, astronaut_face: Face
) -> None:
    monkeypatch.setenv(tasks.VARIABLE, str(tmp_path / "face_landmarker.task"))
    with pytest.raises(InputError, match="landmarker-missing"):
        tasks.open_tracker()
    (tmp_path / "face_landmarker.task").write_bytes(b"task")
    monkeypatch.setitem(__import__("sys").modules, "mediapipe", None)
    with pytest.raises(InputError, match="mediapipe-missing"):
        tasks.open_tracker()

    ring = np.array([[0, 0], [4, 0], [0, 4], [-4, 0], [0, -4]], np.float32)
    points = np.zeros((478, 3), np.float32)
    points[:468] = astronaut_face.landmarks
    points[473:478, :2] = astronaut_face.iris_centers[0] + ring
    points[468:473, :2] = astronaut_face.iris_centers[1] + ring
    answer = [SimpleNamespace(x=x / 400, y=y / 300, z=z / 400) for x, y, z in points]
    asked: dict[str, Any] = {}

    class Landmarker:
        @classmethod
        def create_from_options(cls, options: SimpleNamespace) -> Landmarker:
            asked.update(path=options.base_options.model_asset_path)
            return cls()

        def detect(self, image: SimpleNamespace) -> SimpleNamespace:
            asked.update(image=image)
            return SimpleNamespace(face_landmarks=[answer])

    namespace = SimpleNamespace
    fake = namespace(
        Image=namespace,
        ImageFormat=namespace(SRGB="srgb"),
        tasks=namespace(
            BaseOptions=namespace, vision=namespace(FaceLandmarkerOptions=namespace, FaceLandmarker=Landmarker)
        ),
    )
    monkeypatch.setitem(__import__("sys").modules, "mediapipe", fake)
    face = tasks.open_tracker().track(np.zeros((300, 400, 3), np.uint8))
    assert asked["path"].endswith("face_landmarker.task")
    np.testing.assert_allclose(face.landmarks, astronaut_face.landmarks, atol=1e-3)
    np.testing.assert_allclose(face.iris_centers, astronaut_face.iris_centers, atol=1e-3)
    np.testing.assert_allclose(face.iris_radii, 4, atol=1e-3)
