"""Teeth one by one: two arches of crowns in gums, in the place of a source's teeth and moving as those do.

No two teeth share a vertex, and each is a rectangle of the texture with the gum at one end: painters tell them so.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from perse_engine.heads.head import JAW, NECK, Head

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# From the middle to the side: width, height of the crown, and how much higher its edge lies than the middle's, mm.
# Wheeler's dental anatomy, rounded; the arches end at the first molar, behind which nothing is seen.
UPPER = ((8.5, 10.2, 0.0), (6.6, 9.0, 0.7), (7.6, 10.0, 0.1), (7.0, 8.6, 0.7), (6.8, 8.2, 0.9), (10.2, 7.6, 1.0))
LOWER = ((5.4, 8.8, 0.0), (5.9, 9.0, 0.1), (6.9, 10.0, -0.2), (7.0, 8.8, 0.4), (7.2, 8.4, 0.8), (11.0, 7.6, 1.0))
GUM = 7.0
"""Millimetres of gum shown above a crown."""
COLUMNS = 5
# Each row from gum to the tongue's side of a tooth: where it lies between the crown's neck (0) and its edge (1), how
# far it stands out of the arch (mm), and how much narrower it is than the tooth.
ROWS = (
    (-1.0, -2.2, 0.0),
    (-0.45, -0.3, 0.0),
    (-0.06, 0.15, 0.0),
    (0.06, -0.10, 0.0),
    (0.45, 0.45, 0.0),
    (0.90, 0.10, 0.0),
    (1.0, -0.35, 0.08),
    (1.0, -1.5, 0.10),
    (0.2, -3.6, 0.12),
)
SHOWN = (1.6, 1.5, 1.3, 1.0, 0.8, 0.5)
"""How finely the texture shows each tooth, relative to its size: the front ones are seen."""


def with_dentition(head: Head) -> Head:
    """`head` with its part "teeth" made anew; teeth follow identities and expressions as the old rows did."""
    part = head.parts.index("teeth")
    old = np.unique(head.faces[head.face_parts == part])
    lower = head.weights[old, JAW] > 0.5
    stays = np.setdiff1d(np.arange(len(head.template)), old)
    number = np.full(len(head.template), -1)
    number[stays] = np.arange(len(stays))
    kept = head.face_parts != part
    boxed = head.uv[head.uv_faces[~kept]].reshape(-1, 2)
    left, bottom = boxed.min(0)
    width, height = np.ptp(boxed, axis=0)

    made = []
    for own, teeth, sign in ((old[~lower], UPPER, -1.0), (old[lower], LOWER, 1.0)):
        points, faces, uv = _arch(head.template[own].astype(np.float64), teeth, sign)
        uv = uv * [width, 0.48 * height] + [left, bottom + (0.52 * height if sign < 0 else 0.0)]
        made.append((points, faces, uv, own, NECK if sign < 0 else JAW))

    rows = {name: [getattr(head, name)[stays]] for name in ("template", "weights", *_DIRECTIONS)}
    faces, uvs, uv_faces = [number[head.faces[kept]]], [head.uv], [head.uv_faces[kept]]
    mirror = [number[head.mirror[stays]]]
    first, first_uv = len(stays), len(head.uv)
    for points, triangles, uv, own, joint in made:
        rows["template"].append(points)
        rows["weights"].append(np.tile(np.eye(5)[joint], (len(points), 1)))
        for name in _DIRECTIONS:
            rows[name].append(_carried(head.template[own], getattr(head, name)[own], points))
        faces.append(triangles + first)
        uvs.append(uv)
        uv_faces.append(triangles + first_uv)
        half = len(points) // 2
        mirror.append(first + np.concatenate([np.arange(half, 2 * half), np.arange(half)]))
        first, first_uv = first + len(points), first_uv + len(uv)
    count = sum(len(triangles) for _, triangles, *_ in made)
    all_uv, all_uv_faces = _used(np.concatenate(uvs), np.concatenate(uv_faces))
    order = np.argsort(np.concatenate([head.face_parts[kept], np.full(count, part)]), kind="stable")
    return dataclasses.replace(
        head,
        **{name: np.concatenate(values).astype(np.float32) for name, values in rows.items()},
        faces=np.concatenate(faces)[order].astype(np.int32),
        uv=all_uv.astype(np.float32),
        uv_faces=all_uv_faces[order].astype(np.int32),
        face_parts=np.concatenate([head.face_parts[kept], np.full(count, part)])[order].astype(np.uint8),
        regions={
            name: np.concatenate([mask[stays], np.zeros(first - len(stays))]).astype(np.float32)
            for name, mask in head.regions.items()
        },
        mirror=np.concatenate(mirror).astype(np.int32),
    )


_DIRECTIONS = ("shape_directions", "expression_directions")


def _arch(old: Floats, teeth: tuple[tuple[float, float, float], ...], sign: float) -> tuple[Floats, Ints, Floats]:
    """Vertices (N, 3), the left half before its mirror image, faces and their coordinates (N, 2) in a unit square."""
    curve = _curve(old, sign)
    start, column = 0.0, 0.0
    points, uv, quads = [], [], []
    total = sum(width * fine for (width, _, _), fine in zip(teeth, SHOWN, strict=True))
    for (width, height, lift), fine in zip(teeth, SHOWN, strict=True):
        share = np.linspace(-1, 1, COLUMNS)
        base = sum(len(block) for block in points)
        grid = np.arange(base, base + len(ROWS) * COLUMNS).reshape(len(ROWS), COLUMNS)
        quads.append(np.stack([grid[:-1, :-1], grid[:-1, 1:], grid[1:, 1:], grid[1:, :-1]], -1).reshape(-1, 4))
        for row, (level, out, narrow) in enumerate(ROWS):
            along = start + width / 2 * (1 + share * (1 - narrow))
            place, outwards, edge = curve(along / 1000)
            rise = GUM * -level if level < 0 else -height * level
            # edges are rounded at their corners, necks curve up into the gum, crowns bulge and dip between each other
            bow = np.abs(share) ** 3
            if level > 0.8:
                rise = rise + 0.9 * bow
            if -0.2 < level < 0.2:
                rise = rise - 1.5 * bow
            depth = out - (0.85 * np.abs(share) ** 2.5 if level >= 0 else 0.35 * bow * (level > -0.3))
            spot = place + outwards * (depth / 1000)[:, None]
            spot[:, 1] = edge - sign * (height + lift + rise) / 1000
            points.append(spot)
            v = np.linspace(1, 0, len(ROWS))[row] if sign < 0 else np.linspace(0, 1, len(ROWS))[row]
            u = 0.5 + 0.5 * (column + width * fine * (0.5 + 0.5 * share)) / total
            uv.append(np.column_stack([u, np.full(COLUMNS, v)]))
        start += width
        column += width * fine
    half, half_uv, quad = np.concatenate(points), np.concatenate(uv), np.concatenate(quads)
    if sign > 0:
        quad = quad[:, ::-1]
    triangles = np.concatenate([quad[:, [0, 2, 1]], quad[:, [0, 3, 2]]])
    return (
        np.concatenate([half, half * [-1, 1, 1]]),
        np.concatenate([triangles, triangles[:, ::-1] + len(half)]),
        np.concatenate([half_uv, half_uv * [-1, 1] + [1, 0]]),
    )


def _curve(old: Floats, sign: float) -> Callable[[Floats], tuple[Floats, Floats, Floats]]:
    """From metres along the arch to places (N, 3), directions outwards (N, 3) and heights of the edge (N,)."""
    outer = old[old[:, 0] > -1e-6]
    half, front, back = outer[:, 0].max(), outer[:, 2].max(), outer[:, 2].min()
    turn = np.linspace(0, np.pi / 2, 400)
    line = np.column_stack([half * np.sin(turn), np.zeros(400), back + (front - back) * np.cos(turn)])
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    middle = outer[np.abs(outer[:, 0]) < 0.012, 1]
    behind = outer[outer[:, 2] < back + 0.012, 1]
    edge_front, edge_back = (sign * (sign * heights).max() for heights in (middle, behind))

    def at(along: Floats) -> tuple[Floats, Floats, Floats]:
        angle = np.interp(along, length, turn)
        place = np.column_stack([np.interp(along, length, line[:, k]) for k in range(3)])
        out = np.column_stack([np.sin(angle) / half, np.zeros(len(angle)), np.cos(angle) / (front - back)])
        depth = (front - place[:, 2]) / (front - back)
        return place, out / np.linalg.norm(out, axis=1, keepdims=True), edge_front + (edge_back - edge_front) * depth

    return at


def _carried(places: Floats, directions: Floats, points: Floats) -> Floats:
    """(N, 3, D) directions at `points` (N, 3) by the affine map that says best what they are at `places`."""
    basis, wanted = (np.column_stack([at, np.ones(len(at))]).astype(np.float64) for at in (places, points))
    solved = np.linalg.lstsq(basis, directions.reshape(len(places), -1).astype(np.float64), rcond=None)[0]
    return (wanted @ solved).reshape(len(points), 3, -1)


def _used(uv: Floats, uv_faces: Ints) -> tuple[Floats, Ints]:
    kept, index = np.unique(uv_faces, return_inverse=True)
    return uv[kept], index.reshape(-1, 3)
