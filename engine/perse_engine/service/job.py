"""A job's folder: its whole state, readable by anyone while it runs and after it has died.

job.json         what is built, the state, the seconds of each finished stage, the error
progress.jsonl   one line per report: time, stage, done, total
preview.png      the newest picture
lock             pid and start time of the process that works here
portrait/ dataset/ training/   what the stages write
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from perse_engine.errors import Cancelled, InputError, PerseError
from perse_engine.files import write_json
from perse_engine.progress import Progress

VERSION = 1
STATE, PROGRESS, PREVIEW, LOCK = "job.json", "progress.jsonl", "preview.png", "lock"
_REPORT_S = 0.2


@dataclasses.dataclass(frozen=True)
class Order:
    """What a job is to build; two orders that differ do not share a folder.

    Attributes:
        photo: SHA-256 of the photo.
        head: "open", or the SHA-256 of the FLAME file.
        preset, seed: as on the command line.
        sources: SHA-256 of what else was brought, by option.
    """

    photo: str
    head: str
    preset: str
    seed: int
    sources: Mapping[str, str]


class Job:
    """The record of one job, written to its folder after every change."""

    def __init__(self, folder: Path, order: Order, content: dict[str, Any]) -> None:
        self.folder = folder
        self.order = order
        self._content = content

    @property
    def stages(self) -> Mapping[str, float]:
        """Seconds that each finished stage took, all its attempts together."""
        return dict(self._content["stages"])

    @property
    def avatar(self) -> str | None:
        """SHA-256 of the avatar file that this job has written, once it has."""
        written: str | None = self._content.get("avatar")
        return written

    def finished(self, stage: str) -> bool:
        """Whether `stage` has been completed, by this process or one before it."""
        return stage in self._content["stages"]

    def spent(self, stage: str, seconds: float) -> None:
        """Add the seconds of an attempt at `stage` that was not completed."""
        unfinished = self._content["unfinished"]
        unfinished[stage] = round(unfinished.get(stage, 0.0) + seconds, 3)

    def finish(self, stage: str, seconds: float) -> None:
        """Record that `stage` is complete."""
        before = self._content["unfinished"].pop(stage, 0.0) + self._content["stages"].get(stage, 0.0)
        self._content["stages"][stage] = round(before + seconds, 3)
        self.write()

    def set_state(self, state: str, **details: Any) -> None:
        """Record "running", "done", "cancelled" or "failed", with details such as the avatar's path."""
        self._content.update(state=state, **details)
        if state != "failed":
            self._content.pop("error", None)
        self.write()

    def fail(self, error: BaseException) -> None:
        """Record why the job stopped."""
        if isinstance(error, (Cancelled, KeyboardInterrupt)):
            self.set_state("cancelled")
        elif isinstance(error, PerseError):
            self.set_state("failed", error={"code": error.code, "message": error.message, "hint": error.hint})
        else:
            sentence = f"{type(error).__name__}: {error}"
            self.set_state("failed", error={"code": "internal", "message": sentence, "hint": "run it again"})

    def write(self) -> None:
        """Write job.json."""
        write_json(self.folder / STATE, self._content)

    def recorded(self, progress: Progress) -> Progress:
        """`progress`, whose reports are also written to progress.jsonl, a few a second."""
        last_time, last_stage = 0.0, ""

        def report(stage: str, done: int, total: int) -> None:
            nonlocal last_time, last_stage
            now = time.time()
            if done == total or stage != last_stage or now - last_time > _REPORT_S:
                last_time, last_stage = now, stage
                line = json.dumps({"time": round(now, 3), "stage": stage, "done": done, "total": total})
                with (self.folder / PROGRESS).open("a") as stream:
                    stream.write(line + "\n")
            progress(stage, done, total)

        return report


def open_job(folder: Path, order: Order) -> Job:
    """The job in `folder`: a new one, or the one that was begun there with the same order.

    Raises:
        InputError: "other-job", the folder holds the work of another order; "not-a-job", it holds something else.
    """
    path = folder / STATE
    wanted = dataclasses.asdict(order)
    if not path.exists():
        if any(entry.name not in (LOCK, PROGRESS) and not entry.name.startswith(".") for entry in folder.iterdir()):
            raise InputError("not-a-job", f"{folder} holds files that are no job's", "give an empty --work folder")
        job = Job(folder, order, {"version": VERSION, **wanted, "state": "running", "stages": {}, "unfinished": {}})
        job.write()
        return job
    try:
        content = json.loads(path.read_text())
        same = {name: content[name] for name in wanted} == wanted and content["version"] == VERSION
        content["stages"].items(), content["unfinished"].items()
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InputError("not-a-job", f"{path} cannot be read", "delete the folder or give another --work") from None
    if not same:
        differs = " and ".join(name for name, value in wanted.items() if content.get(name) != value) or "version"
        raise InputError(
            "other-job", f"{folder} holds the work of another {differs}", "delete it or give another --work"
        )
    return Job(folder, order, content)
