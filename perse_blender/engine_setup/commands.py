"""Running other programs: what they say goes to our own output, which is the installation's log."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from .problem import SetupProblem

HIDDEN = getattr(subprocess, "CREATE_NO_WINDOW", 0)
_KNOWN = (
    (("No space left", "not enough space"), "no-space", "the disk is full", "free some space and press Install again"),
    (
        ("invalid peer certificate", "CERTIFICATE_VERIFY_FAILED"),
        "untrusted-certificate", "the package index has a certificate that is not trusted",
        "set cert in pip's configuration, and press Install again",
    ),
    (
        ("dns error", "Name or service not known", "Failed to fetch", "ConnectionError", "NewConnectionError",
         "error sending request", "timed out", "getaddrinfo failed"),
        "no-network", "a package could not be downloaded", "check the network and pip's settings, then press Install "
        "again; what is downloaded is kept",
    ),
    (
        ("Hash mismatch", "DO NOT MATCH THE HASHES"),
        "hash-mismatch", "a package is not the one that was tested", "use another package index",
    ),
)  # fmt: skip


def run(
    what: str,
    command: Sequence[str | Path],
    environment: Mapping[str, str],
    on_line: Callable[[str], None] = lambda line: None,
    timeout: float | None = None,
    statuses: tuple[int, ...] = (0,),
) -> list[str]:
    """Run `command` to its end and return the lines that it wrote.

    Args:
        what: for people: "installing PyTorch".
        on_line: called with each line as it comes.
        timeout: seconds after which it is killed, or None.
        statuses: exit statuses that are no failure.

    Raises:
        SetupProblem: it cannot be started, fails or takes too long.
    """
    words = [str(part) for part in command]
    say(f"$ {' '.join(words)}")
    lines: list[str] = []
    try:
        child = subprocess.Popen(
            words, env=dict(environment), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, encoding="utf-8", errors="replace", creationflags=HIDDEN,
        )  # fmt: skip
    except OSError as error:
        raise SetupProblem(
            "not-started", f"{what} failed: {words[0]} cannot be started ({error.strerror})", "see the log"
        ) from error
    with child, _Limit(child, timeout) as limit:
        assert child.stdout is not None
        for line in child.stdout:
            lines.append(line.rstrip())
            say(line.rstrip())
            on_line(line.rstrip())
    if limit.passed:
        raise SetupProblem("timeout", f"{what} took more than {timeout:.0f} s", "see the log, and try again")
    if child.returncode not in statuses:
        raise _complaint(what, lines)
    return lines


def say(line: str) -> None:
    """Write a line of the log."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


class _Limit:
    """Kills a child after some seconds."""

    def __init__(self, child: subprocess.Popen[str], seconds: float | None) -> None:
        self.passed = False
        self._child = child
        self._timer = threading.Timer(seconds, self._kill) if seconds is not None else None

    def __enter__(self) -> _Limit:
        if self._timer is not None:
            self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._timer is not None:
            self._child.wait()
            self._timer.cancel()

    def _kill(self) -> None:
        self.passed = True
        self._child.kill()


def _complaint(what: str, lines: Sequence[str]) -> SetupProblem:
    text = "\n".join(lines)
    for marks, code, message, hint in _KNOWN:
        if any(mark.lower() in text.lower() for mark in marks):
            return SetupProblem(code, f"{what} failed: {message}", hint)
    last = next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")
    return SetupProblem("failed", f"{what} failed: {last[:200]}", "see the log, and press Install again")
