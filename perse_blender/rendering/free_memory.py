"""How much memory a process that starts now may take."""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")


def free_memory() -> int | None:
    """Bytes that are free on this machine and in this container, or None where the system does not say."""
    if sys.platform == "win32":
        return _windows()
    known = [amount for amount in (_linux(), _container()) if amount is not None]
    return min(known, default=None)


def _linux() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), None)


def _container() -> int | None:
    try:
        limit, used = ((_CGROUP / f"memory.{name}").read_text().strip() for name in ("max", "current"))
        return max(0, int(limit) - int(used)) if limit.isdecimal() else None
    except (OSError, ValueError):
        return None


class _Status(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ulong), ("load", ctypes.c_ulong)) + tuple(
        (name, ctypes.c_ulonglong)
        for name in ("total", "free", "total_page", "free_page", "total_virtual", "free_virtual", "extended")
    )


def _windows() -> int | None:
    status = _Status(length=ctypes.sizeof(_Status))
    told = ctypes.WinDLL("kernel32").GlobalMemoryStatusEx(ctypes.byref(status))
    return int(status.free) if told else None
