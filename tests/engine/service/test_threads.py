"""The kernels keep to the cores that they were given."""

from __future__ import annotations

import os
from pathlib import Path

import numba
import pytest

from perse_engine.errors import InputError
from perse_engine.service.threads import apply_thread_budget, usable_cores

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@pytest.fixture(autouse=True)
def _restored(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("PERSE_THREADS", raising=False)
    yield
    numba.set_num_threads(numba.config.NUMBA_NUM_THREADS)


def groups(folder: Path, files: dict[str, str], membership: str) -> int:
    """Usable cores in a system whose control groups say this."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    (folder / "membership").write_text(membership)
    return usable_cores(folder, folder / "membership")


@pytest.mark.parametrize(
    ("files", "membership", "cores"),
    [
        ({"job/task/cpu.max": "100000 100000"}, "0::/job/task\n", 1),
        ({"job/cpu.max": "50000 100000", "job/task/cpu.max": "max 100000"}, "0::/job/task\n", 1),
        ({"cpu.max": "100000 100000"}, "0::/not/seen/from/inside\n", 1),
        ({"job/cpu.max": "6400000 100000"}, "0::/job\n", CORES),
        ({"job/cpu.max": "max 100000"}, "0::/job\n", CORES),
        ({"job/cpu.max": "nonsense"}, "0::/job\n", CORES),
        (
            {"cpu,cpuacct/job/cpu.cfs_quota_us": "100000", "cpu,cpuacct/job/cpu.cfs_period_us": "100000"},
            "4:memory:/job\n3:cpu,cpuacct:/job\n",
            1,
        ),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, "3:cpu:/\n", CORES),
    ],
)
def test_a_containers_share_counts(tmp_path: Path, files: dict[str, str], membership: str, cores: int) -> None:
    assert groups(tmp_path, files, membership) == cores


def test_where_nothing_is_said_every_core_may_work(tmp_path: Path) -> None:
    assert usable_cores(tmp_path, tmp_path / "absent") == CORES


def test_whoever_starts_the_engine_may_ask_for_less_but_not_for_more() -> None:
    assert apply_thread_budget(limit=1) == 1
    assert apply_thread_budget(limit=4096) == apply_thread_budget()


def test_the_variable_goes_before_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERSE_THREADS", str(numba.config.NUMBA_NUM_THREADS))
    assert apply_thread_budget(limit=1) == numba.config.NUMBA_NUM_THREADS
    monkeypatch.setenv("PERSE_THREADS", "1")
    assert apply_thread_budget() == 1
    monkeypatch.setenv("PERSE_THREADS", "0")
    with pytest.raises(InputError) as raised:
        apply_thread_budget()
    assert raised.value.code == "threads"
