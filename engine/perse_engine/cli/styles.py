"""`perse styles`."""

from __future__ import annotations

import json as json_text
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table

from perse_engine.errors import InputError
from perse_engine.files import atomic_write

MOST = 1000


def run_styles(styles: Path | None, vary: list[str], out: Path | None, seed: int, json: bool) -> None:
    """List the styles that a build would teach, or write combinations of words into the file `out`.

    Raises:
        InputError: bad-count, no-output, unknown-category, too-many-styles, or what the catalogue raises.
    """
    from perse_engine.clips.catalogue import shipped_and
    from perse_engine.clips.variations import to_toml, variations

    if vary:
        if out is None:
            raise InputError("no-output", "there is nowhere to write the combinations", "give --out FILE.toml")
        counts = dict(_count(text) for text in vary)
        tables = {name: {"styles": variations(name, count, seed)} for name, count in counts.items()}
        with atomic_write(out) as stream:
            stream.write(to_toml(tables).encode())
        shipped_and(out)
        typer.echo(str(out))
        return
    catalogue = shipped_and(styles)
    if json:
        rows = [
            {"slider": s.slider, "label": s.label, "category": s.category, "between": s.between}
            for s in catalogue.styles
        ]
        typer.echo(json_text.dumps(rows, indent=1))
        return
    table = Table("category", "slider", "label", "in-between")
    for category in catalogue.categories:
        for number, k in enumerate(catalogue.indices(category.name)):
            style = catalogue.styles[k]
            table.add_row("" if number else category.label, style.slider, style.label, style.between)
        table.add_section()
    Console().print(table)


def _count(text: str) -> tuple[str, int]:
    category, _, number = text.partition("=")
    if not number.isdigit() or not 1 <= int(number) <= MOST:
        raise InputError("bad-count", f"{text!r} is not CATEGORY=COUNT, 1 to {MOST}", "write it as hair=20")
    return category, int(number)
