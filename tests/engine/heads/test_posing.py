"""The FLAME equations: what they must do to any head, and that numpy, numba and torch agree."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.transform import Rotation

from perse_engine.heads.figure import Figure
from perse_engine.heads.figure_posing import pose_figure, rest_figure, skin
from perse_engine.heads.head import Head, HeadState
from perse_engine.heads.posing import joint_transforms, neutral_state, pose_head, rest_head, rotation_matrices
from perse_engine.heads.torch_pose import head_tensors, pose_batch
from perse_engine.heads.torch_pose import rotation_matrices as torch_rotation_matrices

angles = arrays(np.float64, (5, 3), elements=st.floats(-3, 3))


def random_state(head: Head, seed: int) -> HeadState:
    rng = np.random.default_rng(seed)
    return HeadState(
        shape=rng.normal(size=head.shape_directions.shape[2]).astype(np.float32),
        expression=rng.uniform(size=head.expression_directions.shape[2]).astype(np.float32),
        pose=rng.normal(0, 0.4, (5, 3)).astype(np.float32),
        translation=rng.normal(0, 0.1, 3).astype(np.float32),
    )


def figure_of(head: Head, styles: int) -> Figure:
    """A figure whose styles are the head's first identity directions."""
    return Figure(
        vertices=head.template,
        faces=head.faces,
        uv=head.uv,
        uv_faces=head.uv_faces,
        parts=head.parts,
        face_parts=head.face_parts,
        expression_directions=head.expression_directions,
        expression_names=head.expression_names,
        style_directions=np.ascontiguousarray(head.shape_directions[:, :, :styles]),
        joint_style_directions=head.joint_shape_directions[:, :, :styles],
        style_names=tuple(f"attr_face_{index}" for index in range(styles)),
        weights=head.weights,
        joints=head.joints,
    )


def test_the_neutral_state_is_the_template(open_head: Head) -> None:
    posed = pose_head(open_head, neutral_state(open_head))
    np.testing.assert_allclose(posed.vertices, open_head.template, atol=1e-6)
    np.testing.assert_allclose(posed.joints, open_head.joints, atol=1e-7)
    np.testing.assert_allclose(posed.transforms, np.broadcast_to(np.eye(4), (5, 4, 4)), atol=1e-7)


@given(angles)
def test_rotations_are_those_of_scipy(pose: np.ndarray) -> None:
    expected = Rotation.from_rotvec(pose).as_matrix()
    np.testing.assert_allclose(rotation_matrices(pose), expected, atol=1e-12)
    np.testing.assert_allclose(torch_rotation_matrices(torch.tensor(pose)).numpy(), expected, atol=1e-9)


@given(angles)
def test_joint_transforms_hold_joints_in_their_parents(pose: np.ndarray) -> None:
    joints = np.random.default_rng(0).normal(0, 0.1, (5, 3))
    transforms = joint_transforms(joints, pose)
    moved = np.einsum("jab,jb->ja", transforms[:, :3, :3], joints) + transforms[:, :3, 3]
    np.testing.assert_allclose(moved[0], joints[0], atol=1e-6)
    for joint, parent in ((1, 0), (2, 1), (3, 1), (4, 1)):
        carried = transforms[parent, :3, :3] @ joints[joint] + transforms[parent, :3, 3]
        np.testing.assert_allclose(moved[joint], carried, atol=1e-5)


def test_the_root_turns_the_head_as_a_rigid_body(open_head: Head) -> None:
    state = random_state(open_head, 1)
    pose = state.pose.copy()
    pose[0] = 0
    still = pose_head(open_head, HeadState(state.shape, state.expression, pose, np.zeros(3, np.float32)))
    pose = pose.copy()
    pose[0] = (0.3, -0.8, 0.2)
    turned = pose_head(open_head, HeadState(state.shape, state.expression, pose, state.translation))
    root = still.joints[0]
    expected = Rotation.from_rotvec(pose[0]).apply(still.vertices - root) + root + state.translation
    np.testing.assert_allclose(turned.vertices, expected, atol=1e-5)


def test_transforms_carry_rest_points_to_posed_ones(open_head: Head) -> None:
    state = random_state(open_head, 2)
    posed = pose_head(open_head, state)
    vertices, joints = rest_head(open_head, state.shape, state.expression)
    np.testing.assert_allclose(skin(vertices, open_head.weights, posed.transforms), posed.vertices, atol=1e-5)
    moved = np.einsum("jab,jb->ja", posed.transforms[:, :3, :3], joints) + posed.transforms[:, :3, 3]
    np.testing.assert_allclose(moved, posed.joints, atol=1e-6)


def test_fewer_coefficients_are_padded_and_more_are_refused(open_head: Head) -> None:
    short = np.array([1.5, -0.5], np.float32)
    whole = np.zeros(open_head.shape_directions.shape[2], np.float32)
    whole[:2] = short
    none = np.zeros(0, np.float32)
    np.testing.assert_allclose(rest_head(open_head, short, none)[0], rest_head(open_head, whole, none)[0], atol=1e-6)
    with pytest.raises(ValueError, match="151 coefficients"):
        rest_head(open_head, np.zeros(151, np.float32), none)


@pytest.mark.parametrize("seed", range(3))
def test_torch_poses_as_numpy_does(open_head: Head, seed: int) -> None:
    states = [random_state(open_head, 10 * seed + index) for index in range(3)]
    batch = [torch.tensor(np.stack([getattr(s, name) for s in states])) for name in HeadState.__dataclass_fields__]
    vertices, joints = pose_batch(head_tensors(open_head), *batch)
    for index, state in enumerate(states):
        posed = pose_head(open_head, state)
        np.testing.assert_allclose(vertices[index].numpy(), posed.vertices, atol=1e-5)
        np.testing.assert_allclose(joints[index].numpy(), posed.joints, atol=1e-6)


def test_torch_gradients_are_those_of_finite_differences(open_head: Head) -> None:
    head = head_tensors(open_head, dtype=torch.float64)
    rng = np.random.default_rng(3)
    probe = torch.tensor(rng.normal(size=open_head.template.shape))
    leaves = [torch.tensor(rng.normal(0, 0.3, shape)) for shape in ((1, 4), (1, 5), (1, 5, 3), (1, 3))]
    leaves[2][0, 1] = 0  # no rotation at all must have a gradient too

    def loss(*values: torch.Tensor) -> torch.Tensor:
        return (pose_batch(head, *values)[0] * probe).sum()

    assert torch.autograd.gradcheck(loss, [leaf.requires_grad_() for leaf in leaves], eps=1e-6, atol=1e-5)


def test_a_figure_poses_as_its_head_does(open_head: Head) -> None:
    styles = 4
    state = random_state(open_head, 4)
    figure = figure_of(open_head, styles)
    shaped = HeadState(state.shape[:styles], state.expression, state.pose, np.zeros(3, np.float32))
    expected = pose_head(open_head, shaped).vertices
    np.testing.assert_allclose(
        pose_figure(figure, state.shape[:styles], state.expression, state.pose), expected, atol=1e-5
    )


def test_a_figure_refuses_coefficients_that_do_not_fit(open_head: Head) -> None:
    figure = figure_of(open_head, 2)
    with pytest.raises(ValueError, match="2 styles and 52 expressions"):
        rest_figure(figure, np.zeros(3), np.zeros(52))
    with pytest.raises(ValueError, match="2 styles and 52 expressions"):
        rest_figure(figure, np.zeros(2), np.zeros(51))
