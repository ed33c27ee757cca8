"""`blender --command perse install`: the engine, installed without a window, as on the nodes of a farm."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import bpy

from ..building import installing
from ..engine_setup.bundles import read_bundle
from ..engine_setup.plan import DONE, RUNNING
from ..engine_setup.problem import SetupProblem
from ..perse_protocol import EngineFailure
from ..perse_protocol.environments import BUILDER, PLAYER
from ..saying import say

HELP = "install the engine for the user who runs this"
_LOOK_S = 0.2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What it takes."""
    parser.add_argument("--bundle", type=Path, metavar="ZIP", help="from an offline bundle, without the network")
    parser.add_argument("--builder", action="store_true", help="with PyTorch, to build avatars too; a bundle decides")
    parser.add_argument("--python", default="", metavar="PATH", help="the Python 3.11 to 3.13 to install it with")


def run(options: argparse.Namespace) -> int:
    """Install, and print what is being done.

    Raises:
        EngineFailure: what stopped it; the engine that was there stays in use.
    """
    tier = BUILDER if options.builder else PLAYER
    if options.bundle is not None:
        tier = _tier_of(options.bundle)
    installing.start(tier, bpy.app.online_access, options.bundle and options.bundle.resolve(), options.python)
    said = ""
    try:
        while (report := installing.report()) is not None and report.state == RUNNING:
            if report.text != said:
                said = report.text
                say(f"perse: {said}")
            time.sleep(_LOOK_S)
    except KeyboardInterrupt:
        installing.cancel()
        raise
    if report is None or report.state != DONE:
        code, message, hint = (report.code, report.message, report.hint) if report else ("stopped", "it has ended", "")
        raise EngineFailure(code or "cancelled", message or "installing was cancelled", hint or "run it again")
    own = installing.own_environments()
    say(f"perse: the engine is in {own[0].folder}" if own else "perse: the engine is installed")
    return 0


def _tier_of(bundle: Path) -> str:
    try:
        return BUILDER if read_bundle(bundle).tier == BUILDER else PLAYER
    except SetupProblem as problem:
        raise EngineFailure(problem.code, problem.message, problem.hint) from problem
