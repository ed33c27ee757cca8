"""One job, one process: a lock file with the holder's pid and start time, so that a dead holder's lock is no lock."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

from perse_engine.errors import InputError
from perse_protocol.holder import living_holder, named_holder, process_start

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
            raise _running(path, named_holder(path))
    with os.fdopen(descriptor, "w") as stream:
        json.dump({"pid": os.getpid(), "started": process_start(os.getpid())}, stream)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def holder_alive(path: Path) -> bool:
    """Whether the process that holds the lock file `path` still runs."""
    if named_holder(path) is None:
        return path.exists() and time.time() - path.stat().st_mtime < _FRESH_S
    return living_holder(path) is not None


def _create(path: Path) -> int | None:
    try:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    except FileExistsError:
        return None


def _break_if_stale(path: Path) -> None:
    if holder_alive(path):
        raise _running(path, named_holder(path))
    grave = path.with_name(f"{path.name}.{os.getpid()}")
    with contextlib.suppress(FileNotFoundError):  # another process was faster
        os.replace(path, grave)
        grave.unlink()


def _running(path: Path, holder: tuple[int, str] | None) -> InputError:
    who = f"process {holder[0]}" if holder else "another process"
    return InputError(
        "job-running", f"{who} is working in {path.parent}", "wait for it, stop it, or give another --work"
    )
