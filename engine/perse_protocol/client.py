"""The client of the engine: starts it, watches it, restarts it, asks it for pictures.

May be called from any thread. Every wait is bounded, polls the caller's own "stop now?" function and needs neither a
timer nor a main loop.
"""

from __future__ import annotations

import atexit
import dataclasses
import itertools
import os
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .errors import EngineFailure, ProtocolError, RequestCancelled, RequestSuperseded
from .frames import Floats, FrameBuffer, Planes, make_private_folder, remove_folder
from .meshes import MeshStore
from .messages import (
    Camera,
    Cancel,
    ColorSpace,
    Dropped,
    Failed,
    Instance,
    Load,
    Loaded,
    Mask,
    MeshFile,
    Message,
    Numbers,
    Occluder,
    Pass,
    Ping,
    Pong,
    Priority,
    Region,
    Render,
    Rendered,
    Welcome,
    extra_planes,
)
from .process import EngineProcess

Poll = Callable[[], bool]
START_TIMEOUT = 120.0
LOAD_TIMEOUT = 300.0  # it may wait behind a first picture, for which kernels are compiled
_STEP = 0.02  # seconds between two polls; answers wake the waiter at once


def numbers(array: ArrayLike) -> Numbers:
    """Any array as the flat tuple of floats that messages carry, row by row."""
    return tuple(np.asarray(array, np.float64).ravel().tolist())


@dataclasses.dataclass(frozen=True)
class RenderRequest:
    """What to draw; fields as in `messages.Render`."""

    view: str
    priority: Priority
    instances: tuple[Instance, ...]
    camera: Camera
    region: Region | None = None
    passes: tuple[Pass, ...] = ("combined",)
    color: ColorSpace = "linear"
    matrix: Numbers | None = None
    background: Numbers | None = None
    occluders: tuple[Occluder, ...] = ()
    masks: tuple[Mask, ...] = ()
    supersampling: int = 1


@dataclasses.dataclass(frozen=True)
class LoadedAvatar:
    """An avatar that the engine holds: `id` for `Instance.avatar`, `info` as `perse info --json` prints it."""

    id: str
    info: Mapping[str, Any]


@dataclasses.dataclass(frozen=True, eq=False)
class Picture:
    """A finished picture. The arrays are views of shared memory: read them before the view's next request.

    Attributes:
        color: (H, W, 4) float32, premultiplied RGBA, rows from the bottom up.
        depth: (H, W) float32 planar camera z in world units, 1e10 where nothing is; None unless asked for.
        normal: (3, H, W) float32, of unit length in the world, 0 where nothing is; None unless asked for.
        masks: (n, H, W) float32 in [0, 1], as asked for.
        timings: milliseconds by stage inside the engine.
        memory: the most that the engine has taken so far, MB; 0 where that is not known.
    """

    color: Floats
    depth: Floats | None
    normal: Floats | None
    masks: Floats
    timings: Mapping[str, float]
    memory: float = 0.0


class Ticket:
    """One request on its way. Opaque to callers but for `done`."""

    def __init__(self, message: Load | Render | Ping, planes: Planes | None) -> None:
        self.message = message
        self.planes = planes
        self.process: EngineProcess | None = None
        self.answer: Message | EngineFailure | None = None
        self.attempts = 0

    @property
    def done(self) -> bool:
        """Whether `EngineClient.wait` would return or raise at once."""
        return self.answer is not None


