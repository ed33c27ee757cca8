"""`perse portrait`, `synthesize`, `train` and `build`: the stages, one by one and all together."""

from __future__ import annotations

import dataclasses
import json as json_text
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.table import Table

from perse_engine.cli.watching import watched
from perse_engine.errors import InputError
from perse_engine.service.sources import Sources
from perse_engine.service.threads import apply_thread_budget

if TYPE_CHECKING:
    from perse_engine.clips.cost import Cost


def run_portrait(photo: Path, out: Path, head: str, seed: int, masks: Path | None, json: bool) -> None:
    """Fit a head to `photo` and write the portrait's folder `out`."""
    from perse_engine.portraits.fitting import fit_portrait
    from perse_engine.portraits.parsing import parser_of
    from perse_engine.portraits.portrait_files import save_portrait
    from perse_engine.service.build import load_head

    parser = parser_of(masks)
    apply_thread_budget()
    begin = time.monotonic()
    with watched() as progress:
        portrait = fit_portrait(photo, load_head(head), seed=seed, progress=progress, parser=parser)
        save_portrait(portrait, out)
    report({"portrait": str(out)}, {"fit": time.monotonic() - begin}, json)


def run_synthesize(
    portrait: Path,
    out: Path,
    preset: str,
    seed: int,
    styles: Path | None,
    motion: Path | None,
    dry_run: bool,
    json: bool,
) -> None:
    """Make the clips of the portrait in folder `portrait` into the folder `out`.

    What the paper's protocol costs is said beforehand; with `dry_run` that is all, of any preset.
    """
    from perse_engine.clips.captures import fitting, load_performance
    from perse_engine.clips.catalogue import shipped_and
    from perse_engine.clips.cost import estimate, refuse_without_room
    from perse_engine.clips.dataset import synthesize
    from perse_engine.clips.presets import clips_preset
    from perse_engine.portraits.portrait_files import load_portrait

    chosen, catalogue = clips_preset(preset), shipped_and(styles)
    performance = load_performance(motion) if motion is not None else None
    apply_thread_budget()
    person = load_portrait(portrait)
    if performance is not None:
        fitting(performance, person.head.expression_names)
    if dry_run or chosen.clips:
        cost = estimate(person, catalogue, chosen, seed, performance)
        report_cost(cost, json and dry_run)
        if dry_run:
            return
        refuse_without_room(cost, out)
    begin = time.monotonic()
    with watched() as progress:
        synthesize(person, catalogue, chosen, out, seed=seed, performance=performance, progress=progress)
    report({"dataset": str(out)}, {"clips": time.monotonic() - begin}, json)


def run_train(dataset: Path, out: Path, preset: str, seed: int, work: Path | None, json: bool) -> None:
    """Train an avatar on the clips in folder `dataset` and write it to `out`; under torchrun, all processes together.

    The first of them alone writes and reports; an error is said by each that meets it.
    """
    from perse_engine.avatars.file import save_avatar
    from perse_engine.clips.dataset import load_dataset
    from perse_engine.training.presets import training_preset
    from perse_engine.training.several import torchrun_team
    from perse_engine.training.training import train

    chosen = training_preset(preset)
    _refuse_folder(out)
    folder = work if work is not None else out.with_name(f"{out.stem}.training")
    begin = time.monotonic()
    with torchrun_team() as team:
        apply_thread_budget(team.local_size)
        with watched(showing=team.rank == 0) as progress:
            avatar = train(load_dataset(dataset), chosen, folder, seed=seed, progress=progress, team=team)
            if team.rank == 0:
                save_avatar(avatar, out)
    if team.rank == 0:
        report({"avatar": str(out)}, {"train": time.monotonic() - begin}, json)


def run_build(
    photo: Path | None, out: Path, preset: str, seed: int, work: Path | None, head: str, sources: Sources, json: bool
) -> None:
    """Build the avatar of `photo`, or of a video's best frame, into `out`."""
    from perse_engine.service.build import build, default_work

    folder = work if work is not None else default_work(out, preset, seed)
    apply_thread_budget()
    with watched() as progress:
        job = build(
            photo,
            out,
            preset=preset,
            seed=seed,
            work=folder,
            head=head,
            sources=sources,
            announce=report_cost,
            progress=progress,
        )
    report({"avatar": str(out), "work": str(folder), "bytes": out.stat().st_size}, dict(job.stages), json)


def report_cost(cost: Cost, json: bool = False) -> None:
    """Say what clips will cost: JSON on stdout, or a sentence on stderr."""
    if json:
        typer.echo(json_text.dumps(dataclasses.asdict(cost)))
        return
    hours, minutes = divmod(round(cost.seconds / 60), 60)
    Console(stderr=True, soft_wrap=True).print(
        f"{cost.frames} frames in {cost.clips} clips, {cost.boxes} of them drawn only where they differ from another: "
        f"about {hours} h {minutes} min and {cost.bytes / 1e9:.1f} GB",
        highlight=False,
    )


def report(result: dict[str, Any], seconds: dict[str, float], json: bool) -> None:
    """Say what was written and how long each stage took."""
    if json:
        typer.echo(json_text.dumps({**result, "seconds": {name: round(value, 2) for name, value in seconds.items()}}))
        return
    table = Table("stage", "seconds")
    table.columns[1].justify = "right"
    for name, value in seconds.items():
        table.add_row(name, f"{value:.1f}")
    if len(seconds) > 1:
        table.add_row("all", f"{sum(seconds.values()):.1f}", style="bold")
    Console(stderr=True).print(table)
    typer.echo(next(iter(result.values())))


def _refuse_folder(out: Path) -> None:
    if out.is_dir():
        raise InputError("wrong-path", f"{out} is a folder", "name a .perse file in it")
