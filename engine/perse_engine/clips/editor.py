"""The procedural editor: from a portrait and a catalogue to a wardrobe."""

from __future__ import annotations

import dataclasses
import zlib

import cv2
import numpy as np

from perse_engine.clips import accessory_edit
from perse_engine.clips.anatomy import Anatomy, find_anatomy
from perse_engine.clips.atlas import Atlas, layout
from perse_engine.clips.bare_skin import prepared_canvas
from perse_engine.clips.beard_edit import beard
from perse_engine.clips.brow_edit import eyebrows
from perse_engine.clips.canvas import Canvas, Edit
from perse_engine.clips.catalogue import (
    Beard,
    Catalogue,
    Eyebrows,
    Face,
    Glasses,
    Hair,
    Hat,
    Mouth,
    Parameters,
    Skin,
)
from perse_engine.clips.colors import Floats
from perse_engine.clips.face_edit import face
from perse_engine.clips.glasses import frame_and_lenses
from perse_engine.clips.hair_edit import hair
from perse_engine.clips.hats import hat
from perse_engine.clips.labels import LABELS, label_faces
from perse_engine.clips.meshes import Accessory
from perse_engine.clips.mouth_edit import mouth
from perse_engine.clips.skin_edit import skin
from perse_engine.clips.wardrobe import Wardrobe
from perse_engine.heads.figure import Figure
from perse_engine.heads.head import NECK
from perse_engine.portraits.portrait import Portrait
from perse_engine.surfaces.unproject import texel_map


@dataclasses.dataclass(frozen=True, eq=False)
class _Worn:
    """The accessories, in every style; None where the catalogue has no such style."""

    frame: Accessory | None
    lenses: Accessory | None
    hat: Accessory | None


def dress(portrait: Portrait, catalogue: Catalogue) -> Wardrobe:
    """Give `portrait` every style of `catalogue`.

    The same portrait and catalogue give the same wardrobe, to the last byte: grain is seeded by the style's name.
    """
    anatomy = find_anatomy(portrait.head)
    worn = _accessories(portrait, anatomy, catalogue)
    atlas = layout(portrait.texture.shape[0])
    figure = _assembled(portrait, worn, atlas)
    texels = texel_map(figure.uv, figure.uv_faces, (atlas.height, atlas.width))
    canvas = prepared_canvas(portrait, anatomy, figure, _base(portrait, atlas), texels)
    edits = []
    for k, parameters in enumerate(catalogue.parameters):
        place = catalogue.indices(catalogue.styles[k].category).index(k)
        edits.append(_edit(canvas, worn, parameters, place, zlib.crc32(catalogue.styles[k].slider.encode()) % 65536))
    base = np.round(np.clip(canvas.base, 0, 1) * 255).astype(np.uint8)
    count = len(edits)
    vertices = len(figure.vertices)
    moves = np.stack([e.move for e in edits], -1) if count else np.zeros((vertices, 3, 0), np.float32)
    joints = np.stack([e.joint_move for e in edits], -1) if count else np.zeros((5, 3, 0), np.float32)
    return Wardrobe(
        figure=dataclasses.replace(
            figure,
            style_directions=np.ascontiguousarray(moves, np.float32),
            joint_style_directions=np.ascontiguousarray(joints, np.float32),
            style_names=tuple(style.slider for style in catalogue.styles),
        ),
        categories=catalogue.categories,
        styles=catalogue.styles,
        base=base,
        layers=tuple(edit.layer for edit in edits),
        labels=LABELS,
        face_labels=label_faces(canvas),
        head=portrait.head.name,
        licence=portrait.head.licence,
    )


def _edit(canvas: Canvas, worn: _Worn, parameters: Parameters, place: int, seed: int) -> Edit:
    match parameters:
        case Face():
            return face(canvas, parameters)
        case Skin():
            return skin(canvas, parameters, seed)
        case Eyebrows():
            return eyebrows(canvas, parameters, seed)
        case Mouth():
            return mouth(canvas, parameters)
        case Beard():
            return beard(canvas, parameters, seed)
        case Hair():
            return hair(canvas, parameters, seed)
        case Glasses():
            assert worn.frame is not None
            assert worn.lenses is not None
            return accessory_edit.glasses(canvas, parameters, worn.frame.shapes[place], worn.lenses.shapes[place])
        case Hat():
            assert worn.hat is not None
            return accessory_edit.hat(canvas, parameters, worn.hat.shapes[place], seed)


