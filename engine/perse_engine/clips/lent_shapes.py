"""Shapes that somebody lends: the skin goes to where the other head has it, within the category's region."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perse_engine.clips.anatomy import MILLIMETRE
from perse_engine.clips.canvas import Canvas
from perse_engine.clips.face_edit import held, with_all_around
from perse_engine.clips.head_warp import aligned
from perse_engine.clips.lent import Lender
from perse_engine.clips.noise import smoothstep
from perse_engine.clips.nose_edit import nose_reach
from perse_engine.clips.wardrobe import LEAST_MOVE
from perse_engine.heads.head import JAW, LEFT_EYE, RIGHT_EYE
from perse_engine.surfaces.colors import Floats

Move = tuple[Floats, Floats]
"""How the figure's vertices (V, 3) and its joints (5, 3) move."""


def lent_face(canvas: Canvas, lender: Lender) -> Move:
    """The whole face's shape; skull, neck and shoulders stay the person's own."""
    own, theirs = canvas.portrait.head, lender.portrait.head
    kept = held(canvas, own.template).astype(np.float64)
    skin = canvas.part_vertices("skin")[: len(kept)]
    rim = skin * (kept > 0.02) * (1 - kept) ** 2
    count = len(kept)
    both = aligned(
        np.concatenate([theirs.template, theirs.joints]).astype(np.float64),
        np.concatenate([own.template, own.joints]).astype(np.float64),
        np.concatenate([rim, np.zeros(5)]),
    )
    move = with_all_around(canvas, ((both[:count] - own.template) * kept[:, None]).astype(np.float32))
    joints = np.zeros((5, 3), np.float32)
    inner = [JAW, LEFT_EYE, RIGHT_EYE]
    joints[inner] = both[count:][inner] - own.joints[inner]
    return move, joints


def lent_nose(canvas: Canvas, lender: Lender) -> Move:
    """The nose."""
    reach = nose_reach(canvas, canvas.portrait.head.template)
    return _within(canvas, lender, reach, smoothstep(0.02, 0.2, reach) * (1 - reach)), _still()


def lent_mouth(canvas: Canvas, lender: Lender) -> Move:
    """The lips and what is right around them."""
    a, point = canvas.anatomy, canvas.portrait.head.template
    across = point[:, 0] / (a.mouth_half_width + 8 * MILLIMETRE * a.size)
    down = (point[:, 1] - a.mouth[1]) / (17 * MILLIMETRE * a.size)
    away = np.sqrt(across**2 + down**2)
    reach = smoothstep(1.0, 0.55, away) * (point[:, 2] > a.mouth[2] - 0.045)
    return _within(canvas, lender, reach, smoothstep(0.02, 0.2, reach) * (1 - reach)), _still()


def lent_shoulders(canvas: Canvas, lender: Lender) -> Move:
    """The bust in the other person's clothes; what hangs over it goes along."""
    own, theirs = canvas.portrait.head, lender.portrait.head
    bust = canvas.part_vertices("bust")[: len(own.template)]
    low = smoothstep(-0.01, -0.05, own.template[:, 1] - own.joints[1, 1])
    return with_all_around(canvas, (theirs.template - own.template) * (bust * low)[:, None], "skin", "bust"), _still()


def _within(canvas: Canvas, lender: Lender, reach: Floats, rim: NDArray[np.floating]) -> Floats:
    """(V, 3) to the other head's skin, as far as `reach` (H,) says; both agree at the `rim` (H,)."""
    own, theirs = canvas.portrait.head, lender.portrait.head
    skin = canvas.part_vertices("skin")[: len(reach)]
    both = aligned(theirs.template.astype(np.float64), own.template.astype(np.float64), rim * skin)
    move = np.zeros_like(canvas.figure.vertices)
    move[: len(reach)] = (both - own.template) * reach[:, None]
    move[np.linalg.norm(move, axis=1) < LEAST_MOVE] = 0
    return move


def _still() -> Floats:
    return np.zeros((5, 3), np.float32)
