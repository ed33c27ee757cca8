"""The departments of the procedural editor: for each category the meshes that it needs and the hand that paints it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from perse_engine.clips import clothes_edit, earrings_edit, glasses_edit, hat_edit, headphones_edit
from perse_engine.clips.anatomy import Anatomy
from perse_engine.clips.beard_edit import beard
from perse_engine.clips.brow_edit import eyebrows
from perse_engine.clips.canvas import Canvas, Edit
from perse_engine.clips.clothes import clothes
from perse_engine.clips.earrings import earrings
from perse_engine.clips.eyes_edit import eyes
from perse_engine.clips.face_edit import face
from perse_engine.clips.glasses import frame_and_lenses
from perse_engine.clips.hair_edit import hair
from perse_engine.clips.hair_shapes import locks
from perse_engine.clips.hats import hat
from perse_engine.clips.headphones import headphones
from perse_engine.clips.mouth_edit import mouth
from perse_engine.clips.nose_edit import nose
from perse_engine.clips.pieces import Piece, rigid
from perse_engine.clips.skin_edit import skin
from perse_engine.clips.whiskers import whiskers
from perse_engine.portraits.portrait import Portrait
from perse_engine.surfaces.colors import Floats

Worn = Mapping[str, Floats]
"""(V, 3) vertices of each of a category's pieces, by its name, in the style that is painted."""


def _no_pieces(_portrait: Portrait, _anatomy: Anatomy, _styles: Sequence[Any]) -> tuple[Piece, ...]:
    return ()


@dataclasses.dataclass(frozen=True)
class Department:
    """One category's trade.

    Attributes:
        edit: paints one style: canvas, its parameters, its pieces as worn, and the seed of its grain.
        pieces: the meshes of the category, from the portrait, its anatomy and the parameters of all its styles.
    """

    edit: Callable[[Canvas, Any, Worn, int], Edit]
    pieces: Callable[[Portrait, Anatomy, Sequence[Any]], tuple[Piece, ...]] = _no_pieces


def _glasses(portrait: Portrait, anatomy: Anatomy, styles: Sequence[Any]) -> tuple[Piece, ...]:
    frame, lenses = frame_and_lenses(portrait.head, anatomy, styles)
    return rigid("glasses", frame), rigid("lenses", lenses)


def _earrings(portrait: Portrait, anatomy: Anatomy, styles: Sequence[Any]) -> tuple[Piece, ...]:
    mesh, weights = earrings(portrait.head, anatomy, styles)
    return (Piece("earrings", mesh, weights),)


def _clothes(portrait: Portrait, anatomy: Anatomy, styles: Sequence[Any]) -> tuple[Piece, ...]:
    mesh, weights = clothes(portrait.head, anatomy, styles)
    return (Piece("clothes", mesh, weights),)


DEPARTMENTS: Mapping[str, Department] = {
    "face": Department(lambda canvas, style, _worn, _seed: face(canvas, style)),
    "skin": Department(lambda canvas, style, _worn, seed: skin(canvas, style, seed)),
    "eyebrows": Department(lambda canvas, style, _worn, seed: eyebrows(canvas, style, seed)),
    "eyes": Department(lambda canvas, style, _worn, _seed: eyes(canvas, style)),
    "mouth": Department(lambda canvas, style, _worn, _seed: mouth(canvas, style)),
    "nose": Department(lambda canvas, style, _worn, _seed: nose(canvas, style)),
    "beard": Department(
        lambda canvas, style, worn, seed: beard(canvas, style, worn["whiskers"], seed),
        lambda portrait, anatomy, styles: (whiskers(portrait.head, anatomy, styles),),
    ),
    "hair": Department(
        lambda canvas, style, worn, seed: hair(canvas, style, worn["locks"], seed),
        lambda portrait, anatomy, styles: (locks(portrait.head, anatomy, styles),),
    ),
    "clothes": Department(
        lambda canvas, style, worn, seed: clothes_edit.clothes(canvas, style, worn["clothes"], seed), _clothes
    ),
    "glasses": Department(
        lambda canvas, style, worn, _seed: glasses_edit.glasses(canvas, style, worn["glasses"], worn["lenses"]),
        _glasses,
    ),
    "earrings": Department(
        lambda canvas, style, worn, seed: earrings_edit.earrings(canvas, style, worn["earrings"], seed), _earrings
    ),
    "headphones": Department(
        lambda canvas, style, worn, seed: headphones_edit.headphones(canvas, style, worn["headphones"], seed),
        lambda portrait, anatomy, styles: (rigid("headphones", headphones(portrait, anatomy, styles)),),
    ),
    "hat": Department(
        lambda canvas, style, worn, seed: hat_edit.hat(canvas, style, worn["hat"], seed),
        lambda portrait, anatomy, styles: (rigid("hat", hat(anatomy, portrait.hair_shell, styles)),),
    ),
}
"""Each category that a catalogue may have, by its name."""
