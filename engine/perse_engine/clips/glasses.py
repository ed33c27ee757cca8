"""Spectacle frames: two rims, a bridge, two temples and two lenses, fitted to nose, brow and ears."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from perse_engine.cameras import front_camera
from perse_engine.clips.anatomy import MILLIMETRE, Anatomy
from perse_engine.clips.meshes import Accessory, Floats, grid_faces, grid_uv, tube
from perse_engine.clips.parameters import Glasses
from perse_engine.heads.head import Head
from perse_engine.surfaces.rasterize import rasterize_mesh

RIM = 56
SIDES = 6
BRIDGE = 9
TEMPLE = 22
RINGS = 5
RIM_VERTICES = (2 * (RIM + 1) + BRIDGE) * (SIDES + 1)
"""Rims and bridge come first in the frame."""
SLIDE = 12 * MILLIMETRE
"""How far before the face the frame is when it begins to be put on."""


def frame_and_lenses(head: Head, anatomy: Anatomy, styles: Sequence[Glasses]) -> tuple[Accessory, Accessory]:
    """The frame and the lenses of every style.

    Args:
        head: the person at rest, whose face the rims keep clear of.
        anatomy: that head's features.
        styles: K styles.
    """
    relief = _Relief(head, anatomy)
    frames, lenses = zip(*(_shape(anatomy, relief, style) for style in styles), strict=True)
    rim_box, rest = grid_faces(RIM + 1, SIDES + 1), []
    faces, uv, start = [], [], 0
    # four equal bands of the tile: left rim, right rim, bridge, temples
    for rows, box in (
        (RIM + 1, (0.0, 0.75, 1.0, 1.0)),
        (RIM + 1, (0.0, 0.5, 1.0, 0.75)),
        (BRIDGE, (0.0, 0.25, 1.0, 0.5)),
        (TEMPLE, (0.0, 0.0, 0.5, 0.25)),
        (TEMPLE, (0.5, 0.0, 1.0, 0.25)),
    ):
        faces.append((rim_box if rows == RIM + 1 else grid_faces(rows, SIDES + 1)) + start)
        u0, v0, u1, v1 = _inset(box)
        layout = grid_uv(rows, SIDES + 1, (v0, u0, v1, u1))[:, ::-1]  # rows run along u
        uv.append(layout)
        start += rows * (SIDES + 1)
        rest.append(rows)
    lens_faces = np.concatenate([grid_faces(RINGS, RIM + 1), grid_faces(RINGS, RIM + 1) + RINGS * (RIM + 1)])
    lens_uv = np.concatenate(
        [grid_uv(RINGS, RIM + 1, _inset((0.0, 0.0, 1.0, 0.5))), grid_uv(RINGS, RIM + 1, _inset((0.0, 0.5, 1.0, 1.0)))]
    )
    return (
        _accessory(np.stack(frames), np.concatenate(faces), np.concatenate(uv)),
        _accessory(np.stack(lenses), lens_faces, lens_uv),
    )


class _Relief:
    """The face seen from far in front: how far forward it comes at (x, y), at rest and smiling."""

    def __init__(self, head: Head, anatomy: Anatomy) -> None:
        self._center = anatomy.eyes.mean(0)
        self._camera = front_camera(self._center.astype(np.float64), 10.0, 10.0 / 0.0008, 256, 256)
        raised = [k for k, name in enumerate(head.expression_names) if name.startswith(("mouthsmile", "cheeksquint"))]
        smiling = head.template + 0.6 * head.expression_directions[:, :, raised].sum(-1)
        skin = head.faces[head.face_parts == head.parts.index("skin")]
        depths = [rasterize_mesh(v, skin, self._camera).depth for v in (head.template, smiling)]
        self._forward = self._camera.position()[2] - np.minimum(*depths)

    def forward(self, points: Floats) -> Floats:
        """Forward z of the face in front at (..., 2 or 3) points' x and y; −inf beside the head."""
        pixels = self._camera.project(
            np.concatenate([points[..., :2], np.full((*points.shape[:-1], 1), self._center[2])], -1)
        )
        x = np.clip(pixels[..., 0].astype(int), 0, 255)
        y = np.clip(pixels[..., 1].astype(int), 0, 255)
        return self._forward[y, x]


