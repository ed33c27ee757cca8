"""The command line: `perse …`. Nothing heavy is imported before a command needs it."""

from __future__ import annotations

import sys

from perse_engine.cli.running import run


def main() -> None:
    """What the `perse` command calls."""
    sys.exit(run(sys.argv[1:]))
