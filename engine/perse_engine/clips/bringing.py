"""The brought styles of a catalogue on their way onto a figure: seen, taken, laid as reliefs."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from perse_engine.clips.anatomy import Anatomy
from perse_engine.clips.brought import Brought, sighted
from perse_engine.clips.brought_edit import WORN, Bare, Draw, Taken, brought, piece_name, reliefs, take
from perse_engine.clips.canvas import Canvas, Edit
from perse_engine.clips.catalogue import Catalogue
from perse_engine.clips.pieces import Piece
from perse_engine.heads.figure import Figure
from perse_engine.heads.figure_posing import rest_figure, skin
from perse_engine.portraits.again import Sighting
from perse_engine.portraits.correspondence import Correspondence, find_correspondence
from perse_engine.portraits.portrait import Portrait
from perse_engine.portraits.tasks import open_tracker
from perse_engine.surfaces.colors import Floats
from perse_engine.surfaces.shading import mipmap, render_mipmapped


@dataclasses.dataclass(frozen=True, eq=False)
class Bringing:
    """What pictures bring to a wardrobe.

    Attributes:
        taken: by place in the catalogue.
        pieces: by category.
        correspondence: of landmarks and the head; None where nothing is brought.
    """

    taken: Mapping[int, Taken]
    pieces: Mapping[str, Piece]
    correspondence: Correspondence | None

    def edit(self, canvas: Canvas, place: int) -> Edit:
        """The edit of the brought style at `place` in the catalogue."""
        assert self.correspondence is not None
        own = self.taken[place]
        piece = self.pieces.get(own.style.category)
        same = [k for k, other in self.taken.items() if other.style.category == own.style.category]
        shape: Floats | None = None if piece is None else piece.mesh.shapes[same.index(place)]
        return brought(canvas, own, shape, self.correspondence)


def bring(portrait: Portrait, anatomy: Anatomy, catalogue: Catalogue, bare: Figure, base: Floats) -> Bringing:
    """Look at every picture that the catalogue's brought styles name.

    Args:
        bare: the person without any style, and `base` (A, B, 4) their atlas.

    Raises:
        InputError: a picture cannot be read, or its face not be found.
    """
    styles = {k: p for k, p in enumerate(catalogue.parameters) if isinstance(p, Brought)}
    if not styles:
        return Bringing({}, {}, None)
    tracker = open_tracker()
    draw = _draw(bare, base)
    taken = {k: take(p, sighted(p, portrait, tracker), portrait, anatomy, draw) for k, p in styles.items()}
    pieces = {}
    for category in WORN:
        mine = [t for t in taken.values() if t.style.category == category]
        if mine:
            pieces[category] = reliefs(mine, category)
            assert pieces[category].name == piece_name(category)
    return Bringing(taken, pieces, find_correspondence(portrait.head, tracker))


def _draw(figure: Figure, base: Floats) -> Draw:
    texture = mipmap(base)
    none = figure.style_directions[0, 0, :0]

    def draw(sighting: Sighting) -> Bare:
        rest, _ = rest_figure(figure, none, sighting.expression)
        posed = skin(rest, figure.weights, sighting.transforms)
        drawn = render_mipmapped(posed, figure.faces, figure.uv, figure.uv_faces, texture, sighting.camera, samples=1)
        return Bare(drawn.color, drawn.alpha, drawn.depth)

    return draw
