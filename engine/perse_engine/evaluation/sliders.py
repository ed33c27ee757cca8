"""What a slider does on its way: whether half the way is half the change."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perse_engine.avatars.initial import head_center
from perse_engine.avatars.state import AvatarState
from perse_engine.avatars.styles import Style, presence, style_weights
from perse_engine.evaluation.metrics import over
from perse_engine.evaluation.rows import Row, shown
from perse_engine.evaluation.subject import Subject

Floats = NDArray[np.float32]

STEPS, SIDE, YAW = 9, 192, 15.0
LEAST_CHANGE = 2e-4
"""Mean change of a picture below which a style shows nothing from here."""
_GREY = 0.5


def linearity_rows(subject: Subject) -> list[Row]:
    """How far the change from the person is from growing evenly, by how styles come; the mean over their way, in %.

    A picture at slider w has changed by d(w), its mean distance from the picture at 0. Even is d(w) / d(1) = w for what
    morphs; what grows or is put on has an appearance that is there earlier, as its presence says, and is held to that.
    """
    found: dict[str, list[float]] = {}
    worst: dict[str, tuple[float, str]] = {}
    for style in subject.styles:
        off = unevenness(subject, style)
        if off is None:
            continue
        found.setdefault(style.between, []).append(off)
        worst[style.between] = max(worst.get(style.between, (0.0, "")), (off, style.slider))
    return [
        shown(
            "sliders",
            f"from even, styles that {between}, mean",
            100 * float(np.mean(values)),
            "%",
            f"{len(values)} styles, worst {worst[between][1]} {100 * worst[between][0]:.0f} %",
        )
        for between, values in found.items()
    ]


def unevenness(subject: Subject, style: Style) -> float | None:
    """The mean distance of a style's change from what its presence says, in parts of the whole; None if none shows."""
    camera = subject.neutral_camera.fitted(SIDE, SIDE).orbited(head_center(subject.figure), YAW, 0.0, 0.0)
    shares = np.linspace(0, 1, STEPS)
    pictures = [over(subject.draw(AvatarState({style.slider: float(w)}), camera), _GREY) for w in shares]
    change = np.array([float(np.abs(picture - pictures[0]).mean()) for picture in pictures])
    if change[-1] < LEAST_CHANGE:
        return None
    come = [presence((style,), style_weights((style,), {style.slider: float(w)}))[0] for w in shares]
    return float(np.abs(change / change[-1] - np.array(come)).mean())
