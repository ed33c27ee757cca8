"""What a session draws beyond colour and depth: normals, masks, holdouts, parallel rays, finer pictures."""

import dataclasses

import numpy as np
import pytest

from perse_engine.avatars.file import load_avatar as avatar_at
from perse_engine.avatars.file import save_avatar
from perse_engine.avatars.fineness import fineness
from perse_engine.avatars.regions import region_shares
from perse_engine.splatting.channels import rasterize_channels
from perse_engine.splatting.rasterize import rasterize
from perse_protocol.client import numbers
from perse_protocol.messages import Mask, Occluder


def drawn(client, request):
    """A picture whose arrays are its own."""
    picture = client.wait(client.render(request))
    fields = ("color", "depth", "normal", "masks")
    copies = {name: None if getattr(picture, name) is None else getattr(picture, name).copy() for name in fields}
    return dataclasses.replace(picture, **copies)


def beside(request, shift, **fields):
    """The request with a second instance, moved by `shift` metres."""
    (one,) = request.instances
    model = np.eye(4)
    model[:3, 3] = shift
    second = dataclasses.replace(one, model=numbers(model), **fields)
    return dataclasses.replace(request, instances=(one, second))


def orthographic(request, width):
    """The request through parallel rays that see `width` metres."""
    camera = request.camera
    scale = camera.width / width
    return dataclasses.replace(
        request, camera=dataclasses.replace(camera, fx=scale, fy=scale, cx=48.0, cy=48.0, orthographic=True)
    )


@pytest.fixture
def request_one(client, avatar_file, request_of):
    return request_of(client.load(avatar_file).id, passes=("combined", "depth"))


def test_a_channel_that_is_one_everywhere_is_the_alpha(avatar):
    from perse_engine.avatars.decoding import decode
    from perse_engine.avatars.state import AvatarState

    camera = avatar.neutral_camera.fitted(96, 96)
    gaussians = decode(avatar, AvatarState(), camera.position())
    channels = np.concatenate([gaussians.colors, np.ones((len(gaussians.means), 1), np.float32)], 1)
    image, planes = rasterize_channels(gaussians, camera, channels, None)
    plain = rasterize(gaussians, camera, backend="numba")
    assert np.array_equal(image.color, plain.color)
    assert np.array_equal(np.moveaxis(planes[:3], 0, -1), plain.color)
    assert np.abs(planes[3] - plain.alpha).max() < 1e-5


def test_masks_of_avatars_add_up_to_the_alpha_and_follow_depth(client, request_one):
    both = beside(request_one, (0.08, 0.0, 0.2))
    picture = drawn(client, dataclasses.replace(both, masks=(Mask((0,)), Mask((1,)), Mask())))
    first, second, whole = picture.masks
    assert np.abs(first + second - picture.color[..., 3]).max() < 1e-5
    assert np.abs(whole - picture.color[..., 3]).max() < 1e-5
    assert 0 <= picture.masks.min() <= picture.masks.max() <= 1
    alone = drawn(client, request_one).color[..., 3]
    assert second.max() > 0.99
    assert ((alone > 0.99) & (first < 0.01)).sum() > 200  # the second stands before the first


def test_avatars_that_go_through_each_other_are_sorted_together(client, request_one):
    alone = drawn(client, request_one).color[..., 3]
    twice = drawn(client, beside(request_one, (0, 0, 0)))
    assert np.abs(twice.color[..., 3] - (1 - (1 - alone) ** 2)).max() < 0.02
    through = beside(request_one, (0.02, 0.0, 0.01))
    swapped = dataclasses.replace(through, instances=through.instances[::-1])
    assert np.abs(drawn(client, through).color - drawn(client, swapped).color).max() < 1e-4


def test_regions_share_out_the_avatar(client, avatar, request_one):
    names = ("skin", "eyes", "mouth", "clothes", "eyebrows", "beard", "hair", "glasses")
    picture = drawn(client, dataclasses.replace(request_one, masks=tuple(Mask(None, name) for name in names)))
    by_name = dict(zip(names, picture.masks, strict=True))
    assert np.abs(sum(picture.masks) - picture.color[..., 3]).max() < 1e-4
    assert by_name["skin"].sum() > 5 * by_name["eyes"].sum() > 0
    assert not by_name["glasses"].any()


