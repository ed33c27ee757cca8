"""`blender --command perse missing`: which avatars' files shots do not find, and where they were looked for."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..avatars.missing import missing_avatars
from ..saying import say
from .command_render import open_blend

HELP = "list the avatars of shots whose files are not found"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What it takes."""
    parser.add_argument("blends", nargs="+", type=Path, metavar="SHOT.blend")


def run(options: argparse.Namespace) -> int:
    """Print a line for each place; 1 where a file is missing.

    Raises:
        EngineFailure: "no-shot".
    """
    status = 0
    for blend in options.blends:
        open_blend(blend)
        for gone in missing_avatars():
            status = 1
            for place in gone.places:
                say(f"{blend}: {gone.name}: not at {place}")
    return status
