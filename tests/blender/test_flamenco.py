"""The job type for Flamenco: what it makes of recorded settings, and that its preflight works where Blender runs it."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import ROOT
from farm_process import blender_process

NODE = shutil.which("node") or shutil.which("nodejs")
SCRIPT = ROOT / "perse_blender" / "farm" / "perse_render.js"
SETTINGS = {
    "frames": "1-10, 20..23",
    "chunk_size": 4,
    "threads": 0,
    "make_video": False,
    "render_output_root": "/renders",
    "add_path_components": 0,
    "render_output_path": "/renders/shot/{timestamp}/######",
    "blendfile": "/shots/010/shot.blend",
    "format": "PNG",
    "image_file_extension": ".png",
    "fps": 24,
}

pytestmark = pytest.mark.skipif(NODE is None, reason="needs node")


@pytest.fixture
def compiled(tmp_path: Path):
    """Compile a job of the recorded settings, some changed; the process."""

    def compile_job(**changed: object) -> subprocess.CompletedProcess[str]:
        recorded = tmp_path / "settings.json"
        recorded.write_text(json.dumps({**SETTINGS, **changed}))
        stand_in = Path(__file__).with_name("flamenco_stand_in.js")
        return subprocess.run([NODE, stand_in, SCRIPT, recorded], capture_output=True, text=True, timeout=60)

    return compile_job


def tasks_of(done: subprocess.CompletedProcess[str]) -> list[dict]:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["tasks"]


def test_every_frame_is_rendered_once_after_the_preflight(compiled):
    first, *renders = tasks_of(compiled())
    assert (first["name"], first["type"], first["dependencies"]) == ("preflight", "blender", [])
    assert [task["name"] for task in renders] == ["render-1-4", "render-5-8", "render-9,10,20,21", "render-22,23"]
    assert all(task["dependencies"] == ["preflight"] and task["type"] == "blender" for task in renders)
    (command,) = renders[0]["commands"]
    assert command["name"] == "blender-render"
    assert command["parameters"]["exe"] == "{blender}"
    assert command["parameters"]["blendfile"] == "/shots/010/shot.blend"
    arguments = command["parameters"]["args"]
    assert arguments[arguments.index("--engine") + 1] == "PERSE"
    assert arguments[arguments.index("--render-output") + 1] == "/renders/shot/2026-11-30_090507/######"
    assert arguments[-2:] == ["--render-frame", "1..4"]
    assert arguments.index("--python-expr") < arguments.index("--render-frame")
    assert arguments[:2] == ["--python-exit-code", "1"]
    assert "--threads" not in arguments


def test_the_preflight_task_renders_nothing(compiled):
    arguments = tasks_of(compiled())[0]["commands"][0]["parameters"]["args"]
    assert "--python-expr" in arguments
    assert not [argument for argument in arguments if argument.startswith("--render")]


def test_threads_are_handed_on(compiled):
    for task in tasks_of(compiled(threads=3)):
        arguments = task["commands"][0]["parameters"]["args"]
        assert arguments[arguments.index("--threads") + 1] == "3"


def test_a_film_waits_for_every_frame(compiled):
    *before, film = tasks_of(compiled(make_video=True))
    assert (film["name"], film["type"]) == ("video", "ffmpeg")
    assert film["dependencies"] == [task["name"] for task in before[1:]]
    (command,) = film["commands"]
    assert command["parameters"]["inputGlob"] == "/renders/shot/2026-11-30_090507/*.png"
    assert command["parameters"]["outputFile"].endswith("/shot.mp4")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"format": "FFMPEG"}, "single pictures"),
        ({"format": "OPEN_EXR", "make_video": True}, "no film"),
        ({"frames": "all"}, "invalid range"),
    ],
)
def test_what_cannot_be_rendered_is_refused(compiled, changed, said):
    done = compiled(**changed)
    assert done.returncode == 1
    assert said in done.stderr


def test_every_setting_has_what_flamenco_asks_for(compiled):
    kinds = json.loads(compiled().stdout)["kinds"]
    assert {kind["key"] for kind in kinds} == set(SETTINGS)
    for kind in kinds:
        assert kind["type"] in {"string", "int32", "float", "bool"}
        assert kind.get("visible", "visible") in {"visible", "hidden", "submission", "web"}


@pytest.mark.parametrize(("extension", "status"), [(True, 0), (False, 1)])
def test_its_preflight_finds_out_whether_the_extension_is_there(compiled, saved_shot, extension, status):
    arguments = tasks_of(compiled())[0]["commands"][0]["parameters"]["args"]
    expression = arguments[arguments.index("--python-expr") + 1]
    done = blender_process(f"exec({expression!r})", saved_shot, extension=extension, options=["--engine", "PERSE"])
    assert done.returncode == status, done.stdout + done.stderr
    assert ("no-extension" in done.stderr) == (not extension)
