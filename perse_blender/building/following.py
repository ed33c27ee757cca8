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
_REDRAW_S = 1.0
"""How often the sidebar says how far running jobs are; drawing it takes what they and the viewport could use."""


@dataclass
class _Seen:
    """All jobs, newest first, when they were looked at, when the sidebar last showed them and in which states."""

    at: float = 0.0
    jobs: tuple[tuple[jobs.Job, Progress], ...] = ()
    drawn: float = 0.0
    states: tuple[tuple[str, str], ...] = ()


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
    _seen.at = _seen.drawn = 0.0
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
    states = tuple((job.id, progress.state) for job, progress in snapshot())
    if states != _seen.states or time.monotonic() - _seen.drawn >= _REDRAW_S:
        _seen.states, _seen.drawn = states, time.monotonic()
        _redraw_sidebars()
    return _TICK_S if running else None


def _redraw_sidebars() -> None:
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "VIEW_3D":
                for region in area.regions:
                    if region.type == "UI":
                        region.tag_redraw()


CLASSES = ()


def unregister() -> None:
    """Stop looking."""
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)
    _seen.at, _seen.jobs, _seen.drawn, _seen.states = 0.0, (), 0.0, ()
    _awaited.clear()
