"""An avatar as a portrait again: with it, every editor of the clips can change a person whose photo is not at hand.

Geometry, camera and state are the avatar's own, to the last vertex. Textures are read back from its Gaussians, which
know the skin under the hair and behind the ears too; the light is found on them as it was found on the photo.
"""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
from numpy.typing import NDArray

from perse_engine.avatars.avatar import Avatar
from perse_engine.avatars.correctives import no_correctives
from perse_engine.avatars.decoding import decode, posed_vertices
from perse_engine.avatars.parts import BROUGHT
from perse_engine.avatars.rendering import render_avatar
from perse_engine.cameras import Camera
from perse_engine.clips.atlas import HAIR, Atlas, layout
from perse_engine.errors import InputError
from perse_engine.heads.head import LEFT_EYE, RIGHT_EYE, Head, HeadState
from perse_engine.heads.posing import joint_transforms
from perse_engine.portraits.correspondence import Correspondence, find_correspondence
from perse_engine.portraits.fitting import IRIS_RADIUS, TEXTURE_SIDE, crop_square, eyeball_radius
from perse_engine.portraits.landmarks import OUTER_LIPS
from perse_engine.portraits.light import albedo_of, find_light, photo_relief
from perse_engine.portraits.parts import features_on, polygon
from perse_engine.portraits.portrait import HairShell, Iris, Portrait
from perse_engine.portraits.tasks import open_tracker
from perse_engine.portraits.window import open_window
from perse_engine.splatting.rasterize import rasterize
from perse_engine.surfaces.unproject import look, texel_map
from perse_engine.transfer.reading_back import read_back

Floats = NDArray[np.float32]

LARGEST = 1024
"""Pixels of the longer side of the picture that stands for the photo."""
DARK = np.full(3, 0.3)
"""An iris that the picture does not show."""
UNLIKE_SKIN = 0.12
"""Distance in sRGB between which and twice which the bust is cloth rather than skin."""
SHADED = 3.0
"""How much further from the face's colour the neck may be: the chin shades it."""


def portrait_of(avatar: Avatar, head: Head) -> Portrait:
    """The portrait that `avatar` would have been built from.

    Args:
        head: the model that the avatar was made with, as it ships: not personal.

    Raises:
        InputError: another-head, where `head` is not that model.
    """
    personal = _personal(avatar, head)
    state = _state(avatar)
    camera = _camera(avatar)
    picture = render_avatar(avatar, avatar.photo_state, camera, (0.5, 0.5, 0.5))[..., :3]
    pixels: NDArray[np.uint8] = (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)
    vertices = posed_vertices(avatar, avatar.photo_state)[: len(personal.template)]
    correspondence = find_correspondence(head, open_tracker())
    landmarks = _landmarks(correspondence, personal, vertices, camera)
    matte, parts = _parts(avatar, personal, camera, picture, landmarks)
    square = crop_square(landmarks, parts["hair"])
    window = open_window(pixels, parts, landmarks, camera, square)
    texels = texel_map(personal.uv, personal.uv_faces, (TEXTURE_SIDE, TEXTURE_SIDE))
    sight = look(vertices, personal.faces, window.camera, texels)
    relief = photo_relief(personal, state, vertices, texels)
    light = find_light(personal, texels, sight, window, relief)
    texture = read_back(avatar, slice(0, len(head.faces)), personal.uv, personal.uv_faces, TEXTURE_SIDE)[..., :3]
    shell, hair_texture = _hair(avatar)
    return Portrait(
        photo=pixels,
        matte=matte,
        landmarks=landmarks,
        camera=camera,
        crop=square,
        parts=parts,
        head=personal,
        identity=np.zeros(head.shape_directions.shape[-1], np.float32),
        state=state,
        offsets=np.zeros_like(personal.template),
        hair_shell=shell,
        texture=texture,
        light=light,
        albedo=albedo_of(texture, light, relief),
        texture_confidence=sight.confidence,
        hair_texture=hair_texture,
        iris=_iris(personal, state, camera, picture),
        source={"file": avatar.name},
    )


def _personal(avatar: Avatar, head: Head) -> Head:
    """The model in the shape of this person."""
    figure, count, faces = avatar.figure, len(head.template), len(head.faces)
    same = head.name == avatar.head and len(figure.vertices) >= count
    if not (same and np.array_equal(figure.faces[:faces], head.faces) and HAIR in figure.parts):
        raise InputError(
            "another-head",
            f"the avatar was made with the head {avatar.head!r}, and this is {head.name!r} or another edition of it",
            "name the head file that it was built with: --head FILE",
        )
    return dataclasses.replace(
        head,
        template=figure.vertices[:count],
        joints=figure.joints,
        expression_directions=figure.expression_directions[:count],
    )


def _state(avatar: Avatar) -> HeadState:
    sliders = avatar.photo_state.sliders
    expression = [sliders.get(f"expr_{name}", 0.0) for name in avatar.figure.expression_names]
    return HeadState(
        np.zeros(0, np.float32),
        np.array(expression, np.float32),
        np.asarray(avatar.photo_state.pose, np.float32),
        np.zeros(3, np.float32),
    )


def _camera(avatar: Avatar) -> Camera:
    camera = avatar.photo_camera
    scale = min(1.0, LARGEST / max(camera.width, camera.height))
    return camera.resized(max(1, round(camera.width * scale)), max(1, round(camera.height * scale)))


def _landmarks(correspondence: Correspondence, head: Head, vertices: Floats, camera: Camera) -> Floats:
    """(468, 3) pixels, z relative to their mean."""
    seen = camera.project(correspondence.points(head, vertices))
    seen[:, 2] = (seen[:, 2] - seen[:, 2].mean()) * camera.fx / seen[:, 2].mean()
    return seen.astype(np.float32)


