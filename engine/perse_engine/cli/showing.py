"""`perse gallery`."""

from __future__ import annotations

from pathlib import Path

import typer

from perse_engine.cli.watching import watched
from perse_engine.errors import PerseError
from perse_engine.service.sources import Sources


def run_gallery(portraits: list[Path], out: Path, preset: str, seed: int, sources: Sources) -> None:
    """Build and show every portrait on one page in the folder `out`.

    Raises:
        PerseError: portraits-failed, after the others are done, where some could not be built.
    """
    from perse_engine.evaluation.gallery_page import PAGE
    from perse_engine.service.gallery import gallery
    from perse_engine.service.threads import apply_thread_budget

    apply_thread_budget()
    with watched() as progress:
        entries = gallery(portraits, out, preset=preset, seed=seed, sources=sources, progress=progress)
    typer.echo(str(out / PAGE))
    failed = [entry for entry in entries if entry.error]
    if failed:
        reasons = ", ".join(f"{entry.name} ({entry.error})" for entry in failed)
        raise PerseError("portraits-failed", f"{len(failed)} of {len(entries)} failed: {reasons}", "see the page")
