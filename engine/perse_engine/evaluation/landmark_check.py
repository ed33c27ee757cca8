"""Whether a drawn face's features lie where its geometry says: landmarks found again, closed lids, teeth."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from perse_engine.avatars.state import AvatarState
from perse_engine.cameras import Camera
from perse_engine.errors import InputError, PerseError
from perse_engine.evaluation.likeness import EXPRESSIONS, SIDE
from perse_engine.evaluation.metrics import over
from perse_engine.evaluation.rows import Row, at_least, at_most, not_run, shown
from perse_engine.evaluation.subject import Draw, Subject
from perse_engine.heads.head import LEFT_EYE, RIGHT_EYE, Head, HeadState
from perse_engine.heads.open_head import load_open_head
from perse_engine.heads.posing import pose_head
from perse_engine.portraits.correspondence import Correspondence, find_correspondence
from perse_engine.portraits.landmarks import (
    INNER_LIPS,
    LEFT_BROW,
    LEFT_LIDS,
    OUTER_LIPS,
    RIGHT_BROW,
    RIGHT_LIDS,
    FaceTracker,
)
from perse_engine.portraits.portrait import Portrait
from perse_engine.portraits.tasks import open_tracker
from perse_engine.surfaces.normals import vertex_normals
from perse_engine.surfaces.rasterize import rasterize_mesh

NOSE = (1, 2, 4, 5, 6, 19, 94, 97, 98, 168, 195, 197, 326, 327)
GROUPS: Mapping[str, tuple[int, ...]] = {
    "eyes": LEFT_LIDS + RIGHT_LIDS,
    "brows": LEFT_BROW + RIGHT_BROW,
    "nose": NOSE,
    "lips": OUTER_LIPS + INNER_LIPS,
}
YAWS = (0.0, -15.0, 15.0, -30.0, 30.0)
FACING = 0.25  # cosine from which on a point counts as visible
BAR = 0.025  # of the frontal distance of the eyes' outer corners
OPEN_EYE_BAR = 0.02  # of the eyeball's pixels that may still show when the lids are shut
TEETH_BAR = 0.05  # of the open mouth's pixels
BLINK = {"eyeblinkleft": 1.0, "eyeblinkright": 1.0}
OPEN = {"jawopen": 0.6}


@dataclasses.dataclass(frozen=True, eq=False)
class Refound:
    """One frame: by group, how far its visible landmarks lie from the geometry, in shares, beyond their own error."""

    name: str
    excess: Mapping[str, float]


def found_again_rows(subject: Subject, portrait: Portrait) -> list[Row]:
    """The rows for a person who was fitted to a photo, by the tracker that fitted them."""
    model = load_open_head()
    same = portrait.head.name == model.name and np.array_equal(portrait.head.faces, model.faces)
    try:
        tracker = open_tracker()
        correspondence = find_correspondence(model if same else portrait.head, tracker)
    except PerseError as error:
        return [not_run("landmarks", "all", str(error))]
    return landmark_rows(portrait.head, subject.draw, subject.neutral_camera, correspondence, tracker)


def landmark_rows(
    head: Head, draw: Draw, front: Camera, correspondence: Correspondence, tracker: FaceTracker
) -> list[Row]:
    """Check the person `head` as `draw` shows it.

    Args:
        head: the personal head.
        front: straight before the face, square.
    """
    front = front.fitted(SIDE, SIDE)
    known = set(head.expression_names)
    faces = {name: units for name, units in EXPRESSIONS.items() if known.issuperset(units)}
    frames: list[tuple[str, Mapping[str, float], float]] = [(f"yaw {yaw:+.0f}", {}, yaw) for yaw in YAWS]
    frames += [(name, units, 0.0) for name, units in faces.items()]
    found, lost = [], []
    for name, units, yaw in frames:
        again = refind(head, draw, _turned(head, front, yaw), units, correspondence, tracker, name)
        if again is None:
            lost.append(name)
        else:
            found.append(again)
    if not found:
        return [not_run("landmarks", "all", "no drawn face was found again")]
    means = np.array([np.mean(list(frame.excess.values())) for frame in found] + [np.inf] * len(lost))
    note = f"not found: {', '.join(lost)}" if lost else f"{len(frames)} frames"
    rows = [
        at_most(
            "landmarks",
            "found again, from where they are, median frame",
            100 * float(np.median(means)),
            100 * BAR,
            "%",
            note,
        ),
        at_least("landmarks", f"frames within {100 * BAR:g} %", float((means <= BAR).mean()), 0.9),
    ]
    for group in GROUPS:
        value = 100 * float(np.mean([frame.excess[group] for frame in found if group in frame.excess]))
        rows.append(shown("landmarks", f"of these the {group}, mean", value, "%"))
    return [*rows, *_opening_rows(head, front)]


def refind(
    head: Head,
    draw: Draw,
    camera: Camera,
    units: Mapping[str, float],
    correspondence: Correspondence,
    tracker: FaceTracker,
    name: str = "",
) -> Refound | None:
    """Draw one frame, find its landmarks and compare; None where no face is found."""
    picture = over(draw(AvatarState({f"expr_{unit}": value for unit, value in units.items()}), camera), 0.6)
    try:
        face = tracker.track((np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8))
    except InputError:
        return None
    vertices = _posed(head, units)
    points = correspondence.points(head, vertices)
    normals = correspondence.points(head, vertex_normals(vertices, head.faces))
    towards = camera.position() - points
    facing = np.einsum("lk,lk->l", normals, towards)
    facing /= np.maximum(np.linalg.norm(normals, axis=1) * np.linalg.norm(towards, axis=1), 1e-9)
    place = camera.project(points)
    rest = correspondence.points(head, head.template)
    across = float(np.linalg.norm(rest[33] - rest[263]))
    pixels = across * camera.fx / float(place[[33, 263], 2].mean())
    away = np.linalg.norm(face.landmarks[:, :2] - place[:, :2], axis=1) / pixels
    excess = np.maximum(away - correspondence.error / across, 0)
    groups = {group: [k for k in members if facing[k] > FACING] for group, members in GROUPS.items()}
    return Refound(name, {group: float(excess[members].mean()) for group, members in groups.items() if members})


def _opening_rows(head: Head, front: Camera) -> list[Row]:
    """Lids that shut and teeth that show, by the parts that a picture shows."""
    rows = []
    if "eyes" in head.parts and set(BLINK) <= set(head.expression_names):
        shut, wide = (_pixels(head, front, units, ("eyes",)) for units in (BLINK, {}))
        rows.append(
            at_most("landmarks", "eyeballs that show when the lids are shut", shut / max(wide, 1), OPEN_EYE_BAR)
        )
    if "teeth" in head.parts and set(OPEN) <= set(head.expression_names):
        teeth = _pixels(head, front, OPEN, ("teeth",))
        inside = _pixels(head, front, OPEN, ("mouth", "teeth", "tongue"))
        rows.append(at_least("landmarks", "share of the open mouth that is teeth", teeth / max(inside, 1), TEETH_BAR))
    return rows


def _pixels(head: Head, camera: Camera, units: Mapping[str, float], parts: tuple[str, ...]) -> int:
    triangle = rasterize_mesh(_posed(head, units), head.faces, camera).triangle
    wanted = [k for k, name in enumerate(head.parts) if name in parts]
    return int(np.isin(head.face_parts[triangle[triangle >= 0]], wanted).sum())


def _posed(head: Head, units: Mapping[str, float]) -> NDArray[np.float32]:
    """(V, 3) the head making a face."""
    expression = np.array([units.get(name, 0.0) for name in head.expression_names], np.float32)
    still = np.zeros((5, 3), np.float32)
    return pose_head(head, HeadState(np.zeros(0, np.float32), expression, still, np.zeros(3, np.float32))).vertices


def _turned(head: Head, front: Camera, yaw: float) -> Camera:
    center = head.joints[[LEFT_EYE, RIGHT_EYE]].mean(0).astype(np.float64) + [0.0, -0.015, -0.06]
    return front.orbited(center, yaw, 0.0, 0.0)
