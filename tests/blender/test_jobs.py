"""Building from the panel: jobs that Blender starts, watches, stops, finds again and deletes."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import bpy
import numpy as np
import pytest
from conftest import engine_python, raises_report

HERE = Path(__file__).parent
SOON_S = 300.0  # a job steps back behind whatever else runs
"""Long enough for an engine that is compiled for the first time on a busy machine."""


@pytest.fixture
def jobs(part, scene, tmp_path, monkeypatch):
    """The module, with a list of its own."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "data"))
    module = part("building.jobs")
    yield module
    for job in module.jobs():
        module.cancel(job)
    until(lambda: not module.watch())


@pytest.fixture
def wanted(jobs, tmp_path):
    """The panel's fields, filled with a picture in which there is no face."""
    fields = bpy.context.window_manager.perse_create
    fields.photo = str(picture(tmp_path / "wall.png"))
    fields.out, fields.preset, fields.keeps = "", "draft", False
    every = set(fields.categories)
    yield fields
    bpy.context.window_manager.perse_create.categories = every  # a test may have loaded another file
    bpy.context.window_manager.perse_create.photo = ""  # another file may be open by now


def picture(path: Path, side: int = 300) -> Path:
    image = bpy.data.images.new("wall", side, side)
    image.pixels.foreach_set(np.tile(np.float32([0.7, 0.6, 0.5, 1.0]), side * side))
    image.filepath_raw, image.file_format = str(path), "PNG"
    image.save()
    bpy.data.images.remove(image)
    return path


def portrait(tmp_path: Path) -> Path:
    """A photograph with a face, out of a package that the engine's tests use."""
    import subprocess

    path = tmp_path / "astronaut.png"
    save = "import sys, PIL.Image, skimage.data as d; PIL.Image.fromarray(d.astronaut()).save(sys.argv[1])"
    subprocess.run([str(engine_python()), "-c", save, str(path)], check=True, timeout=120)
    return path


def until(done: Callable[[], bool], seconds: float = SOON_S) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.05)


def labels(panel: str) -> list[str]:
    """What a panel shows as text, in order."""
    texts: list[str] = []

    class Layout:
        def __getattr__(self, name):
            def called(*args, **settings):
                texts.extend(str(settings[key]) for key in ("text",) if settings.get(key))
                if name == "panel":
                    return Layout(), Layout()
                if name in ("label", "progress", "template_icon", "prop"):
                    return None
                return SimpleNamespace(job="", kind="") if name == "operator" else Layout()

            return called

    cls = getattr(bpy.types, panel)
    cls.draw(SimpleNamespace(layout=Layout()), bpy.context)
    return texts


def test_a_photo_without_a_face_fails_with_a_sentence_and_advice(jobs, wanted, part):
    assert bpy.ops.perse.build_avatar() == {"FINISHED"}
    (job,) = jobs.jobs()
    assert job.out == Path(wanted.photo).with_suffix(".perse")
    until(lambda: jobs.progress(job).state != "running")
    progress = jobs.progress(job)
    assert progress.state == "failed"
    assert "face" in progress.error
    assert progress.error.startswith("no face")
    assert ";" in progress.error
    part("building.following").look_again()
    shown = labels("PERSE_PT_create")
    assert any("No face" in text for text in shown)
    assert max(map(len, shown)) <= 60
    assert not job.out.exists()
    assert bpy.ops.perse.delete_job(job=job.id) == {"FINISHED"}
    assert jobs.jobs() == []
    assert Path(wanted.photo).exists()


def test_a_build_is_cancelled_at_once_and_can_be_resumed(jobs, wanted, tmp_path):
    wanted.photo = str(portrait(tmp_path))
    bpy.ops.perse.build_avatar()
    (job,) = jobs.jobs()
    until(lambda: (job.work / "job.json").exists())
    with raises_report("being built already"):
        bpy.ops.perse.build_avatar()
    with raises_report("cancel it first"):
        bpy.ops.perse.delete_job(job=job.id)
    assert bpy.ops.perse.cancel_job(job=job.id) == {"FINISHED"}
    until(lambda: not jobs.watch(), 10.0)
    assert jobs.progress(job).state == "cancelled"
    assert bpy.ops.perse.resume_job(job=job.id) == {"FINISHED"}
    assert jobs.progress(job).state == "running"
    until(lambda: jobs.progress(job).stage == "clips" or jobs.progress(job).state != "running")
    progress = jobs.progress(job)
    assert progress.state == "running"
    assert 0 < progress.fraction < 0.6
    jobs.stop_all()
    assert jobs.progress(job).state in ("cancelled", "stopped")
    assert json.loads((job.work / "job.json").read_text())["stages"]["fit"] > 0  # nothing done is lost


