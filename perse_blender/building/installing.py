"""The engine that the add-on installs: started, watched, cancelled and removed. The work is done by `engine_setup`.

An installation is a process of its own, whose whole state is a folder, so that another Blender sees it too, and this
one finds it again. Nothing here needs Blender.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ..engine_setup.installation import PARTIAL, Engine, read_engine
from ..engine_setup.machine import check_machine, this_machine
from ..engine_setup.plan import (
    CANCELLED,
    FAILED,
    LOCK,
    LOG,
    PLAN,
    PROGRESS,
    RUNNING,
    Plan,
    Report,
    read_report,
    write_json,
)
from ..engine_setup.problem import SetupProblem
from ..extension import FOLDER
from ..perse_protocol import EngineFailure
from ..perse_protocol.environments import STAMP, Environment, engines_folder, installed
from ..perse_protocol.holder import living_holder, process_start

CARRIED = FOLDER / "wheels"
_WINDOWS = sys.platform == "win32"
_PROGRAM = (
    "import runpy, sys; sys.path.append(sys.argv.pop(1));"
    "runpy.run_module('engine_setup', run_name='__main__', alter_sys=True)"
)


@dataclass
class _Running:
    """What this Blender has started: an installation, the measuring of what is there, a removal."""

    process: subprocess.Popen[bytes] | None = None
    size: int | None = None
    measured: tuple[Path, ...] | None = None
    measuring: threading.Thread | None = None
    removing: threading.Thread | None = None
    left_behind: str = ""


_running = _Running()


def start(tier: str, online: bool, bundle: Path | None = None, python: str = "") -> None:
    """Begin to install an engine of `tier` beside what is there.

    Args:
        tier: "player" or "builder".
        online: whether the person lets Blender use the network.
        bundle: offline bundle to install from, instead of the network.
        python: interpreter of the person's choice; empty for the best.

    Raises:
        EngineFailure: it can be said at once that it will not work, or nothing can be started.
    """
    if is_installing() or is_removing():
        raise EngineFailure("installing", "an engine is being installed or removed", "wait, or cancel that first")
    try:
        check_machine(*this_machine())
        read_engine(CARRIED)
    except SetupProblem as problem:
        raise EngineFailure(problem.code, problem.message, problem.hint) from problem
    if bundle is None and not online:
        raise EngineFailure(
            "offline",
            "Blender's Allow Online Access is off, so nothing may be downloaded",
            "switch it on in Preferences, System, or install from an offline bundle",
        )
    root = engines_folder()
    plan = Plan(str(root), STAMP, str(CARRIED), tier, str(bundle or ""), online and bundle is None, python)
    folder = _folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / PLAN, plan)
        write_json(folder / PROGRESS, Report(RUNNING, "Starting"))
        command = [sys.executable, "-I", "-B", "-c", _PROGRAM, str(FOLDER), str(folder)]
        options: dict[str, object] = {"start_new_session": True}
        if _WINDOWS:
            options = {"creationflags": subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP}
        with log_file().open("wb") as log:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, **options
            )  # type: ignore[call-overload]
        (folder / LOCK).write_text(json.dumps({"pid": process.pid, "started": process_start(process.pid)}))
    except OSError as error:
        raise EngineFailure(
            "no-permission", f"nothing can be installed in {root} ({error.strerror})", "change its permissions"
        ) from error
    _running.process = process


def cancel() -> None:
    """End the installation now, with everything that it has started. What is downloaded is kept for the next one."""
    pid = _pid()
    if pid is None:
        return
    if _WINDOWS:
        hidden = subprocess.CREATE_NO_WINDOW
        subprocess.run(["taskkill", "/T", "/F", "/PID", str(pid)], capture_output=True, creationflags=hidden)
    else:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
    if _running.process is not None:
        _running.process.wait(5.0)
    (_folder() / LOCK).unlink(missing_ok=True)
    write_json(_folder() / PROGRESS, Report(CANCELLED, "Cancelled"))


def stop() -> None:
    """Blender quits: end the installation that it has started."""
    if _running.process is not None:
        cancel()


def is_installing() -> bool:
    """Whether this or another Blender installs an engine."""
    return _pid() is not None


def report() -> Report | None:
    """How far the last installation is or was; None where there was none."""
    found = read_report(_folder())
    if found is not None and found.state == RUNNING and not is_installing():
        found = read_report(_folder())  # it may have ended between the two looks
        if found is not None and found.state == RUNNING:
            last = "the installation has ended without a word"
            return Report(FAILED, "", found.fraction, "stopped", last, "press Install again: it goes on from there")
    return found


def log_file() -> Path:
    """What the last installation has said."""
    return _folder() / LOG


@cache
def carried_engine() -> Engine | None:
    """The engine that this add-on carries; None in a copy without one."""
    try:
        return read_engine(CARRIED)
    except SetupProblem:
        return None


def key() -> str:
    """What the add-on's own engine is made from; empty in a copy without one."""
    engine = carried_engine()
    return engine.key if engine else ""


