"""The mesh of an avatar that gets one more style: what the style moves, and the parts that it brings."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from perse_engine.avatars.avatar import Avatar
from perse_engine.clips.atlas import HAIR
from perse_engine.clips.face_edit import along_with
from perse_engine.clips.lent import LENT
from perse_engine.clips.wardrobe import LEAST_MOVE, Wardrobe
from perse_engine.errors import InputError
from perse_engine.heads.figure import Figure

Floats = NDArray[np.float32]

MOST_PARTS = 250
LEAST_ALPHA = 8
"""Of 255: a texel that shows."""


def shared_faces(avatar: Avatar) -> int:
    """How many faces, the first ones, every wardrobe of this person has: the head's, the lashes', the own hair's."""
    own = np.flatnonzero(avatar.figure.face_parts <= avatar.figure.parts.index(HAIR))
    return int(own[-1]) + 1


def shown_parts(wardrobe: Wardrobe, own: int) -> list[int]:
    """The parts behind the person's own of which the style shows something."""
    layer, figure = wardrobe.layers[0], wardrobe.figure
    alpha = np.zeros(wardrobe.base.shape[:2], np.uint8)
    alpha.reshape(-1)[layer.texels] = np.minimum(layer.target[:, 3], layer.strength)
    height, width = wardrobe.base.shape[:2]
    middle = figure.uv[figure.uv_faces[own:]].mean(1)
    row = np.clip(((1 - middle[:, 1]) * height).astype(int), 0, height - 1)
    shown = alpha[row, np.clip((middle[:, 0] * width).astype(int), 0, width - 1)] > LEAST_ALPHA
    return [int(part) for part in np.unique(figure.face_parts[own:][shown])]


def grown_figure(
    avatar: Avatar, wardrobe: Wardrobe, parts: list[int], own: int, vertices: int
) -> tuple[Figure, NDArray[np.intp]]:
    """The figure with `parts` of the wardrobe's, and which of the wardrobe's faces these are."""
    figure, other = avatar.figure, wardrobe.figure
    if len(figure.parts) + len(parts) > MOST_PARTS:
        raise InputError("too-many-parts", "the avatar has too many styles with a mesh of their own", "remove some")
    faces = np.flatnonzero(np.isin(other.face_parts, parts))
    used, corners = np.unique(other.faces[faces], return_inverse=True)
    laid, uv_corners = np.unique(other.uv_faces[faces], return_inverse=True)
    names = list(figure.parts)
    for part in parts:
        names.append(_free_name(other.parts[part], names))
    first = len(figure.vertices)
    move = np.zeros((first + len(used), 3, 1), np.float32)
    move[:vertices, :, 0] = other.style_directions[:vertices, :, 0]
    move[first:, :, 0] = other.style_directions[used, :, 0]
    category = wardrobe.styles[0].category
    beyond = np.arange(vertices, first)
    anchors = _vertices_of(figure, ("skin",))
    if category == "clothes":  # the bust carries what hangs over it
        anchors = _vertices_of(figure, ("skin", "bust"))
    elif category in ("hat", "headphones"):  # they press other hair as they press the own
        anchors = _vertices_of(figure, (HAIR,))
        beyond = np.intersect1d(beyond, _vertices_of(figure, tuple(figure.parts[k] for k in hairdo_parts(figure))))
    elif category != "face":
        beyond = beyond[:0]
    if len(beyond) and len(anchors):
        move[beyond, :, 0] = along_with(figure.vertices[beyond], figure.vertices[anchors], move[anchors, :, 0])
        move[np.linalg.norm(move[:, :, 0], axis=1) < LEAST_MOVE] = 0
    before = np.zeros((len(used), 3, len(figure.style_names)), np.float32)
    if len(used):
        before = _moved_alike(avatar, other.vertices[used], wardrobe.styles[0].category)
    directions = np.concatenate([np.concatenate([figure.style_directions, before]), move], 2)
    numbers = {part: len(figure.parts) + k for k, part in enumerate(parts)}
    labels = np.array([numbers[int(part)] for part in other.face_parts[faces]], np.uint8)
    return (
        dataclasses.replace(
            figure,
            vertices=np.concatenate([figure.vertices, other.vertices[used]]),
            faces=np.concatenate([figure.faces, corners.reshape(-1, 3).astype(np.int32) + np.int32(first)]),
            uv=np.concatenate([figure.uv, other.uv[laid]]),
            uv_faces=np.concatenate([figure.uv_faces, uv_corners.reshape(-1, 3).astype(np.int32) + len(figure.uv)]),
            parts=tuple(names),
            face_parts=np.concatenate([figure.face_parts, labels]),
            expression_directions=np.concatenate([figure.expression_directions, other.expression_directions[used]]),
            style_directions=directions,
            joint_style_directions=np.concatenate([figure.joint_style_directions, other.joint_style_directions], 2),
            style_names=(*figure.style_names, wardrobe.styles[0].slider),
            weights=np.concatenate([figure.weights, other.weights[used]]),
        ),
        faces,
    )


def hairdo_parts(figure: Figure) -> list[int]:
    """The parts that carry other hair than the own."""
    return [k for k, name in enumerate(figure.parts) if name.startswith(("locks", f"{LENT}hair"))]


def _vertices_of(figure: Figure, parts: tuple[str, ...]) -> NDArray[np.integer]:
    wanted = [figure.parts.index(name) for name in parts if name in figure.parts]
    return np.unique(figure.faces[np.isin(figure.face_parts, wanted)])


def _free_name(name: str, taken: list[str]) -> str:
    free, number = name, 2
    while free in taken:
        free, number = f"{name}_{number}", number + 1
    return free


def _moved_alike(avatar: Avatar, points: Floats, category: str) -> Floats:
    """(n, 3, K) how the avatar's styles move new vertices at `points` (n, 3): as what they lie on, or next to."""
    figure = avatar.figure
    part = HAIR if category == "hair" and (figure.face_parts == figure.parts.index(HAIR)).any() else "skin"
    anchors = np.unique(figure.faces[figure.face_parts == figure.parts.index(part)])
    moves = np.zeros((len(points), 3, len(avatar.styles)), np.float32)
    for k, style in enumerate(avatar.styles):
        if style.category != category and figure.style_directions[anchors, :, k].any():
            moves[:, :, k] = along_with(points, figure.vertices[anchors], figure.style_directions[anchors, :, k])
    moves[np.linalg.norm(moves, axis=1, keepdims=True).repeat(3, 1) < LEAST_MOVE] = 0
    return moves
