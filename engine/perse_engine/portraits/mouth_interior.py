"""Painting the inside of the mouth: teeth in gums, a tongue, and a cavity that darkens towards the throat."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from perse_engine.heads.head import JAW, Head
from perse_engine.portraits.lips import rim_points
from perse_engine.portraits.parts import disc, mouth_opening
from perse_engine.portraits.teeth import teeth_pixels
from perse_engine.portraits.window import Window
from perse_engine.surfaces.filling import fill_holes
from perse_engine.surfaces.unproject import Sight, Texels

Texture = NDArray[np.float32]
Mask = NDArray[np.bool_]

# reflectance, sRGB, before it is dimmed to what the photo's light leaves of white
ENAMEL = (0.93, 0.90, 0.83)
NECK = (0.86, 0.78, 0.64)  # of a tooth, at the gum
GUMS = (0.72, 0.42, 0.41)
TONGUE = (0.74, 0.42, 0.41)
LINING = (0.55, 0.25, 0.24)  # of the lips and cheeks, inside
THROAT = (0.13, 0.03, 0.03)
MOIST = (0.98, 0.90, 0.90)  # the inside of a lip beside its outside
GUM_SHARE = 2.5 / 8  # of a tooth's rectangle in the layout
DEEP = 0.030  # metres behind the lips at which the throat is reached
SEEN = 60  # pixels of teeth from which a photo shows them
LIGHT_STEPS = 9.0  # texels over which the light on teeth is taken from the photo


def paint_mouth(
    texture: Texture, head: Head, texels: Texels, sight: Sight, color: Texture, window: Window, white: Texture
) -> Texture:
    """Paint mouth, teeth and tongue into `texture` (T, T, 3), in place; (T, T) how far each of their texels is painted.

    Args:
        color: (T, T, 3) what the photo shows at each texel.
        white: (3,) what the photo's light leaves of white.
    """
    part = np.where(texels.triangle >= 0, head.face_parts[texels.triangle], 255)
    names = {name: part == k for k, name in enumerate(head.parts)}
    place = texels.interpolate(head.faces, head.template)
    lips = head.regions["lips"] > 0.5
    middle = head.template[lips & (np.abs(head.template[:, 0]) < 0.006)]
    front = float(np.quantile(middle[:, 2], 0.3)) if len(middle) else float(head.template[lips, 2].max())
    depth = np.clip((front - place[..., 2]) / DEEP, 0, 1)
    painted = np.zeros(texture.shape[:2], np.float32)
    if "mouth" in names:
        share = (1 - (1 - depth) ** 2)[..., None][names["mouth"]]
        texture[names["mouth"]] = white * (np.array(LINING) * (1 - share) + np.array(THROAT) * share)
        painted[names["mouth"]] = 1
    if "tongue" in names:
        own = names["tongue"]
        texture[own] = white * _tongue(place[own])
        painted[own] = 1
    if "teeth" in names:
        own = names["teeth"]
        texture[own] = white * _dentition(head, texels, place)[own]
        painted[own] = 1
    # a head without teeth of its own shows the photo's on what lies behind its lips
    shown = names.get("teeth", names.get("mouth"))
    if shown is not None and shown.any():
        painted[shown] -= _add_photo(texture, shown, sight, color, window)[shown]
    return painted


def _tongue(place: Texture) -> Texture:
    """(N, 3) a tongue in white light: rough, with a furrow, dark towards the throat."""
    grain = np.sin(place[:, 0] * 5200 + 3 * np.sin(place[:, 2] * 2900)) * np.sin(place[:, 2] * 4700 + place[:, 0] * 900)
    furrow = np.exp(-((place[:, 0] / 0.0016) ** 2))
    behind = np.clip((place[:, 2].max() - place[:, 2]) / 0.045, 0, 1)
    light = (0.92 - 0.72 * behind**0.8) * (1 + 0.05 * grain) * (1 - 0.16 * furrow)
    sides = 1 - 0.25 * np.clip(np.abs(place[:, 0]) / 0.022, 0, 1) ** 2
    return np.asarray(np.array(TONGUE) * (light * sides)[:, None], np.float32)


def _dentition(head: Head, texels: Texels, place: Texture) -> Texture:
    """(T, T, 3) teeth in white light: warm at the neck, clear at the edge, dark between and towards the cheeks."""
    gum, gap, level = _tooth_fields(head)
    field = texels.interpolate(head.faces, np.column_stack([gum, gap, level]).astype(np.float32))
    gum, gap, level = np.moveaxis(field, -1, 0)
    crown = np.array(NECK) + (np.array(ENAMEL) - np.array(NECK)) * np.clip(level * 2.2, 0, 1)[..., None]
    crown = crown * (1 - 0.06 * np.clip(level * 4 - 3, 0, 1)[..., None] * np.array([1.0, 0.6, 0.2]))
    crown = crown * (1 - np.array([0.34, 0.42, 0.5]) * np.clip(gap * 1.5 - 0.6, 0, 1)[..., None] ** 2)
    share = np.clip((gum - 0.5) * 6 + 0.5, 0, 1)[..., None]
    rim = np.exp(-(((gum - 0.5) / 0.16) ** 2))[..., None]
    flesh = np.array(GUMS) * (1 - 0.35 * np.clip(gum * 2 - 1.2, 0, 1))[..., None]
    color = (crown * (1 - share) + flesh * share) * (1 - 0.16 * rim)
    side = np.clip((np.abs(place[..., 0]) - 0.009) / 0.022, 0, 1)
    return np.asarray(color * (1 - 0.62 * side**1.2)[..., None], np.float32)


def _tooth_fields(head: Head) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """(V,) each: 1 in the gums, 1 where teeth meet, and from 0 at a tooth's neck to 1 at its edge."""
    count = len(head.template)
    gum, gap, level = np.zeros(count), np.zeros(count), np.ones(count)
    own = head.face_parts == head.parts.index("teeth")
    faces, uv_faces = head.faces[own], head.uv_faces[own]
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]]])
    graph = coo_matrix((np.ones(len(edges)), edges.T), shape=(count, count))
    tooth = connected_components(graph, directed=False)[1]
    uv = np.zeros((count, 2))
    uv[faces.reshape(-1)] = head.uv[uv_faces.reshape(-1)]
    teeth = np.unique(tooth[faces])
    if len(teeth) < 8:  # rows in one piece: nothing tells teeth from gums
        return gum, gap, level
    for label in teeth:
        at = np.flatnonzero(tooth == label)
        low, high = uv[at].min(0), uv[at].max(0)
        across, along = ((uv[at] - low) / np.maximum(high - low, 1e-9)).T
        height = head.template[at, 1]
        edge = height.max() if head.weights[at, JAW].mean() > 0.5 else height.min()
        ends = [abs(height[end].mean() - edge) for end in (along < 0.01, along > 0.99)]
        from_gum = along if ends[0] > ends[1] else 1 - along  # the tongue's side does not reach as far as the gum
        gum[at] = np.clip((GUM_SHARE - from_gum) * 8 + 0.5, 0, 1)
        gap[at] = np.abs(2 * across - 1)
        level[at] = np.clip((from_gum - GUM_SHARE) / 0.375, 0, 1)
    return gum, gap, level


