"""Footage in a dataset: real pixels with the states of the tracked head, and blocks that nothing is learnt from."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import pytest

from perse_engine.clips.catalogue import parse_catalogue
from perse_engine.clips.dataset import load_dataset, synthesize
from perse_engine.clips.labels import UNKNOWN
from perse_engine.clips.presets import ClipsPreset
from perse_engine.clips.recorded import add_recording
from perse_engine.errors import InputError
from perse_engine.portraits.recording import Recording
from perse_engine.portraits.video import open_video
from perse_engine.progress import silent

FRAMES, STEP = 9, 4
HELD_OUT = {3, 4, 7}
TINY = ClipsPreset("tiny", base=2, style=0, around=0, pair=0, combinations=0, anything=0, held_out=0, size=64)


@pytest.fixture(scope="module")
def sitter(portrait):
    """The painted portrait with landmarks on a circle about its face."""
    angles = np.linspace(0, 2 * np.pi, 468, endpoint=False)
    circle = np.stack([192 + 62 * np.cos(angles), 175 + 80 * np.sin(angles), 0 * angles], 1)
    return dataclasses.replace(portrait, landmarks=circle.astype(np.float32))


@pytest.fixture(scope="module")
def recording(sitter, tmp_path_factory):
    """The photo wandering to the right, frame by frame; the second frame is not usable."""
    path = tmp_path_factory.mktemp("film") / "a.avi"
    height, width = sitter.photo.shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 30, (width, height))
    views, landmarks = [], []
    depth = float(sitter.camera.project(np.array([0.0, 0.05, 0.08]))[2])
    for k in range(FRAMES):
        writer.write(np.ascontiguousarray(np.roll(sitter.photo, STEP * k, 1)[..., ::-1]))
        view = sitter.camera.view.copy()
        view[0, 3] += STEP * k * depth / sitter.camera.fx
        views.append(view)
        landmarks.append(sitter.landmarks + np.array([STEP * k, 0, 0], np.float32))
    writer.release()
    usable = np.ones(FRAMES, bool)
    usable[1] = False
    return Recording(
        video=open_video(path),
        lens=dataclasses.replace(sitter.camera, view=np.eye(4)),
        expression_names=sitter.head.expression_names,
        numbers=np.arange(FRAMES),
        views=np.array(views),
        expressions=np.tile(sitter.state.expression, (FRAMES, 1)),
        poses=np.tile(sitter.state.pose, (FRAMES, 1, 1)),
        landmarks=np.array(landmarks),
        seen=np.ones(FRAMES, bool),
        usable=usable,
        notes=("a note",),
    )


@pytest.fixture(scope="module")
def dataset(sitter, recording, tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    synthesize(sitter, parse_catalogue(b"", "none"), TINY, folder, seed=0, progress=silent)
    return add_recording(recording, sitter, folder, HELD_OUT, silent)


def of(dataset, clip):
    return [frame for frame in dataset.frames if frame.clip == clip]


def test_what_is_usable_is_learnt_from_and_blocks_are_held_out(dataset):
    assert len(of(dataset, "recorded")) == FRAMES - 1 - len(HELD_OUT)
    assert {frame.split for frame in of(dataset, "recorded")} == {"train"}
    assert [len(of(dataset, f"held_out_{first:05d}")) for first in (3, 7)] == [2, 1]
    assert len(dataset.of("footage")) == len(HELD_OUT)
    assert len(of(dataset, "base")) == 2


def test_frames_are_the_footages_own_pixels_where_the_camera_says(dataset, recording, sitter):
    frame = of(dataset, "held_out_00007")[0]
    cut = frame.image()
    x, y = (round(recording.lens.cx - frame.camera.cx), round(recording.lens.cy - frame.camera.cy))
    filmed = np.roll(sitter.photo, STEP * 7, 1)
    a, b = slice(100, 280), slice(120, 260)
    difference = cut[a, b, :3].astype(int) - filmed[100 + y : 280 + y, 120 + x : 260 + x]
    assert np.abs(difference).mean() < 4  # of the codec
    np.testing.assert_allclose(frame.camera.view, recording.views[7])
    assert frame.state.sliders == recording.sliders(7)


def test_labels_are_those_of_the_tracked_head(dataset):
    labels = dataset.wardrobe.labels
    for frame in of(dataset, "recorded"):
        parts, image = frame.parts(), frame.image()
        face = parts == labels.index("skin")
        assert face.mean() > 0.05
        assert image[face, 3].mean() > 200
        outside = parts == labels.index(UNKNOWN)
        assert not image[outside, 3].any()


def test_adding_the_same_again_changes_nothing_and_other_footage_is_refused(dataset, recording, sitter):
    before = {p: p.stat().st_mtime_ns for p in dataset.folder.rglob("*.png")}
    again = add_recording(recording, sitter, dataset.folder, HELD_OUT, silent)
    assert [f.name for f in again.frames] == [f.name for f in load_dataset(dataset.folder).frames]
    assert before == {p: p.stat().st_mtime_ns for p in dataset.folder.rglob("*.png")}
    with pytest.raises(InputError) as caught:
        add_recording(recording, sitter, dataset.folder, {0}, silent)
    assert caught.value.code == "other-dataset"


def test_holding_everything_out_leaves_nothing_to_learn_from(dataset, recording, sitter):
    with pytest.raises(InputError) as caught:
        add_recording(recording, sitter, dataset.folder, range(FRAMES), silent)
    assert caught.value.code == "video-too-short"
