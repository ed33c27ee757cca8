"""What waits to be done: most urgent first, and of each view only the newest request."""

from __future__ import annotations

import dataclasses
import threading
import time

from perse_engine.errors import Cancelled
from perse_protocol.messages import PRIORITIES, Load, Render

Task = Load | Render


@dataclasses.dataclass(eq=False)
class Work:
    """One task, waiting or running."""

    task: Task
    arrived: float = dataclasses.field(default_factory=time.perf_counter)
    cancelled: bool = False

    def check(self) -> None:
        """Raise `Cancelled` when the client no longer wants this."""
        if self.cancelled:
            raise Cancelled


class Inbox:
    """Filled by the thread that reads, emptied by the thread that draws."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: list[Work] = []
        self._running: Work | None = None

    def put(self, task: Task) -> list[Task]:
        """Add a task; returns the waiting tasks that it replaces.

        A request of the same kind and view is replaced unless its priority is "final".
        """
        with self._changed:
            replaced = [work for work in self._waiting if _replaces(task, work.task)]
            self._waiting = [work for work in self._waiting if work not in replaced]
            self._waiting.append(Work(task))
            self._changed.notify()
            return [work.task for work in replaced]

    def take(self) -> Work:
        """The most urgent task, the oldest among equals; waits for one."""
        with self._changed:
            while not self._waiting:
                self._running = None
                self._changed.wait()
            work = min(self._waiting, key=lambda waiting: _urgency(waiting.task))
            self._waiting.remove(work)
            self._running = work
            return work

    def cancel(self, identity: int) -> Task | None:
        """Drop the waiting task with this id and return it; tell the running one, which answers for itself."""
        with self._changed:
            for work in self._waiting:
                if work.task.id == identity:
                    self._waiting.remove(work)
                    return work.task
            if self._running is not None and self._running.task.id == identity:
                self._running.cancelled = True
            return None


def _replaces(newer: Task, older: Task) -> bool:
    return (
        isinstance(newer, Render)
        and isinstance(older, Render)
        and older.view == newer.view
        and older.priority != "final"
    )


def _urgency(task: Task) -> int:
    return PRIORITIES.index(task.priority) if isinstance(task, Render) else -1
