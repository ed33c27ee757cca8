"""From a photograph to a `Portrait`."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from perse_engine.cameras import Camera
from perse_engine.errors import InputError
from perse_engine.heads.head import JAW, LEFT_EYE, NECK, RIGHT_EYE, Head, HeadState
from perse_engine.heads.posing import joint_transforms, pose_head, rest_head
from perse_engine.portraits.contours import outline_targets
from perse_engine.portraits.correspondence import find_correspondence
from perse_engine.portraits.details import detail_offsets, gaze, joint_offsets, trimmed_lashes
from perse_engine.portraits.drawing import is_drawn
from perse_engine.portraits.fit import Fit, fit_head, photo_lens
from perse_engine.portraits.hair_shell import build_grid, shell_mesh
from perse_engine.portraits.hair_texture import kept_cells, paint_hair
from perse_engine.portraits.images import Photo, read_image
from perse_engine.portraits.landmark_response import landmark_response
from perse_engine.portraits.landmarks import Face
from perse_engine.portraits.lids import closing_lids
from perse_engine.portraits.light import albedo_of, find_light, photo_relief
from perse_engine.portraits.lips import closing_lips
from perse_engine.portraits.matting import Matter
from perse_engine.portraits.parsing import AREAS, EmbeddedParser, Parser
from perse_engine.portraits.parts import Mask, mouth_opening
from perse_engine.portraits.portrait import Iris, Portrait
from perse_engine.portraits.refined_fit import refine_fit
from perse_engine.portraits.refinement import refine_textures
from perse_engine.portraits.shoulders import shoulder_offsets
from perse_engine.portraits.tasks import open_tracker
from perse_engine.portraits.teeth import settled_teeth, teeth_pixels
from perse_engine.portraits.texture import SIDE as TEXTURE_SIDE
from perse_engine.portraits.texture import paint_head_texture
from perse_engine.portraits.window import open_window
from perse_engine.progress import Progress, silent
from perse_engine.surfaces.rasterize import rasterize_mesh
from perse_engine.surfaces.unproject import look, texel_map

IRIS_RADIUS = (0.0050, 0.0066)  # metres; people differ little
WORST_RESIDUAL = 0.06  # share of the eyes' distance; drawn faces fit no head
STAGES = 6


def fit_portrait(
    path: Path,
    head: Head,
    *,
    seed: int = 0,
    progress: Progress = silent,
    expected: NDArray[np.floating] | None = None,
    parser: Parser | None = None,
) -> Portrait:
    """Fit `head` to the photograph at `path`.

    Args:
        expected: (S,) the person's identity as far as it is known from elsewhere, such as a video.
        parser: of the photo's parts; the embedded one by default.

    Raises:
        InputError: what `read_image`, `open_tracker` and its `track` raise; "not-a-photo" for drawings.
        Cancelled: by `progress`.
    """
    progress("portrait", 0, STAGES)
    photo = read_image(path)
    tracker = open_tracker()
    face = tracker.track(photo.pixels)
    progress("portrait", 1, STAGES)
    correspondence = find_correspondence(head, tracker)
    height, width = photo.pixels.shape[:2]
    lens = photo_lens(width, height, photo.focal_mm)
    fit = fit_head(head, correspondence, face, lens, expected)
    if fit.residual > WORST_RESIDUAL or is_drawn(photo.pixels, face.landmarks):
        raise InputError(
            "not-a-photo",
            "the face looks drawn, or fits no human head",
            "use a photograph or a realistic painting",
        )
    progress("portrait", 2, STAGES)
    matte = Matter().matte(photo.pixels, face.landmarks)
    if photo.alpha is not None:
        matte = matte * photo.alpha

    seen = dataclasses.replace(lens, view=fit.view())
    rest = pose_head(head, _still(fit)).vertices
    offsets = detail_offsets(head, correspondence, face, rest, seen)
    parser = parser or EmbeddedParser()
    parts = parser.parse(photo.pixels, matte, face.landmarks, head, rest + offsets, seen)
    response = landmark_response(head, tracker)
    fit = refine_fit(head, fit, face, lens, photo.pixels, matte, parts, response, expected)
    seen = dataclasses.replace(lens, view=fit.view())
    rest = pose_head(head, _still(fit)).vertices
    offsets = detail_offsets(head, correspondence, face, rest, seen)
    # what is seen through between hair and shoulder is out
    matte = np.clip(np.sum([parts[name] for name in AREAS], 0), 0, 1).astype(np.float32)
    progress("portrait", 3, STAGES)
    outline = outline_targets(head, rest + offsets, seen, matte, parts["hair"], parts["clothes"])
    outline = (outline[0], outline[1] + offsets[outline[0]])
    offsets = detail_offsets(head, correspondence, face, rest, seen, outline)
    opening = mouth_opening(matte.shape, face.landmarks)
    teeth = teeth_pixels(photo.pixels, opening, face.landmarks)
    calm = rest_head(head, fit.identity.astype(np.float32), np.zeros(0, np.float32))[0] + offsets
    offsets = offsets + settled_teeth(head, correspondence, calm, rest + offsets, seen, teeth, face.landmarks)
    personal = personal_head(head, fit.identity, offsets)
    camera, state = _pose(personal, fit, lens, _body_turn(personal, fit, lens, parts["clothes"], face))
    iris = _iris(personal, state, face, camera, photo)
    state = _with_gaze(personal, state, face, camera)
    shoulders = shoulder_offsets(personal, pose_head(personal, state).vertices, camera, matte, parts["clothes"])
    offsets = offsets + shoulders
    personal = dataclasses.replace(personal, template=(personal.template + shoulders).astype(np.float32))
    vertices = pose_head(personal, state).vertices
    progress("portrait", 4, STAGES)
    transforms = joint_transforms(personal.joints, state.pose)
    skull = dataclasses.replace(camera, view=camera.view @ transforms[NECK])
    person = np.clip(parts["skin"] + parts["ears"] + parts["neck"] + parts["clothes"], 0, 1)
    grid = build_grid(personal, skull, parts["hair"], person)
    square = crop_square(face.landmarks, parts["hair"])
    window = open_window(photo.pixels, parts, face.landmarks, camera, square)
    skull_window = dataclasses.replace(window, camera=dataclasses.replace(window.camera, view=skull.view))
    progress("portrait", 5, STAGES)
    texels = texel_map(personal.uv, personal.uv_faces, (TEXTURE_SIDE, TEXTURE_SIDE))
    sight = look(vertices, personal.faces, window.camera, texels)
    relief = photo_relief(personal, state, vertices, texels)
    light = find_light(personal, texels, sight, window, relief)
    hair_texture, hair_sight = paint_hair(grid, personal, skull_window, light, seed)
    shell, shell_vertices = shell_mesh(grid, personal, kept_cells(hair_texture, grid), transforms)
    texture, confidence, painted = paint_head_texture(personal, texels, sight, window, iris, light, relief, seed)
    texture, hair_texture = refine_textures(
        personal, vertices, shell, shell_vertices, texture, hair_texture, (texels, sight), hair_sight, window, painted
    )
    progress("portrait", 6, STAGES)
    return Portrait(
        photo=photo.pixels,
        matte=matte,
        landmarks=face.landmarks,
        camera=camera,
        crop=square,
        parts=parts,
        head=personal,
        identity=fit.identity.astype(np.float32),
        state=state,
        offsets=offsets,
        hair_shell=shell,
        texture=texture,
        light=light,
        albedo=albedo_of(texture, light, relief),
        texture_confidence=confidence,
        hair_texture=hair_texture,
        iris=iris,
        source=photo.source,
    )


def _still(fit: Fit) -> HeadState:
    """The fitted head with its jaw but without the turn of the head."""
    pose = np.zeros((5, 3), np.float32)
    pose[JAW, 0] = fit.jaw
    none = np.zeros(3, np.float32)
    return HeadState(fit.identity.astype(np.float32), fit.expression.astype(np.float32), pose, none)


def personal_head(head: Head, identity: NDArray[np.floating], offsets: NDArray[np.floating]) -> Head:
    """`head` with a person's shape and detail in its template and joints; lips meet, and blinks close its eyes."""
    vertices, joints = rest_head(head, np.asarray(identity, np.float32), np.zeros(0, np.float32))
    person = dataclasses.replace(
        head,
        template=trimmed_lashes(head, vertices + offsets),
        joints=(joints + joint_offsets(head, offsets)).astype(np.float32),
    )
    return closing_lips(closing_lids(person))


