"""`blender --command perse …`: what the add-on does without a window. Every command ends with an exit status.

0 is success, 1 a failure and 2 a wrong command line; what went wrong is one line on stderr, as the engine's own.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import bpy

from ..perse_protocol import EngineFailure
from ..saying import complain
from . import command_collect, command_doctor, command_engine, command_install, command_missing, command_render

NAME = "perse"
FAILURE, USAGE = 1, 2
_EPILOG = "Example: blender --command perse render shot.blend -a --skip-existing"


@dataclass(frozen=True)
class Command:
    """One command.

    Attributes:
        name: as it is typed.
        help: one sentence.
        add_arguments: gives its parser what it takes.
        run: does it; returns the exit status.
    """

    name: str
    help: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


COMMANDS = (
    Command("render", command_render.HELP, command_render.add_arguments, command_render.run),
    Command("collect", command_collect.HELP, command_collect.add_arguments, command_collect.run),
    Command("missing", command_missing.HELP, command_missing.add_arguments, command_missing.run),
    Command("install", command_install.HELP, command_install.add_arguments, command_install.run),
    Command("doctor", command_doctor.HELP, command_doctor.add_arguments, command_doctor.run),
)
"""The commands that are ours; those of the engine's in `command_engine.COMMANDS` are passed on to it."""


def run(arguments: Sequence[str]) -> int:
    """Run one command; returns the exit status."""
    try:
        if arguments and arguments[0] in command_engine.COMMANDS:
            return command_engine.run(list(arguments))
        options = _parser().parse_args(list(arguments))
        return int(options.run(options))
    except EngineFailure as failure:
        complain(f"perse: {failure}")
        return FAILURE
    except SystemExit as end:  # argparse: help, or a wrong command line
        return end.code if isinstance(end.code, int) else USAGE
    except KeyboardInterrupt:
        complain("perse: cancelled: the work was cancelled; run the same command again")
        return 130
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


class _Parser(argparse.ArgumentParser):
    """Says what is wrong as every error is said."""

    def error(self, message: str) -> None:
        self.exit(USAGE, f"perse: usage: {message}; see blender --command perse --help\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="blender --command perse", description=__doc__.splitlines()[0], epilog=_EPILOG)
    table = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_Parser)
    for command in COMMANDS:
        own = table.add_parser(command.name, help=command.help, description=command.help)
        command.add_arguments(own)
        own.set_defaults(run=command.run)
    for name, text in command_engine.COMMANDS.items():
        table.add_parser(name, help=text)
    return parser


CLASSES = ()
_handles: list[object] = []


def register() -> None:
    """Make the command known."""
    _handles.append(bpy.utils.register_cli_command(NAME, run))


def unregister() -> None:
    """Take it away."""
    while _handles:
        bpy.utils.unregister_cli_command(_handles.pop())
