"""The head's texture: read from the photo, mirrored and continued elsewhere; eyes and mouth are painted."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from perse_engine.heads.head import Head
from perse_engine.portraits.eyes import add_eyes, eye_white
from perse_engine.portraits.lid_skin import paint_lids
from perse_engine.portraits.mouth_interior import clean_lips, paint_mouth
from perse_engine.portraits.parts import Mask, disc, eye_openings, mouth_opening
from perse_engine.portraits.portrait import Iris
from perse_engine.portraits.window import Window
from perse_engine.surfaces.filling import fill_holes
from perse_engine.surfaces.unproject import Sight, Texels

SIDE = 1024
Texture = NDArray[np.float32]
INNER = {"sockets": (0.42, 0.24, 0.21), "lashes": (0.17, 0.12, 0.10)}
WHITE = (0.90, 0.88, 0.86)  # what a photo's light leaves of white, where it shows no eyes


def paint_head_texture(
    head: Head, texels: Texels, sight: Sight, window: Window, iris: Iris, seed: int
) -> tuple[Texture, Texture, Texture]:
    """Texture (SIDE, SIDE, 3) sRGB, its confidence (SIDE, SIDE), and how far (SIDE, SIDE) lids and eyes are painted.

    Args:
        head: the personal head.
        texels: of the head's layout, `SIDE` x `SIDE`.
        sight: where the window's camera sees them.
        window: of the photo, with the masks of `find_parts`.
        seed: of the skin's fine grain.
    """
    color = sight.read(window.pixels)
    part = np.where(texels.triangle >= 0, head.face_parts[texels.triangle], 255)
    names = {name: part == k for k, name in enumerate(head.parts)}
    skin, bust = names["skin"], names.get("bust", np.zeros_like(part, bool))
    region = dict(
        zip(
            ("neck", "face", "lips", "eyelids"),
            np.moveaxis(texels.interpolate(head.faces, _regions(head)), -1, 0),
            strict=True,
        )
    )

    believed = sight.read(bare_skin(window))
    lower = bust | (skin & (region["neck"] > 0.2) & (region["face"] < 0.5))
    believed = np.where(lower, np.maximum(believed, sight.read(window.masks["clothes"])), believed)
    own = np.clip((sight.confidence - 0.006) / 0.05, 0, 1) * np.clip((believed - 0.6) * 3, 0, 1) * (skin | bust)
    own = _feathered(own.astype(np.float32))
    mirrored, other = _mirrored(head, texels, color, own)
    mirrored, gain = _toned(mirrored, other, color, own)
    # shadow does not turn into light: what the other side hides in it is better continued than brightened
    other = other * (1 - own) * np.clip((1.5 - gain) / 0.3, 0, 1)
    known = own + other
    base = (color * own[..., None] + mirrored * other[..., None]) / np.maximum(known, 1e-6)[..., None]

    texture = np.full_like(color, 0.5)
    lips = skin & (region["lips"] > 0.5)
    for area in (skin & ~lips, lips, bust):
        texture[area] = _completed(base, np.where(area, known, 0))[area]
    texture += (_grain(color, own * skin, seed) * (1 - known) * skin)[..., None]
    painted = paint_lids(texture, head, texels, sight, seed)
    painted = np.maximum(painted, clean_lips(texture, head, texels))
    for name in {"sockets", "lashes"} & set(names):
        texture[names[name]] = INNER[name]
    white = np.array(WHITE, np.float32)
    if "eyes" in names:
        shown = add_eyes(texture, head, texels, names["eyes"], sight, color, window, iris)
        painted = np.where(names["eyes"], 1 - shown, painted)
        white = eye_white(texture, head, texels, names["eyes"], iris)
    painted = np.maximum(painted, paint_mouth(texture, head, texels, sight, color, window, white))
    texture = fill_holes(texture, texels.triangle >= 0)
    return np.clip(texture, 0, 1).astype(np.float32), own * (1 - painted * skin), painted


def bare_skin(window: Window) -> Mask:
    """(S, S) where the photo shows bare skin: no hair, no cloth, no eyeball, no teeth, and no lashes over it."""
    masks, shape = window.masks, window.pixels.shape[:2]
    bare = np.clip(masks["skin"] + masks["ears"] + masks["neck"], 0, 1)
    eyes = float(np.linalg.norm(window.landmarks[33, :2] - window.landmarks[263, :2]))
    # lashes darken the skin around the eyes; they are painted instead, so that lids close with skin on them
    holes = np.maximum(
        cv2.dilate(eye_openings(shape, window.landmarks), disc(eyes * 0.012)),
        cv2.dilate(mouth_opening(shape, window.landmarks), disc(eyes * 0.006)),
    )
    return np.asarray(bare * (1 - holes), np.float32)


def _regions(head: Head) -> NDArray[np.float32]:
    none = np.zeros(len(head.template), np.float32)
    return np.stack([head.regions.get(name, none) for name in ("neck", "face", "lips", "eyelids")], 1)


def _feathered(weight: Texture) -> Texture:
    """Less at the border of what is seen, so that it fades into what is not."""
    eroded = cv2.erode(weight, np.ones((3, 3), np.uint8))
    return np.asarray(eroded * np.clip(cv2.blur(eroded, (7, 7)) * 1.5 - 0.5, 0, 1), np.float32)


def _mirrored(head: Head, texels: Texels, color: Texture, weight: Texture) -> tuple[Texture, Texture]:
    """Colour and weight of the texel on the other side of the face."""
    uv_of = np.zeros((len(head.template), 2), np.float32)
    uv_of[head.faces.reshape(-1)] = head.uv[head.uv_faces.reshape(-1)]
    # triangles that touch a seam mix coordinates from both of its sides
    corners = uv_of[head.mirror][head.faces]
    torn = (np.ptp(corners, axis=1) > 0.1).any(1)
    other = texels.interpolate(head.faces, uv_of[head.mirror])
    x = (other[..., 0] * SIDE - 0.5).astype(np.float32)
    y = ((1 - other[..., 1]) * SIDE - 0.5).astype(np.float32)
    whole = (texels.triangle >= 0) & ~torn[texels.triangle]
    return (
        np.asarray(cv2.remap(color, x, y, cv2.INTER_LINEAR), np.float32),
        np.asarray(cv2.remap(weight, x, y, cv2.INTER_LINEAR) * whole, np.float32),
    )


def _toned(mirrored: Texture, other: Texture, color: Texture, own: Texture) -> tuple[Texture, Texture]:
    """The other side in this side's light: scaled, locally, by how both differ where both are seen; and that scale."""
    small = (SIDE // 8, SIDE // 8)
    both = (own * other)[..., None]
    sums = [cv2.resize(image * both, small, interpolation=cv2.INTER_AREA) for image in (color, mirrored)]
    weight = cv2.resize(both, small, interpolation=cv2.INTER_AREA)[..., None]
    ratio = np.zeros((*sums[0].shape[:2], 3), np.float32)
    reach = np.zeros((*sums[0].shape[:2], 1), np.float32)
    for sigma in (3, 8, 24):
        here, there, share = (cv2.GaussianBlur(image, (0, 0), sigma) for image in (*sums, weight))
        share = share.reshape(reach.shape)
        level = (here + 2e-3 * share) / np.maximum(there + 2e-3 * share, 1e-9)
        # the hue is the skin's, only the light differs
        level = np.clip(0.7 * level.mean(-1, keepdims=True) + 0.3 * level, 0.4, 1.6)
        new = np.clip(share / 0.02, 0, 1) * (1 - reach)
        ratio += level * new
        reach += new
    ratio += (1 - reach) * 1.0
    gain = np.asarray(cv2.resize(ratio, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR), np.float32)
    return mirrored * gain, gain.mean(-1)


def _completed(color: Texture, weight: Texture) -> Texture:
    """Pull-push, drawn towards the usual tone far from anything seen."""
    sure = weight > 0.6
    if not sure.any():
        seen = weight > 0
        tone = np.median(color[seen], 0) if seen.any() else np.full(3, 0.5)
        return np.broadcast_to(tone.astype(np.float32), color.shape).copy()
    tone = np.median(color[sure], 0)
    filled = fill_holes(color, weight)
    small = (SIDE // 4, SIDE // 4)
    near = cv2.GaussianBlur(cv2.resize(weight, small, interpolation=cv2.INTER_AREA), (0, 0), SIDE / 96)
    near = np.clip(cv2.resize(near, (SIDE, SIDE)) * 3, 0, 1)[..., None]
    soft = cv2.GaussianBlur(cv2.resize(filled, small, interpolation=cv2.INTER_AREA), (0, 0), SIDE / 200)
    far = cv2.resize(soft, (SIDE, SIDE)) * near + tone * (1 - near)
    share = weight[..., None]
    return np.asarray(filled * share + (filled * near + far * (1 - near)) * (1 - share), np.float32)


def _grain(color: Texture, weight: Texture, seed: int) -> Texture:
    """(SIDE, SIDE) fine variation of lightness, as strong as the seen skin's."""
    seen = weight > 0.8
    light = color.mean(-1)
    strength = float((light - cv2.GaussianBlur(light, (0, 0), 3))[seen].std()) if seen.sum() > 500 else 0.01
    noise = np.random.default_rng(seed).normal(size=light.shape).astype(np.float32)
    noise = cv2.GaussianBlur(noise, (0, 0), 1.6)
    return np.asarray(noise / noise.std() * min(strength, 0.012), np.float32)
