"""Commands that are the engine's: passed on to its own command line as they are, and its exit status handed back."""

from __future__ import annotations

import subprocess
from pathlib import Path

from ..preferences import engine_place

COMMANDS = {
    "build": "turn a photo, a video or both into an avatar",
    "export": "write an avatar for other programs",
    "info": "print what an avatar is and which sliders it has",
}
"""The engine's commands that are offered here, each with what it does."""


def run(arguments: list[str]) -> int:
    """Run `perse` with `arguments`; returns its exit status.

    Raises:
        EngineFailure: "no-engine".
    """
    return run_engine(engine_place().command, arguments)


def run_engine(command: Path | None, arguments: list[str]) -> int:
    """The exit status of the engine's command line; Ctrl-C reaches it too, and it says so itself."""
    with subprocess.Popen([str(command), *arguments]) as child:
        while True:
            try:
                return child.wait()
            except KeyboardInterrupt:
                continue
