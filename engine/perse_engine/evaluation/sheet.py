"""A contact sheet of one person: the photo, views, expressions, and every style of every category."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageDraw

from perse_engine.avatars.initial import head_center
from perse_engine.avatars.state import AvatarState
from perse_engine.evaluation.likeness import expression_states
from perse_engine.evaluation.metrics import area_reduced, over
from perse_engine.evaluation.photo import PhotoPair
from perse_engine.evaluation.subject import Subject

Bytes = NDArray[np.uint8]

CELL, CAPTION, COLUMNS = 256, 18, 8
VIEWS = ((0.0, 0.0), (30.0, 0.0), (-30.0, 0.0), (60.0, 0.0), (-60.0, 0.0), (0.0, 20.0))
STYLE_YAW = 15.0
_GREY = 0.8


@dataclasses.dataclass(frozen=True, eq=False)
class Line:
    """One line of the sheet: what it shows, and its pictures, (256, 256, 3) by caption."""

    title: str
    pictures: dict[str, Bytes]


def contact_sheet(subject: Subject, pair: PhotoPair) -> list[Line]:
    """Everything that an artist looks at first."""
    photo = area_reduced(pair.photo * pair.matte[..., None] + _GREY * (1 - pair.matte[..., None]), CELL, CELL)
    state = area_reduced(pair.rendered, CELL, CELL)
    person = {"photo": _bytes(photo), "photo state": _bytes(over(state, _GREY))}
    person |= {f"{yaw:+.0f}°, {pitch:+.0f}°": _shown(subject, AvatarState(), yaw, pitch) for yaw, pitch in VIEWS}
    lines = [Line("person", person)]
    states = expression_states(subject)
    lines.append(Line("expressions", {name: _shown(subject, found, 0.0, 0.0) for name, found in states.items()}))
    for category in dict.fromkeys(style.category for style in subject.styles):
        worn = [style for style in subject.styles if style.category == category]
        pictures = {style.label: _shown(subject, AvatarState({style.slider: 1.0}), STYLE_YAW, 0.0) for style in worn}
        lines.append(Line(category, pictures))
    return lines


def sheet_image(lines: list[Line]) -> Bytes:
    """The sheet as one picture, eight cells wide, each line beginning a new row."""
    rows = []
    for line in lines:
        cells = [_captioned(f"{line.title}: {caption}", picture) for caption, picture in line.pictures.items()]
        for first in range(0, len(cells), COLUMNS):
            row = cells[first : first + COLUMNS]
            row += [np.full_like(cells[0], 255)] * (COLUMNS - len(row))
            rows.append(np.concatenate(row, 1))
    return np.concatenate(rows, 0)


def _shown(subject: Subject, state: AvatarState, yaw: float, pitch: float) -> Bytes:
    camera = subject.neutral_camera.fitted(CELL, CELL).orbited(head_center(subject.figure), yaw, pitch, 0.0)
    return _bytes(over(subject.draw(state, camera), _GREY))


def _captioned(caption: str, picture: Bytes) -> Bytes:
    cell = PillowImage.new("RGB", (CELL, CELL + CAPTION), "white")
    cell.paste(PillowImage.fromarray(picture), (0, 0))
    ImageDraw.Draw(cell).text((4, CELL + 3), caption, fill=(60, 60, 60))
    return np.asarray(cell)


def _bytes(picture: NDArray[np.floating]) -> Bytes:
    converted: Bytes = (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)
    return converted
