"""Tracked heads: poses and expressions as they were, when they were."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from perse_engine.cameras import front_camera
from perse_engine.errors import InputError
from perse_engine.heads.posing import rest_head
from perse_engine.portraits.correspondence import paint_head
from perse_engine.portraits.following import Followed, Sighting
from perse_engine.portraits.gaps import eye_gap, lip_gap
from perse_engine.portraits.recording import load_recording, save_recording
from perse_engine.portraits.sequence import HeadSequence
from perse_engine.portraits.tracking import survey, track_head
from perse_engine.portraits.video import Video
from perse_engine.progress import silent

SIZE = 320
FRAMES = 18


@pytest.fixture(scope="module")
def performance(open_head, tracker):
    """A painted head that turns, opens its mouth for a moment and blinks: truth, faces and camera."""
    names = list(open_head.expression_names)
    center = open_head.joints[3:].mean(0).astype(np.float64) + [0, -0.02, -0.05]
    camera = front_camera(center, 0.8, SIZE * 2.2, SIZE, SIZE)
    times = np.arange(FRAMES)
    jaw = 0.7 * np.exp(-(((times - 8) / 2.2) ** 2))
    yaw = 14 * np.sin(times / 5)
    blink = (np.abs(times - 14) < 1.5).astype(float)
    faces = []
    for k in range(FRAMES):
        expression = np.zeros(len(names), np.float32)
        expression[names.index("jawopen")] = jaw[k]
        expression[[names.index("eyeblinkleft"), names.index("eyeblinkright")]] = blink[k]
        vertices, _ = rest_head(open_head, np.zeros(0, np.float32), expression)
        picture = paint_head(open_head, vertices, camera.orbited(center, float(yaw[k]), 0, 0))
        faces.append(tracker.track_all(picture)[0])
    return {"jaw": jaw, "yaw": yaw, "blink": blink, "faces": faces, "camera": camera}


def followed(performance, kept=range(FRAMES)):
    sightings = tuple(Sighting(k, performance["faces"][k], 1.0, 0.5) for k in kept)
    return Followed(sightings, FRAMES, ())


def test_a_sequence_has_the_motion_that_was_and_no_lag(performance, open_head, correspondence):
    faces, camera = performance["faces"], performance["camera"]
    sequence = HeadSequence(
        open_head,
        correspondence,
        np.stack([face.landmarks[:, :2] for face in faces]).astype(np.float64),
        np.array([face.eye_distance for face in faces]),
        dataclasses.replace(camera, view=np.eye(4)),
        np.ones(FRAMES - 1),
    )
    sequence.solve(6)
    turned = Rotation.from_matrix(np.diag([1.0, -1, -1]) @ sequence.motion.rotations).as_euler("yxz", degrees=True)
    wrong = np.abs(turned[:, 0] + performance["yaw"])
    blinking = performance["blink"] > 0
    assert wrong[~blinking].max() < 2.0
    assert wrong[blinking].max() < 4.0  # shut eyes of plain paint look like eyes that are turned
    jaw = sequence.motion.units[:, open_head.expression_names.index("jawopen")]
    lags = {lag: np.corrcoef(np.roll(performance["jaw"], lag), jaw)[0, 1] for lag in (-2, -1, 0, 1, 2)}
    assert max(lags, key=lambda lag: lags[lag]) == 0
    assert lags[0] > 0.96
    assert jaw.max() == pytest.approx(0.7, abs=0.25)
    blink = sequence.motion.units[:, open_head.expression_names.index("eyeblinkleft")]
    assert blink[performance["blink"] > 0].min() > blink[performance["blink"] == 0].max()


def test_gaps_of_lips_and_lids_follow_the_mouth_and_the_eyes(performance):
    landmarks = np.stack([face.landmarks for face in performance["faces"]])
    assert np.corrcoef(lip_gap(landmarks), performance["jaw"])[0, 1] > 0.9
    assert np.corrcoef(eye_gap(landmarks), performance["blink"])[0, 1] < -0.9


@pytest.fixture(scope="module")
def shifted(portrait):
    """The photo of the portrait, moved by four pixels a frame; three frames are missing."""
    height, width = portrait.photo.shape[:2]
    video = Video(Path("a.mp4"), width, height, 30.0, {"file": "a.mp4", "sha256": "0", "size": [width, height]})
    return video, [k for k in range(12) if k not in (5, 6, 7)]


@pytest.fixture(scope="module")
def recording(shifted, portrait, astronaut_face, tracker):
    video, kept = shifted
    moved = []
    for k in kept:
        shift = np.array([4.0 * k, 0], np.float32)
        landmarks = astronaut_face.landmarks.copy()
        landmarks[:, :2] += shift
        face = dataclasses.replace(
            astronaut_face, landmarks=landmarks, iris_centers=astronaut_face.iris_centers + shift
        )
        moved.append(Sighting(k, face, 1.0, 0.5))
    return track_head(video, Followed(tuple(moved), 12, ()), portrait, tracker, silent, 0)


def test_the_portraits_own_frame_is_as_the_portrait_has_it(recording, portrait):
    np.testing.assert_allclose(recording.views[0], portrait.camera.view, atol=4e-3)
    # the portrait is fitted to the picture too, which tells of lids a little that landmarks do not: 0.085 at most here
    np.testing.assert_allclose(recording.expressions[0], portrait.state.expression, atol=0.1)
    np.testing.assert_allclose(recording.poses[0, 1], portrait.state.pose[1], atol=0.03)


def test_short_gaps_are_filled_and_named(recording):
    assert recording.numbers.tolist() == list(range(12))
    assert np.flatnonzero(~recording.seen).tolist() == [5, 6, 7]
    assert not recording.usable[[5, 6, 7]].any()
    assert any("3 frames" in note and "interpolated" in note for note in recording.notes)
    along = recording.views[:, 0, 3]
    np.testing.assert_allclose(np.diff(along), np.diff(along).mean(), atol=1.5e-3)


def test_a_recording_comes_back_from_disk(recording, tmp_path):
    save_recording(recording, tmp_path / "kept")
    again = load_recording(tmp_path / "kept")
    np.testing.assert_array_equal(again.views, recording.views)
    np.testing.assert_array_equal(again.expressions, recording.expressions)
    assert again.notes == recording.notes
    assert again.sliders(3) == recording.sliders(3)
    (tmp_path / "kept" / "recording.npz").write_bytes(b"cut")
    with pytest.raises(InputError) as caught:
        load_recording(tmp_path / "kept")
    assert caught.value.code == "not-a-recording"


def test_the_survey_takes_a_frontal_calm_frame_that_is_not_held_out(performance, open_head, tracker):
    video = Video(Path("a.mp4"), SIZE, SIZE, 30.0, {})
    found = survey(video, followed(performance), open_head, tracker, range(2))
    assert found.frame not in (0, 1)
    assert abs(performance["yaw"][found.frame]) < 10
    assert performance["jaw"][found.frame] < 0.3
    assert performance["blink"][found.frame] == 0
    with pytest.raises(InputError) as caught:
        survey(video, followed(performance), open_head, tracker, range(FRAMES))
    assert caught.value.code == "video-too-short"
