"""One more style on an avatar that is trained: more mesh, more Gaussians, more entries; nothing that was there moves.

What the style shows on the person's own surface is an entry of the Gaussians that lie there. What stands off the head
gets a part and Gaussians of its own, which hide nothing and are not drawn unless this style is on, so every picture
without it stays as it was.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from perse_engine.avatars.avatar import Appearance, Avatar, no_appearance
from perse_engine.avatars.laying import lay_flat
from perse_engine.avatars.sampling import sample_sites
from perse_engine.avatars.styles import LAYERS
from perse_engine.clips.atlas import HAIR
from perse_engine.clips.wardrobe import Wardrobe
from perse_engine.training.footprints import Footprints
from perse_engine.training.starting import logits_of
from perse_engine.transfer.grown_figure import grown_figure, hairdo_parts, shared_faces, shown_parts

Floats = NDArray[np.float32]

SHARE = 0.09
"""New Gaussians of a style that covers the head, in parts of those that the avatar has."""
COVERING = 0.09
"""Square metres of such a style."""
FEWEST = 300
OVER_HAIR = ("hat", "headphones")
"""Categories that hide hair."""
UNSEEN = -8.0
"""Logit of the coverage of a Gaussian that shows with its own style only."""
HIDING = 0.12
"""Coverage of an entry below which a style hides what it lies on."""


@dataclasses.dataclass(frozen=True, eq=False)
class Graft:
    """An avatar with one more style, its last.

    Attributes:
        avatar: with the style as the wardrobe's texture has it, untrained.
        gaussians: how many of its Gaussians were there before.
        entries: the entries of its last style.
    """

    avatar: Avatar
    gaussians: int
    entries: slice


def graft(avatar: Avatar, wardrobe: Wardrobe, seed: int) -> Graft:
    """Add the one style of `wardrobe`, which was made for `recovering.portrait_of(avatar)`.

    Raises:
        InputError: too-many-parts.
    """
    style = wardrobe.styles[0]
    own = shared_faces(avatar)
    vertices = int(avatar.figure.faces[:own].max()) + 1
    parts = shown_parts(wardrobe, own)
    joined, faces = grown_figure(avatar, wardrobe, parts, own, vertices)
    categories = avatar.categories
    if style.category not in {category.name for category in categories}:
        categories = (*categories, *wardrobe.categories)
    bare = dataclasses.replace(
        avatar, figure=joined, categories=categories, styles=(*avatar.styles, style), appearance=_empty(avatar)
    )
    grown = _with_gaussians(bare, faces, seed) if len(faces) else bare
    stand_in = _stand_in(grown, wardrobe, faces, own)
    footprints = Footprints(stand_in.avatar, wardrobe.base)
    added = slice(avatar.count, grown.count)
    colors = grown.colors.copy()
    colors[added] = footprints.colors[stand_in.kept >= avatar.count]
    grown = dataclasses.replace(grown, colors=colors)
    entries, rows = footprints.entries(wardrobe.layers[0])
    gaussians: NDArray[np.integer] = stand_in.kept[entries]
    grown = _hidden_alike(grown, avatar, style.category)
    if style.category in OVER_HAIR:
        gaussians, rows = _hiding_hairdos(avatar, gaussians, rows)
    grown = _with_entries(grown, gaussians, rows, wardrobe.layers[0].softness)
    return Graft(grown, avatar.count, grown.appearance.of(len(grown.styles) - 1))


def _empty(avatar: Avatar) -> Appearance:
    """The avatar's own appearance, and a style without entries."""
    looks = avatar.appearance
    return dataclasses.replace(
        looks, starts=np.append(looks.starts, looks.starts[-1]), softness=np.append(looks.softness, np.float32(1))
    )


