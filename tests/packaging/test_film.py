"""The demo's film and contact sheet."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import av
import numpy as np
from PIL import Image

FILM = Path(__file__).parents[2] / "docs" / "demo" / "film.py"


def film(frames: Path, out: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, FILM, frames, "--out", out], capture_output=True, text=True)


def test_every_frame_is_in_the_film_and_some_on_the_sheet(tmp_path: Path) -> None:
    frames = tmp_path / "frames"
    frames.mkdir()
    for i in range(30):
        Image.fromarray(np.full((64, 64, 3), 8 * i, np.uint8)).save(frames / f"{i:04d}.png")
    done = film(frames, tmp_path)
    assert done.returncode == 0, done.stderr
    with av.open(str(tmp_path / "demo.mp4")) as container:
        means = [picture.to_ndarray(format="rgb24").mean() for picture in container.decode(video=0)]
    assert len(means) == 30
    assert np.abs(np.array(means) - 8 * np.arange(30)).max() < 4
    sheet = np.asarray(Image.open(tmp_path / "contact_sheet.png"))
    assert sheet[10, 10, 0] == 0
    assert sheet[-10, -10, 0] == 232


def test_no_frames_is_one_sentence(tmp_path: Path) -> None:
    done = film(tmp_path / "nothing", tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("film: no-frames: ")
    assert not (tmp_path / "demo.mp4").exists()
