"""Where the engine is: the one order in which Blender looks for it and `perse doctor` explains it.

An engine is a Python environment with the command `perse` in it. First comes the environment variable `PERSE_ENGINE`,
then the add-on's preference, then what the add-on has installed in the user's own folder.
"""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from .environments import engines_folder, managed_environment
from .errors import EngineFailure

VARIABLE = "PERSE_ENGINE"
_WINDOWS = sys.platform == "win32"


@dataclasses.dataclass(frozen=True)
class Place:
    """One place where an engine may be.

    Attributes:
        source: who names it: "PERSE_ENGINE", "preference" or "managed environment".
        named: what was named, as text; empty where nothing was.
        command: the `perse` found there, or None.
        why: one phrase that says what was found.
    """

    source: str
    named: str
    command: Path | None
    why: str


def places(preference: str = "", environment: Mapping[str, str] = os.environ, key: str = "") -> tuple[Place, ...]:
    """Every place in the order in which it counts, with what is there.

    Args:
        preference: the add-on's preference; empty where there is none.
        environment: the environment variables.
        key: what the add-on's own engine is made from, see `managed_environment`; empty where that is not known.
    """
    return (
        _look("PERSE_ENGINE", environment.get(VARIABLE, "")),
        _look("preference", preference),
        _managed(environment, key),
    )


def find_engine(preference: str = "", environment: Mapping[str, str] = os.environ, key: str = "") -> Place:
    """The first place that is named and holds an engine. What is named wrongly is an error, never passed over.

    Raises:
        EngineFailure: "no-engine".
    """
    for place in places(preference, environment, key):
        if place.command is not None:
            return place
        if place.named and place.source != "managed environment":
            raise EngineFailure(
                "no-engine", f"{place.source} is {place.named}, but {place.why}", "correct it or clear it"
            )
    raise EngineFailure(
        "no-engine", "the PERSE engine is not installed", "press Install Engine in the add-on's preferences"
    )


def _managed(environment: Mapping[str, str], key: str) -> Place:
    found = managed_environment(environment, key)
    if found is None:
        return Place("managed environment", str(engines_folder(environment)), None, "nothing is installed there")
    return _look("managed environment", str(found.folder))


def _look(source: str, named: str) -> Place:
    if not named:
        return Place(source, "", None, "it is not set")
    path = Path(named).expanduser()
    name = "perse.exe" if _WINDOWS else "perse"
    folder = path / ("Scripts" if _WINDOWS else "bin") if path.is_dir() else path.parent
    command = path / name if (path / name).is_file() else folder / name
    if not path.exists():
        return Place(source, named, None, "there is no such file or folder")
    if not command.is_file():
        return Place(source, named, None, f"there is no {name} in {folder}")
    if not os.access(command, os.X_OK):
        return Place(source, named, None, f"{command} may not be run")
    return Place(source, named, command, f"{command} is there")
