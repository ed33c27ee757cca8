"""How long and how finely an avatar is trained."""

from __future__ import annotations

import dataclasses

from perse_engine.errors import InputError


@dataclasses.dataclass(frozen=True)
class Preset:
    """One training.

    Attributes:
        name: what people ask for.
        gaussians: N. Three in four lie on what is worn, and are not drawn while it is not.
        steps: pictures that are learnt from, one a step; a team of n processes takes n in each of its steps, and
            ceil(steps / n) steps.
        size: side in pixels to which a picture is reduced, and side of a box cut from a finer one.
        boxes: share of the steps, after the first third, that look at a box of the finest picture.
        photo: share of the steps that look at the photo itself.
        stops_early: whether to end once held-out pictures come no closer, where there are any.
    """

    name: str
    gaussians: int
    steps: int
    size: int = 256
    boxes: float = 0.5
    photo: float = 0.12
    stops_early: bool = True


PRESETS = {
    preset.name: preset
    for preset in (
        Preset("draft", 35_000, 1_300, boxes=0.25),
        Preset("standard", 95_000, 4_600),
        Preset("high", 140_000, 8_000, boxes=0.6),
        Preset("paper", 240_000, 30_000, size=512, boxes=0.3),
    )
}


def training_preset(name: str) -> Preset:
    """The preset called `name`.

    Raises:
        InputError: unknown-preset.
    """
    if name not in PRESETS:
        raise InputError("unknown-preset", f"there is no preset {name!r}", f"choose one of {', '.join(PRESETS)}")
    return PRESETS[name]