def _with_gaussians(avatar: Avatar, faces: NDArray[np.intp], seed: int) -> Avatar:
    """More Gaussians on the last faces of the figure, as many as `faces`."""
    figure = avatar.figure
    first = len(figure.faces) - len(faces)
    importance = np.zeros(len(figure.faces))
    importance[first:] = 1
    worn = figure.vertices + figure.style_directions[:, :, -1]
    corners = worn[figure.faces[first:]].astype(np.float64)
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1).sum() / 2
    count = max(FEWEST, round(avatar.count * SHARE * min(area / COVERING, 1.5)))
    sites = sample_sites(figure, importance, count, seed)
    quaternions, log_scales = lay_flat(figure, sites)
    grey = np.full((count, 3), 0.5, np.float32)
    return dataclasses.replace(
        avatar,
        triangles=np.concatenate([avatar.triangles, sites.triangles]),
        barycentric=np.concatenate([avatar.barycentric, sites.barycentric]),
        offsets=np.concatenate([avatar.offsets, np.zeros((count, 3), np.float32)]),
        log_scales=np.concatenate([avatar.log_scales, log_scales]),
        quaternions=np.concatenate([avatar.quaternions, quaternions]),
        coverage_logits=np.concatenate([avatar.coverage_logits, np.full(count, UNSEEN, np.float32)]),
        colors=np.concatenate([avatar.colors, grey]),
    )


@dataclasses.dataclass(frozen=True, eq=False)
class _StandIn:
    """The Gaussians that the wardrobe's figure has a face for, on that figure; `kept` says which they are."""

    avatar: Avatar
    kept: NDArray[np.intp]


def _stand_in(avatar: Avatar, wardrobe: Wardrobe, faces: NDArray[np.intp], own: int) -> _StandIn:
    first = len(avatar.figure.faces) - len(faces)
    kept = np.flatnonzero((avatar.triangles < own) | (avatar.triangles >= first))
    triangles = avatar.triangles[kept].astype(np.intp)
    added = triangles >= first
    triangles[added] = faces[triangles[added] - first]
    return _StandIn(
        dataclasses.replace(
            avatar,
            figure=wardrobe.figure,
            categories=wardrobe.categories,
            styles=wardrobe.styles,
            triangles=triangles.astype(np.int32),
            barycentric=avatar.barycentric[kept],
            offsets=avatar.offsets[kept],
            log_scales=avatar.log_scales[kept],
            quaternions=avatar.quaternions[kept],
            coverage_logits=avatar.coverage_logits[kept],
            colors=avatar.colors[kept],
            appearance=no_appearance(1),
        ),
        kept,
    )


def _hidden_alike(avatar: Avatar, before: Avatar, category: str) -> Avatar:
    """What hides the own hair or a hairdo, a hat say, hides new hair there too: entries of `avatar`'s new Gaussians.

    A hairdo is fuller than the own hair that a hat presses, and so may new hair be: a hat hides it from lower on.
    """
    added = np.arange(before.count, avatar.count)
    figure, looks = before.figure, before.appearance
    parts = figure.face_parts[before.triangles]
    donors = [np.flatnonzero(np.isin(parts, some)) for some in (hairdo_parts(figure), [figure.parts.index(HAIR)])]
    if category != "hair" or not len(added) or not any(map(len, donors)) or not len(looks.gaussians):
        return avatar
    places = _places(avatar, added)
    nearest = [own[cKDTree(_places(before, own)).query(places)[1]] for own in donors if len(own)]
    layers = {c.name: LAYERS.index(c.layer) for c in before.categories}
    coverages = 1 / (1 + np.exp(-looks.coverage_logits))
    runs = []
    for k, style in enumerate(before.styles):
        run = looks.of(k)
        entry = np.full(before.count, -1)
        entry[looks.gaussians[run]] = np.arange(run.start, run.stop)
        chosen = np.full(len(added), -1)
        for near in nearest:
            one = entry[near]
            hides = (one >= 0) & (coverages[np.maximum(one, 0)] < HIDING)
            chosen = np.where((chosen < 0) & hides, one, chosen)
        hidden = (chosen >= 0) & (layers[style.category] > LAYERS.index("hair"))
        runs.append((added[hidden], chosen[hidden]))
    fields = ("gates", "colors", "coverage_logits", "offsets", "onsets")
    rows = {
        name: [
            part for k, (_, entry) in enumerate(runs) for part in (_rows(looks, name, k), getattr(looks, name)[entry])
        ]
        for name in fields
    }
    rows["coverage_logits"] = [  # as unseen as they are without any style
        part if k % 2 == 0 else np.minimum(part, np.float32(UNSEEN)) for k, part in enumerate(rows["coverage_logits"])
    ]
    gaussians = [part for k, (new, _) in enumerate(runs) for part in (looks.gaussians[looks.of(k)], new)]
    sizes = [looks.of(k).stop - looks.of(k).start + len(new) for k, (new, _) in enumerate(runs)]
    starts = np.concatenate([[0], np.cumsum(sizes), [sum(sizes)]]).astype(np.int32)
    return dataclasses.replace(
        avatar,
        appearance=Appearance(
            starts=starts,
            gaussians=np.concatenate(gaussians).astype(np.int32),
            softness=avatar.appearance.softness,
            **{name: np.concatenate(parts) for name, parts in rows.items()},
        ),
    )


