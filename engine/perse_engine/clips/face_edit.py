"""Face shape: the identity of the head model that comes nearest to a wider, longer or stronger face."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from perse_engine.clips.canvas import Canvas, Edit, nothing
from perse_engine.clips.colors import Floats
from perse_engine.clips.noise import smoothstep
from perse_engine.clips.parameters import Face
from perse_engine.clips.wardrobe import LEAST_MOVE

RIDGE = 0.02
"""How much a standard deviation of identity is worth avoiding, relative to the fit in centimetres."""


def face(canvas: Canvas, style: Face) -> Edit:
    """A face of the given width, length and jaw; hair, glasses and hats go along."""
    head = canvas.portrait.head
    a = canvas.anatomy
    rest = head.template
    skin = canvas.part_vertices("skin")[: len(rest)]
    below = smoothstep(a.eyes[:, 1].mean(), a.chin[1], rest[:, 1])
    front = smoothstep(a.ear_tops[:, 2].mean() - 0.03, a.ear_tops[:, 2].mean() + 0.02, rest[:, 2])
    low = smoothstep(a.skull_top - 0.02, a.eyes[:, 1].mean() + 0.03, rest[:, 1])
    wish = np.zeros_like(rest)
    wish[:, 0] = rest[:, 0] * (style.width + style.jaw * below) * front * low
    wish[:, 1] = (rest[:, 1] - a.eyes[:, 1].mean()) * style.length * front * low

    weight = np.where(skin, 0.15 + 0.85 * front * low, 0.0)
    directions = head.shape_directions.reshape(len(rest), 3, -1)
    rows = (directions * weight[:, None, None]).reshape(-1, directions.shape[2]) * 100
    goal = (wish * weight[:, None]).reshape(-1) * 100
    gram = rows.T @ rows + RIDGE * len(rest) * np.eye(rows.shape[1]) * 0.01
    identity = np.linalg.solve(gram, rows.T @ goal).astype(np.float32)

    # the skull, the neck's base and the bust stay as they are, so that hats and collars still fit
    kept = _held(canvas, rest)
    moved = (directions @ identity) * kept[:, None]
    moved += wish * kept[:, None] * 0.35 * skin[:, None]
    move = np.zeros_like(canvas.figure.vertices)
    move[: len(rest)] = moved
    others = np.arange(len(rest), len(move))
    anchors = np.flatnonzero(skin)
    distance, index = cKDTree(rest[anchors]).query(canvas.figure.vertices[others], k=6)
    share = 1 / (distance + 2e-3) ** 2
    share /= share.sum(1, keepdims=True)
    move[others] = np.einsum("nk,nkc->nc", share, moved[anchors[index]])
    move[np.linalg.norm(move, axis=1) < LEAST_MOVE] = 0
    joints = head.joint_shape_directions @ identity
    joints[:2] = 0  # root and skull carry what must not move
    return Edit(nothing(), move.astype(np.float32), joints.astype(np.float32))


def _held(canvas: Canvas, rest: Floats) -> Floats:
    """(V,) in [0, 1]: 1 on the face, 0 on skull, neck base and bust."""
    a = canvas.anatomy
    low = smoothstep(a.skull_top - 0.015, a.eyes[:, 1].mean() + 0.045, rest[:, 1])
    high = smoothstep(a.chin[1] - 0.055, a.chin[1] - 0.015, rest[:, 1])
    front = smoothstep(a.ear_tops[:, 2].mean() - 0.045, a.ear_tops[:, 2].mean() + 0.015, rest[:, 2])
    return (low * high * front).astype(np.float32)