def _accessories(portrait: Portrait, anatomy: Anatomy, catalogue: Catalogue) -> _Worn:
    pairs = [p for p in catalogue.parameters if isinstance(p, Glasses)]
    hats = [p for p in catalogue.parameters if isinstance(p, Hat)]
    frame, lenses = frame_and_lenses(portrait.head, anatomy, pairs) if pairs else (None, None)
    return _Worn(frame, lenses, hat(anatomy, hats) if hats else None)


def _assembled(portrait: Portrait, worn: _Worn, atlas: Atlas) -> Figure:
    """One mesh of head, hair and accessories, without styles."""
    head = portrait.head
    shell = portrait.hair_shell
    skull = np.zeros(5, np.float32)
    skull[NECK] = 1
    pieces = [("hair", atlas.hair, shell.vertices, shell.faces, shell.uv, shell.weights)]
    for name, tile, accessory in (
        ("glasses", atlas.glasses, worn.frame),
        ("lenses", atlas.lenses, worn.lenses),
        ("hat", atlas.hat, worn.hat),
    ):
        if accessory is not None:
            riding = np.tile(skull, (len(accessory.bind), 1))
            pieces.append((name, tile, accessory.bind, accessory.faces, accessory.uv, riding))
    vertices: list[Floats] = [head.template]
    faces, uv_faces = [head.faces], [head.uv_faces]
    uv, weights = [atlas.place(atlas.head, head.uv)], [head.weights]
    labels = [head.face_parts]
    first, first_uv = len(head.template), len(head.uv)
    for k, (_, tile, points, triangles, layout_uv, skinning) in enumerate(pieces):
        vertices.append(points)
        faces.append(triangles + first)
        uv.append(atlas.place(tile, layout_uv))
        uv_faces.append(triangles + first_uv)
        weights.append(skinning)
        labels.append(np.full(len(triangles), len(head.parts) + k, np.uint8))
        first, first_uv = first + len(points), first_uv + len(layout_uv)
    still = np.zeros((first - len(head.template), 3, len(head.expression_names)), np.float32)
    return Figure(
        vertices=np.concatenate(vertices).astype(np.float32),
        faces=np.concatenate(faces).astype(np.int32),
        uv=np.concatenate(uv).astype(np.float32),
        uv_faces=np.concatenate(uv_faces).astype(np.int32),
        parts=(*head.parts, *(piece[0] for piece in pieces)),
        face_parts=np.concatenate(labels).astype(np.uint8),
        expression_directions=np.concatenate([head.expression_directions, still]),
        expression_names=head.expression_names,
        style_directions=np.zeros((first, 3, 0), np.float32),
        joint_style_directions=np.zeros((5, 3, 0), np.float32),
        style_names=(),
        weights=np.concatenate(weights).astype(np.float32),
        joints=head.joints,
    )


def _base(portrait: Portrait, atlas: Atlas) -> Floats:
    """(A, B, 4) the person with no style: head opaque, own hair, what can be put on invisible."""
    base = np.zeros((atlas.height, atlas.width, 4), np.float32)
    base[atlas.head.slices()] = np.concatenate([portrait.texture, np.ones_like(portrait.texture[..., :1])], -1)
    size = (atlas.hair.width, atlas.hair.height)
    premultiplied = portrait.hair_texture.copy()
    premultiplied[..., :3] *= premultiplied[..., 3:]
    smaller = size[0] < premultiplied.shape[1]
    shrunk = cv2.resize(premultiplied, size, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)
    shrunk[..., :3] /= np.maximum(shrunk[..., 3:], 1e-4)
    base[atlas.hair.slices()] = shrunk
    for tile in (atlas.hat, atlas.glasses, atlas.lenses):
        base[(*tile.slices(), slice(0, 3))] = 0.25  # a neutral from which colours come while the alpha comes
    return base