def _shape(anatomy: Anatomy, relief: _Relief, style: Glasses) -> tuple[Floats, Floats]:
    size = anatomy.size
    half_width, half_height = style.width / 2 * MILLIMETRE * size, style.height / 2 * MILLIMETRE * size
    thick = style.rim / 2 * MILLIMETRE * size
    center = anatomy.eyes.mean(0)
    nose_gap = 7.5 * MILLIMETRE * size
    center_x = max(float(np.abs(anatomy.eyes[:, 0]).mean()), half_width + thick + nose_gap)
    center_y = center[1] - 2.0 * MILLIMETRE * size

    angle = np.linspace(0, 2 * np.pi, RIM + 1)
    power = 2 / style.squareness
    x = half_width * np.sign(np.cos(angle)) * np.abs(np.cos(angle)) ** power
    y = half_height * np.sign(np.sin(angle)) * np.abs(np.sin(angle)) ** power
    outer_top = np.clip(x / half_width, 0, 1) ** 2 * np.clip(y / half_height + 0.5, 0, 1.5) / 1.5
    y = y + style.lift * MILLIMETRE * size * outer_top
    taper = 1 - 0.06 * np.clip(-y / half_height, 0, 1)
    outline = np.stack([x * taper + center_x, y + center_y], -1)

    def bend(points: Floats) -> Floats:
        """How far back (x, y) lies behind the front of the frame: face-form wrap and pantoscopic tilt."""
        return -1.6 * np.maximum(np.abs(points[..., 0]) - 0.012, 0) ** 2 / size + 0.10 * (points[..., 1] - center_y)

    # the front goes as far back as nose, brow and cheek allow
    away = outline[np.abs(outline[:, 0]) > 13 * MILLIMETRE * size]
    need = relief.forward(away) + 2.5 * MILLIMETRE + thick - bend(away)
    bridge_z = anatomy.bridge[2] + 1.5 * MILLIMETRE + thick
    front = max(float(need[np.isfinite(need)].max()), bridge_z)

    def lifted(points: Floats) -> Floats:
        return np.concatenate([points, (front + bend(points))[..., None]], -1)

    rings: list[Floats] = []
    rim = lifted(outline)
    forward = np.tile([0.0, 0.0, 1.0], (RIM + 1, 1))
    closed = np.concatenate([rim[-2:-1], rim, rim[1:2]])
    ring = tube(
        closed,
        np.full(RIM + 3, thick),
        np.full(RIM + 3, thick * 1.15),
        np.pad(forward, ((1, 1), (0, 0)), "edge"),
        SIDES,
    )
    ring = ring[1:-1]
    rings += [(ring * [side, 1, 1]).reshape(-1, 3) for side in (1, -1)]

    inner = outline[:, 0].argmin()
    reach = outline[inner, 0] + 0.3 * thick
    t = np.linspace(-1, 1, BRIDGE)
    arc = np.stack([t * reach, center_y + (0.22 * half_height + 2.5 * MILLIMETRE * (1 - t**2)) * np.ones(BRIDGE)], -1)
    arc3 = lifted(arc)
    arc3[:, 2] += 1.0 * MILLIMETRE * (1 - t**2)
    up = np.tile([0.0, 1.0, 0.0], (BRIDGE, 1))
    rings.append(tube(arc3, np.full(BRIDGE, thick * 0.8), np.full(BRIDGE, thick), up, SIDES).reshape(-1, 3))

    hinge = outline[np.argmax(outline[:, 0] + 0.35 * (outline[:, 1] - center_y))]
    for side, ear in zip((1, -1), anatomy.ear_tops, strict=True):
        path = _temple(anatomy, lifted(hinge) * [side, 1, 1], ear)
        slim = np.linspace(1, 0.75, TEMPLE)
        high = np.maximum(thick, 1.3 * MILLIMETRE) * slim * 1.2
        wide = np.full(TEMPLE, 0.75 * MILLIMETRE)
        rings.append(tube(path, wide, high, np.tile([0.0, 1.0, 0.15], (TEMPLE, 1)), SIDES).reshape(-1, 3))

    middle = outline[:-1].mean(0)
    spread = np.linspace(0, 1, RINGS)[:, None, None]
    disc = lifted(middle + spread * (outline - middle))
    lenses = np.concatenate([(disc * [side, 1, 1]).reshape(-1, 3) for side in (1, -1)])
    return np.concatenate(rings).astype(np.float32), lenses.astype(np.float32)


def _temple(anatomy: Anatomy, hinge: Floats, ear: Floats) -> Floats:
    """(TEMPLE, 3) from the hinge along the side of the head, over the ear's root and down behind it."""
    side = np.sign(ear[0])
    size = anatomy.size
    over = np.array([ear[0], ear[1] - 1 * MILLIMETRE, ear[2]], np.float64)
    end = over + np.array([0.0, -26.0, -20.0]) * MILLIMETRE * size
    straight = int(TEMPLE * 0.72)
    t = np.linspace(0, 1, straight)[:, None]
    path = hinge * (1 - t) + over * t
    path[:, 1] += 1.5 * MILLIMETRE * np.sin(np.pi * t[:, 0])
    s = np.linspace(0, 1, TEMPLE - straight + 1)[1:, None]
    corner = over + np.array([0.0, -1.0, -11.0]) * MILLIMETRE * size
    path = np.concatenate([path, (1 - s) ** 2 * over + 2 * s * (1 - s) * corner + s**2 * end])
    skull = np.array([anatomy.radius_above(point, 7 * MILLIMETRE * size) for point in path])
    along = np.concatenate([t[:, 0], np.ones(TEMPLE - straight)])
    taper = np.abs(hinge[0]) * (1 - along) + (skull[straight - 1] + 1.6 * MILLIMETRE) * along
    half = np.maximum(taper, skull + 1.6 * MILLIMETRE)
    half[straight:] = np.minimum(half[straight:], half[straight - 1])
    kernel = np.array([0.25, 0.5, 0.25])
    for _ in range(3):
        half[1:-1] = np.maximum(np.convolve(half, kernel, "same")[1:-1], skull[1:-1] + 1.2 * MILLIMETRE)
    path[:, 0] = side * half
    path[0] = hinge
    return path


def _inset(box: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    """A box a little smaller, so that bilinear sampling does not reach its neighbour."""
    return box[0] + 0.02, box[1] + 0.03, box[2] - 0.02, box[3] - 0.03


def _accessory(shapes: Floats, faces: np.ndarray, uv: Floats) -> Accessory:
    bind = shapes.mean(0) + np.array([0.0, 0.0, SLIDE], np.float32)
    return Accessory(shapes, bind.astype(np.float32), faces.astype(np.int32), uv.astype(np.float32))
