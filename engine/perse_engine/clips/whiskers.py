"""The geometry of beards: the skin of the lower face once more, in two sheets that stand off it and hang from it.

They are the head's own triangles, so they follow jaw and expressions as the skin does.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.sparse import coo_matrix

from perse_engine.clips.anatomy import MILLIMETRE, Anatomy
from perse_engine.clips.beard_regions import coverage
from perse_engine.clips.meshes import Accessory
from perse_engine.clips.noise import smoothstep, value_noise
from perse_engine.clips.parameters import Beard
from perse_engine.clips.pieces import Piece
from perse_engine.heads.head import Head
from perse_engine.surfaces.colors import Floats
from perse_engine.surfaces.normals import vertex_normals

SHEETS = 2
STANDING = (0.55, 1.0)
"""How far out each sheet lies, of the length of the beard."""
SHORT = 1.5
"""Millimetres under which a beard is painted on the skin only."""
EVERYWHERE = Beard(
    label="-", length=1.0, moustache=1.0, chin=1.0, sides=1.0, cheeks=1.0, jaw=1.0, neck=1.0, sideburns=1.0
)


def whiskers(head: Head, anatomy: Anatomy, styles: Sequence[Beard]) -> Piece:
    """The sheets in every style; stubble leaves them on the skin, where they wait."""
    chosen, faces = _lower_face(head, anatomy)
    point = head.template[chosen].astype(np.float64)
    normal = _calm(vertex_normals(head.template, head.faces)[chosen].astype(np.float64), faces)
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
    region, lips = head.regions["beard"][chosen], head.regions["lips"][chosen]
    close = [point + normal * 0.3 * (k + 1) * MILLIMETRE for k in range(SHEETS)]
    shapes = []
    for style in styles:
        off = _standing(anatomy, style, point, normal, region, lips)
        off = _calm(off, faces)
        shapes.append(np.concatenate([close[k] + STANDING[k] * off for k in range(SHEETS)]))
    uv = _layout(anatomy, point)
    mesh = Accessory(
        np.stack(shapes).astype(np.float32),
        np.concatenate(close).astype(np.float32),
        np.concatenate([faces + k * len(chosen) for k in range(SHEETS)]).astype(np.int32),
        np.concatenate([uv * [1 / SHEETS, 1] + [k / SHEETS, 0] for k in range(SHEETS)]).astype(np.float32),
    )
    return Piece(
        "whiskers",
        mesh,
        np.tile(head.weights[chosen], (SHEETS, 1)),
        np.tile(head.expression_directions[chosen], (SHEETS, 1, 1)),
    )


def _lower_face(head: Head, anatomy: Anatomy) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (n,) of the head over which some beard may grow, and their triangles (F, 3) into those."""
    grown = coverage(anatomy, EVERYWHERE, head.template, head.regions["beard"], 0) > 0.02
    skin = head.faces[head.face_parts == head.parts.index("skin")]
    outward = vertex_normals(head.template, skin)
    away = head.template - (anatomy.mouth + np.array([0.0, 0.0, -0.07 * anatomy.size]))
    grown &= np.einsum("vc,vc->v", outward, away) > 0  # not the inside of lips and nostrils
    grown &= (head.regions["ears"] < 0.3) & (head.regions["nose"] < 0.7)
    kept = skin[grown[skin].any(1) & (np.einsum("vc,vc->v", outward, away)[skin] > 0).all(1)]
    kept = kept[(head.regions["ears"][kept] < 0.5).all(1)]
    chosen, index = np.unique(kept, return_inverse=True)
    return chosen, index.reshape(kept.shape)


def _calm(field: Floats, faces: np.ndarray) -> Floats:
    """`field` (n, C) averaged twice over neighbouring vertices."""
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    edges = np.concatenate([edges, edges[:, ::-1]])
    count = len(field)
    ones = np.ones(len(edges))
    links = coo_matrix((ones, (edges[:, 0], edges[:, 1])), (count, count)).tocsr()
    links.data[:] = 1
    degree = np.maximum(np.asarray(links.sum(1)).reshape(-1, 1), 1)
    for _ in range(2):
        field = 0.5 * field + 0.5 * (links @ field) / degree
    return np.asarray(field)


def _standing(anatomy: Anatomy, style: Beard, point: Floats, normal: Floats, region: Floats, lips: Floats) -> Floats:
    """(n, 3): how far the tips stand off the skin, falling with their own weight."""
    if style.length < SHORT:
        return np.zeros_like(point)
    unit = MILLIMETRE * anatomy.size
    cover = coverage(anatomy, style, point, region, 0) * (1 - smoothstep(0.25, 0.8, lips))
    y = (point[:, 1] - anatomy.mouth[1]) / unit
    chin = (anatomy.chin[1] - anatomy.mouth[1]) / unit
    below = smoothstep(-4.0, chin + 6, y)
    middle = np.exp(-((point[:, 0] / (34 * unit)) ** 2))
    # hair is longest at the chin; on the lip it is trimmed
    share = 0.38 + 0.62 * below * (0.45 + 0.55 * middle)
    length = np.where(y > -4, np.minimum(style.length * share, 7.0), style.length * share)
    clumps = value_noise(point[:, :2] / (6 * unit) + point[:, 2:] * 130, 3)
    length = length * unit * smoothstep(0.02, 0.75, cover) * (0.72 + 0.56 * clumps)
    heavy = np.clip(0.35 + 0.020 * style.length * below, 0.35, 0.88)[:, None]
    forward = np.array([0.0, 0.0, 0.35]) * below[:, None]
    direction = (1 - heavy) * normal + heavy * np.array([0.0, -1.0, 0.0]) + heavy * forward
    direction /= np.maximum(np.linalg.norm(direction, axis=1, keepdims=True), 1e-9)
    # under the jaw nothing grows back into the throat
    return np.asarray(direction * length[:, None])


def _layout(anatomy: Anatomy, point: Floats) -> Floats:
    """(n, 2) in (0, 1): the lower face rolled off, as seen from inside the mouth."""
    away = point - (anatomy.mouth + np.array([0.0, 0.0, -0.075 * anatomy.size]))
    around = np.arctan2(away[:, 0], away[:, 2])
    up = np.arctan2(away[:, 1], np.hypot(away[:, 0], away[:, 2]))
    flat = np.stack([around, up], -1)
    low, high = flat.min(0), flat.max(0)
    return np.asarray(0.015 + 0.97 * (flat - low) / (high - low))