def test_normals_are_unit_vectors_that_face_the_camera(client, request_one):
    turn = np.diag([1.0, 1.0, -1.0, 1.0])[[2, 1, 0, 3]]  # about the vertical, by a quarter
    for model in (np.eye(4), turn):
        request = dataclasses.replace(request_one, passes=("combined", "normal"))
        camera = np.reshape(request.camera.view, (4, 4)) @ np.linalg.inv(model)
        request = dataclasses.replace(
            request,
            camera=dataclasses.replace(request.camera, view=numbers(camera)),
            instances=(dataclasses.replace(request.instances[0], model=numbers(model)),),
        )
        picture = drawn(client, request)
        assert picture.depth is None
        solid = picture.color[..., 3] > 0.99
        assert np.linalg.norm(picture.normal, axis=0)[solid] == pytest.approx(1, abs=1e-4)
        assert not picture.normal[:, picture.color[..., 3] == 0].any()
        towards = np.linalg.inv(camera)[:3, 2] * -1
        assert np.median(np.tensordot(towards, picture.normal, 1)[solid]) > 0.6


def test_a_holdout_hides_and_is_not_seen(client, request_one):
    both = beside(request_one, (0.08, 0.0, 0.2), holdout=True)
    seen = drawn(client, dataclasses.replace(both, masks=(Mask((0,)), Mask((1,)))))
    masks = drawn(client, dataclasses.replace(beside(request_one, (0.08, 0.0, 0.2)), masks=(Mask((0,)),))).masks
    assert np.abs(seen.color[..., 3] - masks[0]).max() < 1e-5
    assert np.abs(seen.masks[0] - masks[0]).max() < 1e-5
    assert not seen.masks[1].any()
    assert (seen.color[..., :3][masks[0] < 1e-4] < 1e-3).all()


def test_parallel_rays_keep_sizes_and_see_the_barrier(client, request_one, tmp_path):
    near = orthographic(request_one, 0.5)
    far = dataclasses.replace(near, instances=beside(near, (0, 0, -1.0)).instances[1:])
    first, second = drawn(client, near), drawn(client, far)
    solid = first.color[..., 3] > 0.5
    assert 0.2 < solid.mean() < 0.9
    assert np.abs(first.color - second.color).max() < 0.02
    assert np.median((second.depth - first.depth)[solid]) == pytest.approx(1.0, abs=1e-4)
    corners = np.array([[0.0, -9, 0.5], [9, -9, 0.5], [9, 9, 0.5], [0, 9, 0.5]])
    wall = Occluder(client.keep_mesh(corners, np.array([[0, 1, 2], [0, 2, 3]])), numbers(np.eye(4)))
    cut = drawn(client, dataclasses.replace(near, occluders=(wall,)))
    column = round(48 + 192 * np.reshape(near.camera.view, (4, 4))[0, 3])  # of x = 0
    assert not cut.color[:, column + 1 :].any()
    assert np.abs(cut.color - first.color)[:, : column - 1].max() < 1e-4
    behind = dataclasses.replace(wall, model=numbers(np.diag([1.0, 1, -1, 1])))
    assert np.abs(drawn(client, dataclasses.replace(near, occluders=(behind,))).color - first.color).max() < 1e-4


def test_parallel_rays_agree_with_a_long_lens(client, request_one):
    near = orthographic(request_one, 0.5)
    view = np.reshape(near.camera.view, (4, 4)).copy()
    away = 500.0
    distance = view[2, 3]
    view[2, 3] += away
    scale = 192 * (away + distance)
    camera = dataclasses.replace(near.camera, view=numbers(view), fx=scale, fy=scale, orthographic=False)
    assert (
        np.abs(drawn(client, near).color - drawn(client, dataclasses.replace(near, camera=camera)).color).max() < 0.03
    )


