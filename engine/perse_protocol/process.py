"""One running engine process: spawned, greeted, written to and listened to, without ever blocking its caller."""

from __future__ import annotations

import logging
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from .errors import EngineFailure, ProtocolError
from .framing import read_frame, write_frame
from .messages import FROM_ENGINE, PROTOCOL_VERSION, Failed, Hello, Message, Welcome, decode_message, encode_message

log = logging.getLogger(__name__)

LARGEST_LOG = 1 << 20
_END = b""


class EngineProcess:
    """A child that speaks the protocol.

    Its own reader thread spawns it and lives exactly as long as its standard output: on Linux the child asks to be
    killed when the thread that spawned it ends, and Blender's render threads come and go.

    Args:
        command: program and arguments.
        client: who we are, for the engine's log.
        log_file: takes the child's standard error; the previous one is kept beside it once it is large.
        on_message: called on the reader thread for each message after the greeting.
        on_end: called on the reader thread with this process, once, after the last message.
    """

    def __init__(
        self,
        command: Sequence[str],
        client: str,
        log_file: Path,
        on_message: Callable[[Message], None],
        on_end: Callable[[EngineProcess], None],
    ) -> None:
        self._command = list(command)
        self._client = client
        self._log_file = log_file
        self._on_message = on_message
        self._on_end = on_end
        self._outbox: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._greeted = threading.Event()
        self._ended = threading.Event()
        self._failure: EngineFailure | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self.welcome: Welcome | None = None
        self._reader = threading.Thread(target=self._run, name="perse-engine-reader", daemon=True)
        self._reader.start()

    def wait_until_greeted(self, poll: Callable[[], bool] | None, timeout: float) -> Welcome:
        """Wait for the engine's `Welcome`.

        Raises:
            EngineFailure: it cannot be started, ended, speaks another protocol or says nothing in `timeout` seconds.
        """
        waited = 0.0
        while not self._greeted.wait(0.05):
            waited += 0.05
            if poll is not None and poll():
                raise EngineFailure("cancelled", "the engine's start was cancelled", "ask again")
            if waited >= timeout:
                self.kill()
                raise EngineFailure(
                    "engine-timeout",
                    f"the engine did not answer within {timeout:.0f} s",
                    f"run `{' '.join(self._command[:1])} doctor`, and look into {self._log_file}",
                )
        if self.welcome is None:
            raise self.death()
        return self.welcome

    @property
    def alive(self) -> bool:
        """Whether messages can still be sent."""
        return not self._ended.is_set()

    @property
    def pid(self) -> int | None:
        """Process id of the child, or None before it runs."""
        return self._child.pid if self._child else None

    def send(self, message: Message) -> None:
        """Queue a message; never blocks. What is sent to a dead engine is lost."""
        self._outbox.put(encode_message(message))

    def death(self) -> EngineFailure:
        """The failure that tells of the engine's end, with the last line of its log."""
        if self._failure is not None:
            return self._failure
        status = self._child.poll() if self._child else None
        last = _last_line(self._log_file)
        return EngineFailure(
            "engine-died",
            f"the engine ended unexpectedly (exit status {status})" + (f", saying: {last}" if last else ""),
            f"try again; its log is {self._log_file}",
        )

    def kill(self) -> None:
        """End the child now."""
        self._outbox.put(_END)
        if self._child is not None and self._child.poll() is None:
            self._child.kill()

    def close(self, timeout: float = 2.0) -> None:
        """Close the child's input, which ends it; kill it when it takes longer than `timeout` seconds."""
        self._outbox.put(_END)
        if not self._ended.wait(timeout):
            self.kill()
            self._ended.wait(timeout)

    def _run(self) -> None:
        try:
            self._child = self._spawn()
        except OSError as error:
            self._failure = EngineFailure(
                "engine-not-started",
                f"the engine {self._command[0]} cannot be started ({error.strerror or error})",
                "set PERSE_ENGINE or the add-on's preference to a working `perse`",
            )
            self._finish()
            return
        writer = threading.Thread(target=self._write, args=(self._child,), name="perse-engine-writer", daemon=True)
        writer.start()
        try:
            self._listen(self._child)
        except (ProtocolError, OSError) as error:
            log.error("the engine's output cannot be read: %s", error)
            self._failure = EngineFailure(
                "engine-protocol",
                f"the engine's output cannot be read: {error}",
                "install the engine and the add-on of the same version",
            )
            self._child.kill()
        self._outbox.put(_END)
        writer.join()
        try:
            self._child.wait(5.0)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        if self._child.stdout is not None:
            self._child.stdout.close()
        self._finish()

    def _finish(self) -> None:
        self._ended.set()
        self._greeted.set()
        self._on_end(self)

    def _spawn(self) -> subprocess.Popen[bytes]:
        self._log_file.parent.mkdir(parents=True, exist_ok=True)
        if self._log_file.exists() and self._log_file.stat().st_size > LARGEST_LOG:
            os.replace(self._log_file, self._log_file.with_name(self._log_file.name + ".1"))
        with self._log_file.open("ab") as log_stream:
            return subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log_stream,
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0) if sys.platform == "win32" else 0,
            )

    def _write(self, child: subprocess.Popen[bytes]) -> None:
        stream = child.stdin
        assert stream is not None
        try:
            write_frame(stream, encode_message(Hello(PROTOCOL_VERSION, self._client, os.getpid())))
            while payload := self._outbox.get():
                write_frame(stream, payload)
        except OSError as error:
            log.info("the engine no longer reads (%s)", error)
        finally:
            try:
                stream.close()
            except OSError:
                log.debug("the engine's input was already closed")

    def _listen(self, child: subprocess.Popen[bytes]) -> None:
        assert child.stdout is not None
        while (payload := read_frame(child.stdout)) is not None:
            message = decode_message(payload, FROM_ENGINE)
            if self.welcome is not None:
                self._on_message(message)
            elif isinstance(message, Welcome) and message.protocol == PROTOCOL_VERSION:
                self.welcome = message
                self._greeted.set()
            elif isinstance(message, Failed):
                raise ProtocolError(message.message)
            else:
                raise ProtocolError(f"it does not greet with protocol {PROTOCOL_VERSION}")


def _last_line(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            stream.seek(max(0, path.stat().st_size - 4096))
            lines = stream.read().decode(errors="replace").strip().splitlines()
    except OSError:
        return ""
    return lines[-1][:300] if lines else ""
