"""Posing a head: the FLAME equations (Li et al. 2017, equations 1–5), in numpy."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perse_engine.heads.head import PARENTS, Floats, Head, HeadState


@dataclasses.dataclass(frozen=True, eq=False)
class Posed:
    """A posed head.

    Attributes:
        vertices: (V, 3) metres, head space.
        joints: (5, 3) where the joints are in this pose.
        transforms: (5, 4, 4) skinning transforms: they take a rest point that rides one joint to its posed place,
            the state's translation included.
    """

    vertices: Floats
    joints: Floats
    transforms: Floats


def neutral_state(head: Head) -> HeadState:
    """The mean person at rest: every coefficient zero."""
    return HeadState(
        shape=np.zeros(head.shape_directions.shape[2], np.float32),
        expression=np.zeros(head.expression_directions.shape[2], np.float32),
        pose=np.zeros((5, 3), np.float32),
        translation=np.zeros(3, np.float32),
    )


def pose_head(head: Head, state: HeadState) -> Posed:
    """Shape, express and pose a head.

    Args:
        head: the model.
        state: its coefficients; `shape` and `expression` may be shorter than the model's, the rest then being zero.

    Raises:
        ValueError: more coefficients than directions.
    """
    vertices, joints = rest_head(head, state.shape, state.expression)
    if head.pose_directions is not None:
        vertices = vertices + head.pose_directions @ pose_feature(state.pose)
    transforms = joint_transforms(joints, state.pose)
    transforms[:, :3, 3] += state.translation
    blended = (head.weights @ transforms.reshape(5, 16)).reshape(-1, 4, 4)  # (V, 4, 4)
    posed = np.einsum("vab,vb->va", blended[:, :3, :3], vertices) + blended[:, :3, 3]
    moved = np.einsum("jab,jb->ja", transforms[:, :3, :3], joints) + transforms[:, :3, 3]
    return Posed(posed.astype(np.float32), moved.astype(np.float32), transforms)


def rest_head(head: Head, shape: Floats, expression: Floats) -> tuple[Floats, Floats]:
    """The shaped and expressing head before any joint turns.

    Args:
        head: the model.
        shape: (≤S,) identity coefficients.
        expression: (≤E,) expression coefficients.

    Returns:
        Vertices (V, 3) and joints (5, 3), metres.

    Raises:
        ValueError: more coefficients than directions.
    """
    vertices = head.template + _sum(head.shape_directions, shape) + _sum(head.expression_directions, expression)
    joints = head.joints + _sum(head.joint_shape_directions, shape) + _sum(head.joint_expression_directions, expression)
    return vertices, joints


def joint_transforms(joints: NDArray[Any], pose: NDArray[Any]) -> Floats:
    """Skinning transforms of the five joints: G_j [I | −j] of the FLAME equations.

    Args:
        joints: (5, 3) rest joints, metres.
        pose: (5, 3) axis-angle of each joint relative to its parent, radians.

    Returns:
        (5, 4, 4) float32.
    """
    rotations = rotation_matrices(pose)
    joints = np.asarray(joints, np.float64)
    world = np.zeros((5, 4, 4))
    for joint, parent in enumerate(PARENTS):
        local = np.eye(4)
        local[:3, :3] = rotations[joint]
        local[:3, 3] = joints[joint] if parent < 0 else joints[joint] - joints[parent]
        world[joint] = local if parent < 0 else world[parent] @ local
    world[:, :3, 3] -= np.einsum("jab,jb->ja", world[:, :3, :3], joints)
    return world.astype(np.float32)


def rotation_matrices(axis_angles: NDArray[Any]) -> NDArray[np.float64]:
    """Rodrigues' formula: (…, 3) axis-angle, radians → (…, 3, 3) rotation matrices."""
    axis_angles = np.asarray(axis_angles, np.float64)
    squared = (axis_angles**2).sum(-1)[..., None, None]
    angle = np.sqrt(squared)
    sine = np.sinc(angle / np.pi)  # sin(a) / a, smooth at zero
    cosine = 0.5 * np.sinc(angle / (2 * np.pi)) ** 2  # (1 − cos a) / a²
    x, y, z = np.moveaxis(axis_angles, -1, 0)
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(*axis_angles.shape[:-1], 3, 3)
    rotations: NDArray[np.float64] = np.eye(3) + sine * cross + cosine * (cross @ cross)
    return rotations


def pose_feature(pose: NDArray[Any]) -> Floats:
    """What drives the pose correctives: (36,) the rotations of neck, jaw and eyes, less the identity."""
    return (rotation_matrices(pose[1:]) - np.eye(3)).reshape(36).astype(np.float32)


def _sum(directions: Floats, coefficients: Floats) -> Floats:
    """(…, D) directions weighted by (≤D,) coefficients."""
    count = len(coefficients)
    if count > directions.shape[-1]:
        raise ValueError(f"{count} coefficients for {directions.shape[-1]} directions")
    return directions[..., :count] @ np.asarray(coefficients, np.float32)
