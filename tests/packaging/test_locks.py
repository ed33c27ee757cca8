"""The lock files: complete, hashed, and free of anything that belongs to one machine."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

LOCKS = Path(__file__).parents[2] / "engine" / "locks"
PROJECT = tomllib.loads((LOCKS.parent / "pyproject.toml").read_text())["project"]


def pins(text: str) -> set[str]:
    """The "name==version" of every entry."""
    return {match.lower().replace("_", "-") for match in re.findall(r"(?m)^([\w.\-]+==[^\s;\\]+)", text)}


@pytest.mark.parametrize("path", sorted(LOCKS.glob("*.lock")), ids=lambda path: path.name)
def test_every_entry_is_hashed_and_none_names_a_place(path: Path) -> None:
    text = path.read_text()
    entries = re.split(r"(?m)^(?=\S)", text)[1:]
    assert entries
    assert all("--hash=sha256:" in entry for entry in entries)
    assert "://" not in text


@pytest.mark.parametrize("extra", ["player", "builder", "cuda", "diffusion", "evaluation", "dev"])
def test_a_lock_holds_what_the_project_asks_for(extra: str) -> None:
    asked = PROJECT["dependencies"] + PROJECT["optional-dependencies"].get(extra, [])
    wanted = {name.lower().replace("_", "-") for name in asked if not name.startswith("torch==")}
    assert wanted <= pins((LOCKS / f"{extra}.lock").read_text())


def test_torch_is_pinned_where_set_up_installs_it(build: ModuleType) -> None:
    assert PROJECT["optional-dependencies"]["builder"] == [build.TORCH]
    for path in LOCKS.glob("*.lock"):
        assert not re.search(r"(?m)^(torch|triton|nvidia-)", path.read_text())


def test_every_blender_has_its_lock(build: ModuleType) -> None:
    for bpy in build.BPYS.values():
        assert f"bpy=={bpy.version}" in pins((LOCKS / f"bpy-{bpy.series}.lock").read_text())


def test_torch_and_its_cuda_libraries_are_left_out_of_a_lock(build: ModuleType) -> None:
    entries = [f"{name} \\\n    --hash=sha256:0\n" for name in ("torch==1", "torchmetrics==2", "nvidia-x==3")]
    assert build.without_torch("".join(entries)) == entries[1]
