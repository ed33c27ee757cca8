"""The same person in another picture: an edited portrait is seen with the head that the portrait has."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from perse_engine.cameras import Camera
from perse_engine.heads.head import JAW
from perse_engine.heads.posing import joint_transforms, pose_head
from perse_engine.portraits.correspondence import find_correspondence
from perse_engine.portraits.fit import photo_lens
from perse_engine.portraits.landmarks import INNER_LIPS, LEFT_BROW, OUTER_LIPS, OVAL, RIGHT_BROW, FaceTracker
from perse_engine.portraits.matting import Matter
from perse_engine.portraits.portrait import Portrait
from perse_engine.portraits.sequence import HeadSequence

Floats = NDArray[np.float32]

ALIGNED = 0.025
"""Median distance of steady landmarks, in distances of the eyes, up to which a picture is the photo edited in place."""
STEADY = np.setdiff1d(np.arange(468), OVAL + INNER_LIPS + OUTER_LIPS + LEFT_BROW + RIGHT_BROW)
SHAPE = 0.02
"""By how much the proportions of a picture may differ from the photo's to count as edited in place."""
SWEEPS = 12


@dataclasses.dataclass(frozen=True, eq=False)
class Sighting:
    """The person in another picture of H x W pixels.

    Attributes:
        pixels: (H, W, 3) sRGB in [0, 1].
        matte: (H, W) the person's alpha.
        landmarks: (468, 3) pixels.
        camera: H x W, sees the head's space.
        expression: (E,) of the head.
        transforms: (5, 4, 4) skinning transforms of the head.
        vertices: (V, 3) the head as in the picture.
        in_place: whether the picture is the photo itself, edited.
    """

    pixels: Floats
    matte: Floats
    landmarks: Floats
    camera: Camera
    expression: Floats
    transforms: Floats
    vertices: Floats
    in_place: bool


def see_again(portrait: Portrait, picture: NDArray[np.uint8], alpha: Floats | None, tracker: FaceTracker) -> Sighting:
    """Find camera and expression of `picture` (H, W, 3), and whether it is the photo edited in place.

    Args:
        alpha: (H, W) of the picture's own, or None.

    Raises:
        InputError: what `tracker.track` raises.
    """
    height, width = picture.shape[:2]
    photo_height, photo_width = portrait.photo.shape[:2]
    face = tracker.track(picture)
    matte = Matter().matte(picture, face.landmarks)
    if alpha is not None:
        matte = matte * alpha
    scale = width / photo_width
    if abs(height / photo_height / scale - 1) < SHAPE:
        off = face.landmarks[STEADY, :2] - portrait.landmarks[STEADY, :2] * scale
        if np.median(np.linalg.norm(off, axis=1)) < ALIGNED * face.eye_distance:
            posed = pose_head(portrait.head, portrait.state)
            return Sighting(
                (picture / np.float32(255)).astype(np.float32),
                matte,
                face.landmarks,
                portrait.camera.resized(width, height),
                portrait.state.expression,
                posed.transforms,
                posed.vertices,
                True,
            )
    head = portrait.head
    lens = photo_lens(width, height, None)
    landmarks = face.landmarks[None, :, :2].astype(np.float64)
    sequence = HeadSequence(
        head, find_correspondence(head, tracker), landmarks, np.array([face.eye_distance]), lens, np.zeros(0)
    )
    sequence.solve(SWEEPS)
    motion = sequence.motion
    pose = np.zeros((5, 3), np.float32)
    pose[JAW, 0] = motion.units[0, -1]
    expression = motion.units[0, :-1].astype(np.float32)
    state = dataclasses.replace(portrait.state, expression=expression, pose=pose, translation=np.zeros(3, np.float32))
    view = np.eye(4)
    view[:3, :3], view[:3, 3] = motion.rotations[0], motion.translations[0]
    return Sighting(
        (picture / np.float32(255)).astype(np.float32),
        matte,
        face.landmarks,
        dataclasses.replace(lens, view=view),
        expression,
        joint_transforms(head.joints, pose),
        pose_head(head, state).vertices,
        False,
    )
