"""The avatar at step zero: Gaussians where the clips look, in the colours of the wardrobe's own texture."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from perse_engine.avatars.avatar import Appearance, Avatar
from perse_engine.avatars.decoding import take_stance
from perse_engine.avatars.initial import OPAQUE, initial_avatar
from perse_engine.avatars.placing import place
from perse_engine.avatars.sampling import Widest, widest_styles
from perse_engine.avatars.state import AvatarState
from perse_engine.cameras import Camera
from perse_engine.clips.animator import posed_vertices
from perse_engine.clips.wardrobe import Wardrobe
from perse_engine.heads.figure import Figure
from perse_engine.surfaces.rasterize import rasterize_mesh
from perse_engine.training.footprints import Footprints, bilinear
from perse_engine.training.learner import SLENDER
from perse_engine.training.views import View

Floats = NDArray[np.float32]

LABEL_IMPORTANCE: Mapping[str, float] = {
    "brows": 2.0,
    "eyes": 2.0,
    "lips": 1.6,
    "nose": 1.2,
    "ears": 1.8,
    "neck": 0.7,
    "scalp": 1.2,
    "clothes": 0.9,
    "glasses": 1.2,
    "lenses": 0.3,
    "hat": 0.8,
}
"""How densely what a label names is covered, relative to 1."""
PART_IMPORTANCE: Mapping[str, float] = {
    "skin": 1.35,
    "hair": 1.1,
    "whiskers": 0.65,
    "locks": 0.47,
    "clothes": 0.65,
    "headphones": 0.75,
}
"""The same of parts of the figure."""
UNSEEN = 0.05
"""Importance of a triangle that no view shows, relative to one that all of them show."""
UNSEEN_OF: Mapping[str, float] = {"headphones": 0.4, "locks": 0.4}
"""The same of parts of which every side comes to be seen: hardly any clip shows the inside of a headband, or the tips
of long hair, which most frames cut off."""
STRETCHED = 0.4
"""Exponent of a slender part's triangle, relative to the median of its part: large ones are not plainer there, as on a
face, but stretched by one style or another."""
PLAIN, DETAILED, MOST_DETAIL = 0.5, 0.03, 1.5
"""Importance of a plain surface; variation that adds 1 to it; the most that variation adds."""
DETAIL_RADIUS = 4.0
"""Texels: about the distance between Gaussians."""
LEAST_UNCOVERING = 25
"""Mean change of alpha, of 255, by which a style shows what is not seen without it."""
RARELY_SEEN = 0.6
"""Importance of what only one style shows."""
LEAST_SEEN = 0.25
"""Share of a face that is seen, below which it is covered."""
LARGEST = 1.2
"""Standard deviation across the surface, relative to the median of its part, that a Gaussian begins with at most."""
LARGEST_OF: Mapping[str, float] = {"bust": 3.0, "clothes": 3.0, "headphones": 1.8, "locks": 2.0}
"""The same of parts on which a gap is worse than a blur: hardly any rims, or hair over skin and cloth."""
LONGEST = 1.6
"""The same of slender parts, the longest axis, in each style that they are worn in."""
WORN = 6
"""Views of each such style in which it is looked for: one alone shows one side of it."""
SURVEYED = 16
SURVEY_SIZE = 160


def start_avatar(
    wardrobe: Wardrobe,
    views: Sequence[View],
    *,
    count: int,
    seed: int,
    name: str,
    photo_camera: Camera,
    photo_state: AvatarState,
    provenance: Mapping[str, Any],
) -> Avatar:
    """Lay `count` Gaussians on the figure of `wardrobe`, coloured, gated and hidden as its texture says.

    Args:
        wardrobe: figure, texture and styles.
        views: what will be learnt from; where they look, Gaussians lie closer.
        count: N > 0.
        seed: of the sites.
        name, photo_camera, photo_state, provenance: as in `Avatar`.
    """
    widest = widest_styles(wardrobe.figure, wardrobe.shown)
    plain = initial_avatar(
        wardrobe.figure,
        wardrobe.categories,
        wardrobe.styles,
        count=count,
        seed=seed,
        name=name,
        head=wardrobe.head,
        importance=importance_of(wardrobe, views, widest),
        widest=widest,
        photo_camera=photo_camera,
        photo_state=photo_state,
        provenance=provenance,
    )
    plain = dataclasses.replace(plain, log_scales=_bounded(plain))
    plain = dataclasses.replace(plain, log_scales=_bounded_worn(plain))
    footprints = Footprints(plain, wardrobe.base)
    return dataclasses.replace(
        plain,
        colors=footprints.colors,
        coverage_logits=logits_of(footprints.coverages),
        appearance=_appearance(wardrobe, footprints),
    )


def _bounded(avatar: Avatar) -> Floats:
    """(N, 3) log scales of which none is much larger than is usual on its part.

    Where hardly any view looks Gaussians lie far apart; at the tips of hair and the rims of hats they would be seen
    from the side, as a blur over what lies around.
    """
    bounded = avatar.log_scales.copy()
    parts = avatar.figure.face_parts[avatar.triangles]
    for part in np.unique(parts):
        own = parts == part
        largest = LARGEST_OF.get(avatar.figure.parts[part], LARGEST)
        bounded[own, :2] = np.minimum(bounded[own, :2], np.median(bounded[own, :2], 0) + np.log(largest))
    return bounded


def _bounded_worn(avatar: Avatar) -> Floats:
    """(N, 3) log scales of which none becomes much larger than is usual on its part, in any style that moves that.

    A style may stretch a lock's tip several times as much as the lock; the tip would be seen on what lies around.
    """
    bounded, figure = avatar.log_scales.copy(), avatar.figure
    for part in SLENDER.intersection(figure.parts):
        faces = figure.face_parts == figure.parts.index(part)
        chosen = np.flatnonzero(faces[avatar.triangles]).astype(np.int32)
        vertices = np.unique(figure.faces[faces])
        for k, style in enumerate(avatar.styles):
            worn = np.isin(chosen, avatar.appearance.gaussians[avatar.appearance.of(k)])
            if not worn.any() or not figure.style_directions[vertices, :, k].any():
                continue
            placed = place(
                take_stance(avatar, AvatarState({style.slider: style.soft_max})).frames,
                avatar.corners,
                avatar.barycentric,
                avatar.offsets,
                avatar.quaternions,
                avatar.log_scales,
                avatar.low_pass,
                chosen,
            )
            longest = LONGEST * np.median(placed.scales[worn].max(1))
            shortened = avatar.log_scales[chosen] - np.log(np.maximum(placed.scales / longest, 1))
            bounded[chosen[worn]] = np.minimum(bounded[chosen[worn]], shortened[worn])
    return bounded


def importance_of(wardrobe: Wardrobe, views: Sequence[View], widest: Widest) -> NDArray[np.float64]:
    """(F,) how densely each face is wanted: by its label, by how much of it `views` show, by how finely it is drawn."""
    by_label = np.array([LABEL_IMPORTANCE.get(label, 1.0) for label in wardrobe.labels])[wardrobe.face_labels]
    parts = wardrobe.figure.parts
    by_part = np.array([PART_IMPORTANCE.get(part, 1.0) for part in parts])[wardrobe.figure.face_parts]
    areas = np.maximum(widest.areas, 1e-12)
    visible = _visibility(wardrobe, areas, views[:: max(1, len(views) // SURVEYED)])
    for k in _uncovering(wardrobe):
        worn = [view for view in views if view.state.sliders.get(wardrobe.styles[k].slider, 0) > 0.9][:WORN]
        visible = np.maximum(visible, RARELY_SEEN * _visibility(wardrobe, areas, worn))
    detail = PLAIN + np.minimum(_detail(wardrobe) / DETAILED, MOST_DETAIL)
    unseen = np.array([UNSEEN_OF.get(part, UNSEEN) for part in parts])[wardrobe.figure.face_parts]
    stretched = _stretched(wardrobe.figure, widest)
    return by_label * by_part * detail * stretched * (unseen + (1 - unseen) * visible)


def _stretched(figure: Figure, widest: Widest) -> NDArray[np.float64]:
    """(F,) how much more is wanted of slender parts where styles draw them out."""
    areas = widest.areas
    more = np.ones(len(areas))
    for part in SLENDER.intersection(figure.parts):
        own = (figure.face_parts == figure.parts.index(part)) & (areas > 0)
        more[own] = (areas[own] / np.median(areas[own])) ** STRETCHED
    return more


def covered(wardrobe: Wardrobe, views: Sequence[View], avatar: Avatar) -> NDArray[np.intp]:
    """The Gaussians on skin that hardly any of `views` shows."""
    areas = np.maximum(widest_styles(wardrobe.figure).areas, 1e-12)
    hidden = _visibility(wardrobe, areas, views[:: max(1, len(views) // SURVEYED)]) < LEAST_SEEN
    skin = np.array([part == "skin" for part in wardrobe.figure.parts])[wardrobe.figure.face_parts]
    return np.flatnonzero((hidden & skin)[avatar.triangles])


def _uncovering(wardrobe: Wardrobe) -> list[int]:
    """The styles that put something on or lay something bare."""
    alpha = wardrobe.base[..., 3].ravel().astype(np.float32)
    changes = [np.abs(layer.target[:, 3] - alpha[layer.texels]) for layer in wardrobe.layers]
    return [k for k, change in enumerate(changes) if len(change) and change.mean() > LEAST_UNCOVERING]


def _visibility(wardrobe: Wardrobe, areas: NDArray[np.floating], views: Sequence[View]) -> NDArray[np.floating]:
    """(F,) the share of each face's projected area that is seen, in views that could show it."""
    figure = wardrobe.figure
    shown: NDArray[np.floating] = np.zeros(len(areas))
    possible: NDArray[np.floating] = np.zeros(len(areas))
    dressed: dict[bytes, NDArray[np.int64]] = {}  # most views of a style show it alone
    for view in views:
        weights = wardrobe.weights(view.state.sliders)
        worn = weights.tobytes()
        if worn not in dressed:
            dressed[worn] = wardrobe.visible_faces(wardrobe.painted(weights))
        faces = dressed[worn]
        camera = view.camera.fitted(SURVEY_SIZE, SURVEY_SIZE)
        vertices = posed_vertices(wardrobe, view.state, weights)
        fragments = rasterize_mesh(vertices, figure.faces[faces], camera)
        distance = camera.project(vertices)[:, 2].mean()
        seen = fragments.triangle[fragments.triangle >= 0]
        shown[faces] += np.bincount(seen, minlength=len(faces))
        possible[faces] += areas[faces] * camera.fx * camera.fy / distance**2
    # Triangles are smaller than the survey's pixels: only the mean over a neighbourhood says how much is seen.
    for _ in range(2):
        shown, possible = _spread(figure.faces, shown), _spread(figure.faces, possible)
    return np.clip(shown / np.maximum(possible, 1e-9), 0, 1)


