"""In-betweens to look at: for each category nine steps from one style to another, and how even they are."""

from __future__ import annotations

import importlib.util
import itertools
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from perse_engine.avatars.initial import head_center
from perse_engine.avatars.state import AvatarState
from perse_engine.avatars.styles import Style
from perse_engine.evaluation.identity import UNDETECTED, FaceReader, distance
from perse_engine.evaluation.metrics import over
from perse_engine.evaluation.path_length import path_length
from perse_engine.evaluation.rows import Row, at_most, not_run, shown
from perse_engine.evaluation.subject import Subject

if TYPE_CHECKING:  # torch is loaded where there are weights alone
    from perse_engine.evaluation.lpips import Lpips

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]

STEPS, SIDE, YAW = 9, 256, 15.0
LARGEST_STEP = 2.0
_SHOWN = 128
_GREY = 0.8


def strips(
    subject: Subject, reader: FaceReader | None = None, lpips: Lpips | None = None
) -> tuple[list[Row], dict[str, Bytes]]:
    """For each category with two styles: the largest step over the median step by ꟻLIP, from its first to its last.

    Args:
        reader: measures the steps and the path by dlib's distance too; without one they are left out.
        lpips: measures the perceptual path length; without it that is left out.

    Returns:
        rows, and a strip (128, 9 x 128, 3) for each by its name.
    """
    rows: list[Row] = []
    pictures: dict[str, Bytes] = {}
    categories = list(dict.fromkeys(style.category for style in subject.styles))
    for category in categories:
        styles = [style for style in subject.styles if style.category == category]
        if len(styles) < 2:
            continue
        name = f"{category}: {styles[0].label} to {styles[-1].label}"
        frames = strip(subject, styles[0], styles[-1])
        pictures[name] = _joined(frames)
        if lpips is not None:
            rows.append(_length_row(subject, styles[0], styles[-1], name, lpips))
        if importlib.util.find_spec("flip_evaluator") is None:
            rows.append(not_run("in-betweens", name, "flip-evaluator absent"))
            continue
        steps = flip_steps(frames)
        detour = sum(steps) / max(flip(frames[0], frames[-1]), 1e-9)
        note = f"median step {np.median(steps):.3g}; path {sum(steps):.3g}, {detour:.2f} times the ends' distance"
        rows.append(at_most("in-betweens", name, evenness(steps), LARGEST_STEP, note=note))
        if reader is not None:
            far = identity_steps(frames, reader)
            note = "a face is not detected" if max(far) >= UNDETECTED else f"path {sum(far):.3g}"
            rows.append(shown("in-betweens", f"{name}, largest step in identity (dlib)", max(far), note=note))
    return rows, pictures


def strip(subject: Subject, first: Style, last: Style, steps: int = STEPS) -> list[Floats]:
    """`steps` pictures (256, 256, 3) from `first` to `last`, before grey, from a little to the side."""
    return [_on_the_way(subject, first, last, float(share)) for share in np.linspace(0, 1, steps)]


def flip_steps(frames: list[Floats]) -> list[float]:
    """The mean ꟻLIP between each picture (H, W, 3) and the next."""
    return [flip(before, after) for before, after in itertools.pairwise(frames)]


def flip(first: Floats, second: Floats) -> float:
    """The mean ꟻLIP between two pictures (H, W, 3)."""
    import flip_evaluator

    return float(flip_evaluator.evaluate(first, second, "LDR", applyMagma=False)[1])


def identity_steps(frames: list[Floats], reader: FaceReader) -> list[float]:
    """dlib's distance between each picture (H, W, 3) and the next."""
    faces = [reader.descriptor((frame * 255 + 0.5).astype(np.uint8)) for frame in frames]
    return [distance(before, after) for before, after in itertools.pairwise(faces)]


def evenness(steps: list[float]) -> float:
    """The largest step over the median step; 1 is even, and also what nothing at all gives."""
    median = float(np.median(steps))
    if median <= 1e-9:
        return 1.0 if max(steps) <= 1e-9 else float("inf")
    return max(steps) / median


def _on_the_way(subject: Subject, first: Style, last: Style, share: float) -> Floats:
    """(256, 256, 3) with `share` of `last`."""
    camera = subject.neutral_camera.fitted(SIDE, SIDE).orbited(head_center(subject.figure), YAW, 0.0, 0.0)
    state = AvatarState({first.slider: 1 - share, last.slider: share})
    return np.clip(over(subject.draw(state, camera), _GREY), 0, 1).astype(np.float32)


def _length_row(subject: Subject, first: Style, last: Style, name: str, lpips: Lpips) -> Row:
    length = path_length(lambda share: _on_the_way(subject, first, last, share), lpips.distance)
    ends = lpips.distance(*(_on_the_way(subject, first, last, share) for share in (0.0, 1.0)))
    note = f"{lpips.trunk.name}; {length / max(ends, 1e-9):.2f} times the ends' distance, of which 1 is the least"
    return shown("in-betweens", f"{name}, path length (LPIPS-PPL)", length, note=note)


def _joined(frames: list[Floats]) -> Bytes:
    step = SIDE // _SHOWN
    small = [frame.reshape(_SHOWN, step, _SHOWN, step, 3).mean((1, 3)) for frame in frames]
    return (np.concatenate(small, 1) * 255 + 0.5).astype(np.uint8)
