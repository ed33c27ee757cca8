"""Where a head's features are, so that frames rest on noses and hats on skulls, whatever the head model."""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy.spatial import cKDTree

from perse_engine.heads.head import JAW, NECK, Floats, Head
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


def find_anatomy(head: Head) -> Anatomy:
    """The features of `head`, from its parts, regions and skinning weights."""
    vertices = head.template
    skin = _part_vertices(head, "skin")
    eyeballs = _part_vertices(head, "eyes")
    middle = skin & (np.abs(vertices[:, 0]) < 4 * MILLIMETRE)
    eyes = np.stack([vertices[eyeballs & (vertices[:, 0] * side > 0)].mean(0) for side in (1, -1)])
    size = float(np.linalg.norm(eyes[0] - eyes[1])) / 0.062
    eye_y, eye_z = eyes[:, 1].mean(), eyes[:, 2].mean()

    def front(low: float, high: float) -> Floats:
        band = middle & (np.abs(vertices[:, 1] - eye_y - (low + high) / 2 * size) < (high - low) / 2 * size)
        return vertices[np.flatnonzero(band)[vertices[band, 2].argmax()]]

    lips = skin & (head.regions["lips"] > 0.5) & (vertices[:, 2] > eye_z - 0.02)
    corners = vertices[lips, 0]
    jaw = head.weights[:, JAW]
    below, above = vertices[lips & (jaw > 0.5)], vertices[lips & (jaw <= 0.5)]
    both = len(below) > 0 and len(above) > 0
    mouth_y = (np.percentile(below[:, 1], 95) + np.percentile(above[:, 1], 5)) / 2 if both else vertices[lips, 1].mean()
    mouth_z = vertices[lips & (np.abs(vertices[:, 1] - mouth_y) < 4 * MILLIMETRE), 2].max()
    mouth = np.array([0.0, mouth_y, mouth_z], np.float32)

    nose = np.flatnonzero(middle & (head.regions["nose"] > 0.5))
    tip = vertices[nose[vertices[nose, 2].argmax()]]
    lip = np.flatnonzero(middle & (vertices[:, 1] > mouth_y + 0.006 * size) & (vertices[:, 1] < tip[1]))
    lip = lip[vertices[lip, 2] > mouth_z - 0.02 * size]
    nose_base = (tip + mouth) / 2
    if len(lip):  # going down from the tip, where the profile stops falling back
        hollow = vertices[lip, 2].min()
        back = lip[vertices[lip, 2] < hollow + 0.25 * (tip[2] - hollow)]
        nose_base = vertices[back[vertices[back, 1].argmax()]]
    low = middle & (vertices[:, 1] < mouth_y) & (vertices[:, 2] > mouth_z - 0.025) & (jaw > 0.3)
    chin = vertices[np.flatnonzero(low)[vertices[low, 1].argmin()]]

    ears = skin & (head.regions["ears"] > 0.5)
    tops = []
    for side in (1, -1):
        ear = np.flatnonzero(ears & (vertices[:, 0] * side > 0))
        tops.append(vertices[ear[vertices[ear, 1].argmax()]])

    upper = skin & (head.regions["ears"] < 0.05) & (vertices[:, 1] > mouth_y) & (head.weights[:, NECK] > 0.5)
    outside = vertex_normals(vertices, head.faces[head.face_parts == head.parts.index("skin")])
    center = vertices[upper].mean(0)
    upper &= np.einsum("vc,vc->v", outside, vertices - center) > 0  # the sockets and the mouth face inwards
    skull = vertices[upper]
    return Anatomy(
        eyes,
        front(-0.004, 0.006),
        mouth,
        float(np.percentile(np.abs(corners), 97)),
        chin,
        nose_base,
        np.stack(tops),
        skull,
        outside[upper],
        float(skull[:, 1].max()),
        size,
        cKDTree(skull),
    )


def _part_vertices(head: Head, part: str) -> np.ndarray:
    """(V,) bool: the vertices that the faces of `part` use."""
    used = np.zeros(len(head.template), bool)
    used[head.faces[head.face_parts == head.parts.index(part)]] = True
    return used
