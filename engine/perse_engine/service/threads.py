"""How many threads the kernels may use."""

from __future__ import annotations

import math
import os
from pathlib import Path

import numba

from perse_engine.errors import InputError

VARIABLE = "PERSE_THREADS"
_CGROUPS = Path("/sys/fs/cgroup")


def apply_thread_budget(processes: int = 1, limit: int | None = None) -> int:
    """Hold the kernels to the cores that this process may use; returns how many threads they take.

    That is the smallest of the cores that the system lets the process run on, the share of them that a container or a
    farm's job has been given, and `limit`. PERSE_THREADS goes before all of them.

    Args:
        processes: that work on this machine side by side, this one among them; where nothing is set they share it.
        limit: no more than this, where whoever starts the engine says so (Blender's -t).

    Raises:
        InputError: "threads", PERSE_THREADS is not a whole number above zero.
    """
    wanted = os.environ.get(VARIABLE)
    if wanted is None:
        budget = max(min(usable_cores(), limit or numba.config.NUMBA_NUM_THREADS) // processes, 1)
    elif wanted.strip().isdecimal() and int(wanted) > 0:
        budget = int(wanted)
    else:
        raise InputError("threads", f"{VARIABLE} is {wanted!r}, not a whole number above zero", "correct or unset it")
    numba.set_num_threads(min(budget, numba.config.NUMBA_NUM_THREADS))
    return int(numba.get_num_threads())


def usable_cores(cgroups: Path = _CGROUPS, membership: Path = Path("/proc/self/cgroup")) -> int:
    """Cores that this process may keep busy: its affinity, or the container's share where that is less; at least 1.

    Args:
        cgroups: where Linux shows control groups.
        membership: says which of them this process is in.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.ceil(min(cores, _quota(cgroups, membership))))


def _quota(cgroups: Path, membership: Path) -> float:
    """Cores' worth of time that the process's control groups allow, inf where none of them says."""
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        return math.inf
    shares = [math.inf]
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if controllers == "":
            shares += [_share(folder / "cpu.max", None) for folder in _upwards(cgroups, group)]
        elif "cpu" in controllers.split(","):
            for folder in _upwards(cgroups / controllers, group):
                shares.append(_share(folder / "cpu.cfs_quota_us", folder / "cpu.cfs_period_us"))
    return min(shares)


def _upwards(root: Path, group: str) -> list[Path]:
    """The group's folder and those above it; a limit of any of them holds. Inside a container only `root` is there."""
    inside = root / group.lstrip("/")
    return [folder for folder in (inside, *inside.parents) if folder == root or root in folder.parents]


def _share(quota: Path, period: Path | None) -> float:
    """Cores that one control group allows: "200000 100000" is 2; inf where it says "max", -1 or nothing."""
    try:
        words = quota.read_text().split() + (period.read_text().split() if period else [])
        return int(words[0]) / int(words[1]) if int(words[0]) > 0 and int(words[1]) > 0 else math.inf
    except (OSError, ValueError, IndexError):
        return math.inf
