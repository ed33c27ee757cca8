"""The side of a head that no portrait shows: an artist who turns it sees that too."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perse_engine.avatars.initial import head_center
from perse_engine.avatars.state import AvatarState
from perse_engine.clips.plan import FROM_BEHIND
from perse_engine.evaluation.metrics import over
from perse_engine.evaluation.rows import Row, shown
from perse_engine.evaluation.subject import Subject
from perse_engine.evaluation.teacher import Pair, foreground_psnr

Bytes = NDArray[np.uint8]

SIDE = 256
YAWS = (95.0, -95.0, 135.0, -135.0, 170.0)
"""Degrees; in none of them the clips look at a head."""
_GREY = 0.5


def behind_rows(avatar: Subject, teacher: Subject) -> tuple[list[Row], dict[str, Bytes]]:
    """Foreground PSNR of the person without a style from all `YAWS`, and of each style that shows there from one.

    Returns:
        a row for both, and a picture: the teacher over the avatar, from all `YAWS`.
    """
    center = head_center(avatar.figure)

    def pair(sliders: dict[str, float], yaw: float) -> Pair:
        camera = avatar.neutral_camera.fitted(SIDE, SIDE).orbited(center, yaw, 0.0, 0.0)
        state = AvatarState(sliders)
        return Pair(teacher.draw(state, camera), avatar.draw(state, camera))

    bare = [pair({}, yaw) for yaw in YAWS]
    values = [foreground_psnr(one) for one in bare]
    rows = [shown("teacher", f"from behind, {SIDE}²", float(np.mean(values)), "dB", f"worst {min(values):.1f}")]
    styles = [style for style in avatar.styles if style.category in FROM_BEHIND]
    worn = {
        style.slider: foreground_psnr(pair({style.slider: 1.0}, YAWS[k % len(YAWS)])) for k, style in enumerate(styles)
    }
    if worn:
        worst = min(worn, key=lambda slider: worn[slider])
        note = f"{len(worn)} pictures, worst {worst} {worn[worst]:.1f}"
        name = f"styles from behind, {SIDE}²"
        rows.append(shown("teacher", name, float(np.mean(list(worn.values()))), "dB", note))
    sheet = np.concatenate([_row([one.teacher for one in bare]), _row([one.avatar for one in bare])])
    return rows, {"from behind: teacher, avatar": sheet}


def _row(pictures: list[NDArray[np.float32]]) -> Bytes:
    joined = np.concatenate([over(picture, _GREY) for picture in pictures], 1)
    return (np.clip(joined, 0, 1) * 255 + 0.5).astype(np.uint8)
