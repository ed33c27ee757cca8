"""Which point of a head's surface each of the 468 landmarks means, found for any head by tracking pictures of it.

The head is painted (brows, lips, irises), drawn in several poses, tracked, and the landmarks are read back through the
z-buffer. Nothing is annotated by hand.
"""

from __future__ import annotations

import dataclasses
import hashlib
import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import platformdirs
from numpy.typing import NDArray

from perse_engine.cameras import Camera, front_camera
from perse_engine.errors import InputError, PerseError
from perse_engine.files import atomic_write
from perse_engine.heads.head import LEFT_EYE, RIGHT_EYE, Floats, Head, Ints
from perse_engine.heads.posing import rest_head
from perse_engine.portraits.landmarks import INNER_LIPS, LEFT_LIDS, OUTER_LIPS, RIGHT_LIDS, FaceTracker
from perse_engine.surfaces.normals import vertex_normals
from perse_engine.surfaces.rasterize import rasterize_mesh
from perse_engine.surfaces.shading import interpolate

log = logging.getLogger(__name__)

VERSION = 4  # of this file's way to find them
SIZE = 448
VIEWS = ((0, 0), (14, 0), (-14, 0), (0, 10), (0, -10), (26, 4), (-26, 4))  # yaw, pitch, degrees
LIPS = frozenset(OUTER_LIPS + INNER_LIPS)
LIDS = frozenset(LEFT_LIDS + RIGHT_LIDS)
SKIN, LIP, BROW, SCLERA, IRIS, PUPIL, MOUTH = (
    np.array(color)
    for color in (
        (0.80, 0.60, 0.50), (0.66, 0.33, 0.32), (0.22, 0.15, 0.11), (0.95, 0.94, 0.92), (0.28, 0.33, 0.38),
        (0.03, 0.03, 0.03), (0.35, 0.12, 0.12),
    )
)  # fmt: skip


@dataclasses.dataclass(frozen=True, eq=False)
class Correspondence:
    """Points of the surface, one a landmark.

    Attributes:
        triangle: (468,) int32 faces of the head.
        barycentric: (468, 3) float32.
        error: (468,) metres, how far the answers of different views lie apart.
    """

    triangle: Ints
    barycentric: Floats
    error: Floats

    def points(self, head: Head, vertices: NDArray[np.floating]) -> NDArray[np.float64]:
        """(468, ...) the landmarks of per-vertex values (V, ...)."""
        corners = np.asarray(vertices, np.float64)[head.faces[self.triangle]]
        return np.einsum("lk,lk...->l...", self.barycentric.astype(np.float64), corners)


def head_hash(head: Head) -> str:
    """Names a head's geometry and layout."""
    digest = hashlib.sha256(f"{VERSION} {head.name}".encode())
    for array in (head.template, head.faces, head.expression_directions, head.weights, head.face_parts):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:24]


def find_correspondence(head: Head, tracker: FaceTracker) -> Correspondence:
    """The correspondence of `head` for this kind of tracker: from the user's cache, or found now and kept there."""
    name = f"{head_hash(head)}-{type(tracker).__name__.lower()}.npz"
    path = Path(platformdirs.user_cache_dir("perse")) / "landmarks" / name
    if path.is_file():
        try:
            with np.load(path, allow_pickle=False) as kept:
                return Correspondence(kept["triangle"], kept["barycentric"], kept["error"])
        except (OSError, ValueError, KeyError) as error:
            log.warning("the kept landmarks of this head cannot be read and are found again: %s", error)
    found = track_head(head, tracker)
    try:
        with atomic_write(path) as stream:
            np.savez(stream, triangle=found.triangle, barycentric=found.barycentric, error=found.error)
    except OSError as error:
        log.warning("the landmarks of this head cannot be kept: %s", error)
    return found


