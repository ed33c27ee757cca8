"""The parametric head, in the FLAME format: any number of vertices, directions and faces, five joints.

Li, Bolkart, Black, Li, Romero, "Learning a model of facial shape and expression from 4D scans", 2017.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

ROOT, NECK, JAW, LEFT_EYE, RIGHT_EYE = range(5)
JOINTS = ("root", "neck", "jaw", "left_eye", "right_eye")
PARENTS = (-1, ROOT, NECK, NECK, NECK)

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]


@dataclasses.dataclass(frozen=True, eq=False)
class Head:
    """A head model. V vertices, F triangles, S identity and E expression directions, T texture coordinates.

    Head space: metres, y up, z out of the face, x towards the person's left, origin at the neck joint of the template.

    Attributes:
        name: "open", "flame2020", "flame2023", …
        template: (V, 3) the mean head.
        faces: (F, 3) vertex indices, counter-clockwise from outside.
        shape_directions: (V, 3, S), one standard deviation each.
        expression_directions: (V, 3, E); of the open head each is one ARKit unit at full strength.
        expression_names: E names, [a-z0-9_], ARKit's in lower case ("jawopen") or "flame_000".
        pose_directions: (V, 3, 36) pose correctives, or None where the model has none.
        weights: (V, 5) skinning weights, rows sum to 1, columns as `JOINTS`.
        joints: (5, 3) rest joints of the template.
        joint_shape_directions: (5, 3, S) joints are exactly linear in identity.
        joint_expression_directions: (5, 3, E) as FLAME's regressor implies; zero for the open head.
        uv: (T, 2) in [0, 1], v up.
        uv_faces: (F, 3) indices into `uv`.
        parts: names of the parts: skin, eyes, teeth, tongue, lashes, bust, …
        face_parts: (F,) uint8, index into `parts`.
        regions: soft masks (V,) in [0, 1] by name: scalp, face, lips, eyelids, ears, neck, nose, brows, beard.
        mirror: (V,) the vertex on the other side of the face.
        licence: SPDX name or a sentence, carried into every avatar made with this head.
    """

    name: str
    template: Floats
    faces: Ints
    shape_directions: Floats
    expression_directions: Floats
    expression_names: tuple[str, ...]
    pose_directions: Floats | None
    weights: Floats
    joints: Floats
    joint_shape_directions: Floats
    joint_expression_directions: Floats
    uv: Floats
    uv_faces: Ints
    parts: tuple[str, ...]
    face_parts: NDArray[np.uint8]
    regions: Mapping[str, Floats]
    mirror: Ints
    licence: str


@dataclasses.dataclass(frozen=True, eq=False)
class HeadState:
    """The coefficients that pose a `Head`.

    Attributes:
        shape: (S,) identity, standard deviations.
        expression: (E,) expression coefficients; ARKit units lie in [0, 1].
        pose: (5, 3) axis-angle of each joint, radians, relative to its parent.
        translation: (3,) metres.
    """

    shape: Floats
    expression: Floats
    pose: Floats
    translation: Floats
