"""What is to be installed, and how far that is: the two small files between Blender and the installation."""

from __future__ import annotations

import dataclasses
import json
import os
from dataclasses import dataclass
from pathlib import Path

RUNNING, DONE, FAILED, CANCELLED = "running", "done", "failed", "cancelled"
PLAN, PROGRESS, LOG, LOCK = "plan.json", "progress.json", "log.txt", "lock"
"""Files in the folder of the installation."""


@dataclass(frozen=True)
class Plan:
    """One installation.

    Attributes:
        root: folder in which environments lie beside one another.
        stamp: name of the file that makes an environment count.
        carried: the add-on's folder with the engine's wheel, the lock files and `engine.json`.
        tier: "player" or "builder".
        bundle: path of an offline bundle; empty to download.
        online: whether the network may be used.
        python: an interpreter that the person has chosen; empty for the best.
    """

    root: str
    stamp: str
    carried: str
    tier: str
    bundle: str
    online: bool
    python: str


@dataclass(frozen=True)
class Report:
    """How far an installation is.

    Attributes:
        state: "running", "done", "failed" or "cancelled".
        text: what is being done, for people.
        fraction: 0 to 1.
        code, message, hint: of what stopped it; empty otherwise.
    """

    state: str
    text: str = ""
    fraction: float = 0.0
    code: str = ""
    message: str = ""
    hint: str = ""


def write_json(path: Path, content: object) -> None:
    """Write a dataclass so that nobody ever reads half of it."""
    assert dataclasses.is_dataclass(content)
    assert not isinstance(content, type)
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(dataclasses.asdict(content)), encoding="utf-8")
    os.replace(temporary, path)


def read_plan(folder: Path) -> Plan:
    """The plan in the folder of an installation."""
    return Plan(**json.loads((folder / PLAN).read_text(encoding="utf-8")))


def read_report(folder: Path) -> Report | None:
    """How far the installation in `folder` is; None where there is none that can be read."""
    try:
        content = json.loads((folder / PROGRESS).read_text(encoding="utf-8"))
        return Report(**(content | {"fraction": min(1.0, max(0.0, float(content["fraction"])))}))
    except (OSError, ValueError, KeyError, TypeError):
        return None
