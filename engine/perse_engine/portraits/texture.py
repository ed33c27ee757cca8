"""The head's texture: read from the photo, mirrored and continued elsewhere; eyes and mouth are painted."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from perse_engine.heads.head import Head
from perse_engine.portraits.completion import Seen, complete
from perse_engine.portraits.eyes import add_eyes, eye_white
from perse_engine.portraits.lid_skin import paint_lids
from perse_engine.portraits.light import Relief
from perse_engine.portraits.mouth_interior import clean_lips, paint_mouth
from perse_engine.portraits.parts import disc
from perse_engine.portraits.portrait import Iris
from perse_engine.portraits.skin import bare_skin, beside_ears, eye_distance, plain_skin, regions, straightness
from perse_engine.portraits.window import Window
from perse_engine.surfaces.filling import fill_holes
from perse_engine.surfaces.lighting import shade
from perse_engine.surfaces.unproject import Sight, Texels

SIDE = 1024
RIM = 0.01  # of the eyes' distance: at its border skin is mixed with hair or with what lies behind
Texture = NDArray[np.float32]
INNER = {"sockets": (0.42, 0.24, 0.21), "lashes": (0.17, 0.12, 0.10)}
WHITE = (0.90, 0.88, 0.86)  # what a photo's light leaves of white, where it shows no eyes


def paint_head_texture(
    head: Head,
    texels: Texels,
    sight: Sight,
    window: Window,
    iris: Iris,
    light: Texture,
    relief: Relief,
    seed: int,
) -> tuple[Texture, Texture, Texture]:
    """Texture (SIDE, SIDE, 3) sRGB, its confidence (SIDE, SIDE), and how far (SIDE, SIDE) lids and eyes are painted.

    Args:
        head: the personal head.
        texels: of the head's layout, `SIDE` x `SIDE`.
        sight: where the window's camera sees them.
        window: of the photo, with the masks of `find_parts`.
        light: (9, 3) that `find_light` tells.
        relief: of the photo.
        seed: of the grain.
    """
    color = sight.read(window.pixels)
    part = np.where(texels.triangle >= 0, head.face_parts[texels.triangle], 255)
    names = {name: part == k for k, name in enumerate(head.parts)}
    skin, bust = names["skin"], names.get("bust", np.zeros_like(part, bool))
    region = regions(head, texels)
    seen = _seen(head, texels, sight, window, color, skin, bust)
    lips = skin & (region["lips"] > 0.5)
    texture = complete(head, texels, seen, (skin & ~lips, lips, bust), light, relief, seed)
    texture[~(skin | bust)] = 0.5
    painted = paint_lids(texture, head, texels, sight, seed)
    painted = np.maximum(painted, clean_lips(texture, head, texels))
    for name in {"sockets", "lashes"} & set(names):
        texture[names[name]] = INNER[name]
    white = np.array(WHITE, np.float32)
    if "eyes" in names:
        shown = add_eyes(texture, head, texels, names["eyes"], sight, color, window, iris, light)
        painted = np.where(names["eyes"], 1 - shown, painted)
        white = eye_white(texture, head, texels, names["eyes"], iris)
    # eyes may lie in shadow; what the light leaves of white in front of the face is seldom less
    before = shade(np.array(WHITE, np.float32), light, np.array([0.0, 0.0, 1.0], np.float32))
    white = white * max(float(before.mean() / white.mean()), 1.0)
    painted = np.maximum(painted, paint_mouth(texture, head, texels, sight, color, window, white))
    texture = fill_holes(texture, texels.triangle >= 0)
    return np.clip(texture, 0, 1).astype(np.float32), seen.own * (1 - painted * skin), painted


def _seen(
    head: Head,
    texels: Texels,
    sight: Sight,
    window: Window,
    color: Texture,
    skin: NDArray[np.bool_],
    bust: NDArray[np.bool_],
) -> Seen:
    """What of the photo is believed to show the surface that lies there."""
    region = regions(head, texels)
    visible = sight.confidence > 0
    cloth = sight.read(window.masks["clothes"]) * visible
    believed = sight.read(cv2.erode(bare_skin(window), disc(RIM * eye_distance(window))))
    lower = bust | (skin & (region["neck"] > 0.2) & (region["face"] < 0.5))
    believed = np.where(lower, np.maximum(believed, cloth), believed)
    own = straightness(head, texels, sight) * beside_ears(head, texels, sight, window)
    own = _feathered(np.asarray(own * np.clip((believed - 0.6) * 3, 0, 1) * (skin | bust), np.float32))
    return Seen(color, own, cloth, plain_skin(head, texels, sight, window))


def _feathered(weight: Texture) -> Texture:
    """Less at the border of what is seen, so that it fades into what is not."""
    eroded = cv2.erode(weight, np.ones((3, 3), np.uint8))
    return np.asarray(eroded * np.clip(cv2.blur(eroded, (7, 7)) * 1.5 - 0.5, 0, 1), np.float32)
