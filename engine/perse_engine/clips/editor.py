"""The procedural editor: from a portrait and a catalogue to a wardrobe."""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Sequence

import cv2
import numpy as np

from perse_engine.avatars.toning import SKIN_PARTS, is_above_skin, skin_likeness
from perse_engine.clips.anatomy import Anatomy, find_anatomy
from perse_engine.clips.atlas import HAIR, HEAD, Atlas, layout
from perse_engine.clips.bare_skin import prepared_canvas
from perse_engine.clips.bringing import bring
from perse_engine.clips.brought import Brought
from perse_engine.clips.canvas import Canvas, Edit
from perse_engine.clips.catalogue import Catalogue
from perse_engine.clips.departments import DEPARTMENTS
from perse_engine.clips.labels import LABELS, label_faces
from perse_engine.clips.lashes import EYELASHES, lash_strips, paint_lashes
from perse_engine.clips.lending import lend, pieces_for
from perse_engine.clips.lent import LENT, Lender, Lent
from perse_engine.clips.parameters import Hair
from perse_engine.clips.pieces import Piece
from perse_engine.clips.wardrobe import Layer, Wardrobe
from perse_engine.heads.figure import Figure
from perse_engine.portraits.portrait import Portrait
from perse_engine.surfaces.colors import Floats
from perse_engine.surfaces.unproject import texel_map


def dress(portrait: Portrait, catalogue: Catalogue) -> Wardrobe:
    """Give `portrait` every style of `catalogue`.

    The same portrait and catalogue give the same wardrobe, to the last byte: grain is seeded by the style's name.
    """
    anatomy = find_anatomy(portrait.head)
    plain = layout(portrait.texture.shape[0])
    bringing = bring(portrait, anatomy, catalogue, _assembled(portrait, [], plain), _base(portrait, plain))
    pieces = {category.name: _pieces(portrait, anatomy, catalogue, category.name) for category in catalogue.categories}
    lent = [piece for p in catalogue.parameters if isinstance(p, Lent) for piece in pieces_for(portrait, anatomy, p)]
    more = [*bringing.pieces.values(), *lent]
    atlas = layout(portrait.texture.shape[0], [piece.name for piece in more])
    every = [*(piece for group in pieces.values() for piece in group), *more]
    figure = _assembled(portrait, every, atlas)
    texels = texel_map(figure.uv, figure.uv_faces, (atlas.height, atlas.width))
    canvas = prepared_canvas(portrait, anatomy, figure, _base(portrait, atlas), texels)
    canvas = dataclasses.replace(canvas, hairdos=_hairdos(catalogue, pieces.get("hair", ())))
    edits: list[Edit] = []
    for k, (style, parameters) in enumerate(zip(catalogue.styles, catalogue.parameters, strict=True)):
        if k in bringing.taken:
            edits.append(bringing.edit(canvas, k))
            continue
        seed = zlib.crc32(style.slider.encode()) % 65536
        if isinstance(parameters, Lent):
            edits.append(lend(canvas, parameters, atlas.tiles.get(LENT + style.category), seed))
            continue
        place = _drawn(catalogue, style.category).index(k)
        worn = {piece.name: piece.mesh.shapes[place] for piece in pieces[style.category]}
        edits.append(DEPARTMENTS[style.category].edit(canvas, parameters, worn, seed))
    base = np.round(np.clip(canvas.base, 0, 1) * 255).astype(np.uint8)
    above = is_above_skin(catalogue.styles, catalogue.categories)
    layers = [_with_bare(canvas, e.layer) if over else e.layer for e, over in zip(edits, above, strict=True)]
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
        styles=tuple(
            dataclasses.replace(style, tone=edit.tone) for style, edit in zip(catalogue.styles, edits, strict=True)
        ),
        base=base,
        layers=tuple(layers),
        labels=LABELS,
        face_labels=label_faces(canvas),
        head=portrait.head.name,
        licence=portrait.head.licence,
    )


def _with_bare(canvas: Canvas, layer: Layer) -> Layer:
    """`layer`, which says of what it paints on skin how much of it is skin."""
    on_skin = canvas.part(*SKIN_PARTS).reshape(-1)[layer.texels]
    typical = canvas.skin_color
    likeness = np.where(on_skin, skin_likeness(layer.target[:, :3] * np.float32(1 / 255), typical), 0)
    return dataclasses.replace(layer, bare=np.round(255 * likeness).astype(np.uint8))


