"""The report on disk: report.json for programs, report.html with pictures for people."""

from __future__ import annotations

import html
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from perse_engine.evaluation.rows import Row
from perse_engine.files import atomic_write, write_json

Bytes = NDArray[np.uint8]

JSON, PAGE = "report.json", "report.html"
_THUMBNAIL, _WIDEST = 200, 1600
_STYLE = """
body { font: 15px/1.4 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; color: #222 }
table { border-collapse: collapse; width: 100% } td, th { padding: .25rem .6rem; text-align: left }
tr { border-bottom: 1px solid #ddd } td.number { text-align: right; font-variant-numeric: tabular-nums }
.pass { color: #17692c } .fail { color: #b3261e; font-weight: 600 } .note { color: #666 }
figure { display: inline-block; margin: .4rem; text-align: center } figcaption { font-size: 13px; color: #555 }
img { max-height: 200px; background: #eee }
"""


def write_report(folder: Path, title: str, rows: Sequence[Row], pictures: Mapping[str, Bytes], about: Any) -> None:
    """Write the report.

    Args:
        folder: made when it is not there.
        title: of the page.
        pictures: (H, W, 3) uint8 by name.
        about: plain JSON: the machine, the files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names = {name: f"{_slug(name)}.png" for name in pictures}
    for name, picture in pictures.items():
        image = PillowImage.fromarray(picture)
        image.thumbnail((_WIDEST, _THUMBNAIL * 2), PillowImage.Resampling.BOX)
        stream = io.BytesIO()
        image.save(stream, "PNG")
        with atomic_write(folder / names[name]) as target:
            target.write(stream.getvalue())
    write_json(folder / JSON, {"title": title, "about": about, "rows": [row.to_json() for row in rows]})
    with atomic_write(folder / PAGE) as target:
        target.write(_page(title, rows, names, about).encode())


def _page(title: str, rows: Sequence[Row], pictures: Mapping[str, str], about: Any) -> str:
    lines = [
        f'<!doctype html><meta charset="utf-8"><title>{html.escape(title)}</title><style>{_STYLE}</style>',
        f"<h1>{html.escape(title)}</h1>",
        f'<p class="note">{html.escape(", ".join(f"{key}: {value}" for key, value in dict(about).items()))}</p>',
        "<table><tr><th>what<th>measured<th>bar<th><th>note</tr>",
    ]
    section = ""
    for row in rows:
        if row.section != section:
            lines.append(f'<tr><th colspan="5">{html.escape(row.section)}</tr>')
            section = row.section
        verdict = {True: '<td class="pass">pass', False: '<td class="fail">fail', None: "<td>"}[row.passed]
        value = "–" if row.value is None else f"{row.value:.4g} {html.escape(row.unit)}"
        lines.append(
            f'<tr><td>{html.escape(row.name)}<td class="number">{value}<td>{html.escape(row.bar)}{verdict}'
            f'<td class="note">{html.escape(row.note)}</tr>'
        )
    lines.append("</table>")
    lines += [
        f'<figure><img src="{html.escape(path)}" alt="{html.escape(name)}"><figcaption>{html.escape(name)}</figcaption>'
        "</figure>"
        for name, path in pictures.items()
    ]
    return "\n".join(lines) + "\n"


def _slug(name: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in name.replace("+", "plus").replace("-", "minus"))
