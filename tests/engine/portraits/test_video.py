"""Footage good and bad: one face is followed, and what cannot be used is said."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

import perse_engine.portraits.video as video_module
from perse_engine.errors import InputError
from perse_engine.portraits.following import follow_face
from perse_engine.portraits.video import open_video, video_frames
from perse_engine.progress import silent

SIDE = 224
STEP = 3


def film(path, frames, codec="MJPG"):
    """Write uint8 RGB frames of one size."""
    height, width = frames[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*codec), 30, (width, height))
    for frame in frames:
        writer.write(np.ascontiguousarray(frame[..., ::-1]))
    writer.release()
    return path


@pytest.fixture(scope="session")
def still(astronaut):
    """The astronaut's head and shoulders."""
    return cv2.resize(astronaut[0:320, 60:380], (SIDE, SIDE), interpolation=cv2.INTER_AREA)


def moving(still, count):
    return [np.roll(still, STEP * k, axis=1) for k in range(count)]


def without_face(frame):
    """The frame with a patch of its background over the face."""
    covered = frame.copy()
    covered[20:150, 70:190] = frame[5:20, 5:60].reshape(-1, 3).mean(0)
    return covered


def followed(path, tracker, recogniser=None):
    return follow_face(open_video(path), tracker, recogniser, silent)


def test_a_moving_face_is_followed_in_every_frame(tmp_path, still, tracker):
    found = followed(film(tmp_path / "a.avi", moving(still, 14)), tracker)
    assert [sighting.frame for sighting in found.sightings] == list(range(14))
    assert found.notes == ()
    places = np.array([s.face.landmarks[:, 0].mean() for s in found.sightings])
    np.testing.assert_allclose(np.diff(places), STEP, atol=0.6)


def test_frames_without_a_face_are_left_out_and_said(tmp_path, still, tracker):
    frames = [still] * 8 + [without_face(still)] * 3 + [still] * 5
    found = followed(film(tmp_path / "a.avi", frames), tracker)
    assert [s.frame for s in found.sightings] == [*range(8), *range(11, 16)]
    assert any("not seen in 3 of 16 frames" in note for note in found.notes)


def test_of_two_people_the_larger_one_in_the_middle_is_followed(tmp_path, still, tracker):
    small = cv2.resize(still, (120, 120), interpolation=cv2.INTER_AREA)
    both = np.full((SIDE, SIDE + 130, 3), 90, np.uint8)
    both[:, 130:] = still
    both[60:180, 5:125] = small
    found = followed(film(tmp_path / "a.avi", [both] * 13), tracker)
    assert len(found.sightings) == 13
    assert all(s.face.landmarks[:, 0].mean() > 150 for s in found.sightings)
    assert any("more than one person" in note for note in found.notes)


def test_of_several_shots_those_of_one_person_are_used(tmp_path, still, tracker):
    other = np.ascontiguousarray(255 - (255 - still[:, ::-1].astype(int)) // 2).astype(np.uint8)
    path = film(tmp_path / "a.avi", [still] * 13 + [other] * 5)
    alone = followed(path, tracker)
    assert [s.frame for s in alone.sightings] == list(range(13))
    assert any("2 shots" in note and "13 of 18" in note for note in alone.notes)
    together = followed(path, tracker, lambda picture: np.zeros(3))
    assert [s.frame for s in together.sightings] == list(range(18))


def test_blurred_frames_are_tracked_and_not_learnt_from(tmp_path, still, tracker):
    frames = [still] * 14
    frames[5] = cv2.GaussianBlur(still, (0, 0), 2)
    found = followed(film(tmp_path / "a.avi", frames), tracker)
    assert np.flatnonzero(~found.usable()).tolist() == [5]
    assert any("1 frames are blurred" in note for note in found.notes)


def test_a_video_cut_short_is_used_as_far_as_it_goes(tmp_path, still, tracker):
    path = film(tmp_path / "a.avi", moving(still, 20))
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 3 // 4])
    assert 12 <= len(followed(path, tracker).sightings) < 20


class Changing:
    """A decoder whose frames change their size in the middle, as some streams do."""

    def __init__(self, frames):
        self._frames = iter(frames)

    def read(self):
        frame = next(self._frames, None)
        return frame is not None, frame

    def get(self, what):
        return 30.0

    def release(self):
        pass


def test_frames_of_another_size_are_fitted_into_the_first_ones(tmp_path, still, monkeypatch):
    frames = [still, cv2.resize(still, (448, 448)), still[:, :112]]
    (tmp_path / "a.mp4").write_bytes(b"a stream")
    monkeypatch.setattr(video_module, "_capture", lambda path: Changing(frames))
    first, larger, half = video_frames(open_video(tmp_path / "a.mp4"))
    assert first.shape == larger.shape == half.shape
    assert np.abs(larger.astype(int) - first).mean() < 6
    np.testing.assert_array_equal(half[:, 56:168], first[:, :112])
    assert not half[:, :56].any()


def test_large_frames_are_reduced(tmp_path, still):
    large = cv2.resize(still, (1600, 1200))
    video = open_video(film(tmp_path / "a.avi", [large]))
    assert (video.width, video.height) == (1280, 960)
    assert next(video_frames(video)).shape == (960, 1280, 3)
    assert video.source["size"] == [1600, 1200]


@pytest.mark.parametrize(
    ("name", "frames", "code"),
    [
        ("short", lambda still: [still] * 5, "video-too-short"),
        ("dark", lambda still: [(still * 0.08).astype(np.uint8)] * 14, "video-too-dark"),
        ("nobody", lambda still: [np.full_like(still, 120)] * 4, "no-face"),
        ("tiny", lambda still: [cv2.resize(still, (48, 48))] * 3, "too-small"),
    ],
)
def test_footage_that_cannot_be_used_is_refused_plainly(tmp_path, still, tracker, name, frames, code):
    path = film(tmp_path / f"{name}.avi", frames(still))
    with pytest.raises(InputError) as caught:
        followed(path, tracker)
    assert caught.value.code == code
    assert path.name in caught.value.message


@pytest.mark.parametrize(
    ("content", "code"), [(b"", "empty-file"), (b"no video at all, only words" * 50, "not-a-video")]
)
def test_files_that_are_no_video_are_refused(tmp_path, content, code):
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        open_video(path)
    assert caught.value.code == code


def test_paths_that_are_no_file_are_refused(tmp_path):
    for path, code in ((tmp_path / "none.mp4", "file-missing"), (tmp_path, "is-a-directory")):
        with pytest.raises(InputError) as caught:
            open_video(path)
        assert caught.value.code == code
