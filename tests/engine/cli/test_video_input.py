"""`perse build --video` with what it cannot use: one sentence, exit status 2, and nothing left behind."""

import re

import cv2
import numpy as np
import pytest
import skimage

from perse_engine.errors import InputError
from perse_engine.service.sources import Sources, parse_frames


@pytest.fixture
def films(tmp_path):
    folder = tmp_path / "films"
    folder.mkdir()

    def film(name, frames):
        height, width = frames[0].shape[:2]
        writer = cv2.VideoWriter(str(folder / name), cv2.VideoWriter_fourcc(*"MJPG"), 30, (width, height))
        for frame in frames:
            writer.write(np.ascontiguousarray(frame[..., ::-1]))
        writer.release()

    face = cv2.resize(skimage.data.astronaut()[0:320, 60:380], (200, 200), interpolation=cv2.INTER_AREA)
    film("short.avi", [face] * 3)
    film("nobody.avi", [np.full_like(face, 100)] * 3)
    (folder / "words.mp4").write_text("no video at all " * 100)
    (folder / "empty.mp4").touch()
    return folder


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--out", "a.perse"], "no-input"),
        (["--video", "absent.mp4", "--out", "a.perse"], "file-missing"),
        (["--video", "empty.mp4", "--out", "a.perse"], "empty-file"),
        (["--video", "words.mp4", "--out", "a.perse"], "not-a-video"),
        (["--video", "short.avi", "--out", "a.perse"], "video-too-short"),
        (["--video", "nobody.avi", "--out", "a.perse"], "no-face"),
        (["--video", "short.avi", "--hold-out", "5-3", "--out", "a.perse"], "bad-frames"),
        (["--hold-out", "3-5", "absent.jpg", "--out", "a.perse"], "bad-frames"),
    ],
)
def test_bad_footage_gets_one_sentence_and_leaves_nothing(perse, films, monkeypatch, arguments, code):
    monkeypatch.chdir(films)
    before = sorted(path.name for path in films.iterdir())
    status, out, err = perse("build", *arguments)
    complaint = err.splitlines()[-1]
    assert re.fullmatch(r"perse: [a-z-]+: [^\n]+; [^\n]+", complaint), err
    assert complaint.startswith(f"perse: {code}: ")
    assert status == 2
    assert out == ""
    assert sorted(path.name for path in films.iterdir()) == before


def test_frames_are_blocks_and_single_numbers():
    assert parse_frames("3-5, 9") == {3, 4, 5, 9}
    for text in ("", "a", "5-", "-3", "7-2", "1,,2"):
        with pytest.raises(InputError) as caught:
            parse_frames(text)
        assert caught.value.code == "bad-frames"


def test_the_video_and_what_is_held_out_of_it_are_part_of_the_order(tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"1")
    plain, held = Sources(video=path), Sources(video=path, hold_out="1-2")
    before = plain.hashes()
    assert before != held.hashes()
    path.write_bytes(b"2")
    assert plain.hashes() != before
    assert held.held_out() == {1, 2}
    assert plain.held_out() == frozenset()
