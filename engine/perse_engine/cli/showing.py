"""`perse gallery` and `perse between`."""

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


def run_between(first: Path, last: Path, out: Path, steps: int, size: int) -> None:
    """Draw the faces between two portraits, and where they differ, into the folder `out`."""
    import numpy as np
    from PIL import Image as PillowImage

    from perse_engine.clips.animator import render_frame
    from perse_engine.clips.catalogue import Catalogue
    from perse_engine.clips.editor import dress
    from perse_engine.clips.interpolation import between, changed
    from perse_engine.clips.motion import photo_camera, photo_state
    from perse_engine.evaluation.gallery_page import write_picture
    from perse_engine.portraits.portrait_files import load_portrait
    from perse_engine.service.threads import apply_thread_budget

    apply_thread_budget()
    ends = load_portrait(first), load_portrait(last)
    mask = PillowImage.fromarray((changed(*ends) * 255 + 0.5).astype(np.uint8)).convert("RGB")
    out.mkdir(parents=True, exist_ok=True)
    write_picture(out / "changed.png", np.asarray(mask))
    with watched() as progress:
        for step in range(steps):
            progress("between", step, steps)
            person = between(*ends, step / (steps - 1))
            frame = render_frame(dress(person, Catalogue((), (), ())), photo_state(person), photo_camera(person, size))
            alpha = frame.alpha[..., None]
            picture = frame.color * alpha + 0.8 * (1 - alpha)
            write_picture(out / f"step_{step:02d}.png", (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8))
        progress("between", steps, steps)
    typer.echo(str(out))
