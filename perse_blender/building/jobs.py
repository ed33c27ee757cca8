"""Jobs that this computer runs or has run: builds and changes of styles, processes whose whole state is a folder.

A job knows nothing of the .blend that was open when it began; opening another leaves it alone. The list of jobs is a
small file in the user's own folder, so that what Blender left behind is found again after a restart.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..perse_protocol import EngineFailure
from ..perse_protocol.environments import data_folder
from ..perse_protocol.holder import living_holder
from .job_folder import CANCELLED, FAILED, RUNNING, STOPPED, Progress, progress_of
from .priority import apart, step_back

VIDEOS = (".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi")
"""Endings of what the engine takes for a video."""
GRACE_S = 0.5
"""How long a cancelled job may take to write its checkpoint before it is killed; the one before it is kept then."""
_WINDOWS = sys.platform == "win32"
_KILL = signal.SIGTERM if _WINDOWS else signal.SIGKILL


BUILD, ADD_STYLE, REMOVE_STYLE, RENAME_STYLE = "build", "add-style", "remove-style", "rename-style"
"""Kinds of jobs."""


@dataclass(frozen=True)
class Job:
    """One command of the engine.

    Attributes:
        id: unique.
        kind: one of the kinds above.
        out: the avatar file that it writes.
        arguments: what follows `perse`, without the folder.
        work: its folder.
        title: what people read beside the avatar's name: the preset, the style.
        keeps: whether it goes on when Blender quits.
        renamed: the slider that changes its name, where one does.
    """

    id: str
    kind: str
    out: Path
    arguments: tuple[str, ...]
    work: Path
    title: str
    keeps: bool = False
    renamed: str = ""

    @property
    def log(self) -> Path:
        """What the engine has said."""
        return _home() / "jobs" / f"{self.id}.log"


def build_job(
    source: Path, out: Path, preset: str, keeps: bool, *, categories: Sequence[str] = (), number: str = ""
) -> Job:
    """Building `out` from a photo or a video. Its folder is that which the command line takes, so either resumes it.

    Args:
        categories: of attributes that are learnt; all where there is none.
    """
    given = ("--video", str(source)) if source.suffix.lower() in VIDEOS else (str(source),)
    work = out.with_name(f"{out.stem}.{preset}-0.work")
    command = ("build", *given, "--out", str(out), "--preset", preset)
    if categories:
        command += ("--categories", ",".join(categories))
    return Job(number or _new_id(), BUILD, out, command, work, preset, keeps)


def source(job: Job) -> Path:
    """The photo or video that a build is made from."""
    return Path(job.arguments[2 if job.arguments[1] == "--video" else 1])


def style_job(kind: str, out: Path, arguments: Sequence[str], title: str, renamed: str = "") -> Job:
    """A change of the styles of the avatar file `out`: `perse style …`. Its folder is the user's own.

    Args:
        kind: ADD_STYLE, REMOVE_STYLE or RENAME_STYLE.
        arguments: what follows the file.
        title: what people read.
        renamed: the slider that gets another name.
    """
    number = _new_id()
    verb = kind.removesuffix("-style")
    command = ("style", verb, str(out), *arguments)
    return Job(number, kind, out, command, _home() / "jobs" / f"{number}.work", title, False, renamed)


def _new_id() -> str:
    return uuid.uuid4().hex[:12]


_processes: dict[str, subprocess.Popen[bytes]] = {}
_cancelled: dict[str, float] = {}


def start(command: Path, job: Job) -> None:
    """Begin `job` with the engine's `command`.

    Raises:
        EngineFailure: something else writes that avatar, or nothing can be started.
    """
    refuse_second(job.out)
    _launch(command, job)
    # what was tried before for the same file is the same folder, and so the same job
    _remember([*(other for other in jobs() if other.work != job.work), job])


def refuse_second(out: Path) -> None:
    """Refuse where a job writes the avatar `out` already.

    Raises:
        EngineFailure: "job-running".
    """
    for job in jobs():
        if job.out == out and progress(job).state == RUNNING:
            doing = "built" if job.kind == BUILD else "changed"
            raise EngineFailure("job-running", f"{out.name} is being {doing} already", "wait, or cancel that first")


def resume(command: Path, job: Job) -> None:
    """Go on with a job that was cancelled, failed or stopped; nothing that is finished is done again.

    Raises:
        EngineFailure: nothing can be started.
    """
    if progress(job).state != RUNNING:
        refuse_second(job.out)
        _launch(command, job)


def cancel(job: Job) -> None:
    """Ask the job to stop; it keeps what is done. `watch` sees to it that it does."""
    if job.id not in _cancelled and _signal(job, signal.SIGTERM):
        _cancelled[job.id] = time.monotonic()


def delete(job: Job) -> None:
    """Forget a job that does not run, and delete its folder; the avatar that it has written stays.

    Raises:
        EngineFailure: it runs, or the folder cannot be deleted.
    """
    if progress(job).state == RUNNING:
        raise EngineFailure("job-running", f"{job.out.name} is being written", "cancel it first")
    try:
        if job.work.exists():
            shutil.rmtree(job.work)
        job.log.unlink(missing_ok=True)
    except OSError as error:
        raise EngineFailure(
            "system", f"{job.work} cannot be deleted ({error.strerror})", "delete it by hand"
        ) from error
    _remember([other for other in jobs() if other.id != job.id])


def jobs() -> list[Job]:
    """Every job that is remembered, oldest first."""
    try:
        content = json.loads(_list().read_text(encoding="utf-8"))
        return [_recalled(row) for row in content]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def progress(job: Job) -> Progress:
    """How far a job is, read from its folder."""
    alive = _alive(job)
    found = progress_of(job.work, job.title if job.kind == BUILD else job.kind, alive)
    if alive or found.state != STOPPED:
        return found
    if job.id in _cancelled:
        return dataclasses.replace(found, state=CANCELLED)
    sentence = _last_words(job)  # a photo that cannot be used leaves no folder
    return dataclasses.replace(found, state=FAILED, error=sentence) if sentence else found


def watch() -> bool:
    """Kill what was cancelled and does not stop; whether any job runs. To be called a few times a second."""
    running = False
    for job in jobs():
        if not _alive(job):
            continue
        running = True
        if time.monotonic() - _cancelled.get(job.id, float("inf")) > GRACE_S:
            _signal(job, _KILL)
    return running


def stop_all() -> None:
    """Blender quits: end the jobs that are not to go on, so that they can be resumed."""
    ending = [job for job in jobs() if not job.keeps and job.id in _processes and _alive(job)]
    for job in ending:
        cancel(job)
    _wait(ending)
    for job in ending:
        if _alive(job):
            _signal(job, _KILL)
    _wait(ending)


def _wait(ending: list[Job]) -> None:
    until = time.monotonic() + GRACE_S
    while any(map(_alive, ending)) and time.monotonic() < until:
        time.sleep(0.02)


def _launch(command: Path, job: Job) -> None:
    """Start the engine in a process group of its own, so that what ends Blender's spares it, at a lower priority."""
    folder = [] if job.kind == BUILD else ["--work", str(job.work)]
    arguments = [str(command), *job.arguments, *folder]
    try:
        job.log.parent.mkdir(parents=True, exist_ok=True)
        with job.log.open("wb") as log:
            _processes[job.id] = subprocess.Popen(
                arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, **apart()
            )
    except OSError as error:
        raise EngineFailure(
            "no-engine", f"{command} cannot be started ({error.strerror})", "check the engine in the preferences"
        ) from error
    step_back(_processes[job.id].pid)
    _cancelled.pop(job.id, None)


