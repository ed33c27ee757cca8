"""What a style changes where its teacher changes nothing: over the whole person, and in each part of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from perse_engine.avatars.initial import head_center
from perse_engine.avatars.state import AvatarState
from perse_engine.cameras import Camera
from perse_engine.evaluation.metrics import Mask, dilated, over
from perse_engine.evaluation.rows import Row, at_most, below, not_run
from perse_engine.evaluation.subject import Subject
from perse_engine.evaluation.teacher import Pair, foreground
from perse_engine.progress import Progress

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]
PartsAt = Callable[[AvatarState, Camera], dict[str, Mask]]
"""Which pixels (H, W) are which part of the person, by name, in a state and as a camera sees it."""

TRAINED_DIFFERENCE = 2 / 255
DILATION_PX = 4
SIDE = 512
VIEWS = ((0.0, 0.0), (25.0, 0.0), (-25.0, 0.0), (0.0, 12.0), (12.0, -8.0))
MOST_MEAN, MOST_WORST = 1.0, 8.0  # of 255
MOST_SHARE = 0.02  # of what a category changes where it should
LEAST_PIXELS = 50  # of a part, to count
OWN: Mapping[str, tuple[str, ...]] = {
    "face": ("skin", "nose", "lips", "mouth", "eyes", "brows", "ears", "neck", "scalp"),
    "nose": ("nose",),
    "skin": ("skin", "nose", "lips", "eyes", "brows", "ears", "neck", "scalp"),
    "eyebrows": ("brows",),
    "eyes": ("eyes",),
    "mouth": ("lips", "mouth"),
    "beard": ("beard",),
    "hair": ("hair", "scalp"),
    "clothes": ("clothes",),
    "glasses": ("glasses", "lenses"),
    "earrings": ("earrings",),
    "headphones": ("headphones",),
    "hat": ("hat", "scalp"),
}
"""What a category is about, the diagonal of the matrix: a face's shape moves all of it, a hat hides the scalp."""
CELL_W, CELL_H, MARGIN, TITLE = 74, 26, 110, 30
_GREY = 0.5


@dataclasses.dataclass(frozen=True, eq=False)
class Leak:
    """What a style changes where the teacher's does not, of 255, over all its pictures.

    Attributes:
        slider: the style.
        mean: over those pixels.
        worst: their 99.9th percentile.
        inside: mean change where the teacher changes something too.
        parts: mean change of those pixels, by the part of the person that they show.
    """

    slider: str
    mean: float
    worst: float
    inside: float
    parts: Mapping[str, float]


def leaks(avatar: Subject, teacher: Subject, parts_at: PartsAt, progress: Progress) -> list[Leak]:
    """Put on each style alone, in five poses with three expressions each, 512 x 512."""
    center = head_center(avatar.figure)
    moments = [
        (AvatarState(sliders), avatar.neutral_camera.fitted(SIDE, SIDE).orbited(center, yaw, pitch, 0.0))
        for yaw, pitch in VIEWS
        for sliders in _expressions(avatar)
    ]
    bare = [Pair(teacher.draw(state, camera), avatar.draw(state, camera)) for state, camera in moments]
    parts = [parts_at(state, camera) for state, camera in moments]
    found = []
    for number, style in enumerate(avatar.styles):
        progress("leakage", number, len(avatar.styles))
        tally = _Tally()
        for (state, camera), without, where in zip(moments, bare, parts, strict=True):
            worn = AvatarState({**state.sliders, style.slider: style.soft_max})
            tally.add(without, Pair(teacher.draw(worn, camera), avatar.draw(worn, camera)), where)
        leak = tally.leak(style.slider)
        if leak is not None:
            found.append(leak)
    progress("leakage", len(avatar.styles), len(avatar.styles))
    return found


