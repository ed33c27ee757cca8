"""Putting packages into an environment, with uv, or with pip where there is no uv."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from .commands import run

Progress = Callable[[str, float], None]
_UNITS = {"kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "kb": 10**3, "mb": 10**6, "gb": 10**9}
_UNPACKED = 3.0
"""About how much larger a package is on disk than as a wheel."""


@dataclass(frozen=True)
class Tool:
    """What installs.

    Attributes:
        uv: the program, or None for pip.
        environment: variables for either.
        arguments: options for either: where packages come from.
        cache: where uv unpacks what it downloads.
    """

    uv: Path | None
    environment: Mapping[str, str]
    arguments: tuple[str, ...]
    cache: Path


def python_in(folder: Path) -> Path:
    """The interpreter of the environment in `folder`."""
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def command_in(folder: Path) -> Path:
    """The command `perse` of the environment in `folder`."""
    return folder / ("Scripts/perse.exe" if os.name == "nt" else "bin/perse")


def make_environment(tool: Tool, python: Path, folder: Path) -> None:
    """Make an empty environment, or keep the one that is there."""
    if python_in(folder).is_file():
        return
    if tool.uv is not None:
        run("making the environment", [tool.uv, "venv", "--allow-existing", "-p", python, folder], tool.environment)
    else:
        run("making the environment", [python, "-I", "-m", "venv", folder], tool.environment)


def install_packages(
    tool: Tool, folder: Path, what: str, arguments: list[str], progress: Progress, expected: float = 0.0
) -> None:
    """Install what `arguments` name; what is there already stays.

    Args:
        what: for people: "PyTorch".
        progress: told what is done, and an estimate of the fraction.
        expected: bytes of the wheels that are here already; what is downloaded is announced.
    """
    common = ["--only-binary=:all:", *tool.arguments, *arguments]
    if tool.uv is not None:
        command = [tool.uv, "pip", "install", "--python", python_in(folder), *common]
    else:
        command = [python_in(folder), "-m", "pip", "install", "--disable-pip-version-check", *common]
    progress(f"Installing {what}", 0.0)
    with _Watch(tool.cache, f"Installing {what}", progress, expected) as watch:
        run(f"installing {what}", command, tool.environment, watch.hear)


class _Watch:
    """How far a download is: what the cache has grown by, against the sizes that were announced."""

    def __init__(self, cache: Path, text: str, progress: Progress, expected: float) -> None:
        self._cache, self._text, self._progress = cache, text, progress
        self._announced = expected
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> _Watch:
        self._before = _size(self._cache)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def hear(self, line: str) -> None:
        match = re.match(r"\s*Downloading (\S+) \(([\d.]+) ?([KMG]i?B)\)", line, re.IGNORECASE)
        if match:
            size = float(match[2]) * _UNITS[match[3].lower()]
            self._announced += size
            self._text = f"Downloading {re.split('-[0-9]', match[1])[0]} ({size / 1e6:.0f} MB)"

    def _run(self) -> None:
        while not self._ended.wait(0.7):
            if self._announced:
                grown = _size(self._cache) - self._before
                self._progress(self._text, min(0.95, grown / (_UNPACKED * self._announced)))


def _size(folder: Path) -> int:
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(path, name)).st_size  # noqa: PTH118 - called for thousands of files
            except OSError:
                continue  # it has been moved to its place meanwhile
    return total
