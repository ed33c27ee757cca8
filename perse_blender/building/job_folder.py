"""A job as its folder tells of it: readable while the engine works there, and after that has died.

What a build is doing is written by the engine into `job.json`, `progress.jsonl`, `lock` and two preview pictures; this
only reads. Nothing here needs Blender.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RUNNING, DONE, CANCELLED, FAILED, STOPPED = "running", "done", "cancelled", "failed", "stopped"
"""States; "stopped" is a job whose process has ended without a word: killed, or the machine was switched off."""

STAGES: Mapping[str, str] = {
    "fit": "Reading the photo",
    "clips": "Making clips",
    "portrait": "Reading the photo",
    "make": "Making the style",
    "pictures": "Drawing it",
    "train": "Training",
    "write": "Writing",
}
"""What people read for the engine's stages."""
_SHARES: Mapping[str, Mapping[str, float]] = {
    "draft": {"fit": 0.11, "clips": 0.28, "train": 0.59, "write": 0.02},
    "standard": {"fit": 0.05, "clips": 0.26, "train": 0.68, "write": 0.01},
    "high": {"fit": 0.02, "clips": 0.28, "train": 0.69, "write": 0.01},
    "paper": {"fit": 0.01, "clips": 0.40, "train": 0.58, "write": 0.01},
    "add-style": {"portrait": 0.13, "make": 0.17, "pictures": 0.30, "train": 0.33, "write": 0.07},
    "remove-style": {"write": 1.0},
    "rename-style": {"write": 1.0},
}
"""About how the time is shared out among the stages, in their order: of builds by preset, of other jobs by kind."""
_TAIL = 4096  # bytes of progress.jsonl that are read: some forty reports


@dataclass(frozen=True)
class Progress:
    """How far a job is.

    Attributes:
        state: one of the states above.
        stage: of `STAGES`; empty before the first.
        fraction: 0 to 1, of the whole job.
        seconds_left: an estimate; None where nothing can be said yet.
        error: one sentence with what to do, where it has failed; else empty.
    """

    state: str
    stage: str
    fraction: float
    seconds_left: float | None
    error: str


def progress_of(work: Path, pace: str, alive: bool) -> Progress:
    """What the folder `work` tells of its job; never raises, whatever is written there.

    Args:
        pace: how its time is shared out: the preset of a build, or another kind of job.
        alive: whether its process runs.
    """
    content = _json(work / "job.json")
    state = content.get("state") if content.get("state") in (RUNNING, DONE, CANCELLED, FAILED) else None
    if alive:
        state = RUNNING
    elif state in (None, RUNNING):
        state = STOPPED
    finished = content.get("stages")
    seconds = {name: float(finished[name]) for name in STAGES if _is_number(finished, name)}
    stage, part, since = _last_report(work / "progress.jsonl")
    fraction = _fraction(pace, seconds, stage, part)
    if state == DONE:
        fraction = 1.0
    left = None
    if state == RUNNING and fraction > 0.04:
        spent = sum(seconds.values()) + (since if stage not in seconds else 0.0)
        left = spent * (1 - fraction) / fraction
    error = content.get("error") if state == FAILED else None
    sentence = f"{error.get('message', '')}; {error.get('hint', '')}" if isinstance(error, dict) else ""
    return Progress(state, stage, fraction, left, sentence)


def newest_preview(work: Path) -> Path | None:
    """The latest picture of what is being built."""
    pictures = [path for path in (work / "preview.png", work / "training" / "preview.png") if path.is_file()]
    return max(pictures, key=lambda path: path.stat().st_mtime_ns, default=None)


def _fraction(pace: str, seconds: Mapping[str, float], stage: str, part: float) -> float:
    shares = _SHARES.get(pace, _SHARES["standard"])
    whole = sum(share for name, share in shares.items() if name in seconds)
    if stage in shares and stage not in seconds:
        whole += part * shares[stage]
    return min(max(whole, 0.0), 1.0)


def _last_report(path: Path) -> tuple[str, float, float]:
    """The stage of the last report, how far it is, 0 to 1, and for how many seconds it has been at work."""
    try:
        with path.open("rb") as stream:
            stream.seek(max(0, path.stat().st_size - _TAIL))
            lines = stream.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return "", 0.0, 0.0
    reports = [report for report in map(_parsed, lines) if report]
    if not reports:
        return "", 0.0, 0.0
    stage, part, time = reports[-1]
    same = [report for report in reports if report[0] == stage and report[1] > 0]
    if len(same) < 2 or same[-1][1] <= same[0][1]:
        return stage, part, 0.0
    # the tail shows the newest reports only: the pace between them says when the stage began
    return stage, part, part * (time - same[0][2]) / (same[-1][1] - same[0][1])


def _parsed(line: str) -> tuple[str, float, float] | None:
    try:
        report = json.loads(line)
        total = float(report["total"])
        return str(report["stage"]), float(report["done"]) / total if total > 0 else 0.0, float(report["time"])
    except (ValueError, KeyError, TypeError):
        return None


def _is_number(table: Any, name: str) -> bool:
    return isinstance(table, dict) and isinstance(table.get(name), (int, float))


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