def track_head(head: Head, tracker: FaceTracker) -> Correspondence:
    """Track pictures of the head and read the landmarks back.

    Raises:
        PerseError: "head-not-tracked" when no face is recognised in the pictures.
    """
    skin = np.flatnonzero(_part_mask(head, ("skin", "face"))).astype(np.int32)
    closed: list[Floats] = []
    opened: list[Floats] = []
    for vertices, camera, wide in _poses(head):
        picture = paint_head(head, vertices, camera)
        try:
            face = tracker.track(picture)
        except InputError as error:
            log.info("a picture of the head was not tracked: %s", error)
            continue
        answer = _read_back(head, skin, vertices, camera, face.landmarks)
        (opened if wide else closed).append(answer)
    if len(closed) < 3 or not opened:
        raise PerseError(
            "head-not-tracked", f"no face is recognised in pictures of the head {head.name}", "use another head model"
        )
    # only an open mouth and open eyes tell the upper rim from the lower one
    points = np.median(np.stack(closed), 0)
    spread = np.abs(np.stack(closed) - points).mean(0)
    rims = sorted(LIPS | LIDS)
    points[rims] = np.median(np.stack(opened), 0)[rims]
    spread[rims] = np.abs(np.stack(opened) - points).mean(0)[rims]
    triangle, barycentric = _nearest_on(head, skin, points)
    return Correspondence(triangle, barycentric, np.linalg.norm(spread, axis=-1).astype(np.float32))


def _poses(head: Head) -> Iterator[tuple[Floats, Camera, bool]]:
    """Vertices, camera, and whether mouth and eyes are wide open."""
    rng = np.random.default_rng(5)
    scale = _eye_distance(head) / 0.062
    center = head.joints[[LEFT_EYE, RIGHT_EYE]].mean(0).astype(np.float64) + np.array([0, -0.02, -0.05]) * scale
    camera = front_camera(center, 1.0 * scale, SIZE * 2.6, SIZE, SIZE)
    names = list(head.expression_names)
    for number, (yaw, pitch) in enumerate(VIEWS + VIEWS[:5]):
        wide = number >= len(VIEWS)
        shape = np.zeros(head.shape_directions.shape[2], np.float32)
        if number > 0:
            shape[:10] = rng.normal(0, 0.5, 10)
        expression = np.zeros(len(names), np.float32)
        if wide:
            for name, amount in (("jawopen", 0.28), ("eyewideleft", 0.4), ("eyewideright", 0.4)):
                if name in names:
                    expression[names.index(name)] = amount
        vertices, _ = rest_head(head, shape, expression)
        yield vertices, camera.orbited(center, yaw, pitch, 0), wide


