"""Noses: wider, longer, turned up, arched; a smooth move of the skin around the nose, whatever the head model."""

from __future__ import annotations

import dataclasses

import numpy as np

from perse_engine.clips.anatomy import MILLIMETRE
from perse_engine.clips.canvas import Canvas, Edit
from perse_engine.clips.noise import smoothstep
from perse_engine.clips.parameters import Nose
from perse_engine.clips.relight import relit
from perse_engine.clips.wardrobe import LEAST_MOVE
from perse_engine.surfaces.colors import Floats


@dataclasses.dataclass(frozen=True)
class _Frame:
    """Where a nose is, head space, metres; `unit` is a millimetre on this head.

    Attributes:
        tip, root, base: (3,) the foremost point, the bridge between the eyes, the foot over the lip.
        wing: |x| of the nostrils' outer side.
    """

    tip: Floats
    root: Floats
    base: Floats
    wing: float
    unit: float


def nose(canvas: Canvas, style: Nose) -> Edit:
    """A nose of the given shape; the photo's light follows it."""
    frame = _frame(canvas)
    skin = np.flatnonzero(canvas.part_vertices("skin"))
    point = canvas.figure.vertices[skin]
    wish = _wish(style, frame, point) * _reach(frame, point)[:, None]
    move = np.zeros_like(canvas.figure.vertices)
    move[skin] = wish
    move[np.linalg.norm(move, axis=1) < LEAST_MOVE] = 0
    return Edit(relit(canvas, move), move, np.zeros((5, 3), np.float32))


def nose_reach(canvas: Canvas, point: Floats) -> Floats:
    """(n,) in [0, 1]: how far skin at rest at points (n, 3) belongs to the nose."""
    return _reach(_frame(canvas), point)


def _frame(canvas: Canvas) -> _Frame:
    a = canvas.anatomy
    unit = MILLIMETRE * a.size
    skin = canvas.figure.vertices[canvas.part_vertices("skin")]
    between = (skin[:, 1] < a.bridge[1]) & (skin[:, 1] > a.nose_base[1] - 2 * unit)
    front = skin[between & (np.abs(skin[:, 0]) < 22 * unit)]
    tip = front[front[:, 2].argmax()] * np.array([0, 1, 1], np.float32)
    low = front[np.abs(front[:, 1] - (tip[1] + a.nose_base[1]) / 2) < 5 * unit]
    # the wing ends where the surface has fallen back to the cheek
    raised = low[low[:, 2] > tip[2] - 17 * unit]
    return _Frame(tip, a.bridge, a.nose_base, float(np.abs(raised[:, 0]).max(initial=14 * unit)), unit)


def _reach(frame: _Frame, point: Floats) -> Floats:
    """(n,) in [0, 1]: how far a move of the nose takes the skin at points (n, 3) along."""
    x = np.abs(point[:, 0]) / frame.unit
    wing = frame.wing / frame.unit
    height = np.clip((point[:, 1] - frame.base[1]) / (frame.root[1] - frame.base[1]), 0, 1)
    half = wing * (1.15 - 0.55 * height)
    beside = smoothstep(half + 11, half, x)
    above = smoothstep(frame.root[1] + 10 * frame.unit, frame.root[1] - 2 * frame.unit, point[:, 1])
    below = smoothstep(frame.base[1] - 8 * frame.unit, frame.base[1] - 0.5 * frame.unit, point[:, 1])
    behind = smoothstep(frame.base[2] - 26 * frame.unit, frame.base[2] - 14 * frame.unit, point[:, 2])
    return (beside * above * below * behind).astype(np.float32)


def _wish(style: Nose, frame: _Frame, point: Floats) -> Floats:
    """(n, 3) metres: where a nose of this style would have its skin, full strength."""
    unit = frame.unit
    x, y, z = point.T
    height = np.clip((y - frame.base[1]) / (frame.root[1] - frame.base[1]), -0.2, 1.2)
    off_tip = np.linalg.norm(point - frame.tip, axis=1) / unit
    tip = np.exp(-((off_tip / 11) ** 2))
    low = smoothstep(0.62, 0.2, height)
    ridge = np.exp(-((x / (8 * unit)) ** 2))
    wings = np.exp(-(((np.abs(x) - frame.wing) / (7 * unit)) ** 2)) * low
    middle = np.exp(-(((height - 0.62) / 0.2) ** 2))

    wish = np.zeros_like(point)
    wish[:, 0] = x * (style.width * low + style.bridge * smoothstep(0.15, 0.5, height))
    wish[:, 0] += np.sign(x) * style.nostrils * unit * wings
    wish[:, 1] = -style.length * (frame.root[1] - frame.base[1]) * smoothstep(0.95, 0.1, height)
    wish[:, 1] += style.tip * unit * (tip + 0.35 * low * smoothstep(frame.base[2], frame.tip[2], z))
    wish[:, 2] = style.projection * unit * (0.75 * tip + 0.5 * ridge * smoothstep(1.0, 0.2, height))
    wish[:, 2] += style.hump * unit * ridge * middle
    return wish.astype(np.float32)
