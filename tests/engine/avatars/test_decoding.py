"""The compiled decoder against its equations in float64, and its gradients against finite differences."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from perse_engine.avatars.decoding import decode, posed_vertices, take_stance
from perse_engine.avatars.painting import OVERLAP
from perse_engine.avatars.state import AvatarState
from perse_engine.avatars.styles import presence, style_weights
from perse_engine.avatars.torch_decode import decode_torch, parameters_of, with_parameters

POSE = np.array([[0.1, 0, 0.05], [0.2, 0.5, -0.1], [0.2, 0, 0], [0, 0, 0], [0, 0, 0]], np.float32)
BUSY = AvatarState(
    {
        "attr_shape_long": 0.7,
        "attr_hair_red": 0.5,
        "attr_hair_blue": 0.2,
        "attr_hat_cap": 0.1,
        "expr_jawopen": 0.8,
        "expr_mouthsmileleft": -0.4,
    },
    POSE,
)


def sigmoid(x):
    return 1 / (1 + np.exp(-x.astype(np.float64)))


def reference(avatar, state):
    """Every equation of the decoder, one by one, for all Gaussians."""
    figure, looks = avatar.figure, avatar.appearance
    weights = style_weights(avatar.styles, state.sliders)
    shown = presence(avatar.styles, weights)
    colors, coverages, offsets = (
        avatar.colors.astype(float),
        sigmoid(avatar.coverage_logits),
        avatar.offsets.astype(float),
    )
    for group in avatar.painting_order:
        keep, color, cover = np.ones(avatar.count), np.zeros((avatar.count, 3)), np.zeros(avatar.count)
        for k in group:
            part = looks.of(k)
            at, gate = looks.gaussians[part], looks.gates[part].astype(float)
            total = max(sum(shown[group,]), 1e-12)
            amount = shown[k] / total * gate * ((total - looks.onsets[part]) / looks.softness[k]).clip(0, 1)
            keep[at] -= amount
            color[at] += amount[:, None] * looks.colors[part]
            cover[at] += amount * sigmoid(looks.coverage_logits[part])
            offsets[at] += (weights[k] * gate)[:, None] * looks.offsets[part]
        colors = keep[:, None] * colors + color
        coverages = keep * coverages + cover
    opacities = 1 - (1 - coverages) ** (1 / OVERLAP)

    def edges(vertices):
        corners = vertices.astype(float)[figure.faces]
        first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
        normal = np.cross(first, second)
        area = np.linalg.norm(normal, axis=1) / 2
        return np.stack([first, second, normal / (2 * area[:, None])], -1), area

    posed = posed_vertices(avatar, state).astype(float)
    bind, area = edges(figure.vertices)
    gradients = edges(posed)[0] @ np.linalg.inv(bind)
    total = np.zeros((len(posed), 3, 3))
    around = np.zeros(len(posed))
    for corner in range(3):
        np.add.at(total, figure.faces[:, corner], gradients * area[:, None, None])
        np.add.at(around, figure.faces[:, corner], area)
    stretch = total / around[:, None, None]
    left, _, right = np.linalg.svd(stretch)
    turn = Rotation.from_matrix(left @ right)
    corners, b = avatar.corners, avatar.barycentric.astype(float)
    blended = Rotation.concatenate([turn]).as_quat()[corners]
    signs = np.sign((blended * blended[:, :1]).sum(-1, keepdims=True))
    rotation = Rotation.from_quat((blended * signs * b[..., None]).sum(1))
    means = (posed[corners] * b[..., None]).sum(1) + rotation.apply(offsets)
    own = Rotation.from_quat(avatar.quaternions[:, [1, 2, 3, 0]].astype(float))
    axes = np.einsum("nabc,na->nbc", stretch[corners], b) @ own.as_matrix()
    scales = np.exp(avatar.log_scales.astype(float)) * np.linalg.norm(axes, axis=1).clip(0.4, 3)
    return means, (rotation * own).as_matrix(), np.sqrt(scales**2 + avatar.low_pass**2), opacities, colors


@pytest.mark.parametrize("state", [AvatarState(), BUSY], ids=["rest", "busy"])
def test_decoder_follows_its_equations(avatar, state):
    means, matrices, scales, opacities, colors = reference(avatar, state)
    seen = opacities > 1 / 255
    found = decode(avatar, state)
    assert len(found.means) == seen.sum()
    np.testing.assert_allclose(found.means, means[seen], atol=2e-7)
    np.testing.assert_allclose(found.scales, scales[seen], rtol=1e-4)
    np.testing.assert_allclose(found.opacities, opacities[seen], atol=1e-5)
    np.testing.assert_allclose(found.colors, colors[seen], atol=1e-6)
    turned = Rotation.from_quat(found.quaternions[:, [1, 2, 3, 0]]).as_matrix()
    np.testing.assert_allclose(turned, matrices[seen], atol=2e-4)


def test_at_rest_the_bind_pose_comes_back(avatar):
    found = decode(dataclasses.replace(avatar, low_pass=0.0), AvatarState())
    seen = 1 - (1 - sigmoid(avatar.coverage_logits)) ** (1 / OVERLAP) > 1 / 255
    places = (avatar.figure.vertices[avatar.corners] * avatar.barycentric[..., None]).sum(1)
    np.testing.assert_allclose(found.means, (places + avatar.offsets)[seen], atol=1e-6)
    np.testing.assert_allclose(found.scales, np.exp(avatar.log_scales)[seen], rtol=1e-3)


@given(st.tuples(*[st.floats(-2.5, 2.5)] * 3), st.tuples(*[st.floats(-1, 1)] * 3))
@settings(max_examples=20, deadline=None)
def test_a_rigid_motion_moves_every_gaussian_rigidly(avatar, turn, shift):
    motion = np.eye(4, dtype=np.float32)
    motion[:3, :3] = Rotation.from_rotvec(turn).as_matrix()
    motion[:3, 3] = shift
    rest = decode(avatar, AvatarState())
    moved = decode(avatar, AvatarState(transforms=np.tile(motion, (5, 1, 1))))
    np.testing.assert_allclose(moved.means, rest.means @ motion[:3, :3].T + motion[:3, 3], atol=1e-5)
    np.testing.assert_allclose(moved.scales, rest.scales, rtol=2e-3)
    before = Rotation.from_quat(rest.quaternions[:, [1, 2, 3, 0]])
    after = Rotation.from_quat(moved.quaternions[:, [1, 2, 3, 0]])
    expected = Rotation.from_rotvec(turn) * before
    assert (after * expected.inv()).magnitude().max() < 5e-3


def test_gradients_agree_with_finite_differences(avatar):
    stance = take_stance(avatar, BUSY)
    parameters = parameters_of(avatar)
    shared = with_parameters(avatar, parameters)
    generator = torch.Generator().manual_seed(1)
    outputs, _ = decode_torch(shared, stance, parameters)
    # Scaled so that every output weighs alike in the sum that is differentiated.
    pulls = [torch.randn(o.shape, generator=generator) / (o.detach().abs().mean() + 1e-6) for o in outputs]

    def objective():
        found, _ = decode_torch(shared, stance, parameters)
        return sum(float((o.detach().double() * p.double()).sum()) for o, p in zip(found, pulls))

    sum((o * p).sum() for o, p in zip(outputs, pulls)).backward()
    for tensor in filter(torch.numel, parameters.tensors()):
        direction = torch.sign(torch.randn(tensor.shape, generator=generator))
        step = 1e-2 * tensor.detach().abs().mean()
        with torch.no_grad():
            tensor += step * direction
            up = objective()
            tensor -= 2 * step * direction
            down = objective()
            tensor += step * direction
        measured = (up - down) / (2 * float(step))
        expected = float((tensor.grad.double() * direction).sum())
        assert measured == pytest.approx(expected, rel=0.02, abs=2e-3 * float(tensor.grad.norm()))


def test_styles_that_are_off_get_no_gradient(avatar):
    parameters = parameters_of(avatar)
    state = AvatarState({"attr_hair_red": 1.0})
    outputs, _ = decode_torch(with_parameters(avatar, parameters), take_stance(avatar, state), parameters)
    sum(o.sum() for o in outputs).backward()
    looks = avatar.appearance
    for k, style in enumerate(avatar.styles):
        changed = parameters.style_colors.grad[looks.of(k)].abs().max() > 0
        assert bool(changed) == (style.slider == "attr_hair_red")


def test_nothing_leaks_out_of_a_gate(avatar):
    base = decode(avatar, AvatarState())
    dyed = decode(avatar, AvatarState({"attr_hair_red": 1.0}))
    touched = np.zeros(avatar.count, bool)
    touched[avatar.appearance.gaussians[avatar.appearance.of(1)]] = True
    outside = ~touched[1 - (1 - sigmoid(avatar.coverage_logits)) ** (1 / OVERLAP) > 1 / 255]
    for name in ("means", "quaternions", "scales", "opacities", "colors"):
        np.testing.assert_array_equal(getattr(base, name)[outside], getattr(dyed, name)[outside])


@given(st.lists(st.floats(-3, 3), min_size=4, max_size=4))
@settings(max_examples=40, deadline=None)
def test_no_mixture_leaves_the_trained_range(avatar, values):
    sliders = {style.slider: value for style, value in zip(avatar.styles, values)}
    found = decode(avatar, AvatarState(sliders))
    everything = np.concatenate([avatar.colors, avatar.appearance.colors])
    assert found.colors.min() >= everything.min() - 1e-5
    assert found.colors.max() <= everything.max() + 1e-5
    assert found.opacities.min() >= 0
    assert found.opacities.max() <= 1
    assert np.isfinite(found.means).all()
