"""Where a head's features are, so that frames rest on noses and hats on skulls, whatever the head model."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from perse_engine.heads.head import JAW, LEFT_EYE, NECK, RIGHT_EYE, Floats, Head
from perse_engine.surfaces.normals import vertex_normals

MILLIMETRE = 1e-3


@dataclasses.dataclass(frozen=True, eq=False)
class Anatomy:
    """Landmarks of a head at rest, metres, head space. Pairs have the person's left (x > 0) first.

    Attributes:
        eyes: (2, 3) centres of the eyeballs.
        bridge: (3,) the front of the nose between the eyes.
        mouth: (3,) the middle of the mouth line; `mouth_half_width` from there to a corner.
        chin: (3,) the lowest front point.
        nose_base: (3,) under the nose, where the moustache begins.
        ear_tops: (2, 3).
        ears: (2, 3) the middle of each auricle, at its outermost x; `ear_half_heights` (2,) from there to its top.
        lobes: (2, 3) where an earring goes through each lobe, on its outer side.
        skull: (S, 3) skin of the skull and the upper face, without ears.
        skull_normals: (S, 3).
        skull_top: y of the highest point.
        size: this head's size relative to an adult of 62 mm between the eyes.
        skull_tree: nearest points of `skull`.
    """

    eyes: Floats
    bridge: Floats
    mouth: Floats
    mouth_half_width: float
    chin: Floats
    nose_base: Floats
    ear_tops: Floats
    ears: Floats
    ear_half_heights: Floats
    lobes: Floats
    skull: Floats
    skull_normals: Floats
    skull_top: float
    size: float
    skull_tree: cKDTree

    def radius_above(self, point: Floats, reach: float) -> float:
        """The half-width |x| of the skull around the height and depth of `point` (3,), within `reach` metres."""
        near = np.hypot(self.skull[:, 1] - point[1], self.skull[:, 2] - point[2]) < reach
        side = self.skull[:, 0] * np.sign(point[0]) > 0
        return float(np.abs(self.skull[near & side, 0]).max(initial=0.0))

    def outside_skull(self, points: NDArray[np.floating], clearance: float) -> NDArray[np.floating]:
        """Points (..., 3) pushed out of the skull where they come nearer to it than `clearance` metres."""
        flat = points.reshape(-1, 3)
        _, nearest = self.skull_tree.query(flat)
        normal = self.skull_normals[nearest]
        gap = np.einsum("vc,vc->v", flat - self.skull[nearest], normal)
        return (flat + np.maximum(clearance - gap, 0)[:, None] * normal).reshape(points.shape)


def find_anatomy(head: Head) -> Anatomy:
    """The features of `head`, from its parts, regions and skinning weights.

    A region or part that the model does not name is looked for where people have it.
    """
    vertices = head.template
    skin = _part_vertices(head, "skin")
    if not skin.any():
        skin = np.ones(len(vertices), bool)
    eyes = _eyes(head)
    middle = skin & (np.abs(vertices[:, 0]) < 4 * MILLIMETRE)
    size = float(np.linalg.norm(eyes[0] - eyes[1])) / 0.062
    eye_y = eyes[:, 1].mean()
    jaw = head.weights[:, JAW]

    mouth, half_width = _mouth(head, skin, eyes, size)
    mouth_y, mouth_z = mouth[1], mouth[2]
    tip = _front(vertices, middle, (mouth_y + 0.005 * size, eye_y - 0.005 * size))
    lip = np.flatnonzero(middle & (vertices[:, 1] > mouth_y + 0.006 * size) & (vertices[:, 1] < tip[1]))
    lip = lip[vertices[lip, 2] > mouth_z - 0.02 * size]
    nose_base = ((tip + mouth) / 2).astype(np.float32)
    if len(lip):  # going down from the tip, where the profile stops falling back
        hollow = vertices[lip, 2].min()
        back = lip[vertices[lip, 2] < hollow + 0.25 * (tip[2] - hollow)]
        nose_base = vertices[back[vertices[back, 1].argmax()]].astype(np.float32)
    low = middle & (vertices[:, 1] < mouth_y) & (vertices[:, 2] > mouth_z - 0.025)
    low &= (jaw > 0.3) if (low & (jaw > 0.3)).any() else (vertices[:, 1] > mouth_y - 0.05 * size)
    chin = (
        vertices[np.flatnonzero(low)[vertices[low, 1].argmin()]] if low.any() else mouth - np.array([0, 0.04 * size, 0])
    )

    ear = _ear_mask(head, skin, eyes, size)
    ears = [_ear(vertices[ear & (vertices[:, 0] * side > 0)], size) for side in (1, -1)]

    upper = skin & (_region(head, "ears") < 0.05) & (vertices[:, 1] > mouth_y) & (head.weights[:, NECK] > 0.5)
    outside = vertex_normals(vertices, head.faces[skin[head.faces].all(1)])
    center = vertices[upper].mean(0)
    upper &= np.einsum("vc,vc->v", outside, vertices - center) > 0  # the sockets and the mouth face inwards
    skull = vertices[upper]
    return Anatomy(
        eyes,
        _front(vertices, middle, (eye_y - 0.004 * size, eye_y + 0.006 * size)),
        mouth,
        half_width,
        chin.astype(np.float32),
        nose_base,
        np.stack([top for top, *_ in ears]),
        np.stack([center for _, center, *_ in ears]),
        np.array([half for *_, half, _ in ears], np.float32),
        np.stack([lobe for *_, lobe in ears]),
        skull,
        outside[upper],
        float(skull[:, 1].max()),
        size,
        cKDTree(skull),
    )


def _eyes(head: Head) -> Floats:
    """(2, 3) centres of the eyeballs, or the joints that turn them."""
    balls = _part_vertices(head, "eyes")
    sides = [balls & (head.template[:, 0] * side > 0) for side in (1, -1)]
    if all(side.any() for side in sides):
        return np.stack([head.template[side].mean(0) for side in sides])
    return head.joints[[LEFT_EYE, RIGHT_EYE]].astype(np.float32)


def _front(vertices: Floats, among: NDArray[np.bool_], height: tuple[float, float]) -> Floats:
    """(3,) the foremost of the vertices `among` (V,) whose y lies within `height`, or else nearest to its middle."""
    band = among & (vertices[:, 1] > height[0]) & (vertices[:, 1] < height[1])
    if not band.any():
        nearest = np.abs(vertices[:, 1] - (height[0] + height[1]) / 2)
        band = among & (nearest <= nearest[among].min() + 2 * MILLIMETRE)
    return vertices[np.flatnonzero(band)[vertices[band, 2].argmax()]]


def _mouth(head: Head, skin: NDArray[np.bool_], eyes: Floats, size: float) -> tuple[Floats, float]:
    """(3,) the middle of the mouth line, and from there to a corner."""
    vertices, jaw = head.template, head.weights[:, JAW]
    lips = skin & (_region(head, "lips") > 0.5) & (vertices[:, 2] > eyes[:, 2].mean() - 0.02)
    if not lips.any():
        band = eyes[:, 1].mean() - np.array([0.074, 0.062]) * size
        front = _front(vertices, skin & (np.abs(vertices[:, 0]) < 4 * MILLIMETRE), (band[0], band[1]))
        return front * np.array([0, 1, 1], np.float32), 0.025 * size
    below, above = vertices[lips & (jaw > 0.5)], vertices[lips & (jaw <= 0.5)]
    both = len(below) > 0 and len(above) > 0
    y = (np.percentile(below[:, 1], 95) + np.percentile(above[:, 1], 5)) / 2 if both else vertices[lips, 1].mean()
    near = lips & (np.abs(vertices[:, 1] - y) < 4 * MILLIMETRE)
    z = vertices[near if near.any() else lips, 2].max()
    return np.array([0.0, y, z], np.float32), float(np.percentile(np.abs(vertices[lips, 0]), 97))


def _ear_mask(head: Head, skin: NDArray[np.bool_], eyes: Floats, size: float) -> NDArray[np.bool_]:
    """(V,) the auricles; of a model that does not mark them, what stands out furthest at their height."""
    vertices = head.template
    marked = skin & (_region(head, "ears") > 0.5)
    if all((marked & (vertices[:, 0] * side > 0)).any() for side in (1, -1)):
        return marked
    y = vertices[:, 1] - eyes[:, 1].mean()
    beside = skin & (y > -0.055 * size) & (y < 0.008 * size) & (vertices[:, 2] < eyes[:, 2].mean() - 0.03 * size)
    beside &= np.abs(vertices[:, 0]) > 0.05 * size
    reach = np.abs(vertices[beside, 0]).max(initial=0.07 * size)
    return beside & (np.abs(vertices[:, 0]) > reach - 0.016 * size)


def _ear(ear: Floats, size: float) -> tuple[Floats, Floats, float, Floats]:
    """Of an auricle's vertices (n, 3): top (3,), middle (3,), half its height, the hole in its lobe (3,)."""
    side = np.sign(ear[:, 0].mean())
    top, bottom = ear[ear[:, 1].argmax()], ear[ear[:, 1].argmin()]
    half = float(top[1] - bottom[1]) / 2
    middle = np.array([side * np.abs(ear[:, 0]).max(), (top[1] + bottom[1]) / 2, np.median(ear[:, 2])], np.float32)
    lobe = ear[ear[:, 1] < bottom[1] + 7 * MILLIMETRE * size]
    outer = lobe[np.abs(lobe[:, 0]) >= np.percentile(np.abs(lobe[:, 0]), 60)]
    hole = np.array(
        [side * np.percentile(np.abs(lobe[:, 0]), 85), bottom[1] + 3.5 * MILLIMETRE * size, outer[:, 2].mean()]
    )
    return top, middle, half, hole.astype(np.float32)


def _region(head: Head, name: str) -> Floats:
    """(V,) the model's soft mask of that name, zero where it has none."""
    return head.regions.get(name, np.zeros(len(head.template), np.float32))


def _part_vertices(head: Head, part: str) -> NDArray[np.bool_]:
    """(V,) bool: the vertices that the faces of `part` use; none where the model has no such part."""
    used = np.zeros(len(head.template), bool)
    if part in head.parts:
        used[head.faces[head.face_parts == head.parts.index(part)]] = True
    return used
