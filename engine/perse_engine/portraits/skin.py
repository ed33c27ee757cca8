"""Where a photo shows skin, and where that is only skin."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from perse_engine.heads.head import Head
from perse_engine.portraits.landmarks import OVAL
from perse_engine.portraits.mirroring import opposite
from perse_engine.portraits.parts import Mask, disc, eye_openings, mouth_opening
from perse_engine.portraits.window import Window
from perse_engine.surfaces.unproject import Sight, Texels

BROWS = 5  # texels around them that are no plain skin
GRAZING = (0.012, 0.09)  # confidence below which what the photo shows is not believed, and above which it is
EAR_TOPS, EAR_ENDS = (162, 389), (132, 361)  # landmarks of the face's outline above and below the ears
SOFT = 4.0  # texels over which both sides are compared
OUTDONE = (0.10, 0.35)  # the same for confidence as a share of that with which the other side is seen


def bare_skin(window: Window) -> Mask:
    """(S, S) where the photo shows bare skin: no hair, no cloth, no eyeball, no teeth, and no lashes over it."""
    masks, shape = window.masks, window.pixels.shape[:2]
    bare = np.clip(masks["skin"] + masks["ears"] + masks["neck"], 0, 1)
    eyes = eye_distance(window)
    # lashes darken the skin around the eyes; they are painted instead, so that lids close with skin on them
    holes = np.maximum(
        cv2.dilate(eye_openings(shape, window.landmarks), disc(eyes * 0.012)),
        cv2.dilate(mouth_opening(shape, window.landmarks), disc(eyes * 0.006)),
    )
    return np.asarray(bare * (1 - holes), np.float32)


def straightness(head: Head, texels: Texels, sight: Sight) -> Mask:
    """(T, T) in [0, 1] how far the photo is believed: where it sees a texel straight enough to tell how it looks.

    Of a face that is turned away one side is seen at a glance, stretched and a little misplaced, and the other in full:
    there the other side's mirror image is nearer to the truth.
    """
    enough = (sight.confidence - GRAZING[0]) / (GRAZING[1] - GRAZING[0])
    other = cv2.GaussianBlur(opposite(head, texels).read(sight.confidence), (0, 0), SOFT)
    share = cv2.GaussianBlur(sight.confidence, (0, 0), SOFT) / np.maximum(other, 1e-6)
    beside = (share - OUTDONE[0]) / (OUTDONE[1] - OUTDONE[0])
    return np.asarray(np.clip(enough, 0, 1) * np.clip(beside, 0, 1), np.float32)


def beside_ears(head: Head, texels: Texels, sight: Sight, window: Window) -> Mask:
    """(T, T) in [0, 1]: 0 where the photo shows an ear and the head has none there, 1 elsewhere.

    A model's ears seldom lie just where the photo's do; what shows of these must not be painted on a cheek as well.
    """
    points, shape = window.landmarks[:, :2], window.pixels.shape[:2]
    face = np.zeros(shape, np.uint8)
    cv2.fillConvexPoly(face, cv2.convexHull(np.round(points[list(OVAL)]).astype(np.int32)), 1)
    rows = np.arange(shape[0])[:, None]
    top, bottom = points[list(EAR_TOPS), 1].min(), points[list(EAR_ENDS), 1].max()
    zone = ((face == 0) & (rows > top) & (rows < bottom)).astype(np.float32)
    ears = cv2.GaussianBlur(zone, (0, 0), max(0.01 * eye_distance(window), 0.5))
    none = np.zeros(len(head.template), np.float32)
    own = texels.interpolate(head.faces, head.regions.get("ears", none)[:, None])[..., 0]
    skin = (texels.triangle >= 0) & (head.face_parts[texels.triangle] == head.parts.index("skin"))
    return np.asarray(1 - sight.read(ears) * np.clip(1 - 2 * own, 0, 1) * skin, np.float32)


def eye_distance(window: Window) -> float:
    """Pixels of the window between the outer corners of the eyes."""
    return float(np.linalg.norm(window.landmarks[33, :2] - window.landmarks[263, :2]))


def regions(head: Head, texels: Texels) -> dict[str, NDArray[np.float32]]:
    """(T, T) in [0, 1] by name: neck, face, lips, eyelids; zero where the head model does not know them."""
    names = ("neck", "face", "lips", "eyelids")
    none = np.zeros(len(head.template), np.float32)
    fields = texels.interpolate(head.faces, np.stack([head.regions.get(name, none) for name in names], 1))
    return dict(zip(names, np.moveaxis(fields, -1, 0), strict=True))


def plain_skin(head: Head, texels: Texels, sight: Sight, window: Window) -> Mask:
    """(T, T) in [0, 1]: neither lips nor lids nor brows; brows as far as the photo shows them."""
    region = regions(head, texels)
    brows = sight.read(window.masks["brows"]) * (sight.confidence > 0)
    features = np.maximum(2 * np.maximum(region["lips"], region["eyelids"]), cv2.dilate(brows, disc(BROWS)))
    return np.asarray(1 - np.clip(features, 0, 1), np.float32)
