"""Random people whose truth is known: open heads with random shape, face, gaze and view, drawn as in a photo.

They are painted on purpose unlike the pictures by which `portraits.correspondence` finds its landmarks: complexion,
brows, lips, hair, light and backdrop differ from head to head.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from perse_engine.cameras import Camera, front_camera
from perse_engine.clips.expressions import expand
from perse_engine.heads.head import LEFT_EYE, RIGHT_EYE, Head, HeadState
from perse_engine.heads.posing import pose_head
from perse_engine.portraits.images import DIAGONAL_35MM
from perse_engine.surfaces.normals import vertex_normals
from perse_engine.surfaces.rasterize import Fragments, rasterize_mesh
from perse_engine.surfaces.shading import interpolate

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]

SIDE, SAMPLES = 512, 2
FOCALS_MM = (35.0, 50.0, 85.0)
YAW_DEG, PITCH_DEG, ROLL_DEG = 30.0, 10.0, 8.0
EYES_PX = 105.0  # between the eyes' joints when seen from ahead
UPPER: tuple[Mapping[str, float], ...] = ({"browdown*": 1}, {"browinnerup": 1}, {"browouterup*": 1, "browinnerup": 0.8})
EYES: tuple[Mapping[str, float], ...] = ({"eyeblink*": 1}, {"eyeblinkleft": 1}, {"eyewide*": 1}, {"eyesquint*": 1})
LOWER: tuple[Mapping[str, float], ...] = (
    {"mouthsmile*": 1},
    {"mouthsmile*": 1, "jawopen": 0.5, "mouthupperup*": 0.6},
    {"mouthsmileright": 1},
    {"jawopen": 1},
    {"mouthpucker": 1},
    {"mouthfunnel": 1, "jawopen": 0.4},
    {"mouthfrown*": 1},
    {"mouthstretch*": 1, "jawopen": 0.4},
    {"mouthupperup*": 1, "nosesneer*": 0.8},
    {"mouthlowerdown*": 1, "jawopen": 0.4},
)
SPREAD = 0.6
"""Of the model's own, in all its directions: faces then differ by 2.7 mm, as adults do; at 1 they are caricatures."""
WEAKEST = 0.35  # share of a gesture's full strength


@dataclasses.dataclass(frozen=True, eq=False)
class RandomHead:
    """A picture and its truth.

    Attributes:
        picture: (512, 512, 3) uint8 sRGB.
        focal_mm: 35 mm equivalent, as a photo's own notes would tell it.
        camera: that drew it.
        identity: (S,) standard deviations.
        expression: (E,).
        vertices: (V, 3) head space, expressing.
        joints: (5, 3) of this person.
    """

    picture: Bytes
    focal_mm: float
    camera: Camera
    identity: Floats
    expression: Floats
    vertices: Floats
    joints: Floats


def random_head(head: Head, number: int) -> RandomHead:
    """Head `number` of an endless, reproducible row of them.

    The lens alternates; everything else is drawn: 150 identity directions (standard normal, at most 2.5), none to
    three gestures of brows, eyes and mouth at 35 to 100 %, gaze, ±30° of yaw, ±10° of pitch, ±8° of roll.
    """
    rng = np.random.default_rng([2026, number])
    recipe: dict[str, float] = {}
    for gestures, often in ((UPPER, 0.5), (EYES, 0.5), (LOWER, 0.75)):
        gesture, strength, acts = gestures[rng.integers(len(gestures))], rng.uniform(WEAKEST, 1.0), rng.random()
        if acts < often:
            recipe |= expand(gesture, strength, head.expression_names)
    view = [float(rng.uniform(-most, most)) for most in (YAW_DEG, PITCH_DEG, ROLL_DEG)]
    return photographed_head(head, recipe, FOCALS_MM[number % len(FOCALS_MM)], view, rng)