def lender_of(portrait: Portrait, mask: Floats | None = None) -> Lender:
    """Whoever `portrait` shows, ready to lend what they have; `mask` as in `Lender`."""
    anatomy = find_anatomy(portrait.head)
    atlas = layout(portrait.texture.shape[0])
    figure, base = _assembled(portrait, [], atlas), _base(portrait, atlas)
    texels = texel_map(figure.uv, figure.uv_faces, (atlas.height, atlas.width))
    return Lender(portrait, anatomy, prepared_canvas(portrait, anatomy, figure, base, texels), mask)


def _drawn(catalogue: Catalogue, category: str) -> list[int]:
    """Where the styles of `category` are that a department draws; the others are brought or lent."""
    return [k for k in catalogue.indices(category) if not isinstance(catalogue.parameters[k], (Brought, Lent))]


def _pieces(portrait: Portrait, anatomy: Anatomy, catalogue: Catalogue, category: str) -> tuple[Piece, ...]:
    styles = [catalogue.parameters[k] for k in _drawn(catalogue, category)]
    return DEPARTMENTS[category].pieces(portrait, anatomy, styles) if styles else ()


def _hairdos(catalogue: Catalogue, pieces: Sequence[Piece]) -> Floats:
    """(H, N, 3) the locks in every style of hair that is not the photo's own, shorn or not."""
    styles = [catalogue.parameters[k] for k in _drawn(catalogue, "hair")]
    shown = [
        k for k, style in enumerate(styles) if isinstance(style, Hair) and style.cut not in ("own", "buzz", "bald")
    ]
    locks = [piece.mesh.shapes[shown] for piece in pieces if piece.name == "locks"]
    return locks[0] if locks else np.zeros((0, 0, 3), np.float32)


def _assembled(portrait: Portrait, pieces: Sequence[Piece], atlas: Atlas) -> Figure:
    """One mesh of head, hair and accessories, without styles."""
    head, shell = portrait.head, portrait.hair_shell
    added = [(HAIR, shell.vertices, shell.faces, atlas.place(HAIR, shell.uv), shell.weights)]
    added += [(p.name, p.mesh.bind, p.mesh.faces, atlas.place(p.name, p.mesh.uv), p.weights) for p in pieces]
    directions = [head.expression_directions]
    lashes = lash_strips(head)
    if lashes is not None:
        directions.append(lashes.expression_directions)
        added.insert(0, (EYELASHES, lashes.vertices, lashes.faces, atlas.place(HEAD, lashes.uv), lashes.weights))
    vertices: list[Floats] = [head.template]
    faces, uv_faces = [head.faces], [head.uv_faces]
    uv, weights = [atlas.place(HEAD, head.uv)], [head.weights]
    labels = [head.face_parts]
    first, first_uv = len(head.template), len(head.uv)
    for k, (_, points, triangles, placed, skinning) in enumerate(added):
        vertices.append(points)
        faces.append(triangles + first)
        uv.append(placed)
        uv_faces.append(triangles + first_uv)
        weights.append(skinning)
        labels.append(np.full(len(triangles), len(head.parts) + k, np.uint8))
        first, first_uv = first + len(points), first_uv + len(placed)
    units = len(head.expression_names)
    directions.append(np.zeros((len(shell.vertices), 3, units), np.float32))
    for p in pieces:
        still = np.zeros((len(p.mesh.bind), 3, units), np.float32)
        directions.append(still if p.expressions is None else p.expressions)
    return Figure(
        vertices=np.concatenate(vertices).astype(np.float32),
        faces=np.concatenate(faces).astype(np.int32),
        uv=np.concatenate(uv).astype(np.float32),
        uv_faces=np.concatenate(uv_faces).astype(np.int32),
        parts=(*head.parts, *(name for name, *_ in added)),
        face_parts=np.concatenate(labels).astype(np.uint8),
        expression_directions=np.concatenate(directions),
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
    base[..., :3] = 0.25  # a neutral from which colours come while the alpha comes
    base[atlas.tiles[HEAD].slices()] = np.concatenate([portrait.texture, np.ones_like(portrait.texture[..., :1])], -1)
    paint_lashes(base[atlas.tiles[HEAD].slices()], portrait)
    tile = atlas.tiles[HAIR]
    premultiplied = portrait.hair_texture.copy()
    premultiplied[..., :3] *= premultiplied[..., 3:]
    smaller = tile.width < premultiplied.shape[1]
    shrunk = cv2.resize(
        premultiplied, (tile.width, tile.height), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    )
    shrunk[..., :3] /= np.maximum(shrunk[..., 3:], 1e-4)
    base[tile.slices()] = shrunk
    own = shrunk[shrunk[..., 3] > 0.7, :3]
    if len(own):  # what grows has a colour from its first faint strand
        for name in ("locks", "whiskers"):
            base[atlas.tiles[name].slices()][..., :3] = 0.8 * np.median(own, 0)
    return base
