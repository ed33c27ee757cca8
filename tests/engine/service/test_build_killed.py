"""The real stages, small: killed anywhere, the same command ends with the same avatar; and what comes of it."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import skimage
from PIL import Image

from perse_engine.avatars.file import load_avatar

# A preset of seconds under the name of a real one, and fewer pictures to measure; the stages themselves are untouched.
PERSE = """
import perse_engine.clips.presets as clips, perse_engine.training.presets as training
few = dict(style=1, around=0, pair=0, combinations=2, anything=2, held_out=2)
clips.PRESETS["draft"] = clips.ClipsPreset("draft", base=6, size=128, **few)
training.PRESETS["draft"] = training.Preset("draft", 3_000, 60, size=128)
import perse_engine.evaluation.leakage as leakage, perse_engine.evaluation.teacher as teacher
leakage.VIEWS, leakage.SIDE, teacher.PATH_STEPS = leakage.VIEWS[:1], 128, 3
import perse_engine.evaluation.samples as samples
samples.sample_rows.__defaults__ = (4,)
from perse_engine.cli import main
main()
"""
LIMIT_S = 300

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name == "nt", reason="POSIX signals")]


@pytest.fixture(scope="module")
def photo(tmp_path_factory):
    path = tmp_path_factory.mktemp("photos") / "astronaut.png"
    Image.fromarray(skimage.data.astronaut()).save(path)
    return path


def begin(photo, folder):
    command = [sys.executable, "-c", PERSE, "build", photo, "--out", folder / "me.perse", "--preset", "draft"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def finish(photo, folder):
    process = begin(photo, folder)
    _, err = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 0, err
    return load_avatar(folder / "me.perse")


def wait_for(folder, stage, share):
    """Wait until `stage` has been reported to be `share` done or further."""
    path = folder / "me.draft-0.work" / "progress.jsonl"
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline:
        if path.exists():
            for line in path.read_text().splitlines():
                report = json.loads(line)
                if report["stage"] == stage and report["done"] >= share * report["total"]:
                    return
        time.sleep(0.02)
    raise AssertionError(f"{stage} was not reached")


@pytest.fixture(scope="module")
def folder(photo, tmp_path_factory):
    """Where a build that was not broken off lies."""
    folder = tmp_path_factory.mktemp("unbroken")
    finish(photo, folder)
    return folder


@pytest.fixture(scope="module")
def unbroken(folder):
    return load_avatar(folder / "me.perse")


def test_killed_in_every_stage_and_interrupted(photo, unbroken, tmp_path):
    for stage, share in (("portrait", 0.3), ("clips", 0.5), ("train", 0.5)):
        process = begin(photo, tmp_path)
        wait_for(tmp_path, stage, share)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert not (tmp_path / "me.perse").exists()
    progress = tmp_path / "me.draft-0.work" / "progress.jsonl"
    progress.unlink()
    process = begin(photo, tmp_path)
    wait_for(tmp_path, "train", 0.3)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 130
    assert err.splitlines()[-1].startswith("perse: cancelled: ")
    assert json.loads(progress.with_name("job.json").read_text())["state"] == "cancelled"
    resumed = finish(photo, tmp_path)
    assert (resumed.colors == unbroken.colors).all()
    assert (resumed.offsets == unbroken.offsets).all()


def test_the_avatar_is_measured_against_what_lies_beside_it(folder):
    command = [sys.executable, "-c", PERSE, "evaluate", folder / "me.perse", "--report", folder / "report"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=LIMIT_S)
    rows = {row["name"]: row for row in json.loads((folder / "report" / "report.json").read_text())["rows"]}
    assert rows["PSNR, photo state against the photo"]["value"] > 15
    assert rows["held-out expressions and views, 256²"]["value"] > 15
    assert rows["512² against 256²"]["value"] > 30
    assert rows["64² against the teacher"]["value"] > 15
    assert rows["mean change outside the taught region"]["value"] is not None
    assert all(row["value"] is not None or row["note"].startswith("not run: ") for row in rows.values())


def test_clips_are_measured_without_an_avatar(folder, photo):
    clips = folder / "me.draft-0.work" / "dataset"
    command = [sys.executable, "-c", PERSE, "evaluate", clips, "--report", folder / "clips", "--json"]
    command += ["--sitters", photo.parent]  # the photo itself is there, and is no other sitter's
    rows = json.loads(subprocess.check_output(command, text=True, timeout=LIMIT_S))
    assert {row["section"] for row in rows} == {"photo", "landmarks", "identity", "in-betweens"}
    assert not any("other sitter" in row["name"] for row in rows)


def test_the_photos_own_view_is_framed_as_the_photo(folder, photo):
    out = folder / "photo.png"
    command = [sys.executable, "-c", PERSE, "render", folder / "me.perse", "--out", out]
    subprocess.run([*command, "--state", "photo", "--camera", "portrait"], check=True)
    with Image.open(out) as drawn, Image.open(photo) as original:
        assert drawn.size == original.size
