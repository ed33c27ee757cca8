"""Two sides of a thin thing: the one that faces the eye is in front, and nothing moves in the picture."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from perse_engine.avatars.placing import Placed
from perse_engine.avatars.precedence import FROM, SET_BACK, set_back
from perse_engine.cameras import front_camera
from perse_engine.splatting.gaussians import Gaussians
from perse_engine.splatting.rasterize import rasterize

CAMERA = front_camera(np.zeros(3), 1.0, 400.0, 96, 96)


def brim(tilt):
    """A plate of two layers 2 mm apart, Gaussians 4 mm apart in each, the far side up; tilted towards the eye."""
    generator = np.random.default_rng(0)
    places = generator.uniform(-0.04, 0.04, (2, 500, 2))
    turn = Rotation.from_euler("x", tilt, degrees=True)
    under = Rotation.from_euler("x", 180, degrees=True)
    means = np.concatenate([np.c_[place, np.full(500, height)] for place, height in zip(places, (0.001, -0.001))])
    turns = np.repeat([turn.as_quat(scalar_first=True), (turn * under).as_quat(scalar_first=True)], 500, axis=0)
    scales = np.tile(np.float32([0.003, 0.003, 0.0003]), (1000, 1))
    return Placed(turn.apply(means).astype(np.float32), turns.astype(np.float32), scales)


def drawn(placed, colors):
    return rasterize(
        Gaussians(placed.means, placed.quaternions, placed.scales, np.full(1000, 0.98, np.float32), colors), CAMERA
    )


@pytest.mark.parametrize("tilt", [60, 75, 82])
def test_the_underside_does_not_show_through_the_upper_side(tilt):
    colors = np.repeat(np.float32([[1, 0, 0], [0, 0, 1]]), 500, axis=0)
    before = drawn(brim(-tilt), colors)
    plate = brim(-tilt)
    set_back(plate, np.ones(1000, np.bool_), CAMERA.position())
    after = drawn(plate, colors)
    solid = eroded(after.alpha > 0.98)
    assert before.color[solid, 2].mean() > 0.02
    assert after.color[solid, 2].mean() < 0.4 * before.color[solid, 2].mean()


def eroded(mask):
    inner = mask.copy()
    for axis in (0, 1):
        for step in (-2, 2):
            inner &= np.roll(mask, step, axis)
    return inner


def test_what_is_set_back_covers_the_same_pixels():
    plate, moved = brim(-40), brim(-40)
    times = set_back(moved, np.ones(1000, np.bool_), CAMERA.position())
    np.testing.assert_allclose(CAMERA.project(moved.means)[:, :2], CAMERA.project(plate.means)[:, :2], atol=1e-2)
    farther = CAMERA.project(moved.means)[:, 2] / CAMERA.project(plate.means)[:, 2]
    np.testing.assert_allclose(moved.scales / plate.scales, farther[:, None].repeat(3, 1), rtol=1e-5)
    np.testing.assert_allclose(times, farther, rtol=1e-5)


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**31))
def test_only_what_is_thin_and_faces_away_moves_and_never_far(seed):
    generator = np.random.default_rng(seed)
    count = 64
    placed = Placed(
        generator.normal(size=(count, 3)).astype(np.float32),
        Rotation.random(count, rng=seed).as_quat(scalar_first=True).astype(np.float32),
        generator.uniform(0.001, 0.1, (count, 3)).astype(np.float32),
    )
    means, eye, thin = placed.means.copy(), generator.normal(size=3), generator.random(count) < 0.5
    set_back(placed, thin, eye)
    moved = np.linalg.norm(placed.means - means, axis=1)
    rays = means - eye
    normals = Rotation.from_quat(placed.quaternions, scalar_first=True).as_matrix()[..., 2]
    away = (normals * rays).sum(1) > (FROM - 1e-3) * np.linalg.norm(rays, axis=1)
    assert moved[~(thin & away)].max(initial=0) < 1e-6
    assert moved.max() <= SET_BACK + 1e-5
    assert ((placed.means - means) * rays).sum(1).min() > -1e-5