class EngineClient:
    """A connection to one `perse serve`, started when it is first needed and again when it has died.

    Args:
        command: program and arguments, such as ["/path/to/perse", "serve"].
        client: who is asking, for the engine's log.
        log_file: where the engine's standard error goes; in the temporary folder by default.
    """

    def __init__(self, command: Sequence[str], client: str = "python", log_file: Path | None = None) -> None:
        self._command = tuple(command)
        self._client = client
        self.log_file = log_file or Path(tempfile.gettempdir()) / f"perse-engine-{os.getpid()}.log"
        self._ids = itertools.count(1)
        self._starting = threading.Lock()
        self._changed = threading.Condition()
        self._tickets: dict[int, Ticket] = {}
        self._process: EngineProcess | None = None
        self._folder: Path | None = None
        self._buffers: dict[str, FrameBuffer] = {}
        self._meshes: MeshStore | None = None
        self._paths: dict[str, str] = {}
        self._closed = False
        atexit.register(self.close)

    def start(self, poll: Poll | None = None, timeout: float = START_TIMEOUT) -> Welcome:
        """Start the engine unless it runs; load again what it had loaded.

        Raises:
            EngineFailure: it cannot be started; the hint says what to do.
        """
        with self._starting:
            if self._closed:
                raise EngineFailure("engine-closed", "the connection to the engine was closed", "make a new one")
            process = self._process
            if process is not None and process.alive and process.welcome is not None:
                return process.welcome
            process = EngineProcess(
                self._command,
                self._client,
                self.log_file,
                on_message=self._receive,
                on_end=self._mourn,
            )
            welcome = process.wait_until_greeted(poll, timeout)
            for path in dict.fromkeys(self._paths.values()):
                process.send(Load(next(self._ids), path))
            self._process = process
            return welcome

    def load(self, path: str | Path, poll: Poll | None = None, timeout: float = LOAD_TIMEOUT) -> LoadedAvatar:
        """Have the engine read an avatar file.

        Raises:
            EngineFailure: the file cannot be used, or the engine cannot.
        """
        ticket = Ticket(Load(next(self._ids), str(path)), None)
        self._submit(ticket, poll)
        answer = self._await(ticket, poll, timeout)
        if not isinstance(answer, Loaded):
            raise ProtocolError(f"the engine answered a load with {answer.kind}")
        self._paths[answer.avatar] = str(path)
        return LoadedAvatar(answer.avatar, answer.info)

    def render(self, request: RenderRequest, poll: Poll | None = None) -> Ticket:
        """Ask for a picture; returns at once when the engine runs.

        A waiting request of the same view is replaced, unless its priority is "final".

        Raises:
            EngineFailure: the engine cannot be started, or there is no memory for the picture.
            ProtocolError: the request breaks a rule of `messages.Render`.
        """
        window = request.region or Region(0, 0, request.camera.width, request.camera.height)
        with self._changed:
            folder = self._open_folder()
            if request.view not in self._buffers:
                self._buffers[request.view] = FrameBuffer(folder, f"view-{len(self._buffers)}")
            if self._meshes is not None:
                self._meshes.show(request.view, (occluder.mesh for occluder in request.occluders))
            buffer = self._buffers[request.view]
            extra = extra_planes(request.passes, request.masks)
            target = buffer.reserve(window.width, window.height, extra)
            planes = buffer.planes(window.width, window.height, extra)
        message = Render(
            next(self._ids),
            request.view,
            request.priority,
            request.instances,
            request.camera,
            target,
            request.region,
            request.passes,
            request.color,
            request.matrix,
            request.background,
            request.occluders,
            request.masks,
            request.supersampling,
        )
        ticket = Ticket(message, planes)
        self._submit(ticket, poll)
        return ticket

    def keep_mesh(self, corners: ArrayLike, triangles: ArrayLike) -> MeshFile:
        """A mesh for `Occluder.mesh`; one that was kept before is not written again.

        Args:
            corners: (V, 3) in the mesh's own space.
            triangles: (T, 3) indices of corners.

        Raises:
            EngineFailure: there is no memory for it.
        """
        with self._changed:
            if self._meshes is None:
                self._meshes = MeshStore(self._open_folder())
            return self._meshes.keep(np.asarray(corners, np.float32), np.asarray(triangles, np.int32))

    def wait(self, ticket: Ticket, poll: Poll | None = None, timeout: float | None = None) -> Picture:
        """Wait for a picture.

        A request whose engine died under it is sent once more to a new engine.

        Args:
            poll: called about 50 times a second; True cancels the request.
            timeout: seconds, None to wait as long as the engine lives.

        Raises:
            RequestCancelled: `poll` said so, or somebody cancelled the ticket.
            RequestSuperseded: a newer request of this view took its place.
            EngineFailure: the engine refused, died twice or took too long.
        """
        return _picture(ticket, self._await(ticket, poll, timeout))

    def finished(self, ticket: Ticket) -> Picture:
        """The picture of a ticket that is done, at once: what failed is not tried again.

        Raises:
            RequestCancelled, RequestSuperseded, EngineFailure: as `wait`.
        """
        answer = ticket.answer
        if answer is None:
            raise ValueError("the ticket is not done")
        if isinstance(answer, EngineFailure):
            raise answer
        return _picture(ticket, answer)

    def ping(self, timeout: float = 10.0) -> float:
        """Seconds that the smallest message takes to the engine and back."""
        self.start()
        ticket = Ticket(Ping(next(self._ids)), None)
        begin = time.perf_counter()
        self._submit(ticket, None)
        self._await(ticket, None, timeout)
        return time.perf_counter() - begin

    def cancel(self, ticket: Ticket) -> None:
        """Say that a request is no longer wanted; whoever waits for it gets `RequestCancelled`."""
        with self._changed:
            self._tickets.pop(ticket.message.id, None)
            if ticket.answer is None:
                ticket.answer = RequestCancelled()
                if ticket.process is not None:
                    ticket.process.send(Cancel(ticket.message.id))
            self._changed.notify_all()

    def close(self) -> None:
        """End the engine and delete the frame files; safe to call twice."""
        atexit.unregister(self.close)
        with self._starting:
            self._closed = True
            process, self._process = self._process, None
        if process is not None:
            process.close()
        if self._folder is not None:
            remove_folder(self._folder)
            self._folder = None

    @property
    def pid(self) -> int | None:
        """Process id of the running engine, or None."""
        process = self._process
        return process.pid if process is not None and process.alive else None

    @property
    def is_busy(self) -> bool:
        """Whether anything that was asked for has not been answered."""
        with self._changed:
            return bool(self._tickets)

    def __enter__(self) -> EngineClient:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _open_folder(self) -> Path:
        if self._folder is None:
            self._folder = make_private_folder()
        return self._folder

    def _submit(self, ticket: Ticket, poll: Poll | None) -> None:
        """Send a request to the running engine, starting one where there is none."""
        while True:
            self.start(poll)
            with self._changed:
                process = self._process
                if process is not None and process.alive:
                    ticket.process = process
                    ticket.attempts += 1
                    ticket.answer = None
                    self._tickets[ticket.message.id] = ticket
                    process.send(ticket.message)
                    return

    def _await(self, ticket: Ticket, poll: Poll | None, timeout: float | None) -> Message:
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            with self._changed:
                if ticket.answer is None:
                    self._changed.wait(_STEP)
                answer = ticket.answer
            if isinstance(answer, EngineFailure):
                if answer.code != "engine-died" or ticket.attempts > 1:
                    raise answer
                self._submit(ticket, poll)
            elif answer is not None:
                return answer
            elif poll is not None and poll():
                self.cancel(ticket)
                raise RequestCancelled
            elif deadline is not None and time.monotonic() >= deadline:
                self.cancel(ticket)
                raise EngineFailure(
                    "engine-timeout", f"the engine did not answer within {timeout:.0f} s", f"look into {self.log_file}"
                )

    def _receive(self, message: Message) -> None:
        """On the reader thread: hand an answer to its ticket."""
        if not isinstance(message, (Loaded, Rendered, Pong, Failed, Dropped)):
            raise ProtocolError(f"a second {message.kind}")
        answer: Message | EngineFailure = message
        if isinstance(message, Failed):
            answer = EngineFailure(message.code, message.message, message.hint)
        elif isinstance(message, Dropped):
            answer = RequestSuperseded() if message.reason == "superseded" else RequestCancelled()
        with self._changed:
            ticket = self._tickets.pop(message.id, None)
            if ticket is not None and ticket.answer is None:
                ticket.answer = answer
            self._changed.notify_all()

    def _mourn(self, process: EngineProcess) -> None:
        """On the reader thread of an engine that has ended: tell everybody who waits for it."""
        with self._changed:
            orphans = [ticket for ticket in self._tickets.values() if ticket.process is process]
            for ticket in orphans:
                del self._tickets[ticket.message.id]
                if ticket.answer is None:
                    ticket.answer = process.death()
            self._changed.notify_all()


def _picture(ticket: Ticket, answer: Message) -> Picture:
    if not isinstance(answer, Rendered) or not isinstance(ticket.message, Render) or ticket.planes is None:
        raise ProtocolError(f"the engine answered a render with {answer.kind}")
    color, depth, extra = ticket.planes
    passes = ticket.message.passes
    masks = extra[len(extra) - len(ticket.message.masks) :]
    return Picture(
        color,
        depth if "depth" in passes else None,
        extra[:3] if "normal" in passes else None,
        masks,
        answer.timings,
        answer.memory,
    )