def _hiding_hairdos(avatar: Avatar, gaussians: NDArray[np.integer], rows: Floats) -> tuple[NDArray[np.integer], Floats]:
    """The entries of something that covers the head, and those by which it hides other hair than the own, alike."""
    figure = avatar.figure
    parts = figure.face_parts[avatar.triangles]
    hair = np.flatnonzero(parts == figure.parts.index(HAIR))
    others = np.flatnonzero(np.isin(parts, hairdo_parts(figure)))
    row_of = np.full(avatar.count, -1)
    row_of[gaussians[gaussians < avatar.count]] = np.flatnonzero(gaussians < avatar.count)
    if not len(hair) or not len(others):
        return gaussians, rows
    nearest = hair[cKDTree(_places(avatar, hair)).query(_places(avatar, others))[1]]
    row = row_of[nearest]
    hidden = (row >= 0) & (rows[np.maximum(row, 0), 3] < HIDING)
    every = np.concatenate([gaussians, others[hidden]])
    order = np.argsort(every, kind="stable")
    return every[order], np.concatenate([rows, rows[row[hidden]]])[order]


def _rows(looks: Appearance, name: str, style: int) -> Floats:
    rows: Floats = getattr(looks, name)[looks.of(style)]
    return rows


def _places(avatar: Avatar, gaussians: NDArray[np.intp]) -> Floats:
    """(n, 3) in the bind pose."""
    corners = avatar.figure.vertices[avatar.figure.faces[avatar.triangles[gaussians]]]
    return np.asarray((corners * avatar.barycentric[gaussians][..., None]).sum(1), np.float32)


def _with_entries(avatar: Avatar, gaussians: NDArray[np.integer], rows: Floats, softness: float) -> Avatar:
    """Give the last style its entries: `rows` (n, 6) of `gaussians` (n,): colour, coverage, gate, onset."""
    looks = avatar.appearance
    added = {
        "gaussians": gaussians.astype(np.int32),
        "gates": rows[:, 4],
        "colors": rows[:, :3],
        "coverage_logits": logits_of(rows[:, 3]),
        "offsets": np.zeros((len(rows), 3), np.float32),
        "onsets": np.minimum(rows[:, 5], 1 - softness),
    }
    joined = {
        name: np.concatenate([getattr(looks, name), part.astype(getattr(looks, name).dtype)])
        for name, part in added.items()
    }
    starts, soft = looks.starts.copy(), looks.softness.copy()
    starts[-1] += len(gaussians)
    soft[-1] = softness
    return dataclasses.replace(avatar, appearance=Appearance(starts=starts, softness=soft, **joined))