def _add_photo(texture: Texture, shown: Mask, sight: Sight, color: Texture, window: Window) -> Texture:
    """Bring painted teeth to the photo's light and put over them what it shows; (T, T) how far each texel is its."""
    none = np.zeros(shown.shape, np.float32)
    opening = mouth_opening(window.pixels.shape[:2], window.landmarks)
    bright = teeth_pixels(window.pixels, opening, window.landmarks)
    if bright.sum() < SEEN:
        return none
    inner = cv2.GaussianBlur(cv2.erode(opening, disc(2)), (0, 0), 1.0)
    weight = np.where(shown & (sight.confidence > 0.02), np.clip(sight.read(inner) * 2 - 0.9, 0, 1), 0)
    weight = cv2.erode(weight.astype(np.float32), np.ones((3, 3), np.uint8))
    weight = cv2.GaussianBlur(weight, (0, 0), 1.2) * (weight > 0)
    if (weight > 0.6).sum() < 100:
        return none
    rows, columns = np.nonzero(shown)
    box = np.s_[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    here, share = shown[box], weight[box]
    sums = [
        cv2.GaussianBlur(field, (0, 0), LIGHT_STEPS)
        for field in (color[box] * share[..., None], texture[box] * share[..., None], share)
    ]
    gain = np.clip((sums[0] + 1e-4) / (sums[1] + 1e-4), 0.3, 2.0)
    gain = fill_holes(gain.astype(np.float32), np.clip(sums[2] * 3, 0, 1) * here)
    lit = np.minimum(texture[box] * gain, np.quantile(color[box][share > 0.6], 0.8, axis=0))
    mixed = lit + share[..., None] * (color[box] - lit)
    texture[box] = np.where(here[..., None], mixed, texture[box])
    return np.where(shown, weight, 0).astype(np.float32)


def clean_lips(texture: Texture, head: Head, texels: Texels) -> Texture:
    """Take what shines between parted lips off the lips in `texture`, in place; (T, T) how far each is painted over.

    The tracker's outline of an open mouth misses by a pixel, and teeth are much brighter than the lips beside them.
    """
    painted = np.zeros(texture.shape[:2], np.float32)
    if "mouth" not in head.parts:
        return painted
    skin = head.parts.index("skin")
    rim = rim_points(head)
    on_skin = (texels.triangle >= 0) & (head.face_parts[texels.triangle] == skin)
    lips = on_skin & (texels.interpolate(head.faces, head.regions["lips"][:, None])[..., 0] > 0.3)
    if not len(rim) or lips.sum() < 100:
        return painted
    rows, columns = np.nonzero(lips)
    box = np.s_[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    place = texels.interpolate(head.faces, head.template)[box]
    distance = cKDTree(rim).query(place.reshape(-1, 3))[0].reshape(place.shape[:2])
    own = lips[box]
    far = own & (distance > 0.003)
    near = own * np.exp(-((distance / 0.0026) ** 4))
    values = texture[box]
    light = values.mean(-1)
    color = values.max(-1) - values.min(-1)
    usual, vivid = float(np.median(light[far])), float(np.median(color[far]))
    foreign = np.clip((light - 1.10 * usual) / 0.08, 0, 1) * np.clip((1.05 * vivid - color) / 0.03, 0, 1)
    foreign = np.maximum(foreign, np.clip((0.45 * usual - light) / 0.06, 0, 1))  # and the dark of the corners
    share = cv2.GaussianBlur((foreign * near).astype(np.float32), (0, 0), 1.0)
    red = lips[box] & (texels.interpolate(head.faces, head.regions["lips"][:, None])[box][..., 0] > 0.75)
    known = (red & (distance > 0.0012)) * (1 - np.clip(foreign * near * 3, 0, 1)) * np.clip(color / vivid - 0.6, 0, 1)
    sure = known > 0.5
    tone = np.median(values[sure], 0) if sure.any() else np.median(values[own], 0)
    filled = 0.4 * fill_holes(values, known.astype(np.float32)) + 0.6 * tone  # shadow at the rim is of the mouth
    filled *= np.array(MOIST, np.float32)
    # the innermost strip folds into the mouth: no photo shows it well
    share = np.maximum(share, own * np.exp(-((distance / 0.0011) ** 2)))
    values += share[..., None] * (filled - values)
    values *= 1 - (own * 0.38 * np.exp(-((distance / 0.0008) ** 2)))[..., None] * np.array([0.85, 1.0, 1.0])
    texture[box] = values
    painted[box] = share * own
    return painted
