"""build.py: what it finds, what it refuses, and how it says so."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path
from types import ModuleType

import pytest


def test_help_names_every_chore(build: ModuleType) -> None:
    done = subprocess.run([sys.executable, build.ROOT / "build.py", "--help"], capture_output=True, text=True)
    assert done.returncode == 0
    for chore in ("setup", "demo", "test", "lint", "bench", "package", "bundle", "lock"):
        assert f"    {chore} " in done.stdout


def test_it_finds_the_python_that_runs_it(build: ModuleType) -> None:
    found = build.find_python(build.running_version())
    assert found is not None
    assert build.probe(found) == build.running_version()


def test_a_file_that_is_no_python_is_passed_over(build: ModuleType, tmp_path: Path) -> None:
    impostor = tmp_path / "python3"
    impostor.write_text("#!/bin/sh\necho 3.11\n")
    assert build.probe(impostor) is None
    assert build.probe(tmp_path / "nothing") is None


def test_no_fitting_python_names_what_to_install(
    build: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(build, "find_python", lambda version: None)
    with pytest.raises(build.Problem, match=r"^no-python: .*3\.13.*5\.2\.3.*install"):
        build.choose_bpy(None)
    monkeypatch.setattr(build, "ENGINE", tmp_path)
    assert build.main(["lint"]) == 1
    assert capsys.readouterr().err.startswith("build.py: no-python: the engine takes Python 3.11, 3.12 or 3.13")


def test_missing_libraries_name_their_debian_packages(
    build: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(build, "LIBRARIES", {"libnowhere.so.6": "libnowhere6"})
    monkeypatch.setattr(build.platform, "system", lambda: "Linux")
    monkeypatch.setattr(build, "blender_environment", lambda bpy: tmp_path / "blender")
    monkeypatch.setattr(build, "choose_bpy", lambda series: (build.BPYS["5.0"], Path(sys.executable)))
    with pytest.raises(build.Problem, match=r"missing-libraries: .*libnowhere\.so\.6.*apt-get install libnowhere6"):
        build.setup_blender(None)
    assert not (tmp_path / "blender").exists()


def test_an_environment_is_current_until_what_made_it_changes(build: ModuleType, tmp_path: Path) -> None:
    lock = tmp_path / "some.lock"
    lock.write_text("one")
    python = build.python_of(tmp_path)
    python.parent.mkdir()
    python.touch()
    build.write_stamp(tmp_path, Path(sys.executable), build.key_of(lock), "5.0")
    assert build.is_current(tmp_path, build.key_of(lock))
    lock.write_text("two")
    assert not build.is_current(tmp_path, build.key_of(lock))


def test_a_second_blender_gets_an_environment_of_its_own(
    build: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "ROOT", tmp_path)
    first = build.blender_environment(build.BPYS["5.0"])
    first.mkdir(parents=True)
    build.write_stamp(first, Path(sys.executable), "key", "5.0")
    assert build.blender_environment(build.BPYS["5.0"]) == first == tmp_path / ".venv" / "blender"
    assert build.blender_environment(build.BPYS["5.2"]) == tmp_path / ".venv" / "blender-5.2"


def test_zips_of_equal_content_are_equal(build: ModuleType, tmp_path: Path) -> None:
    for name, order in (("a", ("x", "y")), ("b", ("y", "x"))):
        with zipfile.ZipFile(tmp_path / f"{name}.zip", "w") as archive:
            for i, entry in enumerate(order):
                archive.writestr(zipfile.ZipInfo(entry, (2000 + i, 1, 1, 0, 0, 0)), entry)
        build.normalise_zip(tmp_path / f"{name}.zip", tmp_path / f"{name}-fixed.zip")
    assert (tmp_path / "a-fixed.zip").read_bytes() == (tmp_path / "b-fixed.zip").read_bytes()


@pytest.mark.parametrize(
    ("argument", "suite"),
    [
        ("tests/engine", "engine"),
        ("tests/packaging/test_chores.py::test_x", "packaging"),
        ("tests", None),
        ("engine", None),
        ("-x", None),
    ],
)
def test_a_path_belongs_to_a_suite(build: ModuleType, argument: str, suite: str | None) -> None:
    assert build.suite_of(argument) == suite


def test_rendering_a_demo_that_was_never_made_is_refused(
    build: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert build.main(["demo", "--out", str(tmp_path), "--render-only"]) == 1
    assert capsys.readouterr().err.startswith("build.py: no-demo: ")