def _parts(
    avatar: Avatar, head: Head, camera: Camera, picture: Floats, landmarks: Floats
) -> tuple[Floats, dict[str, Floats]]:
    """The matte (H, W) and the masks of a portrait: what its Gaussians belong to, drawn in place of their colours."""
    shares = _memberships(avatar, head)
    matte, hair, bust, ears, neck = _drawn(avatar, camera, shares)
    face = matte - np.clip(hair + bust + ears + neck, 0, 1)
    inner = (face > 0.95) & (polygon(matte.shape, landmarks[list(OUTER_LIPS), :2]) < 0.1)
    usual = np.median(picture[inner], 0) if inner.any() else np.full(3, 0.5)
    unlike = np.linalg.norm(picture - usual, axis=-1) / UNLIKE_SKIN
    clothes = bust * np.clip(unlike - 1, 0, 1) + neck * np.clip(unlike / SHADED - 1, 0, 1)
    masks = {"hair": hair, "clothes": clothes, "ears": ears, "neck": neck + bust - clothes}
    masks["skin"] = np.clip(matte - np.sum(list(masks.values()), 0), 0, 1)
    masks |= features_on(matte, landmarks)
    return matte, {name: np.asarray(mask, np.float32) for name, mask in masks.items()}


def _memberships(avatar: Avatar, head: Head) -> Floats:
    """(4, N) how far each Gaussian is of the hair, the bust, the ears, the neck."""
    figure = avatar.figure
    part = figure.face_parts[avatar.triangles]
    own = [np.asarray(part == figure.parts.index(name), np.float32) for name in (HAIR, "bust") if name in figure.parts]
    if len(own) < 2:
        own.append(np.zeros(avatar.count, np.float32))
    skin = part == figure.parts.index("skin")
    regions = []
    for name in ("ears", "neck"):
        at_vertices = np.zeros(len(figure.vertices), np.float32)
        at_vertices[: len(head.template)] = head.regions[name]
        regions.append(at_vertices[avatar.corners].mean(1) * skin)
    return np.stack([*own, *regions])


def _drawn(avatar: Avatar, camera: Camera, shares: Floats) -> list[Floats]:
    """The alpha (H, W) of the photo's state, and how much of each pixel each of `shares` (4, N) makes."""
    drawn: list[Floats] = []
    for pair in (shares[:2], shares[2:]):
        colors = np.stack([*pair, np.zeros_like(pair[0])], 1)
        looks = dataclasses.replace(avatar, colors=colors, correctives=no_correctives())
        image = rasterize(decode(looks, avatar.photo_state), camera)
        drawn += [image.color[..., 0], image.color[..., 1]]
    return [image.alpha, *drawn]


def _hair(avatar: Avatar) -> tuple[HairShell, Floats]:
    """The photo's own hair, and its texture (T, T, 4)."""
    figure = avatar.figure
    own = np.flatnonzero(figure.face_parts == figure.parts.index(HAIR))
    if not len(own):
        none = np.zeros((0, 3), np.float32)
        shell = HairShell(none, none.astype(np.int32), none[:, :2], np.zeros((0, 5), np.float32))
        return shell, np.zeros((TEXTURE_SIDE, TEXTURE_SIDE, 4), np.float32)
    faces = slice(int(own[0]), int(own[-1]) + 1)
    first = int(figure.faces[faces].min())
    last = int(figure.faces[faces].max()) + 1
    uv_first = int(figure.uv_faces[faces].min())
    uv = _within_tile(figure.uv[uv_first : uv_first + last - first], _atlas(avatar), HAIR)
    shell = HairShell(
        figure.vertices[first:last], figure.faces[faces] - first, uv.astype(np.float32), figure.weights[first:last]
    )
    return shell, read_back(avatar, faces, shell.uv, figure.uv_faces[faces] - np.int32(uv_first), TEXTURE_SIDE)


def _atlas(avatar: Avatar) -> Atlas:
    """The atlas that the avatar's figure was laid out on."""
    return layout(TEXTURE_SIDE, [part for part in avatar.figure.parts if part.startswith(BROUGHT)])


def _within_tile(uv: Floats, atlas: Atlas, name: str) -> Floats:
    """What `Atlas.place` placed, in [0, 1] of the tile."""
    low, high = atlas.place(name, np.zeros((1, 2), np.float32)), atlas.place(name, np.ones((1, 2), np.float32))
    return np.asarray(np.clip((uv - low) / (high - low), 0, 1), np.float32)


def _iris(head: Head, state: HeadState, camera: Camera, picture: Floats) -> Iris:
    """Both irises as the avatar shows them."""
    transforms = joint_transforms(head.joints, state.pose)
    radius, ahead = float(np.mean(IRIS_RADIUS)), np.array([0, 0, eyeball_radius(head)])
    centers, colors = [], []
    for joint in (LEFT_EYE, RIGHT_EYE):
        front = transforms[joint][:3, :3] @ (head.joints[joint] + ahead) + transforms[joint][:3, 3]
        x, y, z = camera.project(front[None].astype(np.float64))[0]
        spot = np.zeros(picture.shape[:2], np.uint8)
        cv2.circle(spot, (int(x), int(y)), max(1, round(0.7 * radius * camera.fx / z)), 1, -1)
        colors.append(np.median(picture[spot > 0], 0) if spot.any() else DARK)
        centers.append((x, y))
    return Iris(np.array(colors, np.float32), np.full(2, radius, np.float32), np.array(centers, np.float32))
