"""Expression correctives: bounded, silent at rest, kept by the file, and differentiable."""

import dataclasses

import numpy as np
import pytest
import torch

from perse_engine.avatars.correctives import Correctives
from perse_engine.avatars.decoding import decode, take_stance
from perse_engine.avatars.file import load_avatar, save_avatar
from perse_engine.avatars.state import AvatarState
from perse_engine.avatars.tensors import check_tensors, pack
from perse_engine.avatars.torch_decode import decode_torch, parameters_of, with_parameters
from perse_engine.heads.head import JAW

OPEN = AvatarState({"expr_jawopen": 0.8})


@pytest.fixture(scope="module")
def corrected(avatar):
    """The avatar with two drivers: one from its first expression, one from the turn of its jaw."""
    rng = np.random.default_rng(2)
    gaussians = np.arange(0, avatar.count, 2, dtype=np.int32)
    mixing = np.zeros((2, 5), np.float32)
    mixing[0, 0], mixing[1, 2] = 1, 4
    correctives = Correctives(
        mixing,
        np.array([0, -1], np.float32),
        np.array([1, 1], np.float32),
        gaussians,
        rng.normal(0, 1e-3, (len(gaussians), 2, 3)).astype(np.float32),
        rng.normal(0, 0.02, (len(gaussians), 2, 3)).astype(np.float32),
    )
    return dataclasses.replace(avatar, correctives=correctives)


def same(first, second):
    return all(np.array_equal(getattr(first, f.name), getattr(second, f.name)) for f in dataclasses.fields(first))


def test_at_rest_and_for_other_expressions_nothing_is_corrected(avatar, corrected):
    for state in (AvatarState(), AvatarState({"expr_mouthsmileleft": 0.7}), AvatarState({"attr_hair_red": 1.0})):
        assert same(decode(avatar, state), decode(corrected, state))


def test_corrections_follow_the_expression_and_stop_at_the_trained_range(avatar, corrected):
    def change(value):
        state = AvatarState({"expr_jawopen": value})
        return np.abs(decode(corrected, state).colors - decode(avatar, state).colors).max(0)

    np.testing.assert_allclose(change(0.5), 0.5 * change(1.0), atol=2e-3)
    assert change(1.0).min() > 0.01
    np.testing.assert_allclose(change(1.5), change(1.0), atol=1e-6)
    assert not change(-0.4).any()


def test_the_jaw_drives_alike_from_a_pose_and_from_bones(corrected):
    from perse_engine.heads.posing import joint_transforms

    pose = np.zeros((5, 3), np.float32)
    pose[JAW, 0] = 0.2
    names = corrected.figure.expression_names
    bones = AvatarState(transforms=joint_transforms(corrected.figure.joints, pose))
    by_pose = corrected.correctives.drivers(names, AvatarState(pose=pose))
    assert by_pose[1] == pytest.approx(0.8)
    np.testing.assert_allclose(corrected.correctives.drivers(names, bones), by_pose, atol=1e-5)


def test_colours_stay_colours(corrected):
    loud = dataclasses.replace(corrected.correctives, colors=corrected.correctives.colors * 100)
    found = decode(dataclasses.replace(corrected, correctives=loud), OPEN)
    assert found.colors.min() >= 0
    assert found.colors.max() <= 1


def test_the_file_keeps_them(corrected, tmp_path):
    save_avatar(corrected, tmp_path / "a.perse")
    again = load_avatar(tmp_path / "a.perse").correctives
    np.testing.assert_array_equal(again.gaussians, corrected.correctives.gaussians)
    np.testing.assert_array_equal(again.mixing, corrected.correctives.mixing)
    np.testing.assert_allclose(again.colors, corrected.correctives.colors, atol=1e-3)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("low", np.full(2, 0.5, np.float32)),
        ("gaussians", np.full(300, 3, np.int32)),
        ("mixing", np.ones((2, 1), np.float32)),
        ("offsets", np.full((300, 2, 3), np.nan, np.float16)),
    ],
)
def test_impossible_ones_are_refused(corrected, field, value):
    arrays = pack(corrected)
    sizes = {"expressions": 2, "styles": 4, "parts": 2, "count": corrected.count}
    check_tensors(arrays, **sizes)
    arrays[f"correctives.{field}"] = value
    with pytest.raises(ValueError, match=r"correctives|tensor"):
        check_tensors(arrays, **sizes)


def test_gradients_agree_with_finite_differences(corrected):
    parameters = parameters_of(corrected)
    shared = with_parameters(corrected, parameters)
    stance = take_stance(corrected, OPEN)
    generator = torch.Generator().manual_seed(1)
    outputs, _ = decode_torch(shared, stance, parameters)
    pulls = [torch.randn(o.shape, generator=generator) / (o.detach().abs().mean() + 1e-6) for o in outputs]
    sum((o * p).sum() for o, p in zip(outputs, pulls)).backward()

    def objective():
        found, _ = decode_torch(shared, stance, parameters)
        return sum(float((o.detach().double() * p.double()).sum()) for o, p in zip(found, pulls))

    for tensor in (parameters.corrective_offsets, parameters.corrective_colors):
        direction = torch.sign(torch.randn(tensor.shape, generator=generator))
        step = 1e-2 * tensor.detach().abs().mean()
        with torch.no_grad():
            tensor += step * direction
            up = objective()
            tensor -= 2 * step * direction
            down = objective()
            tensor += step * direction
        expected = float((tensor.grad.double() * direction).sum())
        assert (up - down) / (2 * float(step)) == pytest.approx(expected, rel=0.02)
