"""`perse serve`: reads requests, draws pictures into its client's memory, and ends with its client.

One thread reads, so that a cancel arrives while a picture is being drawn; one draws. Never imports torch.
"""

from __future__ import annotations

import json
import logging
import os
import platform
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO

import perse_engine
from perse_engine.avatars.document import VERSION as AVATAR_VERSION
from perse_engine.errors import Cancelled, PerseError
from perse_engine.service.drawing import BACKEND, FrameFiles, MeshFiles, draw
from perse_engine.service.inbox import Inbox, Work
from perse_engine.service.library import Library
from perse_engine.service.parent import die_with_parent, watch_parent
from perse_engine.service.threads import apply_thread_budget
from perse_protocol.errors import EngineFailure, ProtocolError
from perse_protocol.framing import read_frame, write_frame
from perse_protocol.messages import (
    FROM_CLIENT,
    PROTOCOL_VERSION,
    Cancel,
    Dropped,
    Failed,
    Hello,
    Load,
    Loaded,
    Message,
    Ping,
    Pong,
    Render,
    Welcome,
    decode_message,
    encode_message,
)

log = logging.getLogger(__name__)


def serve(threads: int | None = None) -> None:
    """Run a session on this process's standard input and output. Does not return: the process ends with its input.

    Args:
        threads: at most so many for the kernels; None to take what the machine gives.
    """
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal is meant for the client
    requests, answers = claim_standard_streams()
    session = Session(answers, threads)
    drawing = threading.Thread(target=session.draw_forever, name="perse-drawing", daemon=True)
    drawing.start()
    session.read_until_end(requests)
    session.leave()


def claim_standard_streams() -> tuple[IO[bytes], IO[bytes]]:
    """Take standard input and output for the protocol: what libraries print goes to standard error instead."""
    requests = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    if sys.platform == "win32":
        import msvcrt

        msvcrt.setmode(requests.fileno(), os.O_BINARY)
        msvcrt.setmode(answers.fileno(), os.O_BINARY)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return requests, answers


class Session:
    """One client's session.

    Args:
        answers: where messages to the client are written.
        threads: at most so many for the kernels, or None.
    """

    def __init__(self, answers: IO[bytes], threads: int | None = None) -> None:
        self._answers = answers
        self._writing = threading.Lock()
        self._inbox = Inbox()
        self._library = Library()
        self._frames = FrameFiles()
        self._meshes = MeshFiles()
        self._limit = threads
        self._threads = apply_thread_budget(limit=threads)

    def read_until_end(self, requests: IO[bytes]) -> None:
        """Read messages until the client closes its end; whatever breaks the protocol ends the session too."""
        try:
            while (payload := read_frame(requests)) is not None:
                try:
                    self._receive(decode_message(payload, FROM_CLIENT))
                except ProtocolError as error:
                    log.error("refused a message: %s", error)
                    self._send(Failed(identity_of(payload), "bad-request", str(error), "correct the request"))
        except ProtocolError as error:
            log.error("the input breaks the protocol: %s", error)
            self._send(Failed(0, "protocol", str(error), "restart the engine"))

    def draw_forever(self) -> None:
        """Do the work of the inbox, one task after another, on the calling thread."""
        apply_thread_budget(limit=self._limit)  # numba keeps it for each thread
        while True:
            work = self._inbox.take()
            self._send(answer_to(work, self._perform))

    def leave(self) -> None:
        """End the process now, whatever is being drawn, and delete the frame files that the client may have left."""
        self._frames.remove()
        log.info("the session ends")
        logging.shutdown()
        os._exit(0)

    def _receive(self, message: Message) -> None:
        match message:
            case Hello():
                self._greet(message)
            case Ping():
                self._send(Pong(message.id))
            case Load() | Render():
                for task in self._inbox.put(message):
                    self._send(Dropped(task.id, "superseded"))
            case Cancel():
                dropped = self._inbox.cancel(message.id)
                if dropped is not None:
                    self._send(Dropped(dropped.id, "cancelled"))

    def _greet(self, hello: Hello) -> None:
        log.info("session of %s, process %d", hello.client, hello.parent)
        if hello.protocol != PROTOCOL_VERSION:
            sentence = f"the client speaks protocol {hello.protocol}, this engine {PROTOCOL_VERSION}"
            self._send(Failed(0, "protocol-version", sentence, "install both of the same version"))
            return
        watch_parent(hello.parent, self.leave)
        self._send(
            Welcome(
                protocol=PROTOCOL_VERSION,
                engine=perse_engine.__version__,
                python=platform.python_version(),
                pid=os.getpid(),
                backend=BACKEND,
                threads=self._threads,
                passes=("combined", "depth", "normal"),
                colors=("srgb", "linear"),
                avatar_version=AVATAR_VERSION,
            )
        )

    def _perform(self, work: Work) -> Message:
        task = work.task
        if isinstance(task, Load):
            identity, info = self._library.load(Path(task.path))
            return Loaded(task.id, identity, info)
        return draw(work, task, self._library, self._frames, self._meshes)

    def _send(self, message: Message) -> None:
        with self._writing:
            try:
                write_frame(self._answers, encode_message(message))
            except OSError as error:
                log.info("the client no longer reads (%s)", error)


def answer_to(work: Work, perform: Callable[[Work], Message]) -> Message:
    """Do one task; whatever goes wrong becomes its answer."""
    identity = work.task.id
    try:
        return perform(work)
    except Cancelled:
        return Dropped(identity, "cancelled")
    except (PerseError, EngineFailure) as error:
        return Failed(identity, error.code, error.message, error.hint)
    except MemoryError:
        log.exception("out of memory")
        return Failed(identity, "out-of-memory", "there is not enough memory for this", "ask for a smaller picture")
    except Exception as error:
        log.exception("a task failed")
        sentence = f"the engine failed ({type(error).__name__}: {error})"
        return Failed(identity, "internal", sentence, "report this with the engine's log")


def identity_of(payload: bytes) -> int:
    """The id of a message that could not be read, 0 where it has none."""
    try:
        content = json.loads(payload)
    except (ValueError, RecursionError):
        return 0
    identity = content.get("id") if isinstance(content, dict) else None
    return identity if type(identity) is int else 0
