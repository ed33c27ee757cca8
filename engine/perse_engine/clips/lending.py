"""How each category is lent: which mesh carries it, and what it does to the person."""

from __future__ import annotations

import numpy as np

from perse_engine.clips.anatomy import Anatomy
from perse_engine.clips.atlas import Tile
from perse_engine.clips.canvas import Canvas, Edit, merged
from perse_engine.clips.eyes_edit import eyes
from perse_engine.clips.lent import MASKED, Lent
from perse_engine.clips.lent_features import (
    lent_beard,
    lent_brows,
    lent_clothes,
    lent_irises,
    lent_lips,
    lent_skin,
)
from perse_engine.clips.lent_pieces import lent_hair, lent_piece, lent_relief
from perse_engine.clips.lent_shapes import lent_face, lent_mouth, lent_nose, lent_shoulders
from perse_engine.clips.pieces import Piece
from perse_engine.clips.relight import relit
from perse_engine.clips.wardrobe import Layer
from perse_engine.portraits.portrait import Portrait

PAINTED = {"eyebrows": lent_brows, "beard": lent_beard}
MOVED = {"face": lent_face, "nose": lent_nose}
BOTH = {"mouth": (lent_mouth, lent_lips), "clothes": (lent_shoulders, lent_clothes)}


def pieces_for(portrait: Portrait, anatomy: Anatomy, style: Lent) -> tuple[Piece, ...]:
    """The mesh of a lent style that stands off the head.

    Raises:
        InputError: nothing-to-lend.
    """
    return (lent_piece(portrait, anatomy, style),) if style.category in ("hair", *MASKED) else ()


def lend(canvas: Canvas, style: Lent, tile: Tile | None, seed: int) -> Edit:
    """What a lent style paints and moves.

    Args:
        canvas: of the person; its figure has the style's piece, if it needs one.
        tile: of that piece on the atlas.
        seed: of the order in which strands come.

    Raises:
        InputError: nothing-to-lend.
    """
    category, lender = style.category, style.lender
    if category == "eyes":
        return eyes(canvas, lent_irises(lender, style.label))
    if category == "skin":
        return lent_skin(canvas, lender)
    if category == "hair":
        assert tile is not None
        return lent_hair(canvas, style, tile, seed)
    if category in MASKED:
        return lent_relief(canvas, style)
    if category in PAINTED:
        return _painted(canvas, PAINTED[category](canvas, lender))
    if category in MOVED:
        move, joints = MOVED[category](canvas, lender)
        return Edit(relit(canvas, move), move, joints)
    shape, paint = BOTH[category]
    move, joints = shape(canvas, lender)
    return Edit(merged([paint(canvas, lender), relit(canvas, move)]), move, joints)


def _painted(canvas: Canvas, layer: Layer) -> Edit:
    return Edit(layer, np.zeros_like(canvas.figure.vertices), np.zeros((5, 3), np.float32))