def test_jobs_outlive_the_open_file_and_are_found_again_after_a_restart(jobs, wanted, part, tmp_path):
    wanted.photo, wanted.keeps = str(portrait(tmp_path)), True
    bpy.ops.perse.build_avatar()
    (job,) = jobs.jobs()
    until(lambda: (job.work / "lock").exists() and (job.work / "job.json").exists())
    bpy.ops.wm.read_homefile(use_empty=True)
    jobs.stop_all()  # Blender quits, and the job was to go on
    process = jobs._processes.pop(job.id)  # another Blender knows no process, only the folder
    assert process.poll() is None
    assert jobs.jobs() == [job]
    assert jobs.progress(job).state == "running"
    jobs.cancel(job)
    until(lambda: process.poll() is not None, 10.0)
    assert jobs.progress(job).state in ("cancelled", "stopped")


def test_what_is_done_is_imported_and_stays_when_the_build_is_deleted(jobs, wanted, avatar_file, tmp_path):
    out = tmp_path / "done.perse"
    out.write_bytes(avatar_file.read_bytes())
    job = jobs.build_job(tmp_path / "x.png", out, "draft", False)
    job.work.mkdir()
    (job.work / "job.json").write_text(json.dumps({"state": "done", "stages": {"fit": 1, "clips": 2, "train": 3}}))
    jobs._remember([job])
    assert jobs.progress(job).state == "done"
    assert jobs.progress(job).fraction == 1.0
    assert bpy.ops.perse.open_job(job=job.id) == {"FINISHED"}
    assert "attr_hair_red" in bpy.context.object
    bpy.ops.perse.delete_job(job=job.id)
    assert out.exists()
    assert not job.work.exists()


def test_without_an_engine_or_a_photo_it_says_so(jobs, wanted, monkeypatch, tmp_path):
    with raises_report("no photo or video at"):
        wanted.photo = str(tmp_path / "nothing.png")
        bpy.ops.perse.build_avatar()
    wanted.photo = str(picture(tmp_path / "other.png"))
    monkeypatch.setenv("PERSE_ENGINE", str(tmp_path / "nowhere"))
    with raises_report("PERSE_ENGINE"):
        bpy.ops.perse.build_avatar()
    wanted.photo = ""
    assert not bpy.ops.perse.build_avatar.poll()
    assert jobs.jobs() == []


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("job.json", "{"),
        ("job.json", "[]"),
        ("job.json", '{"state": 3, "stages": {"fit": "x"}, "error": []}'),
        ("job.json", '{"state": "failed", "error": {"message": "m", "hint": "h"}}'),
        ("progress.jsonl", '{"time": 1, "stage": "fit", "done": 1, "total": 0}\n\x00\xff{'),
        ("lock", '{"pid": -1}'),
        ("lock", '{"pid": "x", "started": 1}'),
    ],
)
def test_a_damaged_folder_is_no_trouble(part, tmp_path, name, content):
    (tmp_path / name).write_text(content, encoding="latin-1")
    folder = part("building.job_folder")
    progress = folder.progress_of(tmp_path, "standard", alive=False)
    assert progress.state in ("stopped", "failed")
    assert 0 <= progress.fraction <= 1
    assert part("perse_protocol.holder").living_holder(tmp_path / "lock") is None
    assert folder.newest_preview(tmp_path) is None