def _alive(job: Job) -> bool:
    return _pid(job) is not None


def _pid(job: Job) -> int | None:
    """The process that works at the job: ours, or one that a terminal or another Blender has started."""
    process = _processes.get(job.id)
    if process is not None and process.poll() is None:
        return process.pid
    return living_holder(job.work / "lock")


def _signal(job: Job, number: int) -> bool:
    """Send a signal to the job's process; whether there was one."""
    pid = _pid(job)
    if pid is None:
        return False
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)
    return True


def _last_words(job: Job) -> str:
    """The engine's complaint at the end of its log, without its name and code; empty where there is none."""
    try:
        lines = job.log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    said = next((line for line in reversed(lines) if line.strip()), "")
    complaint = re.fullmatch(r"perse: (?:[a-z-]+: )?(.*)", said)
    return complaint[1] if complaint else ""


def _remember(them: list[Job]) -> None:
    rows = [
        {**dataclasses.asdict(job), "out": str(job.out), "work": str(job.work), "arguments": list(job.arguments)}
        for job in them
    ]
    path = _list()
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    os.replace(temporary, path)


def _recalled(row: dict[str, Any]) -> Job:
    if "arguments" not in row:  # a build, as the list had them when there was nothing else
        photo, out = Path(row["photo"]), Path(row["out"])
        return build_job(photo, out, str(row["preset"]), bool(row["keeps"]), number=str(row["id"]))
    return Job(
        str(row["id"]),
        str(row["kind"]),
        Path(row["out"]),
        tuple(map(str, row["arguments"])),
        Path(row["work"]),
        str(row["title"]),
        bool(row["keeps"]),
        str(row["renamed"]),
    )


def _list() -> Path:
    return _home() / "jobs.json"


def _home() -> Path:
    return data_folder()
