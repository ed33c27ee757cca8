"""The avatar at step zero: Gaussians where the clips look, in the colours of the wardrobe's own texture."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from perse_engine.avatars.avatar import Appearance, Avatar
from perse_engine.avatars.initial import OPAQUE, initial_avatar
from perse_engine.avatars.sampling import triangle_areas, widest_styles
from perse_engine.avatars.state import AvatarState
from perse_engine.cameras import Camera
from perse_engine.clips.animator import posed_vertices
from perse_engine.clips.wardrobe import Layer, Wardrobe
from perse_engine.surfaces.rasterize import rasterize_mesh
from perse_engine.training.views import View

Floats = NDArray[np.float32]

LABEL_IMPORTANCE: Mapping[str, float] = {
    "brows": 2.0,
    "eyes": 2.0,
    "lips": 1.6,
    "nose": 1.2,
    "neck": 0.7,
    "scalp": 1.2,
    "clothes": 0.6,
    "glasses": 1.2,
    "lenses": 0.3,
    "hat": 0.8,
}
"""How densely what a label names is covered, relative to 1."""
UNSEEN = 0.2
"""Importance of a triangle that no view shows, relative to one that all of them show."""
PLAIN, DETAILED, MOST_DETAIL = 0.5, 0.03, 1.5
"""Importance of a plain surface; variation that adds 1 to it; the most that variation adds."""
DETAIL_RADIUS = 4.0
"""Texels: about the distance between Gaussians."""
LEAST_UNCOVERING = 25
"""Mean change of alpha, of 255, by which a style shows what is not seen without it."""
RARELY_SEEN = 0.6
"""Importance of what only one style shows."""
SURVEYED = 16
SURVEY_SIZE = 160
LEAST_GATE = 0.02
HIDDEN = 0.02
"""What a transparent texel's colour counts in a mean, where an opaque one's counts 1: it is seen while it appears."""
LEVELS = 4


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
    plain = initial_avatar(
        wardrobe.figure,
        wardrobe.categories,
        wardrobe.styles,
        count=count,
        seed=seed,
        name=name,
        head=wardrobe.head,
        importance=importance_of(wardrobe, views),
        photo_camera=photo_camera,
        photo_state=photo_state,
        provenance=provenance,
    )
    sampler = _Sampler(plain, wardrobe.base.shape[:2])
    base = wardrobe.base.astype(np.float32) * np.float32(1 / 255)
    shown = np.maximum(base[..., 3:], HIDDEN)
    rows = sampler.sample(np.concatenate([base[..., :3] * shown, base[..., 3:], shown], -1))
    return dataclasses.replace(
        plain,
        colors=(rows[:, :3] / rows[:, 4:]).clip(0, 1),
        # A mean reaches over the border of a tile; what is hidden must not begin to show there.
        coverage_logits=_logits(np.minimum(rows[:, 3], sampler.sample_sharply(base[..., 3:])[:, 0])),
        appearance=_appearance(wardrobe, sampler),
    )


def importance_of(wardrobe: Wardrobe, views: Sequence[View]) -> NDArray[np.float64]:
    """(F,) how densely each face is wanted: by its label, by how much of it `views` show, by how finely it is drawn."""
    by_label = np.array([LABEL_IMPORTANCE.get(label, 1.0) for label in wardrobe.labels])[wardrobe.face_labels]
    visible = _visibility(wardrobe, views[:: max(1, len(views) // SURVEYED)])
    for k in _uncovering(wardrobe):
        worn = [view for view in views if view.state.sliders.get(wardrobe.styles[k].slider, 0) > 0.9][:1]
        visible = np.maximum(visible, RARELY_SEEN * _visibility(wardrobe, worn))
    detail = PLAIN + np.minimum(_detail(wardrobe) / DETAILED, MOST_DETAIL)
    return by_label * detail * (UNSEEN + (1 - UNSEEN) * visible)


def _uncovering(wardrobe: Wardrobe) -> list[int]:
    """The styles that put something on or lay something bare."""
    alpha = wardrobe.base[..., 3].ravel().astype(np.float32)
    changes = [np.abs(layer.target[:, 3] - alpha[layer.texels]) for layer in wardrobe.layers]
    return [k for k, change in enumerate(changes) if len(change) and change.mean() > LEAST_UNCOVERING]


def _visibility(wardrobe: Wardrobe, views: Sequence[View]) -> NDArray[np.floating]:
    """(F,) the share of each face's projected area that is seen, in views that could show it."""
    figure = wardrobe.figure
    areas = np.maximum(widest_styles(figure)[0], 1e-12)
    shown: NDArray[np.floating] = np.zeros(len(areas))
    possible: NDArray[np.floating] = np.zeros(len(areas))
    for view in views:
        weights = wardrobe.weights(view.state.sliders)
        faces = wardrobe.visible_faces(wardrobe.painted(weights))
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
    image = wardrobe.base.astype(np.float32) * np.float32(1 / 255)
    most = _variation(image)
    for layer in wardrobe.layers:
        painted = image.reshape(-1, 4).copy()
        strength = layer.strength.astype(np.float32)[:, None] / 255
        below = painted[layer.texels]
        painted[layer.texels] = below + strength * (layer.target.astype(np.float32) / 255 - below)
        np.maximum(most, _variation(painted.reshape(image.shape)), out=most)
    corners = figure.uv[figure.uv_faces]
    middle = corners.mean(1) * [width, -height] + [0, height]
    return _bilinear(most[..., None], middle / 2 - 0.5)[:, 0]


