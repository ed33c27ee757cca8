"""Who works in a job's folder: its lock names a process and when it began, so that a dead one's lock is no lock."""

from __future__ import annotations

import ctypes
import json
import os
import platform
from pathlib import Path

_QUERY = 0x1000  # PROCESS_QUERY_LIMITED_INFORMATION


def named_holder(lock: Path) -> tuple[int, str] | None:
    """Process id and start time that the file `lock` names, dead or alive; None where it cannot be read."""
    try:
        content = json.loads(lock.read_text(encoding="utf-8"))
        pid, started = int(content["pid"]), str(content["started"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return (pid, started) if pid > 0 else None


def living_holder(lock: Path) -> int | None:
    """The process that holds the file `lock`; None where that has ended, or is another by now."""
    named = named_holder(lock)
    return named[0] if named is not None and process_start(named[0]) == named[1] else None


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
