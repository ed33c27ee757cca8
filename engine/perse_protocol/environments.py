"""The engines that the add-on has installed: folders beside one another, each named after what it was made from.

An environment counts from the moment its stamp is there: it is written last, when the engine has passed its own check,
so what is half made is never used. Environments do not move, for a virtual environment knows its own path and Windows
renames nothing that runs; a new one is made beside the old one, and takes its place by its stamp.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

STAMP = "perse-environment.json"
PLAYER, BUILDER = "player", "builder"
_WINDOWS = sys.platform == "win32"
_PYTHON = "Scripts/python.exe" if _WINDOWS else "bin/python"


@dataclasses.dataclass(frozen=True)
class Environment:
    """One complete environment.

    Attributes:
        folder: where it is.
        key: engine version and hash of everything it was made from, such as "0.1.0-5f3a9c21".
        tier: "player", which draws avatars, or "builder", which builds them too.
        made: when it was completed, seconds since 1970.
        python: version of its Python.
        torch: version of its PyTorch; empty in a player.
        device: what it computes on, "CPU" or the name of a card.
        threads: how many it uses.
    """

    folder: Path
    key: str
    tier: str
    made: float
    python: str = ""
    torch: str = ""
    device: str = "CPU"
    threads: int = 0

    @property
    def version(self) -> str:
        """The engine's version."""
        return self.key.partition("-")[0]


def data_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """PERSE's folder among the user's own; it outlives updates of Blender and of the add-on."""
    home = Path.home()
    if _WINDOWS:
        base = Path(environment.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = home / "Library" / "Application Support"
    else:
        base = Path(environment.get("XDG_DATA_HOME") or home / ".local" / "share")
    return base / "perse"


def engines_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Where the add-on keeps the environments that it makes."""
    return data_folder(environment) / "engine"


def read_stamp(folder: Path) -> Environment | None:
    """The environment in `folder`; None where there is none, or it is not complete."""
    try:
        content = json.loads((folder / STAMP).read_text(encoding="utf-8"))
        return Environment(
            folder,
            str(content["key"]),
            BUILDER if content["tier"] == BUILDER else PLAYER,
            float(content["made"]),
            str(content.get("python", "")),
            str(content.get("torch", "")),
            str(content.get("device", "CPU")),
            int(content.get("threads", 0)),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def installed(environment: Mapping[str, str] = os.environ) -> tuple[Environment, ...]:
    """Every complete environment whose Python is still there, newest first."""
    try:
        folders = list(engines_folder(environment).iterdir())
    except OSError:
        return ()
    found = (read_stamp(folder) for folder in folders if (folder / _PYTHON).exists())
    return tuple(sorted((each for each in found if each is not None), key=lambda each: each.made, reverse=True))


def managed_environment(environment: Mapping[str, str] = os.environ, key: str = "") -> Environment | None:
    """The environment to use: the newest that was made from `key`, else the newest of all; None without any.

    Each of two versions of the add-on finds its own; the command line, and an add-on whose own engine is not there
    yet, take the newest.
    """
    complete = installed(environment)
    return next((each for each in complete if each.key == key), complete[0] if complete else None)