def crop_square(landmarks: NDArray[np.floating], hair: Mask) -> tuple[float, float, float]:
    """x, y and side of the upright square that shows head, hair and neck."""
    low, high = landmarks[:, :2].min(0), landmarks[:, :2].max(0)
    face = float((high - low).max())
    center = (low + high) / 2
    left, right = center[0] - 0.95 * face, center[0] + 0.95 * face
    top, bottom = low[1] - 0.75 * face, high[1] + 0.55 * face
    rows, columns = np.nonzero(hair > 0.5)
    if len(rows):
        margin = 0.12 * face
        left = min(left, np.quantile(columns, 0.002) - margin)
        right = max(right, np.quantile(columns, 0.998) + margin)
        top = min(top, np.quantile(rows, 0.002) - margin)
    side = float(np.clip(max(right - left, bottom - top), 2.2 * face, 3.2 * face))
    x = float(np.clip((left + right - side) / 2, center[0] - 0.75 * side, center[0] - 0.25 * side))
    y = float(max(top, high[1] + 0.3 * face - side))
    return x, y, side


def _body_turn(head: Head, fit: Fit, lens: Camera, clothes: Mask, face: Face) -> float:
    """Radians by which the shoulders are turned further than the head: what makes the bust cover the clothes best."""
    if "bust" not in head.parts:
        return 0.0
    bust = head.faces[head.face_parts == head.parts.index("bust")]
    scale = 40 / face.eye_distance
    small = lens.resized(max(1, round(lens.width * scale)), max(1, round(lens.height * scale)))
    worn = cv2.resize(clothes, (small.width, small.height), interpolation=cv2.INTER_AREA) > 0.5
    chin = int(face.landmarks[152, 1] * scale)
    worn[:chin] = False
    best, turn = -1.0, 0.0
    for candidate in np.radians(np.arange(-48, 49, 12)):
        camera, state = _pose(head, fit, small, float(candidate))
        drawn = rasterize_mesh(pose_head(head, state).vertices, bust, camera).triangle >= 0
        drawn[:chin] = False
        score = (drawn & worn).sum() / max((drawn | worn).sum(), 1) - 0.08 * abs(candidate)
        if score > best:
            best, turn = float(score), float(candidate)
    return turn


