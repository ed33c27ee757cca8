"""A real `perse serve` and what it draws."""

import dataclasses
import math
import os
import shutil
import signal

import numpy as np
import pytest

from perse_engine.avatars.rendering import render_avatars
from perse_engine.avatars.state import AvatarState
from perse_engine.service.hand_over import srgb_to_linear
from perse_protocol.client import numbers
from perse_protocol.errors import EngineFailure, RequestSuperseded
from perse_protocol.messages import Instance, MeshFile, Occluder, Region

REC2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])


def shown(picture):
    return picture.color.copy(), None if picture.depth is None else picture.depth.copy()


def failure_of(action):
    with pytest.raises(EngineFailure) as failure:
        action()
    return failure.value


def linear(image):
    alpha = image.alpha[..., None]
    straight = image.color / np.maximum(alpha, 1e-6)
    return np.concatenate([srgb_to_linear(np.clip(straight, 0, 1)) * alpha, alpha], -1)[::-1]


def test_the_picture_is_the_rasterisers_in_scene_linear_light_from_the_bottom_up(
    client, avatar_file, avatar, request_of
):
    welcome = client.start()
    assert welcome.passes == ("combined", "depth", "normal")
    loaded = client.load(avatar_file)
    assert loaded.info["gaussians"] == 6000
    sliders = {"expr_jawopen": 0.7, "attr_shape_tall": 0.5}
    picture = client.wait(client.render(request_of(loaded.id, sliders, passes=("combined", "depth"))))
    assert set(picture.timings) == {"wait", "decode", "rasterize", "write", "total"}
    camera = avatar.neutral_camera.fitted(96, 96)
    expected = render_avatars([(avatar, AvatarState(sliders), np.eye(4))], camera)
    assert np.abs(picture.color - linear(expected)).max() < 1e-5
    assert np.allclose(picture.depth, expected.depth[::-1], rtol=1e-6)
    assert (picture.depth[picture.color[..., 3] == 0] == np.float32(1e10)).all()


def test_colour_may_stay_srgb_or_go_to_another_working_space(client, avatar_file, request_of):
    identity = client.load(avatar_file).id
    plain, _ = shown(client.wait(client.render(request_of(identity))))
    wide, _ = shown(client.wait(client.render(request_of(identity, matrix=numbers(REC2020)))))
    encoded, _ = shown(client.wait(client.render(request_of(identity, color="srgb"))))
    assert np.allclose(wide[..., :3], plain[..., :3] @ REC2020.T, atol=1e-5)
    opaque = encoded[..., 3] > 0.999
    assert np.allclose(srgb_to_linear(encoded[opaque][:, :3]), plain[opaque][:, :3], atol=2e-3)


def test_a_region_is_the_same_pixels_of_the_whole(client, avatar_file, request_of):
    identity = client.load(avatar_file).id
    whole, _ = shown(client.wait(client.render(request_of(identity))))
    part, _ = shown(client.wait(client.render(request_of(identity, region=Region(20, 30, 40, 25)))))
    assert part.shape == (25, 40, 4)
    assert np.abs(part - whole[96 - 30 - 25 : 96 - 30, 20:60]).max() < 2e-3


def test_several_avatars_stand_in_one_picture(client, avatar_file, avatar, request_of):
    identity = client.load(avatar_file).id
    beside, behind = np.eye(4), np.eye(4)
    beside[0, 3], behind[:3, 3] = 0.1, (-0.05, 0.02, -0.3)
    request = request_of(identity)
    instances = tuple(Instance(identity, numbers(model), {}) for model in (beside, behind))
    picture = client.wait(client.render(dataclasses.replace(request, instances=instances)))
    camera = avatar.neutral_camera.fitted(96, 96)
    expected = render_avatars([(avatar, AvatarState(), model) for model in (beside, behind)], camera)
    assert np.abs(picture.color - linear(expected)).max() < 1e-5


def test_bones_pose_the_avatar_as_its_joints_do(client, avatar_file, request_of):
    identity = client.load(avatar_file).id
    shifted = np.tile(np.eye(4), (5, 1, 1))
    shifted[:, 0, 3] = 0.05
    request = request_of(identity)
    posed = Instance(identity, numbers(np.eye(4)), {}, transforms=numbers(shifted))
    by_bones, _ = shown(client.wait(client.render(dataclasses.replace(request, instances=(posed,)))))
    moved = np.eye(4)
    moved[0, 3] = 0.05
    by_object, _ = shown(client.wait(client.render(request_of(identity, model=moved))))
    assert np.abs(by_bones - by_object).max() < 1e-3


def test_an_empty_scene_is_transparent(client, avatar, request_of):
    request = dataclasses.replace(request_of("x"), instances=(), passes=("combined", "depth"))
    color, depth = shown(client.wait(client.render(request)))
    assert not color.any()
    assert (depth == np.float32(1e10)).all()


def test_sizes_may_change_from_picture_to_picture(client, avatar_file, request_of):
    identity = client.load(avatar_file).id
    for size in ((32, 48), (200, 120), (1, 1), (64, 300)):
        assert client.wait(client.render(request_of(identity, size=size))).color.shape == (size[1], size[0], 4)