def own_environments() -> tuple[Environment, ...]:
    """The complete environments of the add-on's own engine, newest first."""
    return tuple(each for each in installed() if each.key == key())


def superseded() -> tuple[Environment, ...]:
    """The environments of this engine that a newer one has replaced."""
    return own_environments()[1:]


def older() -> tuple[Environment, ...]:
    """Complete environments of other engines: of an add-on before or after this one."""
    return tuple(each for each in installed() if each.key != key())


def remove(environments: tuple[Environment, ...]) -> None:
    """Delete environments, and what no other needs: what was begun, uv, its Pythons, the download cache.

    They do not count any more when this returns. The files go on a thread of their own; what cannot be deleted is told
    by `left_behind`, and tried again the next time.

    Raises:
        EngineFailure: an installation runs, or an environment may not be changed.
    """
    if is_installing():
        raise EngineFailure("installing", "an engine is being installed", "wait, or cancel that first")
    root = engines_folder()
    doomed = [each.folder for each in environments]
    try:
        for folder in doomed:
            (folder / PARTIAL).write_text("{}")
            (folder / STAMP).unlink(missing_ok=True)
    except OSError as error:
        raise EngineFailure(
            "no-permission", f"{root} may not be changed ({error.strerror})", "change its permissions"
        ) from error
    left = [each for each in installed() if each.folder not in doomed]
    doomed += [path.parent for path in root.glob(f"*/{PARTIAL}")]
    if not left:
        doomed += [root / "cache", root / "python", *root.glob("uv-*"), root / "install"]
    _running.measured, _running.left_behind = None, ""
    _running.removing = threading.Thread(target=_delete, args=(doomed,), name="perse-remove", daemon=True)
    _running.removing.start()


def is_removing() -> bool:
    """Whether files are being deleted."""
    return _running.removing is not None and _running.removing.is_alive()


def left_behind() -> str:
    """What could not be deleted and why, one sentence; empty where nothing was."""
    return _running.left_behind


def size_on_disk() -> int | None:
    """Bytes in the folder of engines; None until it is measured, on a thread of its own, anew when engines change."""
    present = tuple(each.folder for each in installed())
    busy = _running.measuring is not None and _running.measuring.is_alive()
    if present != _running.measured and not busy and not is_removing() and not is_installing():
        _running.measured, _running.size = present, None
        _running.measuring = threading.Thread(target=_measure, name="perse-measure", daemon=True)
        _running.measuring.start()
    return _running.size


def _measure() -> None:
    seen: set[tuple[int, int]] = set()
    total = 0
    for path, _, names in os.walk(engines_folder()):
        for name in names:
            try:
                found = os.lstat(os.path.join(path, name))  # noqa: PTH118 - of ten thousand files
            except OSError:
                continue
            if (found.st_dev, found.st_ino) not in seen:  # the cache and the environments share files
                seen.add((found.st_dev, found.st_ino))
                total += found.st_size
    _running.size = total


def _delete(doomed: list[Path]) -> None:
    for path in doomed:
        try:
            shutil.rmtree(path)
        except FileNotFoundError:
            continue
        except OSError as error:
            _running.left_behind = (
                f"{error.filename or path} cannot be deleted ({error.strerror}); close what uses it, and try again"
            )


def _pid() -> int | None:
    process = _running.process
    if process is not None:
        if process.poll() is None:
            return process.pid
        _running.process = None
    return living_holder(_folder() / LOCK)


def _folder() -> Path:
    return engines_folder() / "install"
