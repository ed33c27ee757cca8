"""The avatar in motion: are its expressions those of its teacher, does it flicker while it turns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from perse_engine.avatars.initial import head_center
from perse_engine.avatars.state import AvatarState
from perse_engine.errors import PerseError
from perse_engine.evaluation.likeness import expression_states
from perse_engine.evaluation.metrics import over
from perse_engine.evaluation.rows import Row, at_most, not_run, shown
from perse_engine.evaluation.subject import Subject
from perse_engine.portraits.landmarks import (
    INNER_LIPS,
    LEFT_BROW,
    LEFT_LIDS,
    OUTER_LIPS,
    RIGHT_BROW,
    RIGHT_LIDS,
    FaceTracker,
)
from perse_engine.portraits.tasks import open_tracker

Floats = NDArray[np.float32]

SIDE, TURN_SIDE = 512, 256
GROUPS: Mapping[str, tuple[int, ...]] = {
    "lips": OUTER_LIPS + INNER_LIPS,
    "lids": LEFT_LIDS + RIGHT_LIDS,
    "brows": LEFT_BROW + RIGHT_BROW,
}
ACCURATE = 2.5
"""Percent of the eyes' distance that expressions may lie off the teacher's."""
TURN = np.arange(-12.0, 12.1, 0.5)
"""Degrees: a turn as slow as 12 degrees a second at 24 frames."""
_GREY = 0.5
_CORNERS = (33, 263)


def expression_rows(avatar: Subject, teacher: Subject) -> list[Row]:
    """How far landmarks tracked on the avatar lie from those tracked on its teacher, over twelve expressions."""
    try:
        tracker = open_tracker()
    except PerseError as error:
        return [not_run("motion", "expressions against the teacher's", str(error))]
    errors: dict[str, list[float]] = {}
    lost = []
    for name, state in expression_states(avatar).items():
        faces = [_landmarks(tracker, subject, state) for subject in (avatar, teacher)]
        first, second = faces
        if first is None or second is None:
            lost.append(name)
            continue
        unit = float(np.linalg.norm(second[_CORNERS[0]] - second[_CORNERS[1]]))
        off = np.linalg.norm(first - second, axis=1) / unit
        errors.setdefault("all", []).append(float(off.mean()))
        for group, points in GROUPS.items():
            errors.setdefault(group, []).append(float(off[list(points)].mean()))
    if not errors:
        return [not_run("motion", "expressions against the teacher's", "no face is detected")]
    note = f"not found: {', '.join(lost)}" if lost else f"{len(errors['all'])} expressions"
    rows = [
        at_most(
            "motion",
            "landmarks in expressions against the teacher's, of the eyes' distance",
            100 * float(np.mean(errors["all"])),
            ACCURATE,
            "%",
            note,
        )
    ]
    return rows + [
        shown("motion", f"of these the {group}", 100 * float(np.mean(errors[group])), "%") for group in GROUPS
    ]


def flicker_rows(avatar: Subject, teacher: Subject | None) -> list[Row]:
    """What changes from frame to frame and back while the head turns slowly, beside the same of the teacher.

    Second differences in time: steady motion has few, popping Gaussians have many.
    """
    own = flicker(_turning(avatar))
    if teacher is None:
        return [shown("motion", "flicker over a slow turn", 255 * own, "/255")]
    taught = flicker(_turning(teacher))
    note = f"teacher {255 * taught:.3f}; 1 degree in two frames"
    return [
        shown("motion", "flicker over a slow turn", 255 * own, "/255", note),
        shown("motion", "flicker, in parts of the teacher's", own / max(taught, 1e-9)),
    ]


def flicker(frames: Sequence[Floats]) -> float:
    """Mean absolute second difference in time of pictures (H, W, 3), where any of them shows something."""
    stack = np.stack(frames)
    second = np.abs(stack[2:] - 2 * stack[1:-1] + stack[:-2]).mean(-1)
    shown_somewhere = np.abs(stack - stack[0, 0, 0]).max(axis=(0, -1)) > 1e-3
    return float(second[:, shown_somewhere].mean()) if shown_somewhere.any() else 0.0


def _turning(subject: Subject) -> list[Floats]:
    center = head_center(subject.figure)
    camera = subject.neutral_camera.fitted(TURN_SIDE, TURN_SIDE)
    return [
        np.clip(over(subject.draw(AvatarState(), camera.orbited(center, float(yaw), 0.0, 0.0)), _GREY), 0, 1)
        for yaw in TURN
    ]


def _landmarks(tracker: FaceTracker, subject: Subject, state: AvatarState) -> Floats | None:
    """(468, 2) pixels of the subject from ahead, or None."""
    picture = over(subject.draw(state, subject.neutral_camera.fitted(SIDE, SIDE)), _GREY)
    pixels: NDArray[np.uint8] = (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)
    try:
        return np.asarray(tracker.track(pixels).landmarks[:, :2], np.float32)
    except PerseError:
        return None
