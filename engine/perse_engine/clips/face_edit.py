"""Face shape: the identity of the head model that comes nearest to a wider, longer, heavier or older face."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from perse_engine.clips.anatomy import MILLIMETRE
from perse_engine.clips.canvas import Canvas, Edit
from perse_engine.clips.noise import smoothstep
from perse_engine.clips.parameters import Face
from perse_engine.clips.relight import relit
from perse_engine.clips.wardrobe import LEAST_MOVE
from perse_engine.surfaces.colors import Floats

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
    wish = _flesh(canvas, style, rest)
    wish[:, 0] += rest[:, 0] * (style.width + style.jaw * below) * front * low
    wish[:, 1] += (rest[:, 1] - a.eyes[:, 1].mean()) * style.length * front * low

    weight = np.where(skin, 0.15 + 0.85 * front * low, 0.0)
    directions = head.shape_directions.reshape(len(rest), 3, -1)
    rows = (directions * weight[:, None, None]).reshape(-1, directions.shape[2]) * 100
    goal = (wish * weight[:, None]).reshape(-1) * 100
    gram = rows.T @ rows + RIDGE * len(rest) * np.eye(rows.shape[1]) * 0.01
    identity = np.linalg.solve(gram, rows.T @ goal).astype(np.float32)

    # the skull, the neck's base and the bust stay as they are, so that hats and collars still fit
    kept = held(canvas, rest)
    moved = (directions @ identity) * kept[:, None]
    moved += _rest_of(wish, moved, style) * kept[:, None] * skin[:, None]
    move = with_all_around(canvas, moved)
    joints = head.joint_shape_directions @ identity
    joints[:2] = 0  # root and skull carry what must not move
    return Edit(relit(canvas, move), move, joints.astype(np.float32))


def with_all_around(canvas: Canvas, moved: Floats, *parts: str) -> Floats:
    """(V, 3) how the whole figure moves where the head's vertices move by `moved` (H, 3): what is worn goes along.

    Args:
        parts: of the head, that others go along with; the skin by default.
    """
    rest = canvas.portrait.head.template
    move = np.zeros_like(canvas.figure.vertices)
    move[: len(rest)] = moved
    others = np.arange(len(rest), len(move))
    anchors = np.flatnonzero(canvas.part_vertices(*(parts or ("skin",)))[: len(rest)])
    move[others] = along_with(canvas.figure.vertices[others], rest[anchors], moved[anchors])
    move[np.linalg.norm(move, axis=1) < LEAST_MOVE] = 0
    return move


def along_with(points: Floats, anchors: Floats, moves: Floats) -> Floats:
    """(n, 3) how points (n, 3) move with the nearest of `anchors` (A, 3), which move by `moves` (A, 3)."""
    distance, index = cKDTree(anchors).query(points, k=6)
    share = 1 / (distance + 2e-3) ** 2
    share /= share.sum(1, keepdims=True)
    return np.asarray(np.einsum("nk,nkc->nc", share, moves[index]), np.float32)


def _rest_of(wish: Floats, moved: Floats, style: Face) -> Floats:
    """What the head model's identities leave of a wish: flesh wholly, as it is smooth; width and length in part."""
    flesh = any((style.weight, style.age, style.cheeks, style.chin))
    return 0.85 * (wish - moved) if flesh else 0.35 * wish


def _flesh(canvas: Canvas, style: Face, rest: Floats) -> Floats:
    """(V, 3) metres: where weight, age, cheeks and chin want the skin."""
    a = canvas.anatomy
    unit = MILLIMETRE * a.size
    normal = canvas.vertex_normal[: len(rest)]
    x, y = np.abs(rest[:, 0]) / unit, (rest[:, 1] - a.mouth[1]) / unit
    eyes, chin = (a.eyes[:, 1].mean() - a.mouth[1]) / unit, (a.chin[1] - a.mouth[1]) / unit
    spot = lambda cx, cy, rx, ry: np.exp(-(((x - cx) / rx) ** 2) - ((y - cy) / ry) ** 2)  # noqa: E731
    features = np.zeros(len(rest), np.float32)
    for name in ("lips", "eyelids", "nose", "ears", "brows"):
        features = np.maximum(features, canvas.vertex_region(name)[: len(rest)])
    plain = 1 - 0.85 * features

    cheek = spot(38, 0.35 * eyes, 20, 20)
    jowl = spot(42, 0.55 * chin, 18, 14)
    under = smoothstep(chin + 4, chin - 12, y) * smoothstep(62, 30, x)  # the soft underside of the chin
    hollow = spot(44, 0.12 * eyes, 13, 15)
    wish = np.zeros_like(rest)
    full = style.weight * (6.0 * cheek + 6.5 * jowl + 5.0 * under) + style.cheeks * 4.5 * hollow
    sag = style.age * (2.2 * jowl - 2.4 * hollow + 1.6 * spot(30, 0.72 * eyes, 9, 6))
    wish += normal * ((full + sag) * plain * unit)[:, None]
    wish[:, 1] -= style.age * unit * plain * (3.2 * jowl + 1.8 * cheek) + style.weight * unit * 2.0 * under
    # the lips thin with age
    lips = canvas.vertex_region("lips")[: len(rest)]
    wish[:, 1] -= style.age * 0.22 * (rest[:, 1] - a.mouth[1]) * lips
    front = smoothstep(a.chin[2] - 0.05, a.chin[2] - 0.01, rest[:, 2])
    point = spot(0, chin + 7, 17, 13) * front * (1 - lips)
    wish[:, 2] += style.chin * 5.5 * unit * point
    wish[:, 1] -= style.chin * 2.5 * unit * point
    return wish.astype(np.float32)


def held(canvas: Canvas, rest: Floats) -> Floats:
    """(V,) in [0, 1]: 1 on the face, 0 on skull, neck base and bust."""
    a = canvas.anatomy
    low = smoothstep(a.skull_top - 0.015, a.eyes[:, 1].mean() + 0.045, rest[:, 1])
    high = smoothstep(a.chin[1] - 0.055, a.chin[1] - 0.015, rest[:, 1])
    front = smoothstep(a.ear_tops[:, 2].mean() - 0.045, a.ear_tops[:, 2].mean() + 0.015, rest[:, 2])
    return (low * high * front).astype(np.float32)
