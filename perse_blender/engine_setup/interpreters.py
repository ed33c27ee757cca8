"""The Pythons of this computer, and whether the engine can live in one of them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

_HIDDEN = getattr(subprocess, "CREATE_NO_WINDOW", 0)


def probe(interpreter: str | Path, *modules: str) -> str | None:
    """The "3.11" of a 64-bit interpreter that has `modules`, or None."""
    code = f"import {', '.join(('sys', *modules))}; print('%d.%d %d' % (*sys.version_info[:2], sys.maxsize > 2**32))"
    command = [str(interpreter), "-I", "-c", code]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, creationflags=_HIDDEN)
    except (OSError, subprocess.TimeoutExpired):
        return None
    version, _, wide = done.stdout.strip().partition(" ")
    return version if done.returncode == 0 and wide == "1" else None


def installed_pythons(version: str) -> Iterator[Path]:
    """Places where people keep a Python of this version: this one, PATH, pyenv, uv, the py launcher, system folders."""
    yield Path(sys.executable)
    yield from (Path(found) for name in (f"python{version}", "python3", "python") if (found := shutil.which(name)))
    home = Path.home()
    data = Path(os.environ.get("APPDATA") or os.environ.get("XDG_DATA_HOME") or home / ".local/share")
    pyenv = Path(os.environ.get("PYENV_ROOT", home / ".pyenv"))
    for folder, pattern in (
        (pyenv, "versions/{}.*/bin/python"),
        (pyenv, "pyenv-win/versions/{}.*/python.exe"),
        (data, "uv/python/cpython-{}.*/bin/python3"),
        (data, "uv/python/cpython-{}.*/python.exe"),
    ):
        yield from sorted(folder.glob(pattern.format(version)), reverse=True)
    if launcher := shutil.which("py"):
        command = [launcher, f"-{version}", "-c", "import sys; print(sys.executable)"]
        yield Path(subprocess.run(command, capture_output=True, text=True, creationflags=_HIDDEN).stdout.strip())
    yield home / "AppData/Local/Programs/Python" / f"Python{version.replace('.', '')}" / "python.exe"
    yield Path(f"/Library/Frameworks/Python.framework/Versions/{version}/bin/python3")
    yield Path(f"/opt/homebrew/bin/python{version}")
