"""A portrait: everything that one photograph tells about one head. What editors, animators and trainers read."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perse_engine.cameras import Camera
from perse_engine.heads.head import Floats, Head, HeadState, Ints

PART_NAMES = ("skin", "hair", "brows", "eyes", "lips", "ears", "neck", "clothes")


@dataclasses.dataclass(frozen=True, eq=False)
class HairShell:
    """The photo's own hair (or what covers it: a turban, a scarf) as a mesh over the rest-pose personal head.

    Attributes:
        vertices: (H, 3) head space, metres, in the rest pose of `Portrait.head`.
        faces: (G, 3) counter-clockwise from outside.
        uv: (H, 2) in [0, 1], v up, into `Portrait.hair_texture`; one seam, so vertices repeat along it.
        weights: (H, 5) skinning weights: the skull joint, blending to the root where hair falls on the shoulders.
    """

    vertices: Floats
    faces: Ints
    uv: Floats
    weights: Floats


@dataclasses.dataclass(frozen=True, eq=False)
class Iris:
    """The two irises, the person's left first, as `heads.head.LEFT_EYE` comes before `RIGHT_EYE`.

    Attributes:
        color: (2, 3) mean sRGB of each iris in [0, 1].
        radius: (2,) metres.
        center: (2, 2) of each iris in the photo, pixels.
    """

    color: Floats
    radius: Floats
    center: Floats


@dataclasses.dataclass(frozen=True, eq=False)
class Portrait:
    """One photograph, fitted. H x W is the whole photo; V the head's vertices; T the texture's side.

    `pose_head(portrait.head, portrait.state)` seen through `portrait.camera` is the photo.

    Attributes:
        photo: (H, W, 3) uint8 sRGB, upright, long side at most 2048.
        matte: (H, W) float32, the person's alpha.
        landmarks: (468, 3) photo pixels; z grows away from the camera, in the same unit.
        camera: of the whole photo.
        crop: x, y, side of the aligned square crop, photo pixels; it may reach outside the photo.
        parts: soft masks (H, W) float32 by name, `PART_NAMES`.
        head: the personal head: `identity` and `offsets` are already in its template and joints.
        identity: (S,) shape coefficients of this person, standard deviations.
        state: the photo's expression and pose; its shape is zero, as the head is already personal.
        offsets: (V, 3) metres, detail beyond the shape space; already in `head.template`.
        hair_shell: the photo's own hair.
        texture: (T, T, 3) float32 sRGB of the head's uv, row 0 is v = 1.
        light: (9, 3) linear RGB, the photo's light as `surfaces.lighting` has it, in head space (rest pose).
        albedo: (T, T, 3) float32 sRGB-encoded reflectance: what `texture` is without light and shade.
        texture_confidence: (T, T) in [0, 1]: 1 where the photo shows it, 0 where it was completed.
        hair_texture: (U, U, 4) float32 sRGB and straight alpha of the hair shell's uv, row 0 is v = 1.
        iris: colour and size of the eyes.
        source: file name, sha256 and size of the photograph.
    """

    photo: NDArray[np.uint8]
    matte: Floats
    landmarks: Floats
    camera: Camera
    crop: tuple[float, float, float]
    parts: Mapping[str, Floats]
    head: Head
    identity: Floats
    state: HeadState
    offsets: Floats
    hair_shell: HairShell
    texture: Floats
    light: Floats
    albedo: Floats
    texture_confidence: Floats
    hair_texture: Floats
    iris: Iris
    source: Mapping[str, Any]

    def crop_camera(self, size: int) -> Camera:
        """The camera of the aligned square crop at size x size pixels."""
        x, y, side = self.crop
        window = dataclasses.replace(self.camera, cx=self.camera.cx - x, cy=self.camera.cy - y)
        scale = size / side
        return dataclasses.replace(
            window,
            fx=window.fx * scale,
            fy=window.fy * scale,
            cx=window.cx * scale,
            cy=window.cy * scale,
            width=size,
            height=size,
        )