def test_progress_grows_and_the_time_left_follows_the_pace(part, tmp_path):
    folder = part("building.job_folder")
    (tmp_path / "job.json").write_text(json.dumps({"state": "running", "stages": {"fit": 10.0, "clips": 60.0}}))
    fractions = []
    with (tmp_path / "progress.jsonl").open("w") as stream:
        for done in range(0, 1000, 10):
            print(json.dumps({"time": 100 + done / 10, "stage": "train", "done": done, "total": 1000}), file=stream)
            stream.flush()
            fractions.append(folder.progress_of(tmp_path, "standard", alive=True).fraction)
    assert fractions == sorted(fractions)
    progress = folder.progress_of(tmp_path, "standard", alive=True)
    spent = 70 + 99
    assert progress.seconds_left == pytest.approx(spent * (1 - progress.fraction) / progress.fraction, rel=0.05)
    text = part("building.create").progress_text(progress)
    assert text.startswith("Training")
    assert text.endswith("left")


def test_jobs_that_older_versions_remembered_are_read(jobs, tmp_path):
    path = jobs._list()
    path.parent.mkdir(parents=True, exist_ok=True)
    old = {"id": "0123456789ab", "photo": "/p/me.jpg", "out": "/p/me.perse", "preset": "high", "keeps": True}
    path.write_text(json.dumps([old]))
    (job,) = jobs.jobs()
    assert (job.id, job.kind, job.title, job.keeps) == ("0123456789ab", "build", "high", True)
    assert job.work == Path("/p/me.high-0.work")
    assert job.arguments == ("build", "/p/me.jpg", "--out", "/p/me.perse", "--preset", "high")
    jobs._remember([job])
    assert jobs.jobs() == [job]


def test_only_chosen_attributes_are_learnt(jobs, wanted, part, tmp_path):
    wanted.photo = str(portrait(tmp_path))
    wanted.categories = {"hat", "hair"}
    assert any("2" in text for text in labels("PERSE_PT_create") if text.startswith("Attributes"))
    bpy.ops.perse.build_avatar()
    (job,) = jobs.jobs()
    assert job.arguments[-2:] == ("--categories", "hair,hat")
    until(lambda: (job.work / "job.json").exists())
    assert json.loads((job.work / "job.json").read_text())["sources"]["categories"] == "hair,hat"
    jobs.stop_all()
    wanted.categories = set()
    with raises_report("no attribute is chosen"):
        bpy.ops.perse.build_avatar()


def test_the_attributes_to_choose_from_are_the_engines(part):
    command = [engine_python(), "-m", "perse_engine.cli", "styles", "--json"]
    listed = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    offered = {name for name, _, _ in part("building.create").CATEGORIES}
    assert offered == {style["category"] for style in listed}


def test_a_video_is_built_from_as_such(jobs):
    job = jobs.build_job(Path("/p/me.MOV"), Path("/p/me.perse"), "draft", False)
    assert job.arguments[:3] == ("build", "--video", "/p/me.MOV")
    assert jobs.source(job) == Path("/p/me.MOV")


def test_the_photo_is_looked_at_before_it_is_built_from(jobs, wanted, part, tmp_path):
    check = part("building.photo_check")
    until(lambda: not check.is_checking())  # choosing it has begun a check
    refused, advice = check.checked()
    assert refused.startswith("no face was found")
    assert advice == ()
    assert any("No face" in text for text in labels("PERSE_PT_create"))
    wanted.photo = str(portrait(tmp_path))
    assert check.checked() is None
    assert bpy.ops.perse.check_photo() == {"FINISHED"}
    until(lambda: not check.is_checking())
    refused, advice = check.checked()
    assert refused == ""
    assert any("mouth is open" in sentence for sentence in advice)
    shown = labels("PERSE_PT_create")
    assert any("mouth is open" in text for text in shown)
    assert max(map(len, shown)) <= 60


def test_the_list_survives_rubbish(jobs):
    path = jobs._list()
    path.parent.mkdir(parents=True, exist_ok=True)
    for content in ("", "{", "[1]", '[{"id": 1}]', '[{"id": 1, "arguments": []}]'):
        path.write_text(content)
        assert jobs.jobs() == []


def test_a_folder_to_save_into(jobs, wanted, tmp_path):
    wanted.out = str(tmp_path)
    bpy.ops.perse.build_avatar()
    assert [job.out for job in jobs.jobs()] == [tmp_path / "wall.perse"]
