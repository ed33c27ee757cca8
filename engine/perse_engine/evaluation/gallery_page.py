"""The page of a gallery: for every person a contact sheet, strips and measurements, one below the other."""

from __future__ import annotations

import dataclasses
import html
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from perse_engine.evaluation.rows import Row
from perse_engine.files import atomic_write, write_json

Bytes = NDArray[np.uint8]

JSON, PAGE = "gallery.json", "gallery.html"
_STYLE = """
body { font: 15px/1.4 system-ui, sans-serif; margin: 2rem; color: #222 } h2 { margin-top: 3rem }
table { border-collapse: collapse } td, th { padding: .2rem .7rem; text-align: left }
tr { border-bottom: 1px solid #ddd }
td.number { text-align: right; font-variant-numeric: tabular-nums } .pass { color: #17692c }
.fail { color: #b3261e; font-weight: 600 } .note { color: #666 } img { max-width: 100% } figure { margin: .6rem 0 }
"""


@dataclasses.dataclass(frozen=True, eq=False)
class Entry:
    """One person of a gallery.

    Attributes:
        name: of the portrait's file, without its ending; unique in the gallery.
        rows: what was measured.
        seconds: of each stage of the build.
        sheet: file name of the contact sheet, or "" where there is no avatar.
        strips: file names of the strips by title.
        error: why there is no avatar, or "".
    """

    name: str
    rows: Sequence[Row] = ()
    seconds: Mapping[str, float] = dataclasses.field(default_factory=dict)
    sheet: str = ""
    strips: Mapping[str, str] = dataclasses.field(default_factory=dict)
    error: str = ""


def write_picture(path: Path, picture: Bytes) -> None:
    """Write (H, W, 3) as a PNG, atomically."""
    stream = io.BytesIO()
    PillowImage.fromarray(picture).save(stream, "PNG")
    with atomic_write(path) as target:
        target.write(stream.getvalue())


def write_gallery(folder: Path, entries: Sequence[Entry], about: Mapping[str, object]) -> None:
    """Write gallery.html and gallery.json for the pictures that are already in `folder`."""
    content = [{**dataclasses.asdict(entry), "rows": [row.to_json() for row in entry.rows]} for entry in entries]
    write_json(folder / JSON, {"about": dict(about), "people": content})
    with atomic_write(folder / PAGE) as target:
        target.write(_page(entries, about).encode())


def _page(entries: Sequence[Entry], about: Mapping[str, object]) -> str:
    lines = [
        f'<!doctype html><meta charset="utf-8"><title>PERSE gallery</title><style>{_STYLE}</style>',
        "<h1>PERSE gallery</h1>",
        f'<p class="note">{html.escape(", ".join(f"{key}: {value}" for key, value in about.items()))}</p>',
        *_overview(entries),
    ]
    for entry in entries:
        lines.append(f"<h2>{html.escape(entry.name)}</h2>")
        if entry.error:
            lines.append(f'<p class="fail">{html.escape(entry.error)}</p>')
            continue
        times = ", ".join(f"{stage} {seconds:.0f} s" for stage, seconds in entry.seconds.items())
        lines.append(f'<p class="note">{html.escape(times)}</p>')
        lines.append(f'<img src="{html.escape(entry.sheet)}" alt="contact sheet of {html.escape(entry.name)}">')
        for title, path in entry.strips.items():
            lines.append(
                f'<figure><figcaption>{html.escape(title)}</figcaption><img src="{html.escape(path)}"></figure>'
            )
    return "\n".join(lines) + "\n"


def _overview(entries: Sequence[Entry]) -> list[str]:
    """One table: a line for each measurement, a column for each person."""
    people = [entry for entry in entries if entry.rows]
    names = list(dict.fromkeys((row.section, row.name, row.bar) for entry in people for row in entry.rows))
    head = "".join(f"<th>{html.escape(entry.name)}" for entry in people)
    lines = [f"<table><tr><th>what<th>bar{head}</tr>"]
    for section, name, bar in names:
        cells = []
        for entry in people:
            row = next((r for r in entry.rows if (r.section, r.name) == (section, name)), None)
            verdict = {True: "pass", False: "fail", None: ""}[row.passed if row else None]
            value = f"{row.value:.3g} {row.unit}" if row and row.value is not None else "–"
            cells.append(f'<td class="number {verdict}">{html.escape(value)}')
        lines.append(f"<tr><td>{html.escape(f'{section}: {name}')}<td>{html.escape(bar)}{''.join(cells)}</tr>")
    return [*lines, "</table>"]
