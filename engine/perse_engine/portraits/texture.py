"""The head's texture: read from the photo, mirrored and continued elsewhere; eyes and mouth are painted."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from perse_engine.cameras import Camera
from perse_engine.heads.head import LEFT_EYE, RIGHT_EYE, Head
from perse_engine.portraits.parts import Mask, disc, eye_openings, mouth_opening
from perse_engine.portraits.portrait import Iris
from perse_engine.surfaces.filling import fill_holes
from perse_engine.surfaces.unproject import Texels, texel_map, unproject

SIDE = 1024


def paint_head_texture(
    head: Head,
    vertices: NDArray[np.floating],
    camera: Camera,
    pixels: NDArray[np.uint8],
    parts: dict[str, Mask],
    landmarks: NDArray[np.floating],
    teeth: NDArray[np.floating],
    iris: Iris,
    seed: int,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Texture (SIDE, SIDE, 3) sRGB and its confidence (SIDE, SIDE).

    Args:
        head: the personal head.
        vertices: (V, 3) as in the photo, in the axes that `camera` sees.
        pixels: (H, W, 3) uint8.
        parts: masks of the photo.
        landmarks: (468, 3) pixels.
        teeth: (H, W) the open mouth, zero when the photo shows no teeth.
        seed: of the skin's fine grain.
    """
    texels = texel_map(head.uv, head.uv_faces, (SIDE, SIDE))
    part = np.where(texels.triangle >= 0, head.face_parts[texels.triangle], 255)
    index = {name: k for k, name in enumerate(head.parts)}
    color, confidence = unproject(pixels, vertices, head.faces, camera, texels)
    skin = part == index["skin"]
    bust = part == index.get("bust", 254)
    allowed = _allowed(parts, landmarks)
    believed = unproject(np.repeat(allowed[..., None], 3, -1), vertices, head.faces, camera, texels)[0][..., 0]
    dressed = unproject(np.repeat(parts["clothes"][..., None], 3, -1), vertices, head.faces, camera, texels)[0][..., 0]
    regions = texels.interpolate(head.faces, np.stack([head.regions[name] for name in ("neck", "face", "lips")], 1))
    lower = bust | (skin & (regions[..., 0] > 0.2) & (regions[..., 1] < 0.5))
    believed = np.where(lower, np.maximum(believed, dressed), believed)
    weight = np.clip((confidence - 0.01) / 0.12, 0, 1) * np.clip((believed - 0.5) * 2.5, 0, 1)
    weight = np.where(skin | bust, weight, 0).astype(np.float32)
    weight = cv2.erode(weight, np.ones((3, 3))) * (cv2.GaussianBlur(weight, (0, 0), 3) ** 0.5)

    mirrored_color, mirrored_weight = _mirrored(head, texels, color, weight)
    own = weight
    other = mirrored_weight * (1 - own) * 0.9
    known = own + other
    base = (color * own[..., None] + mirrored_color * other[..., None]) / np.maximum(known, 1e-6)[..., None]
    texture = np.empty_like(color)
    lips = skin & (regions[..., 2] > 0.5)
    for region in (skin & ~lips, lips, bust):
        texture[region] = _completed(base, np.where(region, known, 0))[region]
    grain = _grain(color, own * skin, seed)
    texture += (grain * (1 - np.clip(known, 0, 1)) * skin)[..., None]
    texture = _paint_inner_parts(head, texels, part, index, texture, iris)
    if "teeth" in index:
        texture = _photographed_teeth(head, vertices, camera, teeth, texels, part == index["teeth"], color, texture)
    outside = texels.triangle < 0
    texture = fill_holes(texture, ~outside)
    return np.clip(texture, 0, 1).astype(np.float32), np.where(skin | bust, own, 0).astype(np.float32)


def _allowed(parts: dict[str, Mask], landmarks: NDArray[np.floating]) -> Mask:
    """(H, W) where the photo shows bare skin: no hair, no cloth, no eyeball, no teeth."""
    bare = parts["skin"] + parts["ears"] + parts["neck"]
    eyes = float(np.linalg.norm(landmarks[33, :2] - landmarks[263, :2]))
    # lashes darken the skin around the eyes and are drawn as lashes, so that lids close with skin on them
    holes = np.maximum(
        cv2.dilate(eye_openings(bare.shape, landmarks), disc(eyes * 0.03)),
        cv2.dilate(mouth_opening(bare.shape, landmarks), disc(eyes * 0.012)),
    )
    hair = cv2.dilate(parts["hair"], disc(eyes * 0.012))
    return np.asarray(np.clip(bare, 0, 1) * (1 - holes) * (1 - hair), np.float32)


