"""The zip that people install: its layout, and what it must never carry."""

from __future__ import annotations

import ast
import io
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from types import ModuleType

import pytest


def test_the_root_is_the_extension(archive: zipfile.ZipFile) -> None:
    names = set(archive.namelist())
    assert {"blender_manifest.toml", "__init__.py", "LICENSE", "NOTICE", "perse_protocol/__init__.py"} <= names
    assert {name.partition("/")[0] for name in names if name.startswith("perse_") and "/" in name} == {"perse_protocol"}


def test_nothing_stray_is_packed(archive: zipfile.ZipFile) -> None:
    allowed = (".py", ".toml", ".lock", ".whl", ".svg", ".png", ".json", ".blend", ".md", ".js")
    stray = [n for n in archive.namelist() if not n.endswith(allowed) and n not in ("LICENSE", "NOTICE")]
    assert not stray
    assert not [name for name in archive.namelist() if "__pycache__" in name or "/." in name]


def test_what_a_farm_needs_is_in_it(archive: zipfile.ZipFile) -> None:
    assert {"perse_preflight.py", "farm/perse_render.js"} <= set(archive.namelist())


def test_it_is_small(archive_path: Path) -> None:
    assert archive_path.stat().st_size < 16e6


def test_blender_accepts_it(build: ModuleType, archive_path: Path, blender_python: Path) -> None:
    tool = build.extension_tool(blender_python.parents[1])
    done = subprocess.run([blender_python, tool, "validate", archive_path], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_manifest_says_what_the_engine_says(archive: zipfile.ZipFile, build: ModuleType) -> None:
    manifest = tomllib.loads(archive.read("blender_manifest.toml").decode())
    project = tomllib.loads((build.ROOT / "engine" / "pyproject.toml").read_text())["project"]
    assert manifest["version"] == project["version"] == build.VERSION
    assert manifest["license"] == [f"SPDX:{project['license']}"]
    assert manifest["id"] == "perse"


def test_no_wheel_reaches_blenders_own_packages(archive: zipfile.ZipFile) -> None:
    assert "wheels" not in tomllib.loads(archive.read("blender_manifest.toml").decode())


def test_the_one_wheel_is_pure_and_whole(archive: zipfile.ZipFile) -> None:
    wheels = [name for name in archive.namelist() if name.endswith(".whl")]
    assert wheels == ["wheels/perse_engine-0.1.0-py3-none-any.whl"]
    with zipfile.ZipFile(io.BytesIO(archive.read(wheels[0]))) as wheel:
        names = set(wheel.namelist())
    assert not [name for name in names if name.endswith((".so", ".pyd", ".dylib", ".dll"))]
    needed = {
        "perse_engine/cli/__init__.py",
        "perse_engine/heads/data/open_head.npz",
        "perse_engine/portraits/data/landmark_response.npz",
        "perse_engine/clips/catalogue.toml",
        "perse_engine/portraits/models_data/face_landmark.tflite",
        "perse_engine/portraits/models_data/LICENSE",
        "perse_protocol/messages.py",
    }
    assert needed <= names
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_every_import_of_ours_is_relative(archive: zipfile.ZipFile) -> None:
    for name in (name for name in archive.namelist() if name.endswith(".py")):
        for node in ast.walk(ast.parse(archive.read(name))):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                modules = [node.module or ""]
            ours = [module for module in modules if module.startswith(("perse", "bl_ext"))]
            assert not ours, f"{name} imports {ours}"


def test_the_protocol_is_the_engines(archive: zipfile.ZipFile, build: ModuleType) -> None:
    for path in (build.ROOT / "engine" / "perse_protocol").glob("*.py"):
        assert archive.read(f"perse_protocol/{path.name}") == path.read_bytes()


@pytest.mark.slow
def test_the_same_tree_gives_the_same_bytes(
    build: ModuleType, archive_path: Path, blender_python: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "BUILD", tmp_path)
    monkeypatch.setattr(build, "ZIP", tmp_path / archive_path.name)
    again = build.package(blender_python.parents[1])
    assert again.read_bytes() == archive_path.read_bytes()


def test_the_wheel_installs_beside_what_is_locked(archive: zipfile.ZipFile, tmp_path: Path) -> None:
    archive.extractall(tmp_path)
    wheel = next((tmp_path / "wheels").glob("*.whl"))
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "-q",
        "--no-deps",
        "--no-index",
        "--target",
        tmp_path / "site",
        wheel,
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    code = "import perse_engine; print(perse_engine.__file__)"
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], capture_output=True, text=True, env={"PYTHONPATH": str(tmp_path / "site")}
    )
    assert Path(done.stdout.strip()).is_relative_to(tmp_path), done.stderr