def _variation(image: Floats) -> Floats:
    """(A / 2, B / 2) mean distance of an image (A, B, 4) from its local mean."""
    half = cv2.resize(image, (image.shape[1] // 2, image.shape[0] // 2), interpolation=cv2.INTER_AREA)
    smooth = cv2.GaussianBlur(half, (0, 0), DETAIL_RADIUS / 2)
    return cv2.GaussianBlur(np.abs(half - smooth).mean(-1), (0, 0), DETAIL_RADIUS / 2)


def _spread(faces: NDArray[np.integer], values: NDArray[np.floating]) -> NDArray[np.floating]:
    at_vertices = np.bincount(faces.ravel(), np.repeat(values, 3))
    return at_vertices[faces].sum(1)


class _Sampler:
    """Reads an atlas at every Gaussian's place, averaged over about its footprint."""

    def __init__(self, avatar: Avatar, shape: tuple[int, int]) -> None:
        figure = avatar.figure
        corners = figure.uv[figure.uv_faces[avatar.triangles]]
        uv = (corners * avatar.barycentric[..., None]).sum(1)
        height, width = shape
        self._place = np.stack([uv[:, 0] * width, (1 - uv[:, 1]) * height], -1)
        pixels = corners * [width, height]
        first, second = pixels[:, 1] - pixels[:, 0], pixels[:, 2] - pixels[:, 0]
        texels = np.abs(first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]) / 2
        density = np.sqrt(texels / np.maximum(triangle_areas(figure)[avatar.triangles], 1e-12))
        footprint = density * np.exp(avatar.log_scales[:, :2]).mean(1) * 1.5
        self._level = np.clip(np.round(np.log2(np.maximum(footprint, 1e-6))), 0, LEVELS - 1).astype(int)

    def sample(self, image: Floats) -> Floats:
        """(N, C) of an image (A, B, C)."""
        out = np.empty((len(self._place), image.shape[2]), np.float32)
        for level in range(LEVELS):
            chosen = self._level == level
            scaled = image
            if level:
                size = (image.shape[1] >> level, image.shape[0] >> level)
                planes = [cv2.resize(plane, size, interpolation=cv2.INTER_AREA) for plane in np.moveaxis(image, -1, 0)]
                scaled = np.stack(planes, -1)
            out[chosen] = _bilinear(scaled, self._place[chosen] / 2**level - 0.5)
        return out

    def sample_sharply(self, image: Floats) -> Floats:
        """(N, C) of an image (A, B, C), between the nearest texels."""
        return _bilinear(image, self._place - 0.5)


def _bilinear(image: Floats, place: NDArray[np.floating]) -> Floats:
    """(n, C) of an image (A, B, C) at `place` (n, 2), x and y in pixel centres; beyond the border is the border."""
    limit = np.array([image.shape[1] - 1, image.shape[0] - 1])
    place = np.clip(place, 0, limit)
    low = np.minimum(place.astype(np.int64), np.maximum(limit - 1, 0))
    share = (place - low).astype(np.float32)
    high = np.minimum(low + 1, limit)
    x, y = share[:, :1], share[:, 1:]
    above = image[low[:, 1], low[:, 0]] * (1 - x) + image[low[:, 1], high[:, 0]] * x
    below = image[high[:, 1], low[:, 0]] * (1 - x) + image[high[:, 1], high[:, 0]] * x
    blended: Floats = above * (1 - y) + below * y
    return blended


def _logits(alpha: Floats) -> Floats:
    coverage = np.clip(alpha / (1 + np.exp(-OPAQUE)), 3e-4, 0.999)
    logits: Floats = np.log(coverage / (1 - coverage)).astype(np.float32)
    return logits


def _appearance(wardrobe: Wardrobe, sampler: _Sampler) -> Appearance:
    parts = [_entries(layer, wardrobe.base.shape[:2], sampler) for layer in wardrobe.layers]
    gaussians = np.concatenate([np.zeros(0, np.int32), *(part[0] for part in parts)])
    rows = np.concatenate([np.zeros((0, 6), np.float32), *(part[1] for part in parts)])
    return Appearance(
        starts=np.cumsum([0] + [len(part[0]) for part in parts]).astype(np.int32),
        gaussians=gaussians,
        gates=np.ascontiguousarray(rows[:, 4]),
        colors=np.ascontiguousarray(rows[:, :3]),
        coverage_logits=_logits(rows[:, 3]),
        offsets=np.zeros((len(gaussians), 3), np.float32),
        onsets=np.ascontiguousarray(rows[:, 5]),
        softness=np.array([layer.softness for layer in wardrobe.layers], np.float32),
    )


def _entries(layer: Layer, shape: tuple[int, int], sampler: _Sampler) -> tuple[NDArray[np.int32], Floats]:
    """The Gaussians that a layer reaches, and for each r, g, b, alpha, gate, onset."""
    strength = layer.strength.astype(np.float32) / 255
    target = layer.target.astype(np.float32) / 255
    shown = strength * np.maximum(target[:, 3], HIDDEN)
    image = np.zeros((shape[0] * shape[1], 7), np.float32)
    image[layer.texels, :3] = target[:, :3] * shown[:, None]
    image[layer.texels, 3] = target[:, 3] * strength
    image[layer.texels, 4] = strength
    image[layer.texels, 5] = layer.onset.astype(np.float32) / 255 * strength
    image[layer.texels, 6] = shown
    atlas = image.reshape(*shape, 7)
    rows = sampler.sample(atlas)
    sharp = sampler.sample_sharply(atlas[..., 4:5])
    gaussians = np.flatnonzero(rows[:, 4] > LEAST_GATE).astype(np.int32)
    rows = rows[gaussians]
    colors, coverage, mean_gate, onset, weight = np.split(rows, [3, 4, 5, 6], 1)
    gate = np.maximum(mean_gate, sharp[gaussians])  # the mean widens a region; it must not weaken its rim
    return gaussians, np.concatenate([colors / weight, coverage / mean_gate, gate, onset / mean_gate], 1).clip(0, 1)
