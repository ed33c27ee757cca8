"""The floors of the house: who may import whom."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "engine" / "pyproject.toml"
PROTOCOL = ROOT / "engine" / "perse_protocol"
ADD_ON = ROOT / "perse_blender"
HEAVY = ("torch", "diffusers", "transformers", "mediapipe", "skimage", "dlib")


def imports_of(path: Path) -> Iterator[tuple[int, str]]:
    """Every import of a module: its level (dots) and what it names."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((0, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.level, node.module or ""


def modules_of(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.py"))


def test_rooms_import_only_from_the_floors_below_them() -> None:
    command = [Path(sys.executable).with_name("lint-imports"), "--config", CONFIG, "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", modules_of(PROTOCOL), ids=lambda path: path.name)
def test_the_protocol_needs_only_the_standard_library_and_numpy(path: Path) -> None:
    for level, name in imports_of(path):
        top = name.partition(".")[0]
        assert level == 1 or (level == 0 and (top in sys.stdlib_module_names or top == "numpy")), (
            f"imports {'.' * level}{name}"
        )


@pytest.mark.parametrize(
    "path",
    [path for path in modules_of(ADD_ON) if "perse_protocol" not in path.relative_to(ADD_ON).parts],
    ids=lambda path: path.relative_to(ADD_ON).as_posix(),
)
def test_the_add_on_needs_only_blender_numpy_and_the_protocol(path: Path) -> None:
    allowed = {"bpy", "bpy_extras", "bmesh", "mathutils", "blf", "gpu", "gpu_extras", "bl_math", "numpy"}
    for level, name in imports_of(path):
        top = name.partition(".")[0]
        assert level > 0 or top in sys.stdlib_module_names or top in allowed, f"imports {name}"


@pytest.mark.parametrize("module", ["perse_engine.service.session", "perse_engine.cli"])
def test_what_a_session_imports_is_light(module: str) -> None:
    code = f"import sys, {module}; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == ""
