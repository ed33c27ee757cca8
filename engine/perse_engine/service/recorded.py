"""A short command that keeps a job's folder as a build does, so that others see how far it is, and can stop it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

from perse_engine.progress import Progress
from perse_engine.service.job import LOCK, PROGRESS, Order, open_job
from perse_engine.service.lock import held


@contextlib.contextmanager
def recorded(work: Path | None, order: Order, progress: Progress) -> Iterator[Progress]:
    """`progress`, whose reports the folder `work` keeps while the block runs; without `work` only `progress` itself.

    Nothing in the folder is resumed: the same order begins anew.

    Raises:
        InputError: "job-running", "other-job" or "not-a-job".
        OSError: the folder cannot be written.
    """
    if work is None:
        yield progress
        return
    work.mkdir(parents=True, exist_ok=True)
    with held(work / LOCK):
        (work / PROGRESS).unlink(missing_ok=True)
        job = open_job(work, order)
        job.set_state("running", stages={}, unfinished={})
        current, begun = "", time.monotonic()
        report = job.recorded(progress)

        def follow(stage: str, done: int, total: int) -> None:
            nonlocal current, begun
            if stage != current:
                now = time.monotonic()
                if current:
                    job.finish(current, now - begun)
                current, begun = stage, now
            report(stage, done, total)

        try:
            yield follow
        except BaseException as error:
            job.fail(error)
            raise
        job.set_state("done")
