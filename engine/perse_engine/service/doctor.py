"""What this installation can do, and what it lacks."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import os
import platform
import re
import sys
import tempfile
from pathlib import Path
from typing import Literal

import perse_engine
from perse_engine.errors import PerseError
from perse_protocol.environments import read_stamp
from perse_protocol.lookup import places

State = Literal["ok", "optional", "missing"]
DISTRIBUTION = "perse-engine"
FOR_TRAINING = "builder"


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        name: what.
        state: "ok"; "optional", absent without harm to what is installed; "missing", something will not work.
        detail: what was found.
        hint: what to do, empty where nothing is to be done.
    """

    name: str
    state: State
    detail: str
    hint: str = ""

    def to_json(self) -> dict[str, str]:
        """Plain JSON."""
        return dataclasses.asdict(self)


def examine() -> list[Finding]:
    """Look at everything that the engine needs or could use."""
    return [
        _python(),
        *_packages(),
        *_backends(),
        _models(),
        _head(),
        _threads(),
        _memory(),
        _cache(),
        _temporary(),
        *_engines(),
    ]


def _python() -> Finding:
    detail = f"{platform.python_version()} at {sys.executable}, perse {perse_engine.__version__}, {platform.platform()}"
    fits = (3, 11) <= sys.version_info < (3, 14)
    return Finding("python", "ok" if fits else "missing", detail, "" if fits else "use Python 3.11, 3.12 or 3.13")


def _packages() -> list[Finding]:
    """Every distribution that ours asks for: the player's are needed, the extras' are not."""
    findings = []
    for requirement in importlib.metadata.requires(DISTRIBUTION) or []:
        match = re.match(r"([A-Za-z0-9_.-]+)([^;]*)(?:;.*extra == ['\"](\w+)['\"])?", requirement)
        if match is None:
            continue
        name, wanted, extra = match[1], match[2].strip(), match[3]
        if extra == "dev":
            continue
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            needed = "building avatars" if extra == FOR_TRAINING else f"the extra {extra}"
            findings.append(
                Finding(f"package {name}", "optional", "absent", f"{needed} needs it: install perse-engine[{extra}]")
                if extra
                else Finding(f"package {name}", "missing", "absent", "run: python3 build.py setup")
            )
        else:
            exact = wanted.startswith("==") and wanted[2:] == version
            findings.append(Finding(f"package {name}", "ok", version if exact else f"{version} (tested {wanted})"))
    return findings


def _backends() -> list[Finding]:
    from perse_engine.splatting.rasterize import available_backends

    findings = []
    for name, state in available_backends().items():
        absent: State = "missing" if name == "numba" else "optional"
        findings.append(Finding(f"rasterizer {name}", "ok" if state == "ok" else absent, state))
    return findings


def _models() -> Finding:
    from perse_engine.portraits.models import FOLDER, models_present

    if models_present():
        return Finding("landmark and matte models", "ok", str(FOLDER))
    return Finding("landmark and matte models", "missing", f"not in {FOLDER}", "run: python3 build.py setup")


def _head() -> Finding:
    from perse_engine.heads.open_head import load_open_head

    try:
        head = load_open_head()
    except (PerseError, OSError) as error:
        return Finding("open head", "missing", str(error), "install the engine again")
    return Finding("open head", "ok", f"{len(head.template)} vertices, {len(head.expression_names)} expressions")


def _threads() -> Finding:
    from perse_engine.service.threads import apply_thread_budget

    try:
        used = apply_thread_budget()
    except PerseError as error:
        return Finding("threads", "missing", error.message, error.hint)
    budget = os.environ.get("PERSE_THREADS")
    return Finding("threads", "ok", f"{used} of {os.cpu_count()}" + (f" (PERSE_THREADS={budget})" if budget else ""))


def _memory() -> Finding:
    gigabytes = memory_gigabytes()
    if gigabytes is None:
        return Finding("memory", "optional", "this system does not say")
    enough = gigabytes >= 4
    return Finding("memory", "ok" if enough else "optional", f"{gigabytes:.1f} GB", "" if enough else "4 GB are better")


def memory_gigabytes() -> float | None:
    """Installed memory, or None where the system does not say."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9
    except (AttributeError, ValueError, OSError):
        return None


def _cache() -> Finding:
    """Where numba keeps compiled kernels: without it every start compiles for seconds."""
    beside = Path(perse_engine.__file__).parent
    import numba

    chosen = numba.config.CACHE_DIR
    if chosen:
        return _writable("kernel cache", Path(chosen))
    if os.access(beside, os.W_OK):
        return Finding("kernel cache", "ok", f"beside the code in {beside}")
    from numba.misc.appdirs import AppDirs

    return _writable("kernel cache", Path(AppDirs(appname="numba", appauthor=False).user_cache_dir))


def _temporary() -> Finding:
    return _writable("temporary folder", Path(tempfile.gettempdir()))


def _writable(name: str, folder: Path) -> Finding:
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    if os.access(nearest, os.W_OK):
        return Finding(name, "ok", str(folder))
    return Finding(name, "missing", f"{folder} cannot be written", "change its permissions")


def _engines() -> list[Finding]:
    """Which engine Blender would take from this environment, and why."""
    findings = []
    taken = False
    own = read_stamp(Path(sys.prefix))
    for place in places(key=own.key if own else ""):
        if place.command is not None and not taken:
            taken = True
            findings.append(Finding(f"engine by {place.source}", "ok", f"Blender takes this one: {place.command}"))
        else:
            findings.append(Finding(f"engine by {place.source}", "optional", place.why))
    return findings
