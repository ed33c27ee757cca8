"""One run of the command line: every outcome is an exit status and, where it is no success, one line on stderr."""

from __future__ import annotations

import errno
import logging
import os
import sys
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path

import typer

from perse_engine.cli.app import app
from perse_engine.errors import Cancelled, InputError, PerseError

FAILURE = 1
INTERRUPTED = 130
SET = "--set"
EXTRAS = {
    "torch": "builder",
    "dlib": "evaluation",
    "face_recognition_models": "evaluation",
    "flip_evaluator": "evaluation",
}
"""Packages that not every installation has, and the extra that brings them."""


def run(arguments: Sequence[str]) -> int:
    """Run `perse` with `arguments`; returns the exit status."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        status = app(args=spread_settings(arguments), prog_name="perse", standalone_mode=False) or 0
        return complain(Cancelled()) if status == INTERRUPTED else status  # typer swallows Ctrl-C
    except PerseError as error:
        return complain(error)
    except typer.TyperException as error:
        return complain(InputError("usage", _sentence(error), "see perse --help, or perse COMMAND --help"))
    except (KeyboardInterrupt, typer.Abort):
        return complain(Cancelled())
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python complains again at exit
        return FAILURE
    except OSError as error:
        return complain(system_error(error))
    except MemoryError:
        return complain(PerseError("out-of-memory", "there is not enough memory", "close programs or ask for less"))
    except ModuleNotFoundError as error:
        return complain(missing_package(error))
    except Exception as error:
        logging.getLogger(__name__).debug("unexpected", exc_info=True)
        return complain(internal_error(error))


def spread_settings(arguments: Sequence[str]) -> list[str]:
    """Let one --set take several SLIDER=VALUE: each gets a --set of its own."""
    spread: list[str] = []
    setting = False
    for argument in arguments:
        another = setting and "=" in argument and not argument.startswith("-") and spread[-1] != SET
        setting = argument == SET or another or (setting and spread[-1] == SET)
        spread += [SET, argument] if another else [argument]
    return spread


def complain(error: PerseError) -> int:
    """Say on one line what went wrong; returns the exit status."""
    sys.stderr.write(f"perse: {' '.join(str(error).split())}\n")
    return error.exit_status


def system_error(error: OSError) -> PerseError:
    """What the operating system refused, in our words."""
    where = error.filename or "a file"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return PerseError(
            "no-space", f"the disk is full, so {where} was not written", "free some space and run it again"
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return InputError("no-permission", f"{where} may not be written or read", "choose another place")
    if error.errno in (errno.ENOTDIR, errno.EEXIST, errno.EISDIR):
        return InputError("wrong-path", f"{where}: {error.strerror}", "choose another place")
    return PerseError("system", f"{where}: {error.strerror or error}", "correct it and run it again")


def missing_package(error: ModuleNotFoundError) -> PerseError:
    """A package that only one of the extras brings is absent; any other would be a fault of ours."""
    name = (error.name or "").partition(".")[0]
    if name not in EXTRAS:
        return internal_error(error)
    hint = f"install perse-engine[{EXTRAS[name]}]"
    return PerseError("missing-package", f"this needs {name}, which is not installed", hint)


def internal_error(error: Exception) -> PerseError:
    """A fault of ours; the details go to a file."""
    path = Path(tempfile.gettempdir()) / f"perse-crash-{os.getpid()}.txt"
    try:
        path.write_text("".join(traceback.format_exception(error)))
    except OSError:
        return PerseError("internal", f"{type(error).__name__}: {error}", "report this")
    return PerseError("internal", f"{type(error).__name__}: {error}", f"report this with {path}")


def _sentence(error: typer.TyperException) -> str:
    text = str(error.format_message() if hasattr(error, "format_message") else error)
    return text.rstrip(". ") or type(error).__name__
