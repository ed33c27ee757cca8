"""What is small in a picture is drawn finer, so that a picture of half the size is the same picture."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perse_engine.avatars.decoding import decode
from perse_engine.avatars.fineness import MOST_TIMES, averaged, extent, fineness
from perse_engine.avatars.initial import head_center
from perse_engine.avatars.rendering import render_avatar
from perse_engine.avatars.state import AvatarState
from perse_engine.splatting.gaussians import Gaussians
from perse_engine.splatting.rasterize import rasterize

SIDE = 192


@pytest.fixture(scope="module")
def learnt(avatar):
    """The ball as if pictures of 192 x 192 had been the finest that it learnt from."""
    camera = avatar.neutral_camera.fitted(SIDE, SIDE)
    pixel = camera.project(head_center(avatar.figure))[2] / camera.fx
    return dataclasses.replace(avatar, low_pass=float(0.4 * pixel))


def test_half_the_size_is_the_same_picture(learnt):
    camera = learnt.neutral_camera
    whole = render_avatar(learnt, AvatarState(), camera.fitted(SIDE, SIDE))
    for times in (2, 3, 4):
        small = render_avatar(learnt, AvatarState(), camera.fitted(SIDE // times, SIDE // times))
        assert small.shape == (SIDE // times, SIDE // times, 4)
        means = np.moveaxis(averaged(np.moveaxis(whole, -1, 0), times), 0, -1)
        error = np.square(small - means)[means[..., 3] > 0.5].mean()
        assert -10 * np.log10(error) > 40


def test_an_avatar_that_learnt_from_nothing_is_drawn_as_it_is(avatar):
    assert fineness(dataclasses.replace(avatar, low_pass=0.0), avatar.neutral_camera.fitted(8, 8)) == 1


@given(side=st.integers(8, 1080), grown=st.floats(0.01, 100), turn=st.floats(-3, 3))
@settings(max_examples=60, deadline=None)
def test_it_depends_on_what_a_pixel_spans_alone(learnt, side, grown, turn):
    camera = learnt.neutral_camera.fitted(side, side)
    times = fineness(learnt, camera)
    assert 1 <= times <= MOST_TIMES
    assert times >= fineness(learnt, learnt.neutral_camera.fitted(2 * side, 2 * side))
    turned = camera.orbited(head_center(learnt.figure), 50 * turn, 20 * turn, 90 * turn)
    assert fineness(learnt, turned) == pytest.approx(times, abs=1)
    # twice the avatar in twice the world, with a camera twice as far
    view = camera.view.copy()
    view[:3, 3] *= grown
    model = np.diag([grown, grown, grown, 1.0])
    assert fineness(learnt, dataclasses.replace(camera, view=view), model) == pytest.approx(times, abs=1)


def test_what_cannot_be_seen_asks_for_nothing(learnt):
    camera = learnt.neutral_camera.fitted(16, 16)
    behind = np.eye(4)
    behind[:3, 3] = [0, 0, 100]
    assert fineness(learnt, camera, behind) == 1
    assert fineness(learnt, camera, np.diag([0.0, 0.0, 0.0, 1.0])) == 1


@given(
    yaw=st.floats(-180, 180),
    shift=st.tuples(st.floats(-60, 60), st.floats(-60, 60)),
    distance=st.floats(-0.5, 3),
    parallel=st.booleans(),
)
@settings(max_examples=40, deadline=None)
def test_nothing_is_drawn_beyond_the_extent(learnt, yaw, shift, distance, parallel):
    camera = learnt.neutral_camera.fitted(48, 48).orbited(head_center(learnt.figure), yaw, 0, 0)
    view = camera.view.copy()
    view[2, 3] += distance
    camera = dataclasses.replace(camera, view=view, cx=camera.cx + shift[0], cy=camera.cy + shift[1])
    if parallel:
        camera = dataclasses.replace(camera, fx=160.0, fy=160.0, orthographic=True)
    gaussians = decode(learnt, AvatarState(), camera.position())
    part = extent(gaussians, camera)
    inside = np.zeros((48, 48), bool)
    inside[part.y : part.y + part.height, part.x : part.x + part.width] = True
    assert not rasterize(gaussians, camera, backend="numba").alpha[~inside].any()


def test_nothing_has_no_extent(learnt):
    camera = learnt.neutral_camera.fitted(48, 48)
    nothing = Gaussians(*(np.zeros(shape, np.float32) for shape in ((0, 3), (0, 4), (0, 3), (0,), (0, 3))))
    part = extent(nothing, camera)
    assert part.width == part.height == 0


def test_numbers_that_are_none_ask_for_nothing(learnt):
    camera = learnt.neutral_camera.fitted(48, 48)
    for value in (np.nan, np.inf):
        broken = dataclasses.replace(camera, fx=value, fy=value)
        assert fineness(learnt, broken, np.diag([value, 1.0, 1.0, 1.0])) == 1
        assert 1 <= fineness(learnt, broken) <= MOST_TIMES
        gaussians = decode(learnt, AvatarState(), camera.position())
        gaussians.means[::7] = value
        gaussians.scales[::5] = value
        for seen in (camera, broken):
            part = extent(gaussians, seen)
            assert 0 <= part.x <= part.x + part.width <= 48
            assert 0 <= part.y <= part.y + part.height <= 48