def _mirrored(
    head: Head, texels: Texels, color: NDArray[np.float32], weight: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Colour and weight of the texel on the other side of the face."""
    uv_of = np.zeros((len(head.template), 2), np.float32)
    uv_of[head.faces.reshape(-1)] = head.uv[head.uv_faces.reshape(-1)]
    other = texels.interpolate(head.faces, uv_of[head.mirror])
    x = (other[..., 0] * SIDE - 0.5).astype(np.float32)
    y = ((1 - other[..., 1]) * SIDE - 0.5).astype(np.float32)
    return (
        np.asarray(cv2.remap(color, x, y, cv2.INTER_LINEAR), np.float32),
        np.asarray(cv2.remap(weight, x, y, cv2.INTER_LINEAR), np.float32),
    )


def _completed(color: NDArray[np.float32], weight: NDArray[np.float32]) -> NDArray[np.float32]:
    """Pull-push, drawn towards the usual tone far from anything seen."""
    if weight.max() <= 0:
        return np.full_like(color, 0.5)
    sure = weight > 0.6
    tone = np.median(color[sure], 0) if sure.any() else np.average(color.reshape(-1, 3), 0, weight.reshape(-1))
    near = np.clip(cv2.GaussianBlur(weight, (0, 0), SIDE / 24) * 3, 0, 1)[..., None]
    filled = fill_holes(color, weight)
    soft = cv2.GaussianBlur(filled, (0, 0), SIDE / 40)
    far = soft * near + tone * (1 - near)
    known = weight[..., None]
    return np.asarray(filled * known + (filled * near + far * (1 - near)) * (1 - known), np.float32)


def _grain(color: NDArray[np.float32], weight: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    """(SIDE, SIDE) fine variation of lightness, as strong as the seen skin's."""
    seen = weight > 0.8
    light = color.mean(-1)
    strength = float((light - cv2.GaussianBlur(light, (0, 0), 3))[seen].std()) if seen.sum() > 500 else 0.01
    noise = np.random.default_rng(seed).normal(size=light.shape).astype(np.float32)
    noise = cv2.GaussianBlur(noise, (0, 0), 1.6)
    return np.asarray(noise / noise.std() * min(strength, 0.02), np.float32)


def _paint_inner_parts(
    head: Head,
    texels: Texels,
    part: NDArray[np.integer],
    index: dict[str, int],
    texture: NDArray[np.float32],
    iris: Iris,
) -> NDArray[np.float32]:
    for name, color in (
        ("mouth", (0.24, 0.08, 0.08)),
        ("sockets", (0.45, 0.25, 0.22)),
        ("tongue", (0.50, 0.22, 0.22)),
        ("teeth", (0.82, 0.78, 0.72)),
        ("lashes", (0.16, 0.11, 0.09)),
    ):
        if name in index:
            texture[part == index[name]] = color
    if "eyes" in index:
        position = texels.interpolate(head.faces, head.template)
        eye = part == index["eyes"]
        for k, joint in enumerate((LEFT_EYE, RIGHT_EYE)):
            own = eye & (np.sign(position[..., 0]) == np.sign(head.joints[joint, 0]))
            texture[own] = _eye(position[own] - head.joints[joint], iris.color[k], float(iris.radius[k]))
    return texture


def _photographed_teeth(
    head: Head,
    vertices: NDArray[np.floating],
    camera: Camera,
    shown: NDArray[np.floating],
    texels: Texels,
    part: NDArray[np.bool_],
    color: NDArray[np.float32],
    texture: NDArray[np.float32],
) -> NDArray[np.float32]:
    """The teeth as the photo shows them, dark corners included; as painted where it shows none."""
    inner = cv2.erode(shown, disc(1))
    image = np.repeat(inner[..., None], 3, -1)
    seen, confidence = unproject(image, vertices, head.faces, camera, texels)
    weight = np.where(part & (confidence > 0.02), np.clip(seen[..., 0] * 2 - 1, 0, 1), 0).astype(np.float32)
    if weight.sum() < 100:
        return texture
    texture[part] = _completed(color, weight)[part]
    return texture


def _eye(offset: NDArray[np.float32], color: NDArray[np.float32], radius: float) -> NDArray[np.float32]:
    """(N, 3) colours of an eyeball at offsets (N, 3) from its centre: sclera, limbus, iris with rays, pupil."""
    from_axis = np.hypot(offset[:, 0], offset[:, 1]) / radius
    front = offset[:, 2] > 0
    around = np.arctan2(offset[:, 1], offset[:, 0])
    sclera = np.array([0.90, 0.87, 0.85]) - 0.10 * np.clip(from_axis[:, None] - 1.2, 0, 1.5) * [0.6, 1, 1]
    sclera = sclera - 0.10 * np.clip(offset[:, 1:2] / radius - 0.35, 0, 1)  # the upper lid's shadow
    rays = 0.06 * np.sin(around * 23 + 3 * np.sin(around * 7)) * np.clip(from_axis - 0.4, 0, 1)
    ring = np.clip((from_axis - 0.72) / 0.28, 0, 1)[:, None]
    tint = color * (1.12 + rays[:, None]) * (1 - 0.55 * ring**2)
    inside = np.clip((1.0 - from_axis) / 0.10 + 0.5, 0, 1)[:, None] * front[:, None]
    pupil = np.clip((0.38 - from_axis) / 0.08 + 0.5, 0, 1)[:, None] * front[:, None]
    painted = sclera * (1 - inside) + tint * inside
    return np.asarray(painted * (1 - pupil) + 0.03 * pupil, np.float32)