def _detail(wardrobe: Wardrobe) -> Floats:
    """(F,) how much the texture varies about its local mean, in sRGB, in the style that varies most."""
    figure = wardrobe.figure
    height, width = wardrobe.base.shape[:2]
    half = _halved(wardrobe.base.astype(np.float32) * np.float32(1 / 255))
    most = _variation(half)
    for layer in wardrobe.layers:
        if not len(layer.texels):
            continue
        rows, columns = np.divmod(layer.texels, width)
        window = (_around(rows, height // 2), _around(columns, width // 2))
        change = layer.target.astype(np.float32) - wardrobe.base.reshape(-1, 4)[layer.texels]
        change *= layer.strength.astype(np.float32)[:, None] / (4 * 255 * 255)
        at = (rows // 2) * (width // 2) + columns // 2
        painted = half[window].copy()
        for channel in range(4):
            changed = np.bincount(at, change[:, channel], minlength=half.shape[0] * half.shape[1])
            painted[..., channel] += changed.reshape(half.shape[:2])[window]
        most[window] = np.maximum(most[window], _variation(painted))
    corners = figure.uv[figure.uv_faces]
    middle = corners.mean(1) * [width, -height] + [0, height]
    return bilinear(most[..., None], middle / 2 - 0.5)[:, 0]


def _halved(image: Floats) -> Floats:
    """(A / 2, B / 2, C) the means of an image (A, B, C)."""
    halved: Floats = cv2.resize(image, (image.shape[1] // 2, image.shape[0] // 2), interpolation=cv2.INTER_AREA)
    return halved


def _around(numbers: NDArray[np.integer], limit: int) -> slice:
    """Half of what `numbers` span, and as far around it as `_variation` looks."""
    reach = int(4 * DETAIL_RADIUS)
    return slice(max(int(numbers.min()) // 2 - reach, 0), min(int(numbers.max()) // 2 + reach + 1, limit))


def _variation(half: Floats) -> Floats:
    """(A, B) mean distance of an image (A, B, 4) at half size from its local mean."""
    smooth = cv2.GaussianBlur(half, (0, 0), DETAIL_RADIUS / 2)
    return cv2.GaussianBlur(np.abs(half - smooth).mean(-1), (0, 0), DETAIL_RADIUS / 2)


def _spread(faces: NDArray[np.integer], values: NDArray[np.floating]) -> NDArray[np.floating]:
    at_vertices = np.bincount(faces.ravel(), np.repeat(values, 3))
    return at_vertices[faces].sum(1)


def logits_of(alpha: Floats) -> Floats:
    """(n,) logits that coverages of `alpha` (n,) begin with: none is so sure that it could not learn."""
    coverage = np.clip(alpha / (1 + np.exp(-OPAQUE)), 3e-4, 0.99995)
    logits: Floats = np.log(coverage / (1 - coverage)).astype(np.float32)
    return logits


def _appearance(wardrobe: Wardrobe, footprints: Footprints) -> Appearance:
    parts = [footprints.entries(layer) for layer in wardrobe.layers]
    gaussians = np.concatenate([np.zeros(0, np.int32), *(part[0] for part in parts)])
    rows = np.concatenate([np.zeros((0, 6), np.float32), *(part[1] for part in parts)])
    return Appearance(
        starts=np.cumsum([0] + [len(part[0]) for part in parts]).astype(np.int32),
        gaussians=gaussians,
        gates=np.ascontiguousarray(rows[:, 4]),
        colors=np.ascontiguousarray(rows[:, :3]),
        coverage_logits=logits_of(rows[:, 3]),
        offsets=np.zeros((len(gaussians), 3), np.float32),
        onsets=np.ascontiguousarray(rows[:, 5]),
        softness=np.array([layer.softness for layer in wardrobe.layers], np.float32),
    )
