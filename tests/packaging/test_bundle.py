"""The offline bundle, and whether every package of an installation has a wheel on every system that we name."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

PLATFORMS = ("x86_64-manylinux_2_28", "aarch64-manylinux_2_28", "aarch64-apple-darwin", "x86_64-pc-windows-msvc")


@pytest.fixture(scope="session")
def uv(build: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pinned uv, from the package index that pip knows."""
    from engine_setup.pip_settings import clean_environment
    from engine_setup.uv_tool import find_uv

    folder = tmp_path_factory.mktemp("uv")
    (folder / "install").mkdir()
    found = find_uv(build.LOCKS / "uv.lock", folder, None, True, clean_environment())
    if found is None:
        pytest.skip("uv cannot be downloaded: there is no package index")
    return found


def resolve(uv: Path, lock: Path, system: str, python: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Find a wheel with the right hash for every entry of `lock`, without downloading it."""
    from engine_setup.pip_settings import pip_settings, uv_arguments, uv_environment

    settings = pip_settings()
    environment = uv_environment(settings, folder / "cache") | {"MACOSX_DEPLOYMENT_TARGET": "14.0"}
    options = ["--dry-run", "--no-deps", "--require-hashes", "--only-binary=:all:", "--target", folder / "target"]
    where = ["--python-platform", system, "--python-version", python, *uv_arguments(settings)]
    command = [uv, "pip", "install", *options, *where, "-r", lock]
    return subprocess.run([str(part) for part in command], env=environment, capture_output=True, text=True)


@pytest.mark.parametrize("system", PLATFORMS)
@pytest.mark.parametrize("tier", ["player", "builder"])
def test_every_package_has_a_wheel(build: ModuleType, uv: Path, tmp_path: Path, tier: str, system: str) -> None:
    for python in build.ENGINE_PYTHONS:
        done = resolve(uv, build.LOCKS / f"{tier}.lock", system, python, tmp_path)
        if any(word in done.stderr for word in ("dns error", "error sending request", "Failed to fetch")):
            pytest.skip("the package index cannot be reached")
        assert done.returncode == 0, f"Python {python}: {done.stderr}"
        assert "Would install" in done.stderr


def test_an_intel_mac_has_none(build: ModuleType, uv: Path, tmp_path: Path) -> None:
    done = resolve(uv, build.LOCKS / "player.lock", "x86_64-apple-darwin", "3.11", tmp_path)
    assert done.returncode != 0


def test_the_zip_carries_what_a_bundle_is_held_against(build: ModuleType, archive: zipfile.ZipFile) -> None:
    engine = json.loads(archive.read("wheels/engine.json"))
    assert engine["version"] == build.VERSION
    assert engine["torch"] == build.TORCH
    assert engine["key"].startswith(f"{build.VERSION}-")
    assert {"wheels/player.lock", "wheels/builder.lock", "wheels/uv.lock"} <= set(archive.namelist())


def test_a_torch_with_cuda_is_no_bundle(build: ModuleType) -> None:
    build.check_cpu_torch(Path("torch-2.13.0+cpu-cp311-cp311-manylinux_2_28_x86_64.whl"))
    if sys.platform.startswith("linux"):
        with pytest.raises(build.Problem, match=r"cuda-torch: .*--player"):
            build.check_cpu_torch(Path("torch-2.13.0-cp311-cp311-manylinux_2_28_x86_64.whl"))


@pytest.mark.slow
def test_a_bundle_holds_everything_that_its_lock_names(
    build: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, archive: zipfile.ZipFile
) -> None:
    monkeypatch.setattr(build, "BUILD", tmp_path)
    try:
        path = build.bundle(player=True)
    except build.Problem as problem:
        pytest.skip(f"it cannot be made without a package index: {problem}")
    with zipfile.ZipFile(path) as bundle:
        content = json.loads(bundle.read("bundle.json"))
        assert {*content["files"], "bundle.json"} == set(bundle.namelist())
        for name, digest in content["files"].items():
            assert hashlib.sha256(bundle.read(name)).hexdigest() == digest
    assert content["key"] == json.loads(archive.read("wheels/engine.json"))["key"]
    present = {name.split("-")[0].lower().replace("_", "-") for name in content["files"]}
    locked = [line for line in (build.LOCKS / "player.lock").read_text().splitlines() if "==" in line]
    wanted = {line.split("==")[0] for line in locked if "win32" not in line or os.name == "nt"}
    assert wanted <= present
    assert {"uv", "perse-engine"} <= present
    assert "torch" not in present
