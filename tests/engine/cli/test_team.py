"""`perse train` in several processes, as torchrun starts it."""

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from perse_engine.avatars.file import load_avatar
from perse_engine.avatars.state import AvatarState
from perse_engine.clips.frames import CLIPS, INDEX, PHOTO, VERSION, WARDROBE, clip_to_json
from perse_engine.clips.wardrobe import save_wardrobe
from perse_engine.files import write_json

TRAINING = Path(__file__).parents[1] / "training"
SIZE = 64

# The command line itself, its shortest preset shorter.
SHORT = """
import sys
from perse_engine.cli.running import run
from perse_engine.training import presets
presets.PRESETS["draft"] = presets.Preset("draft", 1000, 21, size=64)
sys.exit(run(sys.argv[1:]))
"""


def torchrun(*command, cwd):
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *command]
    return subprocess.run(launch, capture_output=True, text=True, timeout=300, cwd=cwd)


@pytest.fixture
def dataset(tmp_path):
    """Clips of a small painted figure, on disk."""
    spec = importlib.util.spec_from_file_location("painted_figure", TRAINING / "test_dataset.py")
    painted = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(painted)
    wardrobe = painted.make_wardrobe()
    folder = tmp_path / "clips.dataset"
    camera = painted.BALL.make_avatar(50).neutral_camera.resized(SIZE, SIZE)
    for clip, split, every in (
        ("base", "train", painted.SLIDERS),
        ("heldout", "heldout", [{"attr_hair_red": 1.0, "expr_jawopen": 0.5}]),
        (PHOTO, "train", [{}]),
    ):
        (folder / CLIPS / clip).mkdir(parents=True)
        states = [AvatarState(sliders) for sliders in every]
        for k, state in enumerate(states):
            made = painted._filmed(tmp_path, wardrobe, f"{clip}/{k:04d}", split, state, camera).path
            for suffix in (".png", ".parts.png"):
                shutil.move(made.with_suffix(suffix), (folder / CLIPS / clip / f"{k:04d}.png").with_suffix(suffix))
        write_json(folder / CLIPS / f"{clip}.json", clip_to_json(split, [(state, camera) for state in states]))
    save_wardrobe(wardrobe, folder / WARDROBE)
    index = {"version": VERSION, "clips": ["base", "heldout"], "order": {"seed": 1}}
    write_json(folder / INDEX, {**index, "photo_camera": camera.to_json(), "source": {"file": "ball.png"}})
    return folder


@pytest.mark.slow
def test_two_processes_write_one_avatar(dataset, tmp_path):
    script = tmp_path / "short.py"
    script.write_text(SHORT)
    out = tmp_path / "ball.perse"
    done = torchrun(script, "train", dataset, "--out", out, "--preset", "draft", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["avatar"] == str(out)  # said once
    assert done.stderr.count("train done") == 1
    avatar = load_avatar(out)
    assert avatar.provenance["processes"] == 2
    assert avatar.provenance["steps"] == 21
    assert np.isfinite(avatar.colors).all()
    assert (tmp_path / "ball.training" / "loss.csv").read_text().count("\n") == 4  # of 11 steps every fifth


@pytest.mark.slow
def test_the_command_line_is_a_module(tmp_path):
    done = torchrun("-m", "perse_engine.cli", "train", "absent", "--out", "x.perse", cwd=tmp_path)
    assert done.returncode != 0
    assert "perse: not-a-dataset: absent holds no finished clips" in done.stderr
    alone = subprocess.run(
        [sys.executable, "-m", "perse_engine.cli", "train", "--help"], capture_output=True, text=True
    )
    assert alone.returncode == 0
    assert "torchrun" in alone.stdout
