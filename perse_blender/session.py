"""The one engine that this Blender talks to: found, started when first needed, replaced when its place changes."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import bpy

from .perse_protocol import EngineClient, EngineFailure, Instance, Welcome
from .perse_protocol.client import Poll, numbers
from .preferences import engine_place
from .rendering.frame import Shown

Stamp = tuple[str, int, int]


@dataclass
class _Session:
    """The running client, when it was used, and what it has loaded: path, time and size of a file to its name."""

    command: tuple[str, ...] = ()
    client: EngineClient | None = None
    welcome: Welcome | None = None
    loaded: dict[Stamp, str] = field(default_factory=dict)
    worker: threading.Thread | None = None
    failed: tuple[object, EngineFailure] | None = None
    used: float = 0.0


_session = _Session()
_lock = threading.RLock()


def client(poll: Poll | None = None) -> EngineClient:
    """The client of the engine that is configured now, started.

    Raises:
        EngineFailure: there is no engine, or it cannot be started.
    """
    with _lock:
        _session.used = time.monotonic()
        command = _command()
        if _session.client is None or _session.command != command:
            stop()
            _session.command = command
            _session.client = EngineClient((*command, *_threads()), f"blender {bpy.app.version_string}")
        _session.welcome = _session.client.start(poll)
        return _session.client


def instances(avatars: Sequence[Shown], poll: Poll | None = None) -> tuple[Instance, ...]:
    """What the engine draws for `avatars`; their files are loaded where they are new or have changed.

    Raises:
        EngineFailure: a file cannot be used, or the engine cannot.
    """
    return tuple(
        Instance(
            _engine_name(shown, poll),
            numbers(shown.model),
            shown.sliders,
            numbers(shown.transforms),
            holdout=shown.holdout,
            light=shown.light,
        )
        for shown in avatars
    )


def prepare(avatars: Sequence[Shown]) -> bool:
    """Start the engine and load `avatars` on a thread of their own; whether that is done.

    Raises:
        EngineFailure: it was tried and failed.
    """
    if is_preparing():
        return False
    task = (_command(), stamps(avatars))
    running = _session.client
    runs = running is not None and running.pid is not None and _session.command == task[0]
    if runs and all(stamp in _session.loaded for stamp in task[1]):
        return True
    if _session.failed is not None and _session.failed[0] == task:
        raise _session.failed[1]
    _session.worker = threading.Thread(target=_prepare, args=(task, tuple(avatars)), name="perse-prepare", daemon=True)
    _session.worker.start()
    return False


def stamps(avatars: Sequence[Shown]) -> tuple[Stamp, ...]:
    """The files of `avatars` as they are now, to be compared.

    Raises:
        EngineFailure: "missing-avatar".
    """
    return tuple(_stamp(shown) for shown in avatars)


def is_preparing() -> bool:
    """Whether `prepare` is at work."""
    return _session.worker is not None and _session.worker.is_alive()


def stop() -> None:
    """End the engine, if it runs."""
    with _lock:
        if _session.client is not None:
            _session.client.close()
        _session.client = None
        _session.welcome = None
        _session.loaded.clear()
        _session.failed = None


def idle_seconds() -> float:
    """For how long the engine has run without anything to do; 0 where it does not run."""
    running = _session.client
    if running is None or running.pid is None or running.is_busy or is_preparing():
        return 0.0
    return time.monotonic() - _session.used


def status() -> str:
    """One line for the panel, without starting anything."""
    running = _session.client
    if running is None or running.pid is None or _session.welcome is None:
        return "Not running; it starts with the first picture"
    welcome = _session.welcome
    return f"{welcome.engine} on {welcome.backend}, {welcome.threads} threads"


def engine_version() -> str:
    """The running engine's version; empty where none runs."""
    return _session.welcome.engine if _session.welcome else ""


def log_file() -> Path | None:
    """The running engine's log."""
    return _session.client.log_file if _session.client else None


def _command() -> tuple[str, ...]:
    return (str(engine_place().command), "serve")


def _threads() -> tuple[str, ...]:
    """Blender's own limit, from -t or the scene's performance settings, as the engine's; taken when it starts."""
    scene = bpy.context.scene
    fixed = scene is not None and scene.render.threads_mode == "FIXED"
    return ("--threads", str(scene.render.threads)) if fixed else ()


def _prepare(task: object, avatars: Sequence[Shown]) -> None:
    try:
        instances(avatars)
        client()
        _session.failed = None
    except EngineFailure as failure:
        _session.failed = (task, failure)


def _engine_name(shown: Shown, poll: Poll | None) -> str:
    stamp = _stamp(shown)
    if stamp not in _session.loaded:
        _session.loaded[stamp] = client(poll).load(shown.path, poll).id
    return _session.loaded[stamp]


def _stamp(shown: Shown) -> Stamp:
    try:
        found = shown.path.stat()
    except OSError as error:
        raise EngineFailure(
            "missing-avatar",
            f"the file of {shown.name} cannot be read ({error.strerror})",
            "choose it again with Relink",
        ) from error
    return (str(shown.path), found.st_mtime_ns, found.st_size)
