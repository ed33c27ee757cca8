"""`perse info`, `perse check` and `perse doctor`."""

from __future__ import annotations

import json as json_text
from pathlib import Path

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table


def run_info(path: Path, json: bool) -> None:
    """Print what the avatar file at `path` holds."""
    from perse_engine.avatars.file import load_avatar
    from perse_engine.service.info import avatar_info
    from perse_engine.service.library import file_hash

    avatar = load_avatar(path)
    info = avatar_info(avatar, path, file_hash(path))
    if json:
        typer.echo(json_text.dumps(info, indent=1))
        return
    console = Console()
    console.print(f"[bold]{escape(info['name'])}[/bold]  {info['gaussians']} Gaussians on {info['vertices']} vertices")
    console.print(f"head {info['head']}, {info['bytes'] / 1e6:.1f} MB, sha256 {info['sha256'][:16]}…")
    table = Table("slider", "what", "range", "at most")
    for slider in info["sliders"]:
        table.add_row(
            slider["slider"],
            slider["label"],
            f"{slider['soft_min']:g} … {slider['soft_max']:g}",
            f"{slider['hard_min']:g} … {slider['hard_max']:g}",
        )
    console.print(table)
    for name, value in info["provenance"].items():
        console.print(f"{name}: {value}", style="dim", highlight=False, markup=False)


def run_check(photo: Path, json: bool) -> None:
    """Print what would make a better portrait of `photo`; an error where it cannot be used."""
    from perse_engine.service.checking import check

    said = check(photo)
    if json:
        typer.echo(json_text.dumps({"advice": said}))
        return
    for sentence in said or ("Nothing speaks against it",):
        typer.echo(sentence)


def run_doctor(json: bool) -> None:
    """Print what this installation can do; exit status 1 when something needed is missing."""
    from perse_engine.service.doctor import examine

    findings = examine()
    if json:
        typer.echo(json_text.dumps([finding.to_json() for finding in findings], indent=1))
    else:
        colors = {"ok": "green", "optional": "yellow", "missing": "red"}
        table = Table("what", "state", Column("detail", overflow="fold"))
        for finding in findings:
            detail = finding.detail + (f" → {finding.hint}" if finding.hint else "")
            table.add_row(finding.name, f"[{colors[finding.state]}]{finding.state}[/]", escape(detail))
        Console().print(table)
    if any(finding.state == "missing" for finding in findings):
        raise typer.Exit(1)
