"""A photograph goes in, keyframed frames come out of Blender, by the commands that a person would use."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from numpy.typing import NDArray
from PIL import Image

pytestmark = pytest.mark.slow

PERSE = Path(sys.executable).with_name("perse.exe" if os.name == "nt" else "perse")


def perse(*arguments: str | Path) -> str:
    """What a `perse` command prints; the test fails where the command does."""
    done = subprocess.run([PERSE, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def read(path: Path) -> NDArray[np.float64]:
    """A picture as (H, W, 4) in [0, 1]."""
    return np.asarray(Image.open(path).convert("RGBA")) / 255.0


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photo") / "astronaut.png"
    Image.fromarray(skimage.data.astronaut()).save(path)
    return path


@pytest.fixture(scope="module")
def avatar(photo: Path) -> Path:
    """The draft avatar of the photograph."""
    path = photo.with_name("avatar.perse")
    perse("build", photo, "--out", path, "--preset", "draft", "--work", photo.with_name("work"))
    return path


@pytest.fixture(scope="module")
def frames(avatar: Path, tmp_path_factory: pytest.TempPathFactory) -> list[NDArray[np.float64]]:
    """An animation of it, rendered by Blender through the packaged extension."""
    if not {"PERSE_TEST_ZIP", "PERSE_TEST_BLENDER"} <= os.environ.keys():
        pytest.skip("run it as: python3 build.py test tests/end_to_end")
    folder = tmp_path_factory.mktemp("frames")
    command = [os.environ["PERSE_TEST_BLENDER"], Path(__file__).with_name("shoot.py"), os.environ["PERSE_TEST_ZIP"]]
    done = subprocess.run([*map(str, command), str(avatar), str(folder)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return [read(path) for path in sorted(folder.glob("*.png"))]


def test_the_avatar_lists_its_sliders(avatar: Path) -> None:
    names = {slider["slider"] for slider in json.loads(perse("info", avatar, "--json"))["sliders"]}
    assert "expr_jawopen" in names
    assert {name.split("_")[1] for name in names if name.startswith("attr_")} >= {"hair", "beard", "glasses", "hat"}


def test_the_photo_state_looks_like_the_photo(avatar: Path, photo: Path, tmp_path: Path) -> None:
    picture = tmp_path / "photo.png"
    perse("render", avatar, "--out", picture, "--state", "photo", "--camera", "portrait", "--size", "256x256")
    rendered = read(picture)
    wanted = np.asarray(Image.open(photo).resize((256, 256), Image.Resampling.BOX)) / 255.0
    head = rendered[..., 3] > 0.99
    head[90:] = False  # her chin is above this row
    assert 0.04 < head.mean() < 0.12
    error = np.mean((rendered[head][:, :3] - wanted[head]) ** 2)
    assert -10 * np.log10(error) > 22


def test_blender_writes_every_frame(frames: list[NDArray[np.float64]]) -> None:
    assert len(frames) == 5
    for frame in frames:
        assert frame.shape == (256, 256, 4)
        assert 0.1 < frame[..., 3].mean() < 0.9


def test_keyframes_move_the_face_step_by_step(frames: list[NDArray[np.float64]]) -> None:
    steps = [np.abs(after - before).mean() for before, after in itertools.pairwise(frames)]
    assert min(steps) > 1e-4
    assert np.abs(frames[-1] - frames[0]).mean() > 0.01
