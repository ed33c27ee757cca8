"""From states to pixels."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest

from perse_engine.avatars.decoding import decode
from perse_engine.avatars.rendering import joined, render_avatar, render_avatars, transformed
from perse_engine.avatars.state import AvatarState
from perse_engine.splatting.rasterize import rasterize


def decibel(first, second, where):
    return -10 * np.log10(((first - second)[where] ** 2).mean())


def box_reduced(picture, factor):
    height, width = picture.shape[:2]
    return picture.reshape(height // factor, factor, width // factor, factor, -1).mean((1, 3))


def test_background_and_alpha(avatar):
    camera = avatar.neutral_camera.resized(96, 96)
    bare = render_avatar(avatar, AvatarState(), camera)
    white = render_avatar(avatar, AvatarState(), camera, (1, 1, 1))
    assert 0.1 < bare[..., 3].mean() < 0.9
    np.testing.assert_allclose(white[..., :3], bare[..., :3] + 1 - bare[..., 3:], atol=1e-6)
    assert (white[..., 3] == 1).all()


def test_a_similarity_of_the_model_is_one_of_the_camera(avatar):
    avatar = dataclasses.replace(avatar, low_pass=0.0)  # small pictures of what has learnt are drawn finer
    state = AvatarState({"expr_jawopen": 0.7})
    model = np.eye(4)
    model[:3, :3] = 2.0 * np.array([[0, 0, 1], [0, 1, 0], [-1, 0, 0]])
    model[:3, 3] = [0.1, -0.3, 0.2]
    camera = avatar.neutral_camera.resized(128, 128)
    scale = np.diag([2, 2, 2, 1.0])
    moved = dataclasses.replace(camera, view=scale @ camera.view @ np.linalg.inv(model))
    expected = render_avatar(avatar, state, camera)
    found = render_avatars([(avatar, state, model)], moved)
    np.testing.assert_allclose(found.color, expected[..., :3], atol=2e-3)
    inside = found.alpha > 0.9
    depth = rasterize(decode(avatar, state), camera).depth
    assert np.median(found.depth[inside] / depth[inside]) == pytest.approx(2, rel=1e-4)


def test_stretching_a_model_stretches_its_gaussians(avatar):
    gaussians = decode(avatar, AvatarState())
    stretched = transformed(gaussians, np.diag([3.0, 1.0, 1.0, 1.0]))
    assert np.ptp(stretched.means[:, 0]) == pytest.approx(3 * np.ptp(gaussians.means[:, 0]), rel=1e-5)
    ratio = stretched.scales / gaussians.scales
    assert ratio.min() == pytest.approx(1, abs=0.05)
    assert ratio.max() == pytest.approx(3, abs=0.05)


def test_two_avatars_hide_each_other_by_depth(avatar):
    camera = avatar.neutral_camera.resized(96, 96)
    red = dataclasses.replace(avatar, colors=np.tile(np.float32([1, 0, 0]), (avatar.count, 1)))
    behind, before = np.eye(4), np.eye(4)
    behind[2, 3], before[2, 3] = -0.3, 0.3
    back = render_avatars([(red, AvatarState(), behind), (avatar, AvatarState(), before)], camera)
    alone = render_avatars([(avatar, AvatarState(), before)], camera)
    centre = back.color[40:56, 40:56]
    np.testing.assert_allclose(centre, alone.color[40:56, 40:56], atol=0.15)
    assert len(joined([]).means) == 0


@pytest.mark.parametrize(("size", "finest"), [(128, 36), (512, 36), (1024, 36)])
def test_the_picture_does_not_change_with_resolution(avatar, size, finest):
    # As after training at 256 squared: nothing smaller than that sampling could see.
    sampling = 1.2 / avatar.neutral_camera.resized(256, 256).fx
    trained = dataclasses.replace(avatar, low_pass=0.45 * sampling)
    state = AvatarState({"attr_hair_red": 0.5, "expr_jawopen": 0.4})
    reference = render_avatar(trained, state, trained.neutral_camera.resized(256, 256), (0, 0, 0))[..., :3]
    other = render_avatar(trained, state, trained.neutral_camera.resized(size, size), (0, 0, 0))[..., :3]
    if size > 256:
        other = box_reduced(other, size // 256)
    else:
        reference = box_reduced(reference, 256 // size)
    assert decibel(other, reference, reference.sum(-1) > 0.02) >= finest


def test_a_session_needs_no_torch(avatar, tmp_path):
    from perse_engine.avatars.file import save_avatar

    path = tmp_path / "x.perse"
    save_avatar(avatar, path)
    script = f"""
import sys
from pathlib import Path
from perse_engine.avatars.file import load_avatar
from perse_engine.avatars.rendering import render_avatar
from perse_engine.avatars.state import AvatarState
avatar = load_avatar(Path({str(path)!r}))
render_avatar(avatar, AvatarState({{"expr_jawopen": 1.0}}), avatar.neutral_camera.resized(64, 64))
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=120)
