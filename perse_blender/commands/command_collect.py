"""`blender --command perse collect`: one folder with a shot and all it needs, for a farm."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..saying import say
from .collecting import collect, start_check, summary
from .command_render import open_blend

HELP = "copy a shot and all it needs into one folder, for other machines to render"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What it takes."""
    parser.add_argument("blend", type=Path, metavar="SHOT.blend")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="FOLDER", help="a new folder")


def run(options: argparse.Namespace) -> int:
    """Collect and check.

    Raises:
        EngineFailure: something is missing.
    """
    open_blend(options.blend)
    collected = collect(options.out)
    with start_check(collected) as check:
        check.finish()
    say(f"perse: {summary(collected)}")
    return 0
