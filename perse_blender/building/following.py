"""Following jobs: panels show how far they are, and avatars take on what jobs have changed in their files."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from pathlib import Path

import bpy

from ..preferences import engine_place
from . import jobs
from .job_folder import DONE, RUNNING, Progress

_TICK_S = 0.3


@dataclass
class _Seen:
    """All jobs, newest first, and when they were looked at."""

    at: float = 0.0
    jobs: tuple[tuple[jobs.Job, Progress], ...] = ()


_seen = _Seen()
_awaited: set[str] = set()
"""Jobs whose end changes avatars of this file."""


def engine_command() -> Path:
    """The engine's command.

    Raises:
        EngineFailure: "no-engine".
    """
    command = engine_place().command
    assert command is not None  # it raises otherwise
    return command


def snapshot() -> tuple[tuple[jobs.Job, Progress], ...]:
    """All jobs, newest first, as they were at most a tick ago: panels are drawn at every move of the mouse."""
    if time.monotonic() - _seen.at > 0.8 * _TICK_S:
        _seen.jobs = tuple((job, jobs.progress(job)) for job in reversed(jobs.jobs()))
        _seen.at = time.monotonic()
    return _seen.jobs


def look_again() -> None:
    """Something about the jobs has changed: panels are to say so."""
    _seen.at = 0.0
    keep_looking()


def keep_looking() -> None:
    """Look at the jobs every now and then for as long as one runs."""
    if not bpy.app.background and not bpy.app.timers.is_registered(_tick):
        bpy.app.timers.register(_tick, first_interval=_TICK_S, persistent=True)


def follow(job: jobs.Job) -> None:
    """When `job` has ended well, let the avatars of this .blend take on what it has changed."""
    _awaited.add(job.id)
    look_again()


def settle() -> None:
    """Sync the avatars whose files were changed by jobs that have ended since the last call."""
    for job in jobs.jobs():
        if job.id not in _awaited:
            continue
        state = jobs.progress(job).state
        if state == RUNNING:
            continue
        _awaited.discard(job.id)
        if state == DONE:
            new = _said_slider(job.log) if job.renamed else ""
            # True: the operator's undo step
            bpy.ops.perse.sync_sliders("EXEC_DEFAULT", True, file=str(job.out), old=job.renamed, new=new)


def _said_slider(log: Path) -> str:
    """The slider that the engine has said it made, at the end of its log."""
    try:
        found = re.findall(r"^(attr_[a-z0-9_]+)  ", log.read_text(encoding="utf-8", errors="replace"), re.MULTILINE)
    except OSError:
        return ""
    return str(found[-1]) if found else ""


def _tick() -> float | None:
    running = jobs.watch()
    settle()
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "VIEW_3D":
                for region in area.regions:
                    if region.type == "UI":
                        region.tag_redraw()
    return _TICK_S if running else None


CLASSES = ()


def unregister() -> None:
    """Stop looking."""
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)
    _seen.at, _seen.jobs = 0.0, ()
    _awaited.clear()