class _Tally:
    """Sums over the pictures of one style."""

    def __init__(self) -> None:
        self.outside: list[Floats] = []
        self.inside: list[Floats] = []
        self.parts: dict[str, list[Floats]] = {}

    def add(self, without: Pair, worn: Pair, parts: Mapping[str, Mask]) -> None:
        taught = np.abs(over(worn.teacher, _GREY) - over(without.teacher, _GREY)).max(-1) > TRAINED_DIFFERENCE
        person = foreground(without)
        outside = ~dilated(taught, DILATION_PX) & person
        change = 255 * np.abs(over(worn.avatar, _GREY) - over(without.avatar, _GREY)).max(-1)
        self.outside.append(change[outside])
        self.inside.append(change[taught])
        for name, mask in parts.items():
            self.parts.setdefault(name, []).append(change[mask & outside])

    def leak(self, slider: str) -> Leak | None:
        outside, inside = np.concatenate(self.outside), np.concatenate(self.inside)
        if not len(outside):
            return None
        joined = {name: np.concatenate(values) for name, values in self.parts.items()}
        return Leak(
            slider,
            float(outside.mean()),
            float(np.quantile(outside, 0.999)),
            float(inside.mean()) if len(inside) else 0.0,
            {name: float(values.mean()) for name, values in joined.items() if len(values) >= LEAST_PIXELS},
        )


def leak_rows(found: Sequence[Leak], categories: Mapping[str, str]) -> list[Row]:
    """The worst style's mean and 99.9th percentile, and the worst of the matrix.

    Args:
        categories: of every slider.
    """
    if not found:
        return [not_run("leakage", "mean change outside the taught region", "the avatar has no style")]
    mean = max(found, key=lambda leak: leak.mean)
    worst = max(found, key=lambda leak: leak.worst)
    rows = [
        below("leakage", "mean change outside the taught region", mean.mean, MOST_MEAN, "/255", f"worst {mean.slider}"),
        below("leakage", "99.9 % of it", worst.worst, MOST_WORST, "/255", f"worst {worst.slider}"),
    ]
    matrix = leak_matrix(found, categories)
    shares = {
        (name, part): share
        for name, row in matrix.items()
        for part, share in row.items()
        if part not in OWN.get(name, ())
    }
    if shares:
        name, part = max(shares, key=lambda key: shares[key])
        note = f"worst: {name} in {part}; {sum(share > MOST_SHARE for share in shares.values())} of {len(shares)} above"
        rows.append(
            at_most(
                "leakage", "off-diagonal ÷ diagonal, largest", 100 * shares[name, part], 100 * MOST_SHARE, "%", note
            )
        )
    return rows


def leak_matrix(found: Sequence[Leak], categories: Mapping[str, str]) -> dict[str, dict[str, float]]:
    """By category and part: what its styles change there outside their region, over what they change inside it."""
    matrix: dict[str, dict[str, float]] = {}
    for name in dict.fromkeys(categories[leak.slider] for leak in found):
        own = [leak for leak in found if categories[leak.slider] == name]
        inside = float(np.mean([leak.inside for leak in own]))
        if inside <= 0:
            continue
        parts = dict.fromkeys(part for leak in own for part in leak.parts)
        matrix[name] = {
            part: float(np.mean([leak.parts[part] for leak in own if part in leak.parts])) / inside for part in parts
        }
    return matrix


def matrix_picture(matrix: Mapping[str, Mapping[str, float]]) -> Bytes:
    """The matrix as people read it, (H, W, 3): percent, red from the bar on, grey what a category is about."""
    parts = list(dict.fromkeys(part for row in matrix.values() for part in row))
    picture = np.full((TITLE + CELL_H * len(matrix), MARGIN + CELL_W * len(parts), 3), 255, np.uint8)

    def write(text: str, x: int, y: int) -> None:
        cv2.putText(picture, text, (x, y + 18), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (50, 50, 50), 1, cv2.LINE_AA)

    for column, part in enumerate(parts):
        write(part, MARGIN + CELL_W * column + 3, 4)
    for line, (name, row) in enumerate(matrix.items()):
        y = TITLE + CELL_H * line
        write(name, 4, y)
        for column, part in enumerate(parts):
            if part not in row:
                continue
            x = MARGIN + CELL_W * column
            shade = int(255 * min(row[part] / MOST_SHARE, 1)) // 3
            own = part in OWN.get(name, ())
            far = row[part] > MOST_SHARE and not own
            color = (230, 230, 230) if own else (255, 150, 140) if far else (255 - shade, 255, 255 - shade)
            picture[y + 1 : y + CELL_H, x + 1 : x + CELL_W] = color
            write(f"{100 * row[part]:.2f} %", x + 6, y)
    return picture


def _expressions(avatar: Subject) -> list[dict[str, float]]:
    names = avatar.figure.expression_names
    wanted: tuple[str, ...] = ("jawopen", "mouthsmileleft")
    chosen = [name for name in wanted if name in names] or list(names[:2])
    return [{}, *({f"expr_{name}": 0.7} for name in chosen)]