def photographed_head(
    head: Head,
    recipe: Mapping[str, float],
    focal_mm: float,
    view: Sequence[float],
    rng: np.random.Generator,
    samples: int = SAMPLES,
) -> RandomHead:
    """Somebody random who makes a given face.

    Args:
        recipe: the units that act.
        focal_mm: 35 mm equivalent.
        view: yaw, pitch and roll, degrees.
        samples: the picture is the mean of samples x samples points a pixel.
    """
    expression = np.array([recipe.get(name, 0.0) for name in head.expression_names], np.float32)
    pose = np.zeros((5, 3), np.float32)
    pose[[LEFT_EYE, RIGHT_EYE], :2] = rng.uniform([-0.12, -0.35], [0.12, 0.35])
    shape = SPREAD * np.clip(rng.normal(0, 1, head.shape_directions.shape[2]), -2.5, 2.5).astype(np.float32)
    posed = pose_head(head, HeadState(shape, expression, pose, np.zeros(3, np.float32)))
    focal = focal_mm / DIAGONAL_35MM * math.hypot(SIDE, SIDE)
    eyes = posed.joints[[LEFT_EYE, RIGHT_EYE]].astype(np.float64)
    center = eyes.mean(0) + [0.0, -0.02, -0.05]
    away = focal * float(np.linalg.norm(eyes[0] - eyes[1])) / EYES_PX
    camera = front_camera(center, away, focal, SIDE, SIDE).orbited(center, *view)
    picture = _photograph(head, posed.vertices, posed.joints, pose, camera, rng, samples)
    return RandomHead(picture, focal_mm, camera, shape, expression, posed.vertices, posed.joints)


def _photograph(
    head: Head,
    vertices: Floats,
    joints: Floats,
    pose: Floats,
    camera: Camera,
    rng: np.random.Generator,
    samples: int,
) -> Bytes:
    """(512, 512, 3): painted, lit from a random side, softened and grained as a camera would."""
    large = camera.resized(camera.width * samples, camera.height * samples)
    # lashes are solid strips of the model: a dark line along the lid stands for them
    faces = head.faces[head.face_parts != (head.parts.index("lashes") if "lashes" in head.parts else 255)]
    parts = head.face_parts[head.face_parts != (head.parts.index("lashes") if "lashes" in head.parts else 255)]
    fragments = rasterize_mesh(vertices, faces, large)
    hit = fragments.triangle >= 0
    part = np.where(hit, parts[fragments.triangle], 255)
    rest = interpolate(fragments, faces, head.template)
    here = interpolate(fragments, faces, vertices)
    normal = interpolate(fragments, faces, vertex_normals(vertices, faces))
    normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-6)
    albedo = _skin(head, fragments, faces, rest, rng)
    _paint_brows(albedo, head, rest, rng)
    lashes = np.array([0.12, 0.08, 0.06])
    if "sockets" in head.parts:
        _mix(albedo, lashes, 0.75 * (part == head.parts.index("sockets")))
    _paint_eyes(albedo, part == head.parts.index("eyes"), joints, pose, here, rng)
    for name, color in (("mouth", (0.30, 0.10, 0.10)), ("tongue", (0.62, 0.32, 0.31)), ("teeth", (0.88, 0.85, 0.78))):
        if name in head.parts:
            albedo[part == head.parts.index(name)] = color
    if "bust" in head.parts:
        _mix(albedo, rng.uniform(0.1, 0.8, 3), (part == head.parts.index("bust")) * 0.9)
    light = camera.view[:3, :3].T @ np.array([rng.uniform(-0.7, 0.7), rng.uniform(-0.7, 0.0), -1.0])
    light /= np.linalg.norm(light)
    ambient = rng.uniform(0.35, 0.6)
    shade = ambient + (1.05 - ambient) * np.clip(normal @ light, 0, 1) ** rng.uniform(0.8, 1.2)
    for name in ("mouth", "tongue", "teeth"):  # the lips keep the light out
        if name in head.parts:
            shade[part == head.parts.index(name)] *= 0.6
    lit = np.clip(albedo, 0, 1) ** 2.2 * shade[..., None] * rng.uniform(0.95, 1.05, 3)
    rows = np.linspace(0, 1, large.height)[:, None, None]
    backdrop = rng.uniform(0.1, 0.8, 3) * (1 - 0.5 * rows) * np.ones((1, large.width, 1))
    picture = np.where(hit[..., None], np.clip(lit, 0, 1) ** (1 / 2.2), backdrop).astype(np.float32)
    picture = cv2.resize(picture, (camera.width, camera.height), interpolation=cv2.INTER_AREA)
    picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.4, 1.0)) + rng.normal(0, 0.012, picture.shape)
    return (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)


