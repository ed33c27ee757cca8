"""What a plan consists of: clips, and the frames in them, before any is rendered."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Literal, overload

from perse_engine.clips.motion import Moment

Split = Literal["train", "heldout", "combination", "between", "footage"]
SPLITS: tuple[Split, ...] = ("train", "heldout", "combination", "between")
"""What is planned; "footage" is real and held out."""

BASE, TESTED = "base", "_test"
"""The clip of the person with no style, and how the name of a clip's last, untrained frames ends."""


@dataclasses.dataclass(frozen=True, eq=False)
class PlannedFrame:
    """One frame to render: the attribute sliders, the moment, the side in pixels.

    `below` is the frame "<clip>/<number>" that shows the same moment without attributes, of which the rest is taken.
    """

    attributes: Mapping[str, float]
    moment: Moment
    size: int
    below: str | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class PlannedClip:
    """Frames that are written together. `name` is a folder's name."""

    name: str
    split: Split
    frames: Sequence[PlannedFrame]


class Dressed(Sequence[PlannedFrame]):
    """The frames of a clip with attributes; each is made when it is asked for, as the paper's are half a million."""

    def __init__(self, bare: Sequence[PlannedFrame], clip: str, attributes: Mapping[str, float]) -> None:
        self._bare, self._clip, self._attributes = bare, clip, attributes

    def __len__(self) -> int:
        return len(self._bare)

    @overload
    def __getitem__(self, index: int) -> PlannedFrame: ...

    @overload
    def __getitem__(self, index: slice) -> list[PlannedFrame]: ...

    def __getitem__(self, index: int | slice) -> PlannedFrame | list[PlannedFrame]:
        if isinstance(index, slice):
            return [self[k] for k in range(*index.indices(len(self)))]
        number = range(len(self))[index]
        return dressed(self._bare[number], name_of(self._clip, number), self._attributes)


def name_of(clip: str, number: int) -> str:
    """What a frame is called."""
    return f"{clip}/{number:04d}"


def dressed(bare: PlannedFrame, name: str, attributes: Mapping[str, float]) -> PlannedFrame:
    """A frame that dresses `bare`, which is called `name`."""
    return dataclasses.replace(bare, attributes=attributes, below=name)