def _pose(head: Head, fit: Fit, lens: Camera, body_turn: float) -> tuple[Camera, HeadState]:
    """Share the head's rotation between the camera and the neck: the shoulders stay upright.

    Args:
        body_turn: radians that the shoulders are turned further than the head.
    """
    facing = np.diag([1.0, -1.0, -1.0]) @ fit.rotation
    yaw = math.atan2(facing[0, 2], facing[2, 2]) + body_turn
    c, s = math.cos(yaw), math.sin(yaw)
    body = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
    tilt = body.T @ facing
    pose = np.zeros((5, 3), np.float32)
    pose[NECK] = _axis_angle(tilt)
    pose[JAW, 0] = fit.jaw
    view = np.eye(4)
    view[:3, :3] = np.diag([1.0, -1.0, -1.0]) @ body
    neck = head.joints[NECK].astype(np.float64)
    view[:3, 3] = fit.translation + fit.rotation @ neck - view[:3, :3] @ neck
    state = HeadState(
        shape=np.zeros(len(fit.identity), np.float32),
        expression=fit.expression.astype(np.float32),
        pose=pose,
        translation=np.zeros(3, np.float32),
    )
    return dataclasses.replace(lens, view=view), state


def _axis_angle(rotation: NDArray[np.float64]) -> NDArray[np.float32]:
    angle = math.acos(float(np.clip((np.trace(rotation) - 1) / 2, -1, 1)))
    axis = np.array([rotation[2, 1] - rotation[1, 2], rotation[0, 2] - rotation[2, 0], rotation[1, 0] - rotation[0, 1]])
    length = np.linalg.norm(axis)
    return (axis / length * angle if length > 1e-9 else axis * 0).astype(np.float32)


def _with_gaze(head: Head, state: HeadState, face: Face, camera: Camera) -> HeadState:
    """The state with the eyes turned so that the irises lie where the photo has them."""
    neck = joint_transforms(head.joints, state.pose)[NECK].astype(np.float64)
    inner = dataclasses.replace(camera, view=camera.view @ neck)
    centers = head.joints[[LEFT_EYE, RIGHT_EYE]].astype(np.float64)
    pose = state.pose.copy()
    pose[[LEFT_EYE, RIGHT_EYE]] = gaze(centers, eyeball_radius(head), face.iris_centers.astype(np.float64), inner)
    return dataclasses.replace(state, pose=pose)


def eyeball_radius(head: Head) -> float:
    """Metres."""
    eyes = np.unique(head.faces[head.face_parts == head.parts.index("eyes")])
    left = eyes[head.template[eyes, 0] > 0]
    return float(np.linalg.norm(head.template[left] - head.joints[LEFT_EYE], axis=1).max())


def _iris(head: Head, state: HeadState, face: Face, camera: Camera, photo: Photo) -> Iris:
    """Colour and size from the photo; the size within what people have."""
    posed = pose_head(head, state).joints[[LEFT_EYE, RIGHT_EYE]].astype(np.float64)
    depth = camera.project(posed)[:, 2] - eyeball_radius(head)
    radius = np.clip(face.iris_radii * depth / camera.fx, *IRIS_RADIUS)
    radius[:] = radius.mean()
    colors = np.empty((2, 3))
    y, x = np.mgrid[: photo.pixels.shape[0], : photo.pixels.shape[1]] + 0.5
    for k in range(2):
        away = np.hypot(x - face.iris_centers[k, 0], y - face.iris_centers[k, 1]) / face.iris_radii[k]
        # below the middle: the upper lid shades the iris and the light's reflection sits there
        ring = (away < 0.85) & (away > 0.4) & (y > face.iris_centers[k, 1] - 0.2 * face.iris_radii[k])
        if not ring.any():
            ring = away <= max(1.0, away.min())
        colors[k] = np.median(photo.pixels[ring], 0) / 255
    colors[:] = colors.mean(0)
    return Iris(colors.astype(np.float32), radius.astype(np.float32), face.iris_centers)
