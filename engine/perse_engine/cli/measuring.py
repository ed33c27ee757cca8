"""`perse evaluate`, `ablate`, `fitcheck` and `bench`."""

from __future__ import annotations

import dataclasses
import json as json_text
from pathlib import Path

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from perse_engine.cli.watching import watched
from perse_engine.evaluation.rows import Row


def run_evaluate(
    subject: Path,
    report: Path,
    dataset: Path | None,
    sitters: Path | None,
    weights: Path | None,
    footage: bool,
    json: bool,
) -> None:
    """Measure the avatar or clips at `subject`; print the table and write it into the folder `report`."""
    from perse_engine.service.evaluation import evaluate
    from perse_engine.service.threads import apply_thread_budget

    apply_thread_budget()
    with watched() as progress:
        rows = evaluate(
            subject, report, dataset=dataset, sitters=sitters, weights=weights, progress=progress, footage=footage
        )
    if json:
        typer.echo(json_text.dumps([row.to_json() for row in rows], indent=1))
        return
    Console().print(table_of(rows))
    typer.echo(str(report / "report.html"))


def run_ablate(folder: Path, report: Path, preset: str, seeds: int, json: bool) -> None:
    """Train and measure variants on the clips in `folder`; print the table and write it into the folder `report`."""
    from perse_engine.clips.dataset import load_dataset
    from perse_engine.service.ablation import ablate
    from perse_engine.service.evaluation import dataset_in
    from perse_engine.service.threads import apply_thread_budget
    from perse_engine.training.presets import training_preset

    chosen = training_preset(preset)
    apply_thread_budget()
    with watched() as progress:
        rows = ablate(load_dataset(dataset_in(folder)), chosen, range(seeds), report, progress)
    if json:
        typer.echo(json_text.dumps([row.to_json() for row in rows], indent=1))
        return
    Console().print(table_of(rows))
    typer.echo(str(report / "report.html"))


def table_of(rows: list[Row]) -> Table:
    """The report as people read it."""
    table = Table("", "what", Column("measured", justify="right"), "bar", "", Column("note", overflow="fold"))
    section = ""
    for row in rows:
        if row.section != section:
            table.add_section()
        verdict = {True: "[green]pass[/]", False: "[red]FAIL[/]", None: ""}[row.passed]
        value = "–" if row.value is None else f"{row.value:.3g}" if row.value < 10 else f"{row.value:.1f}"
        name = row.section if row.section != section else ""
        table.add_row(name, escape(row.name), f"{value} {row.unit}".strip(), row.bar, verdict, escape(row.note))
        section = row.section
    return table


def run_fitcheck(json: bool) -> None:
    """Fit random open heads and print how far off the fits are."""
    from perse_engine.evaluation.fit_check import random_fit_rows
    from perse_engine.heads.open_head import load_open_head
    from perse_engine.portraits.landmarks import Tracker
    from perse_engine.service.threads import apply_thread_budget

    apply_thread_budget()
    with watched() as progress:
        rows = random_fit_rows(load_open_head(), Tracker(), progress)
    if json:
        typer.echo(json_text.dumps([row.to_json() for row in rows], indent=1))
        return
    Console().print(table_of(rows))


def run_bench(json: bool) -> None:
    """Time the engine on this machine."""
    from perse_engine.service.bench import machine, measure

    with watched() as progress:
        rows = measure(progress)
    description = machine()
    if json:
        content = {"machine": description, "rows": [dataclasses.asdict(row) for row in rows]}
        typer.echo(json_text.dumps(content, indent=1))
        return
    right = [Column(name, justify="right") for name in ("Gaussians", "size", "median ms", "p95 ms")]
    table = Table("what", *right)
    for row in rows:
        size = f"{row.width}×{row.height}" if row.width else ""
        table.add_row(row.name, f"{row.gaussians or ''}", size, f"{row.median_ms:.2f}", f"{row.p95_ms:.2f}")
    console = Console()
    console.print(table)
    console.print(", ".join(f"{name} {value}" for name, value in description.items()), style="dim", highlight=False)
