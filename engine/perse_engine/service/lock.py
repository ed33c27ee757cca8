"""One job, one process: a lock file with the holder's pid and start time, so that a dead holder's lock is no lock."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import platform
import time
from collections.abc import Iterator
from pathlib import Path

from perse_engine.errors import InputError

_QUERY = 0x1000  # PROCESS_QUERY_LIMITED_INFORMATION
_FRESH_S = 10.0
"""A lock that cannot be read may be about to be written; after this long it is rubbish."""


@contextlib.contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold the lock file `path` while the block runs. A lock whose process has ended is taken over.

    Raises:
        InputError: "job-running", a living process holds it.
    """
    descriptor = _create(path)
    if descriptor is None:
        _break_if_stale(path)
        descriptor = _create(path)
        if descriptor is None:
            raise _running(path, _holder(path))
    with os.fdopen(descriptor, "w") as stream:
        json.dump({"pid": os.getpid(), "started": process_start(os.getpid())}, stream)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def holder_alive(path: Path) -> bool:
    """Whether the process that holds the lock file `path` still runs."""
    holder = _holder(path)
    if holder is None:
        return path.exists() and time.time() - path.stat().st_mtime < _FRESH_S
    pid, started = holder
    return process_start(pid) == started


def process_start(pid: int) -> str | None:
    """When process `pid` began, in the system's own unit; None where there is no such process.

    Where the system tells no start time, "alive".
    """
    if platform.system() == "Linux":
        try:
            text = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            return None
        fields = text[text.rindex(")") + 2 :].split()  # the name in parentheses may hold spaces
        return None if fields[0] == "Z" else fields[19]
    if platform.system() == "Windows":
        kernel = ctypes.windll.kernel32  # type: ignore[attr-defined]
        handle = kernel.OpenProcess(_QUERY, False, pid)
        if handle:
            kernel.CloseHandle(handle)
        return "alive" if handle else None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        return "alive"
    return "alive"


def _create(path: Path) -> int | None:
    try:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    except FileExistsError:
        return None


def _break_if_stale(path: Path) -> None:
    if holder_alive(path):
        raise _running(path, _holder(path))
    grave = path.with_name(f"{path.name}.{os.getpid()}")
    with contextlib.suppress(FileNotFoundError):  # another process was faster
        os.replace(path, grave)
        grave.unlink()


def _holder(path: Path) -> tuple[int, str] | None:
    try:
        content = json.loads(path.read_text())
        return int(content["pid"]), str(content["started"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _running(path: Path, holder: tuple[int, str] | None) -> InputError:
    who = f"process {holder[0]}" if holder else "another process"
    return InputError(
        "job-running", f"{who} is working in {path.parent}", "wait for it, stop it, or give another --work"
    )
