import dataclasses
import hashlib
import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from perse_engine.clips.animator import render_frame
from perse_engine.clips.catalogue import parse_catalogue
from perse_engine.clips.cost import estimate, refuse_without_room
from perse_engine.clips.dataset import load_dataset, synthesize
from perse_engine.clips.pictures import rgba_bytes
from perse_engine.clips.presets import ClipsPreset
from perse_engine.errors import Cancelled, InputError, PerseError
from perse_engine.progress import silent

TINY = ClipsPreset("tiny", base=3, style=2, around=1, pair=1, combinations=2, anything=2, held_out=2, size=96)
FEW = b"""
[beard]
label = "Beard"
layer = "beard"
[beard.styles.full]
label = "Full beard"
between = "grow"
length = 8.0
chin = 1.0
cheeks = 1.0
moustache = 1.0
[hat]
label = "Hat"
layer = "hat"
[hat.styles.cap]
label = "Cap"
between = "appear"
height = 24.0
bill = 60.0
color = "#803020"
[hat.styles.beanie]
label = "Beanie"
between = "appear"
height = 24.0
cuff = 40.0
color = "#203080"
weave = "knit"
"""


@pytest.fixture(scope="module")
def few():
    return parse_catalogue(FEW, "few")


@pytest.fixture(scope="module")
def whole(portrait, few, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    return synthesize(portrait, few, TINY, folder, seed=3, progress=silent)


def digest(folder):
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def test_frames_come_back_as_they_were_planned(whole):
    counts = whole.counts()
    assert counts["frames"] == len(whole.frames) > 0
    assert {"train", "heldout", "combination", "between"} <= set(counts)
    for frame in whole.frames:
        image, parts = frame.image(), frame.parts()
        assert image.shape == (frame.camera.height, frame.camera.width, 4)
        assert parts.shape == image.shape[:2]
        assert parts.max() < len(whole.wardrobe.labels)
        assert (image[..., 3] > 128).mean() > 0.1
        assert not (parts[image[..., 3] == 0] > 0).any()


def test_inherited_frames_are_what_rendering_all_of_them_gives(whole):
    boxes, bare = 0, 0
    for frame in whole.frames:
        drawn = render_frame(whole.wardrobe, frame.state, frame.camera)
        assert np.array_equal(frame.image(), rgba_bytes(drawn)), frame.name
        assert np.array_equal(frame.parts(), drawn.parts), frame.name
        boxes += frame.below is not None
        bare += frame.clip in ("base", "around", "heldout")
    assert boxes == len(whole.frames) - bare


def test_the_papers_protocol_runs_and_resumes(portrait, few, tmp_path):
    paper = ClipsPreset(
        "paper", base=4, style=0, around=0, pair=0, combinations=0, anything=0, held_out=1, size=64, clips=5
    )
    once = synthesize(portrait, few, paper, tmp_path / "once", seed=0, progress=silent)
    assert once.counts() == {"clips": 12, "frames": 24, "train": 18, "heldout": 6}
    with pytest.raises(Cancelled):
        synthesize(portrait, few, paper, tmp_path / "again", seed=0, progress=StopAfter(9))
    synthesize(portrait, few, paper, tmp_path / "again", seed=0, progress=silent)
    assert digest(tmp_path / "once") == digest(tmp_path / "again")


def test_the_cost_is_known_beforehand(whole, portrait, few):
    cost = estimate(portrait, few, TINY, 3)
    content = sum(path.stat().st_size for path in whole.folder.rglob("*.png"))
    assert cost.frames == len(whole.frames)
    assert cost.clips == whole.counts()["clips"]
    assert cost.seconds > 0
    assert cost.bytes > content / 2
    refuse_without_room(cost, whole.folder)
    with pytest.raises(PerseError, match="disk-full"):
        refuse_without_room(dataclasses.replace(cost, bytes=10**18), whole.folder / "not" / "there" / "yet")


def test_the_photo_is_a_frame(whole, portrait):
    image = whole.photo.image()
    side = image.shape[0]
    assert image.shape == (side, side, 4)
    small = portrait.photo[:384, :384].astype(float)
    assert abs(image[..., :3].astype(float).mean() - small.mean()) < 12
    assert whole.photo.state.sliders["expr_mouthsmileleft"] == pytest.approx(0.2)


class StopAfter:
    """A progress that cancels after so many reports."""

    def __init__(self, reports):
        self.left = reports

    def __call__(self, stage, done, total):
        self.left -= 1
        if self.left < 0:
            raise Cancelled


@pytest.mark.parametrize("reports", [1, 7, 15])
def test_a_run_that_was_stopped_ends_with_the_same_bytes(whole, portrait, few, tmp_path, reports):
    with pytest.raises(Cancelled):
        synthesize(portrait, few, TINY, tmp_path, seed=3, progress=StopAfter(reports))
    with pytest.raises(InputError, match="not-a-dataset"):
        load_dataset(tmp_path)
    for done in tmp_path.glob("clips/*/0000.png"):  # what a kill leaves of a clip that was not finished
        if not (tmp_path / "clips" / f"{done.parent.name}.json").exists():
            done.write_bytes(b"half a picture")
    synthesize(portrait, few, TINY, tmp_path, seed=3, progress=silent)
    assert digest(tmp_path) == digest(whole.folder)


def test_a_finished_dataset_is_left_alone(whole, portrait, few):
    before = {p: p.stat().st_mtime_ns for p in whole.folder.rglob("*.png")}
    synthesize(portrait, few, TINY, whole.folder, seed=3, progress=silent)
    assert before == {p: p.stat().st_mtime_ns for p in whole.folder.rglob("*.png")}


def test_another_order_does_not_mix_in(whole, portrait, few):
    for preset, seed in ((TINY, 4), (dataclasses.replace(TINY, base=4), 3)):
        with pytest.raises(InputError, match="other-dataset"):
            synthesize(portrait, few, preset, whole.folder, seed=seed, progress=silent)


def test_progress_counts_up_to_its_total(portrait, few, tmp_path):
    seen = []
    synthesize(
        portrait,
        few,
        TINY,
        tmp_path,
        seed=3,
        progress=lambda stage, done, total: seen.append((done, total)),
    )
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert seen[-1][0] == seen[-1][1]
    assert len({total for _, total in seen}) == 1


def test_a_full_disk_is_said(portrait, few, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("perse_engine.clips.dataset.save_wardrobe", full)
    with pytest.raises(PerseError, match="disk-full"):
        synthesize(portrait, few, TINY, tmp_path, seed=3, progress=silent)


def test_a_place_that_cannot_be_written_is_said(portrait, few, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(InputError, match="no-permission"):
        synthesize(portrait, few, TINY, tmp_path / "file" / "inside", seed=3, progress=silent)


def test_damage_is_named(whole, portrait, few, tmp_path):
    with pytest.raises(InputError, match="not-a-dataset"):
        load_dataset(tmp_path)
    synthesize(portrait, few, TINY, tmp_path, seed=3, progress=silent)
    dataset = load_dataset(tmp_path)
    dataset.frames[0].path.write_bytes(dataset.frames[0].path.read_bytes()[:60])
    with pytest.raises(InputError, match="damaged-dataset"):
        dataset.frames[0].image()
    (tmp_path / "clips" / "base.json").write_text("{")
    with pytest.raises(InputError, match="damaged-dataset"):
        load_dataset(tmp_path)
    (tmp_path / "dataset.json").write_text(json.dumps({"version": 99, "clips": []}))
    with pytest.raises(InputError, match="not-a-dataset"):
        load_dataset(tmp_path)


def test_states_survive_their_file(whole):
    again = load_dataset(whole.folder)
    for a, b in zip(whole.frames, again.frames, strict=True):
        assert a.state.sliders == b.state.sliders
        assert np.array_equal(a.state.pose, b.state.pose)
        assert np.allclose(a.camera.view, b.camera.view)


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path[:0] = sys.argv[2:]
from painted_head import painted_portrait
from test_dataset import FEW, TINY
from perse_engine.clips.catalogue import parse_catalogue
from perse_engine.clips.dataset import synthesize

def progress(stage, done, total):
    if done >= 6:
        os.kill(os.getpid(), signal.SIGKILL)

portrait = painted_portrait(256, {"mouthsmileleft": 0.2, "mouthsmileright": 0.2})
synthesize(portrait, parse_catalogue(FEW, "few"), TINY, Path(sys.argv[1]), seed=3, progress=progress)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system cannot kill")
def test_a_killed_run_ends_with_the_same_bytes(whole, portrait, few, tmp_path):
    here = str(Path(__file__).parent)
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), here, str(Path(here).parent)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert list(tmp_path.glob("clips/*.json"))
    synthesize(portrait, few, TINY, tmp_path, seed=3, progress=silent)
    assert digest(tmp_path) == digest(whole.folder)
