"""Posing heads in torch: the equations of `posing`, batched and differentiable; the only module here to need torch."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch
from torch import Tensor

from perse_engine.heads.head import PARENTS, Floats, Head


@dataclasses.dataclass(frozen=True, eq=False)
class HeadTensors:
    """What posing needs of a `Head`, as tensors on one device, one dtype."""

    template: Tensor  # (V, 3)
    shape_directions: Tensor  # (V, 3, S)
    expression_directions: Tensor  # (V, 3, E)
    pose_directions: Tensor | None  # (V, 3, 36)
    weights: Tensor  # (V, 5)
    joints: Tensor  # (5, 3)
    joint_shape_directions: Tensor  # (5, 3, S)
    joint_expression_directions: Tensor  # (5, 3, E)


def head_tensors(head: Head, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32) -> HeadTensors:
    """Copy the arrays of `head` to `device`."""

    def tensor(array: Floats) -> Tensor:
        return torch.tensor(np.asarray(array), dtype=dtype, device=device)

    return HeadTensors(
        template=tensor(head.template),
        shape_directions=tensor(head.shape_directions),
        expression_directions=tensor(head.expression_directions),
        pose_directions=None if head.pose_directions is None else tensor(head.pose_directions),
        weights=tensor(head.weights),
        joints=tensor(head.joints),
        joint_shape_directions=tensor(head.joint_shape_directions),
        joint_expression_directions=tensor(head.joint_expression_directions),
    )


def pose_batch(
    head: HeadTensors, shape: Tensor, expression: Tensor, pose: Tensor, translation: Tensor
) -> tuple[Tensor, Tensor]:
    """Shape, express and pose B heads.

    Args:
        head: the model.
        shape: (B, ≤S) identity coefficients.
        expression: (B, ≤E) expression coefficients.
        pose: (B, 5, 3) axis-angle of each joint relative to its parent, radians.
        translation: (B, 3) metres.

    Returns:
        Posed vertices (B, V, 3) and posed joints (B, 5, 3), metres.
    """
    vertices = head.template + _sum(head.shape_directions, shape) + _sum(head.expression_directions, expression)
    joints = head.joints + _sum(head.joint_shape_directions, shape) + _sum(head.joint_expression_directions, expression)
    rotations = rotation_matrices(pose)  # (B, 5, 3, 3)
    if head.pose_directions is not None:
        feature = (rotations[:, 1:] - torch.eye(3, dtype=pose.dtype, device=pose.device)).flatten(1)
        vertices = vertices + _sum(head.pose_directions, feature)
    turns, moves = _joint_transforms(joints, rotations)
    moves = moves + translation[:, None]
    blended = torch.einsum("vj,bjac->bvac", head.weights, turns)
    posed = (blended @ vertices[..., None])[..., 0] + torch.einsum("vj,bja->bva", head.weights, moves)
    return posed, (turns @ joints[..., None])[..., 0] + moves


def rotation_matrices(axis_angles: Tensor) -> Tensor:
    """Rodrigues' formula: (…, 3) axis-angle, radians → (…, 3, 3), with gradients that hold at zero."""
    squared = (axis_angles**2).sum(-1)[..., None, None]
    # The square root has no gradient at zero, where the constant terms of the series are exact enough.
    small = squared < 1e-12
    angle = torch.where(small, torch.ones_like(squared), squared).sqrt()
    sine = torch.where(small, 1 - squared / 6, torch.sin(angle) / angle)
    cosine = torch.where(small, 0.5 - squared / 24, 2 * torch.sin(angle / 2) ** 2 / angle**2)
    x, y, z = axis_angles.unbind(-1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(*axis_angles.shape[:-1], 3, 3)
    rotations: Tensor = torch.eye(3, dtype=cross.dtype, device=cross.device) + sine * cross + cosine * (cross @ cross)
    return rotations


def _joint_transforms(joints: Tensor, rotations: Tensor) -> tuple[Tensor, Tensor]:
    """Rotation (B, 5, 3, 3) and translation (B, 5, 3) of the skinning transforms."""
    turns: list[Tensor] = []
    moves: list[Tensor] = []
    for joint, parent in enumerate(PARENTS):
        if parent < 0:
            turn, at = rotations[:, joint], joints[:, joint]
        else:
            turn = turns[parent] @ rotations[:, joint]
            at = (turns[parent] @ joints[:, joint, :, None])[..., 0] + moves[parent]
        turns.append(turn)
        moves.append(at - (turn @ joints[:, joint, :, None])[..., 0])
    return torch.stack(turns, 1), torch.stack(moves, 1)


def _sum(directions: Tensor, coefficients: Tensor) -> Tensor:
    """(…, D) directions weighted by (B, ≤D) coefficients → (B, …)."""
    total: Tensor = torch.tensordot(coefficients, directions[..., : coefficients.shape[1]], dims=([1], [2]))
    return total