def test_a_finer_picture_is_the_average_of_its_pixels(client, request_one):
    wanted = dataclasses.replace(
        request_one, passes=("combined", "depth", "normal"), masks=(Mask(None, "skin"),), background=(0.2, 0.3, 0.4, 1)
    )
    camera = wanted.camera
    doubled = dataclasses.replace(
        camera, fx=2 * camera.fx, fy=2 * camera.fy, cx=2 * camera.cx, cy=2 * camera.cy, width=192, height=192
    )
    large = drawn(client, dataclasses.replace(wanted, camera=doubled))
    fine = drawn(client, dataclasses.replace(wanted, supersampling=2))
    squares = large.color.reshape(96, 2, 96, 2, 4)
    assert np.abs(fine.color - squares.mean((1, 3))).max() < 1e-5
    assert np.abs(fine.masks[0] - large.masks[0].reshape(96, 2, 96, 2).mean((1, 3))).max() < 1e-5
    assert set(np.unique(fine.depth[fine.depth > 1e9])) == {np.float32(1e10)}
    assert np.linalg.norm(fine.normal, axis=0)[fine.masks[0] > 0.99] == pytest.approx(1, abs=1e-4)


def test_an_avatar_far_away_is_drawn_finer_however_large_the_picture_is(client, avatar, tmp_path, request_of):
    path = tmp_path / "learnt.perse"
    save_avatar(dataclasses.replace(avatar, low_pass=3e-4), path)
    request = request_of(client.load(path).id, background=(0, 0, 0, 1))
    assert fineness(avatar_at(path), avatar.neutral_camera.fitted(96, 96)) == 3
    asked = drawn(client, dataclasses.replace(request, supersampling=3))
    assert np.abs(drawn(client, request).color - asked.color).max() < 1e-4
    camera = dataclasses.replace(request.camera, width=960, height=960, cx=480.0, cy=480.0)
    large = dataclasses.replace(request, camera=camera)
    color = drawn(client, large).color
    assert np.abs(color[432:528, 432:528] - asked.color).max() < 1e-4
    outside = np.ones((960, 960), bool)
    outside[300:660, 300:660] = False
    assert (color[outside, :3] == 0).all()
    # one beside it that is near is drawn as it is asked for
    near = beside(large, [0.05, 0, 0.8])
    alone = dataclasses.replace(near, instances=near.instances[1:])
    one = drawn(client, alone).color
    assert (one[outside, :3] > 0).sum() > 1000
    assert np.abs(drawn(client, near).color - one)[outside].max() < 1e-5


def test_nothing_is_nothing_in_every_plane(client, request_one):
    full = dataclasses.replace(request_one, passes=("combined", "depth", "normal"), masks=(Mask(), Mask(None, "skin")))
    drawn(client, full)
    empty = drawn(client, dataclasses.replace(full, instances=()))
    assert not empty.masks.any()
    assert not empty.normal.any()
    assert not empty.color.any()


def test_memory_is_told(client, request_one):
    assert 20 < drawn(client, request_one).memory < 20000


def test_painted_skin_counts_as_what_is_painted(avatar):
    from perse_engine.avatars.decoding import decode_visible
    from perse_engine.avatars.state import AvatarState

    *_, painted = decode_visible(avatar, AvatarState())
    shares = region_shares(avatar, ("skin", "beard", "hair"), painted)
    assert all(0 <= share.min() <= share.max() <= 1 for share in shares.values())
    assert not shares["beard"].any()
    skin = next(k for k, name in enumerate(avatar.figure.parts) if name == "skin")
    on_skin = (avatar.figure.face_parts[avatar.triangles] == skin).astype(np.float32)
    bearded = dataclasses.replace(painted, kept=((np.array([0], np.int32), 1 - 0.25 * on_skin),))
    named = dataclasses.replace(
        avatar, styles=(dataclasses.replace(avatar.styles[0], slider="attr_beard_full", category="beard"),)
    )
    shares = region_shares(named, ("skin", "beard"), bearded)
    assert shares["beard"][on_skin > 0] == pytest.approx(0.25)
    assert shares["skin"][on_skin > 0].max() == pytest.approx(0.75)