def paint_head(head: Head, vertices: Floats, camera: Camera) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 picture of the head with painted skin, brows, lips and eyes, softly lit, on grey.

    Args:
        vertices: (V, 3) of an expressing head without joint rotations.
    """
    # lashes are left out: as solid strips they hide the lids' rims
    shown = ~_part_mask(head, ("lashes",))
    faces = head.faces[shown]
    fragments = rasterize_mesh(vertices, faces, camera)
    hit = fragments.triangle >= 0
    part = np.where(hit, head.face_parts[shown][fragments.triangle], 255)
    normal = interpolate(fragments, faces, vertex_normals(vertices, faces))
    rest = interpolate(fragments, faces, head.template)
    albedo = np.broadcast_to(SKIN, (*hit.shape, 3)).copy()
    if "lips" in head.regions:
        lips = interpolate(fragments, faces, head.regions["lips"][:, None])
        albedo += (LIP - albedo) * np.clip(lips * 1.4 - 0.4, 0, 1) * 0.8
    distance = _eye_distance(head)
    for joint, side in ((LEFT_EYE, 1), (RIGHT_EYE, -1)):
        center = head.joints[joint]
        x = side * (rest[..., 0] - center[0]) / distance
        y = (rest[..., 1] - center[1]) / distance
        arch = 0.33 - 0.35 * (x - 0.08) ** 2
        brow = np.clip(1 - (np.abs(y - arch) / (0.055 - 0.03 * x)) ** 2, 0, 1) * (np.abs(x - 0.02) < 0.38)
        brow = brow * (rest[..., 2] > center[2] - 0.3 * distance)
        albedo += (BROW - albedo) * brow[..., None] * 0.8
    for name, color in (("eyes", SCLERA), ("tongue", MOUTH), ("mouth", MOUTH), ("teeth", SCLERA)):
        if name in head.parts:
            albedo[part == head.parts.index(name)] = color
    if "eyes" in head.parts:
        eye = part == head.parts.index("eyes")
        for joint in (LEFT_EYE, RIGHT_EYE):
            offset = rest - head.joints[joint]
            radius = np.hypot(offset[..., 0], offset[..., 1]) / distance
            front = eye & (offset[..., 2] > 0) & (radius < 0.3)
            albedo[front & (radius < 0.095)] = IRIS
            albedo[front & (radius < 0.04)] = PUPIL
    light = camera.view[:3, :3].T @ np.array([-0.35, -0.5, -0.8])
    shade = 0.5 + 0.55 * np.clip(normal @ (light / np.linalg.norm(light)), 0, 1)
    picture = np.where(hit[..., None], np.clip(albedo * shade[..., None], 0, 1) ** 0.85, 0.72)
    return (picture * 255).astype(np.uint8)


def _read_back(head: Head, skin: Ints, vertices: Floats, camera: Camera, landmarks: Floats) -> Floats:
    """(468, 3) points on the template under the landmarks; the nearest skin where they fall beside it."""
    fragments = rasterize_mesh(vertices, head.faces[skin], camera)
    surface = interpolate(fragments, head.faces[skin], np.concatenate([head.template, vertices], 1))
    rows, columns = np.nonzero(fragments.triangle >= 0)
    everything = rasterize_mesh(vertices, head.faces[~_part_mask(head, ("lashes",))], camera).depth
    # skin seen through the eye or the mouth opening is not the rim
    front = fragments.depth[rows, columns] <= everything[rows, columns] + 1e-5
    deep = surface[rows, columns, 5] < np.median(surface[rows, columns, 5]) - 2 * _eye_distance(head)
    rows, columns = rows[front & ~deep], columns[front & ~deep]
    apart = (columns[None] + 0.5 - landmarks[:, :1]) ** 2 + (rows[None] + 0.5 - landmarks[:, 1:2]) ** 2
    nearest = apart.argmin(1)
    return surface[rows[nearest], columns[nearest], :3]


def _nearest_on(head: Head, skin: Ints, points: Floats) -> tuple[Ints, Floats]:
    """Triangle and barycentrics of the nearest surface point, over the triangles `skin`."""
    corners = head.template[head.faces[skin]].astype(np.float64)
    centers = corners.mean(1)
    triangle = np.empty(len(points), np.int32)
    barycentric = np.empty((len(points), 3), np.float32)
    for k, point in enumerate(points.astype(np.float64)):
        close = np.argsort(((centers - point) ** 2).sum(1))[:24]
        weights = _project(corners[close], point)
        there = np.einsum("fi,fik->fk", weights, corners[close])
        best = ((there - point) ** 2).sum(1).argmin()
        triangle[k], barycentric[k] = skin[close[best]], weights[best]
    return triangle, barycentric


def _project(corners: NDArray[np.float64], point: NDArray[np.float64]) -> NDArray[np.float64]:
    """(F, 3) barycentrics of `point` projected to each triangle's plane, pushed inside the triangle."""
    a, u, v = corners[:, 0], corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    w = point - a
    uu, uv, vv = (u * u).sum(1), (u * v).sum(1), (v * v).sum(1)
    wu, wv = (w * u).sum(1), (w * v).sum(1)
    determinant = np.maximum(uu * vv - uv**2, 1e-18)
    s, t = (vv * wu - uv * wv) / determinant, (uu * wv - uv * wu) / determinant
    weights = np.clip(np.stack([1 - s - t, s, t], 1), 0, None)
    return weights / weights.sum(1, keepdims=True)


def _part_mask(head: Head, names: tuple[str, ...]) -> NDArray[np.bool_]:
    """(F,) faces of the named parts."""
    return np.isin(head.face_parts, [k for k, name in enumerate(head.parts) if name in names])


def _eye_distance(head: Head) -> float:
    """Between the eye joints, metres."""
    return float(np.linalg.norm(head.joints[LEFT_EYE] - head.joints[RIGHT_EYE]))
