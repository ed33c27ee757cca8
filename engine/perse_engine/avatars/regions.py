"""Which region of a person each Gaussian belongs to: skin, eyes, hair, glasses …, for masks.

Regions are named after the categories of attributes. A Gaussian belongs to the region of the part of the figure that it
rides. What has no part of its own is part of the skin: brows and lips where their styles reach, and a beard's stubble
or the cropped hair of a style as far as it is painted on now. The shares of a Gaussian add up to one at most.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from perse_engine.avatars.avatar import Avatar
from perse_engine.avatars.painting import Painted

Floats = NDArray[np.float32]

_OF_PART = {
    "skin": "skin",
    "mouth": "mouth",
    "teeth": "mouth",
    "tongue": "mouth",
    "sockets": "eyes",
    "eyes": "eyes",
    "lashes": "eyes",
    "eyelashes": "eyes",
    "bust": "clothes",
    "hair": "hair",
    "locks": "hair",
    "whiskers": "beard",
    "clothes": "clothes",
    "glasses": "glasses",
    "lenses": "glasses",
    "earrings": "earrings",
    "headphones": "headphones",
    "hat": "hat",
}
_ON_SKIN = ("eyebrows", "mouth")
"""Regions of the skin that everybody has, wherever their styles reach."""
_GROWN = ("beard", "hair")
"""Regions that styles paint on the skin."""
_BARE = "bald"
"""The style that takes hair away: what it paints is skin."""


def region_shares(avatar: Avatar, regions: Iterable[str], painted: Painted) -> dict[str, Floats]:
    """How much of each Gaussian belongs to each of `regions`, (N,) in [0, 1]; 0 for one that the avatar has not.

    Args:
        painted: what the styles make of the avatar now.
    """
    base, shares = _base(avatar), {}
    amounts = {grown: _painted_on_skin(avatar, grown, painted) for grown in _GROWN}
    for region in regions:
        share = base.get(region, np.zeros(avatar.count, np.float32))
        for grown, amount in amounts.items():
            if amount is not None:
                share = share * (1 - amount) + (amount if grown == region else 0)
        shares[region] = share
    return shares


@functools.lru_cache(maxsize=16)
def _base(avatar: Avatar) -> dict[str, Floats]:
    """Shares of every region without grown styles. They are the avatar's own, and slow to work out."""
    parts = avatar.figure.face_parts[avatar.triangles]
    shares: dict[str, Floats] = {}
    for number, part in enumerate(avatar.figure.parts):
        there = parts == number
        region = _OF_PART.get(part) or _most_reached(avatar, there)
        if region:
            shares[region] = shares.get(region, np.zeros(avatar.count, np.float32)) + there.astype(np.float32)
    none = np.zeros(avatar.count, np.float32)
    bare = reach(avatar, "skin") * _on_part(avatar, "bust")
    shares["clothes"] = shares.get("clothes", none) - bare
    shares["skin"] = shares.get("skin", none) + bare
    skin = shares["skin"] * _on_part(avatar, "skin")
    for region in _ON_SKIN:
        reached = reach(avatar, region) * skin
        shares[region] = shares.get(region, none) + reached
        shares["skin"] = shares["skin"] - reached
        skin = skin - reached
    return shares


def reach(avatar: Avatar, category: str) -> Floats:
    """How far any style of `category` reaches each Gaussian, (N,) in [0, 1]."""
    reached = np.zeros(avatar.count, np.float32)
    looks = avatar.appearance
    for k, style in enumerate(avatar.styles):
        if style.category == category:
            entries = looks.of(k)
            gaussians = looks.gaussians[entries]
            reached[gaussians] = np.maximum(reached[gaussians], looks.gates[entries])
    return reached


def _most_reached(avatar: Avatar, there: NDArray[np.bool_]) -> str:
    """The category whose styles reach the Gaussians `there` most."""
    sums = {category.name: float(reach(avatar, category.name)[there].sum()) for category in avatar.categories}
    name = max(sums, key=lambda category: sums[category], default="")
    return name if sums.get(name, 0.0) > 0 else ""


def _painted_on_skin(avatar: Avatar, category: str, painted: Painted) -> Floats | None:
    """How much of each Gaussian of the skin is painted by the styles of `category` now, (N,); None for not at all."""
    own = {
        k
        for k, style in enumerate(avatar.styles)
        if style.category == category and not style.slider.endswith(f"_{_BARE}")
    }
    amounts = [1 - remains for styles, remains in painted.kept if own & {int(k) for k in styles}]
    return amounts[0] * _on_part(avatar, "skin") if amounts else None


def _on_part(avatar: Avatar, part: str) -> NDArray[np.bool_]:
    """(N,) which Gaussians ride the part of that name."""
    numbers = [k for k, name in enumerate(avatar.figure.parts) if name == part]
    return np.isin(avatar.figure.face_parts[avatar.triangles], numbers)