def test_what_is_wrong_is_said_by_code_and_the_session_goes_on(client, avatar_file, tmp_path, request_of):
    identity = client.load(avatar_file).id

    def render(sliders):
        client.wait(client.render(request_of(identity, sliders)))

    error = failure_of(lambda: render({"expr_jawopen": math.nan}))
    assert error.code == "not-a-number"
    assert "expr_jawopen" in error.message
    error = failure_of(lambda: render({"attr_hair_pink": 1.0}))
    assert error.code == "unknown-slider"
    assert "attr_hair_pink" in error.message
    assert failure_of(lambda: client.load(tmp_path / "absent.perse")).code == "no-such-avatar"
    assert failure_of(lambda: client.load(tmp_path)).code == "no-such-avatar"
    (tmp_path / "short.perse").write_bytes(avatar_file.read_bytes()[:5000])
    assert failure_of(lambda: client.load(tmp_path / "short.perse")).code == "truncated-avatar"
    error = failure_of(lambda: client.wait(client.render(request_of("0" * 64))))
    assert error.code == "avatar-not-loaded"
    render({"expr_jawopen": 99.0})


def test_the_same_content_is_loaded_once_under_any_name(client, avatar_file, tmp_path):
    copy = shutil.copy(avatar_file, tmp_path / "copy.perse")
    assert client.load(copy).id == client.load(avatar_file).id


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_a_killed_engine_comes_back_with_the_same_pixels(start_client, avatar_file, request_of):
    client = start_client()
    identity = client.load(avatar_file).id
    before, _ = shown(client.wait(client.render(request_of(identity, {"expr_jawopen": 0.5}))))
    for _ in range(2):
        first = client.pid
        os.kill(first, signal.SIGKILL)
        after, _ = shown(client.wait(client.render(request_of(identity, {"expr_jawopen": 0.5})), timeout=60))
        assert client.pid != first
        assert np.array_equal(after, before)


def test_only_the_newest_request_of_a_view_is_drawn(client, avatar_file, request_of):
    identity = client.load(avatar_file).id
    busy = client.render(request_of(identity, size=(3000, 2000), view="busy", priority="final"))
    tickets = [client.render(request_of(identity, {"expr_jawopen": i / 4})) for i in range(5)]
    other = client.render(request_of(identity, view="another"))
    for ticket in tickets[:-1]:
        with pytest.raises(RequestSuperseded):
            client.wait(ticket)
    newest, _ = shown(client.wait(tickets[-1]))
    client.wait(busy)
    client.wait(other)
    again, _ = shown(client.wait(client.render(request_of(identity, {"expr_jawopen": 1.0}))))
    assert np.array_equal(newest, again)


SQUARE = np.array([(0, 1, 2), (0, 2, 3)])


def occluder(client, left, right, z):
    """A tall wall from x = left to right across the face, at z in head space."""
    corners = [(left, -1, 0), (right, -1, 0), (right, 1, 0), (left, 1, 0)]
    model = np.eye(4)
    model[2, 3] = z
    return Occluder(client.keep_mesh(np.array(corners), SQUARE), numbers(model))


def test_meshes_hide_what_is_behind_them_and_are_not_drawn(client, avatar_file, request_of):
    identity = client.load(avatar_file).id
    request = request_of(identity, passes=("combined", "depth"))
    free, free_depth = shown(client.wait(client.render(request)))
    before = dataclasses.replace(request, occluders=(occluder(client, -1.0, 0.01, 0.5),))
    cut, cut_depth = shown(client.wait(client.render(before)))
    hidden = np.abs(cut[..., 3] - free[..., 3]) > 0.01
    columns = np.flatnonzero(hidden.any(0))
    edge = columns.max()
    assert (cut[:, :edge, 3] == 0).all()
    assert (cut_depth[:, :edge] == np.float32(1e10)).all()
    assert np.abs(cut[:, edge + 1 :] - free[:, edge + 1 :]).max() < 1e-5
    assert np.array_equal(cut_depth[:, edge + 1 :], free_depth[:, edge + 1 :])
    behind = dataclasses.replace(request, occluders=(occluder(client, -1.0, 1.0, -0.5),))
    whole, _ = shown(client.wait(client.render(behind)))
    assert np.abs(whole - free).max() < 1e-5


def test_a_mesh_that_is_gone_is_an_answer(client, avatar_file, request_of):
    identity = client.load(avatar_file).id
    gone = Occluder(MeshFile("/absent/0a.mesh", 3, 1), numbers(np.eye(4)))
    error = failure_of(lambda: client.wait(client.render(dataclasses.replace(request_of(identity), occluders=(gone,)))))
    assert error.code == "mesh-file"


def test_a_request_that_breaks_the_rules_is_answered(client, avatar_file, request_of):
    identity = client.load(avatar_file).id
    bad = dataclasses.replace(request_of(identity), instances=(Instance(identity, (math.nan,) * 16, {}),))
    error = failure_of(lambda: client.wait(client.render(bad), timeout=30))
    assert error.code == "bad-request"
    assert "model" in error.message


def test_the_thread_budget_is_kept(start_client, monkeypatch):
    monkeypatch.setenv("PERSE_THREADS", "1")
    assert start_client().start().threads == 1
    monkeypatch.setenv("PERSE_THREADS", "plenty")
    error = failure_of(start_client().start)
    assert "PERSE_THREADS" in error.message