def _skin(
    head: Head, fragments: Fragments, faces: NDArray[np.integer], rest: Floats, rng: np.random.Generator
) -> Floats:
    """(H, W, 3) complexion, lips, cheeks, stubble and hair."""
    fair, dark = np.array([0.90, 0.70, 0.61]), np.array([0.42, 0.28, 0.21])
    skin = fair + (dark - fair) * rng.random() ** 1.5
    masks = {
        name: interpolate(fragments, faces, head.regions[name][:, None])[..., 0]
        for name in ("lips", "scalp", "beard")
        if name in head.regions
    }
    albedo = np.broadcast_to(skin, rest.shape).astype(np.float32).copy()
    mottle = cv2.resize(rng.normal(0, 1, (64, 64)).astype(np.float32), rest.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    albedo += 0.015 * mottle[..., None]
    lips = skin * np.array([0.82, 0.55, 0.58]) * rng.uniform(0.85, 1.05)
    _mix(albedo, lips, np.clip(masks["lips"] * 1.6 - 0.6, 0, 1) * rng.uniform(0.5, 0.95))
    _mix(albedo, skin * 0.45, np.clip(masks["beard"], 0, 1) * rng.choice([0.0, 0.0, 0.35]))
    hair = rng.uniform(0.05, 0.5) * np.array([1.0, 0.78, 0.58])
    _mix(albedo, hair, np.clip(masks["scalp"] * 3 - 0.4, 0, 1) * (rng.random() < 0.85))
    return albedo


def _paint_brows(albedo: Floats, head: Head, rest: Floats, rng: np.random.Generator) -> None:
    """Two arcs of short hairs, thick or thin."""
    distance = float(np.linalg.norm(head.joints[LEFT_EYE] - head.joints[RIGHT_EYE]))
    color = rng.uniform(0.06, 0.35) * np.array([1.0, 0.78, 0.6])
    thick, strength, height = rng.uniform(0.035, 0.06), rng.uniform(0.55, 0.95), rng.uniform(0.31, 0.34)
    hairs = np.clip(0.75 + 0.5 * rng.normal(0, 1, (1, rest.shape[1])), 0.3, 1.2)
    for joint, side in ((LEFT_EYE, 1), (RIGHT_EYE, -1)):
        center = head.joints[joint]
        x = side * (rest[..., 0] - center[0]) / distance
        y = (rest[..., 1] - center[1]) / distance
        arch = height - 0.32 * (x - 0.08) ** 2
        across = np.abs(y - arch) / np.maximum(thick - 0.03 * x, 0.01)
        cover = np.clip(1.3 - across**2, 0, 1) * np.clip((0.40 - np.abs(x - 0.02)) / 0.05, 0, 1)
        _mix(albedo, color, cover * (rest[..., 2] > center[2] - 0.3 * distance) * strength * hairs)


def _paint_eyes(
    albedo: Floats, eye: NDArray[np.bool_], joints: Floats, pose: Floats, here: Floats, rng: np.random.Generator
) -> None:
    """Sclera, iris with a dark rim, pupil and a highlight; they follow the gaze."""
    iris = np.array([[0.30, 0.19, 0.11], [0.36, 0.44, 0.52], [0.36, 0.40, 0.24]])[rng.integers(3)]
    radius = rng.uniform(0.0054, 0.0062)
    albedo[eye] = (0.88, 0.85, 0.82)
    for joint in (LEFT_EYE, RIGHT_EYE):
        turn = cv2.Rodrigues(pose[joint].astype(np.float64))[0]
        local = (here - joints[joint]) @ turn.astype(np.float32)
        away = np.hypot(local[..., 0], local[..., 1])
        front = eye & (local[..., 2] > 0)
        albedo[front & (away < radius)] = iris * 0.5
        albedo[front & (away < 0.86 * radius)] = iris
        albedo[front & (away < 0.4 * radius)] = 0.03
        shine = np.hypot(local[..., 0] - 0.0022, local[..., 1] - 0.0025)
        albedo[front & (shine < 0.0011)] = 1.0


def _mix(albedo: Floats, color: NDArray[np.floating], cover: NDArray[np.floating]) -> None:
    albedo += (np.asarray(color, np.float32) - albedo) * np.clip(cover, 0, 1)[..., None].astype(np.float32)
