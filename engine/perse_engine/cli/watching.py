"""Progress bars on stderr for whoever watches, and a way out for whoever presses Ctrl-C."""

from __future__ import annotations

import contextlib
import signal
import sys
import time
from collections.abc import Callable, Iterator
from types import FrameType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from perse_engine.errors import Cancelled
from perse_engine.progress import Progress, silent


@contextlib.contextmanager
def watched(*, showing: bool = True) -> Iterator[Progress]:
    """A `Progress` that shows itself, and stops the work at its next report once Ctrl-C was pressed.

    A second Ctrl-C stops at once. Without `showing` it only stops the work.
    """
    with _interruptible() as interrupted, _shown() if showing else contextlib.nullcontext(silent) as show:

        def progress(stage: str, done: int, total: int) -> None:
            show(stage, done, total)
            if interrupted():
                raise Cancelled

        yield progress


@contextlib.contextmanager
def _interruptible() -> Iterator[Callable[[], bool]]:
    count = 0

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal count
        count += 1
        if count > 1:
            raise KeyboardInterrupt

    before = [(number, signal.signal(number, interrupt)) for number in (signal.SIGINT, signal.SIGTERM)]
    try:
        yield lambda: count > 0
    finally:
        for number, action in before:
            signal.signal(number, action)


@contextlib.contextmanager
def _shown() -> Iterator[Progress]:
    if not sys.stderr.isatty():
        yield _Lines()
        return
    columns = (TextColumn("{task.description:>12}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Bars(*columns, console=Console(stderr=True)) as bars:
        tasks: dict[str, TaskID] = {}

        def show(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage)
            bars.update(tasks[stage], completed=done, total=total)

        yield show


class _Lines:
    """For logs: a line when a stage has ended, so that a failure in the first is the only line there is."""

    def __init__(self) -> None:
        self._begun: dict[str, float] = {}

    def __call__(self, stage: str, done: int, total: int) -> None:
        if stage not in self._begun:
            self._begun[stage] = time.monotonic()
        if done == total and self._begun[stage] >= 0:
            sys.stderr.write(f"{stage} done in {time.monotonic() - self._begun[stage]:.1f} s\n")
            self._begun[stage] = -1.0
            sys.stderr.flush()
