"""A style that somebody else lends: their hair, beard or nose, as one photo shows it."""

from __future__ import annotations

import dataclasses

from perse_engine.avatars.styles import Category, Style
from perse_engine.clips.anatomy import Anatomy
from perse_engine.clips.brought import BETWEEN, LAYER_OF
from perse_engine.clips.canvas import Canvas
from perse_engine.clips.catalogue import Catalogue
from perse_engine.clips.parameters import StyleTable
from perse_engine.portraits.portrait import Portrait
from perse_engine.surfaces.colors import Floats

LENT = "lent_"
"""How the names begin of the parts that carry what somebody lends."""
MASKED = ("hat", "glasses", "earrings", "headphones")
"""Categories that a photo alone does not tell from hair or skin: a mask says where they are."""


@dataclasses.dataclass(frozen=True, eq=False)
class Lender:
    """Who lends.

    Attributes:
        portrait: the other person.
        anatomy: of their head.
        canvas: their figure with its own hair, laid out as every head's is.
        mask: (H, W) in [0, 1] of the photo, where what is lent is; None where the portrait's own parts tell.
    """

    portrait: Portrait
    anatomy: Anatomy
    canvas: Canvas
    mask: Floats | None


class Lent(StyleTable, frozen=True, kw_only=True):
    """A style that somebody lends.

    Attributes:
        category: what of them is taken.
        lender: who.
    """

    category: str
    lender: Lender


def lent_style(slider: str, label: str, category: str, lender: Lender) -> Catalogue:
    """A catalogue of one style."""
    style = Style(slider, label, category, BETWEEN.get(category, "morph"))
    parameters = Lent(label=label, between=style.between, category=category, lender=lender)
    return Catalogue((Category(category, category.capitalize(), LAYER_OF[category]),), (style,), (parameters,))
