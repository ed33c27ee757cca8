"""What is in the repository."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOP = {
    ".ci", ".gitignore", ".ruff.toml", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "NOTICE", "README.md",
    "blender_manifest.toml", "build.py", "docs", "engine", "perse_blender", "tests", "wheels",
}  # fmt: skip


@pytest.fixture(scope="module")
def tracked() -> list[str]:
    """The files that git knows."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip("not a git checkout")
    return [name for name in done.stdout.split("\0") if (ROOT / name).is_file()]


def test_no_tracked_file_is_large(tracked: list[str]) -> None:
    assert not [name for name in tracked if (ROOT / name).stat().st_size > 6e6]


def test_the_top_level_stays_as_it_is(tracked: list[str]) -> None:
    assert {name.partition("/")[0] for name in tracked} <= TOP


def test_no_module_grows_past_reading(tracked: list[str]) -> None:
    modules = [name for name in tracked if name.endswith(".py") and name != "build.py"]
    assert not [name for name in modules if len((ROOT / name).read_text().splitlines()) > 420]


def test_the_licence_is_whole() -> None:
    text = (ROOT / "LICENSE").read_text()
    assert "GNU GENERAL PUBLIC LICENSE" in text
    assert "Version 3, 29 June 2007" in text
