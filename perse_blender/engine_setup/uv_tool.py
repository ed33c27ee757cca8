"""uv, which makes environments several times faster than pip: from the bundle, or from PyPI by its pinned hashes."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

from .commands import HIDDEN, run, say
from .problem import SetupProblem

_NAME = "uv.exe" if os.name == "nt" else "uv"


def find_uv(lock: Path, root: Path, bundle: Path | None, online: bool, environment: Mapping[str, str]) -> Path | None:
    """The uv that `lock` names; None where it cannot be had, and pip must do.

    Args:
        lock: a requirements file of one entry, with the hashes of its wheels for every platform.
        root: folder under which it is kept.
        bundle: folder of an unpacked bundle.
        online: whether it may be downloaded.
        environment: for the pip that downloads it.
    """
    match = re.search(r"(?m)^uv==(\S+)", lock.read_text(encoding="utf-8"))
    assert match is not None
    kept = root / f"uv-{match[1]}" / _NAME
    if kept.is_file():
        return kept
    try:
        wheel = next(iter(sorted(bundle.glob("uv-*.whl"))), None) if bundle else None
        if wheel is None and online:
            wheel = _download(lock, root / "install", environment)
        if wheel is None:
            return None
        if hashlib.sha256(wheel.read_bytes()).hexdigest() not in lock.read_text(encoding="utf-8"):
            raise SetupProblem("hash-mismatch", f"{wheel.name} is not the one that was tested", "use another bundle")
        _unpack(wheel, kept)
        wheel.unlink()
        run("starting uv", [kept, "--version"], environment, timeout=60)
    except (SetupProblem, OSError, zipfile.BadZipFile) as error:
        say(f"uv cannot be had, pip does its work: {error}")
        return None
    return kept


def pip_of(python: Path) -> list[str]:
    """The command line of a pip: the interpreter's own, or the one that its ensurepip carries; empty without one."""
    if _succeeds(python, "import pip"):
        return [str(python), "-I", "-m", "pip"]
    code = "import ensurepip, pathlib; print(*(pathlib.Path(ensurepip.__file__).parent / '_bundled').glob('pip-*.whl'))"
    done = subprocess.run([str(python), "-I", "-c", code], capture_output=True, text=True, creationflags=HIDDEN)
    wheel = done.stdout.strip()
    return [str(python), f"{wheel}/pip"] if done.returncode == 0 and wheel else []


def _download(lock: Path, folder: Path, environment: Mapping[str, str]) -> Path | None:
    pip = pip_of(Path(sys.executable))
    if not pip:
        return None
    options = ["--no-deps", "--require-hashes", "--only-binary=:all:", "--disable-pip-version-check"]
    run("downloading uv", [*pip, "download", *options, "-r", lock, "-d", folder], environment, timeout=300)
    return next(folder.glob("uv-*.whl"), None)


def _unpack(wheel: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(".partial")
    with zipfile.ZipFile(wheel) as archive:
        (inside,) = (name for name in archive.namelist() if name.endswith(f".data/scripts/{_NAME}"))
        partial.write_bytes(archive.read(inside))
    partial.chmod(0o755)
    os.replace(partial, target)


def _succeeds(python: Path, code: str) -> bool:
    command = [str(python), "-I", "-c", code]
    return subprocess.run(command, capture_output=True, creationflags=HIDDEN).returncode == 0
