"""Several Blenders render chunks of one shot at once, one of them is killed: the frames are a single run's."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from exr import read_exr
from farm_process import blender_command, command_line

CHUNKS = ("1-3", "4-6", "7-9", "10-12")

pytestmark = pytest.mark.slow


def start(shot: Path, frames: str, folder: Path) -> subprocess.Popen[str]:
    """A Blender that renders `frames`, skipping those that are there."""
    code = command_line("render", shot, "-f", frames, "-o", folder / "####", "--skip-existing")
    return subprocess.Popen(
        blender_command(code, shot), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )


def finish(child: subprocess.Popen[str]) -> None:
    said, _ = child.communicate(timeout=300)
    assert child.returncode == 0, said


@pytest.mark.skipif(os.name == "nt", reason="kills as POSIX does")
def test_four_blenders_and_a_kill_render_what_one_does(saved_shot, tmp_path):
    finish(start(saved_shot, "1-12", tmp_path / "single"))
    folder = tmp_path / "farm"
    children = [start(saved_shot, frames, folder) for frames in CHUNKS]
    victim = children.pop(1)
    waited = time.monotonic()
    while not (folder / "0004.exr").exists():
        assert victim.poll() is None
        assert time.monotonic() - waited < 200
        time.sleep(0.005)
    victim.send_signal(signal.SIGKILL)
    victim.wait()
    finish(start(saved_shot, CHUNKS[1], folder))
    for child in children:
        finish(child)
    names = sorted(path.name for path in folder.glob("*.exr"))
    assert names == [f"{frame:04}.exr" for frame in range(1, 13)]
    for name in names:
        ours, single = read_exr(folder / name), read_exr(tmp_path / "single" / name)
        assert ours.keys() == single.keys()
        assert all(np.array_equal(ours[channel], single[channel]) for channel in ours), name
