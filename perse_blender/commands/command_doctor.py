"""`blender --command perse doctor`: what this Blender, this add-on and this engine can do together."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import bpy

from .. import session
from ..avatars.versions import addon_version, refuse_other_engine
from ..perse_protocol import EngineFailure
from ..preferences import engine_place
from ..rendering import preflight
from ..saying import say
from .command_engine import run_engine
from .command_render import open_blend

HELP = "say what this installation can do, and what a shot lacks here"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What it takes."""
    parser.add_argument("blend", nargs="?", type=Path, metavar="SHOT.blend", help="look also what this shot needs")


def run(options: argparse.Namespace) -> int:
    """Print what was found; 1 where something will not work."""
    say(f"ok       Blender {bpy.app.version_string}, PERSE extension {addon_version()}")
    good = _look("engine starts", _start)
    if options.blend is not None:
        open_blend(options.blend)
        found = preflight.problems(bpy.context.scene)
        for failure in found:
            say(f"missing  {options.blend.name}: {failure}")
        if not found:
            say(f"ok       {options.blend.name}: all is there")
        good = good and not found
    try:
        command = engine_place().command
    except EngineFailure:
        return 1  # said above
    say(f"\nThe engine's own findings ({command} doctor):")
    return run_engine(command, ["doctor"]) or (0 if good else 1)


def _start() -> str:
    session.client()
    refuse_other_engine(session.engine_version())
    return session.status()


def _look(name: str, check: Callable[[], str]) -> bool:
    try:
        say(f"ok       {name}: {check()}")
    except EngineFailure as failure:
        say(f"missing  {name}: {failure}")
        return False
    return True
