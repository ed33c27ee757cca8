"""The named wardrobe on which clip generation is timed: the open head under three thin layers of translucent hair."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from perse_engine.avatars.initial import bare_figure
from perse_engine.avatars.styles import Category, Style
from perse_engine.clips.wardrobe import Layer, Wardrobe
from perse_engine.heads.figure import Figure
from perse_engine.heads.head import RIGHT_EYE
from perse_engine.heads.open_head import load_open_head
from perse_engine.surfaces.normals import vertex_normals

SIDE = 1024
"""Texels of the head's square; the hair's is as large, at its right."""
SHELLS = (0.006, 0.012, 0.018)
"""Metres over the skull."""
OPAQUE, TRANSLUCENT = 255, 110
STYLE = "attr_hair_bench"
_SEED = 0


def benchmark_wardrobe() -> Wardrobe:
    """A wardrobe with one style, which colours the hair."""
    head = load_open_head()
    figure = _haired(bare_figure(head))
    rng = np.random.default_rng(_SEED)
    base = np.full((SIDE, 2 * SIDE, 4), OPAQUE, np.uint8)
    base[..., :3] = rng.integers(90, 200, (SIDE, 2 * SIDE, 3))
    base[:, SIDE:, 3] = TRANSLUCENT
    texels = np.arange(2 * SIDE * SIDE, dtype=np.int32).reshape(SIDE, 2 * SIDE)[:, SIDE:].ravel()
    target = base.reshape(-1, 4)[texels].copy()
    target[:, :3] //= 3
    amount = np.full(len(texels), OPAQUE, np.uint8)
    return Wardrobe(
        figure=dataclasses.replace(
            figure,
            style_directions=np.zeros((len(figure.vertices), 3, 1), np.float32),
            joint_style_directions=np.zeros((5, 3, 1), np.float32),
            style_names=(STYLE,),
        ),
        categories=(Category("hair", "Hair", "hair"),),
        styles=(Style(STYLE, "Dark", "hair"),),
        base=base,
        layers=(Layer(texels, target, amount, np.zeros_like(amount), 1.0),),
        labels=("background", "skin", "hair"),
        face_labels=np.where(figure.face_parts == len(head.parts), 2, 1).astype(np.uint8),
        head=head.name,
        licence=head.licence,
    )


def _haired(figure: Figure) -> Figure:
    """The head with the skull above its eyes repeated outwards."""
    high = figure.vertices[:, 1] > figure.joints[RIGHT_EYE, 1] + 0.02
    skull = np.flatnonzero(high[figure.faces].all(1) & (figure.face_parts == 0))
    count, layout = len(figure.vertices), len(figure.uv)
    outwards = vertex_normals(figure.vertices, figure.faces)
    half = np.array([0.5, 1.0], np.float32)
    several = len(SHELLS) + 1

    def shells(faces: NDArray[np.int32], step: int) -> NDArray[np.int32]:
        return np.concatenate([faces, *(faces[skull] + step * (k + 1) for k in range(len(SHELLS)))]).astype(np.int32)

    return dataclasses.replace(
        figure,
        vertices=np.concatenate([figure.vertices, *(figure.vertices + d * outwards for d in SHELLS)]).astype(
            np.float32
        ),
        faces=shells(figure.faces, count),
        uv=np.concatenate([figure.uv * half, *[figure.uv * half + [0.5, 0]] * len(SHELLS)]).astype(np.float32),
        uv_faces=shells(figure.uv_faces, layout),
        parts=(*figure.parts, "hair"),
        face_parts=np.append(
            figure.face_parts, np.full(len(skull) * len(SHELLS), len(figure.parts), figure.face_parts.dtype)
        ),
        expression_directions=np.tile(figure.expression_directions, (several, 1, 1)),
        weights=np.tile(figure.weights, (several, 1)),
    )
