"""How many frames are synthesised, and how large they are."""

from __future__ import annotations

import dataclasses

from perse_engine.errors import InputError


@dataclasses.dataclass(frozen=True)
class ClipsPreset:
    """The size of a dataset.

    Attributes:
        name: what people ask for.
        base: frames of the person with no style; every other trained frame is one of these moments, dressed.
        style: frames of each style, full and on its way.
        around: frames of each style that shows from behind, such as hair or a hat: the first two see it from there, the
            next two obliquely, and so on to 8; 0 for none.
        pair: frames of each trained pair of neighbouring styles of one category.
        combinations: frames in which styles of two or three categories are worn together.
        anything: frames in which every category may be worn at once, each one style or between two.
        held_out: frames of expressions and views that are never trained; half as many of other kinds.
        size: side of a frame in pixels.
        fine_size: side of the finer frames.
        fine_every: every how many frames of the base is a finer one; 0 for none.
        clips: 0, or how many clips of the paper's protocol there are: each shows the same `base` frames of motion, of
            which the last `held_out` are tests.
    """

    name: str
    base: int
    style: int
    around: int
    pair: int
    combinations: int
    anything: int
    held_out: int
    size: int = 256
    fine_size: int = 512
    fine_every: int = 0
    clips: int = 0


PRESETS = {
    preset.name: preset
    for preset in (
        ClipsPreset("draft", base=64, style=3, around=2, pair=1, combinations=28, anything=12, held_out=12),
        ClipsPreset(
            "standard",
            base=200,
            style=5,
            around=4,
            pair=1,
            combinations=88,
            anything=60,
            held_out=32,
            fine_every=4,
        ),
        ClipsPreset(
            "high", base=480, style=16, around=8, pair=3, combinations=280, anything=120, held_out=64, fine_every=2
        ),
        ClipsPreset(
            "paper",
            base=513,
            style=0,
            around=0,
            pair=0,
            combinations=0,
            anything=0,
            held_out=113,
            size=512,
            clips=957,
        ),
    )
}


def clips_preset(name: str) -> ClipsPreset:
    """The preset called `name`.

    Raises:
        InputError: unknown-preset.
    """
    if name not in PRESETS:
        raise InputError("unknown-preset", f"there is no preset {name!r}", f"choose one of {', '.join(PRESETS)}")
    return PRESETS[name]
