import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perse_engine.clips.moments import script, sparse_moments
from perse_engine.clips.motion_library import MOST_PITCH, MOST_ROLL, MOST_YAW, perform, walk
from perse_engine.heads.head import JAW, LEFT_EYE, NECK

LONG = 5000


@pytest.fixture(scope="module")
def names(portrait):
    return portrait.head.expression_names


@pytest.fixture(scope="module")
def long(names):
    return perform(names, {"mouthsmileleft": 0.4}, LONG, 3)


@settings(max_examples=15, deadline=None)
@given(count=st.integers(1, 400), seed=st.integers(0, 2**40))
def test_a_longer_performance_begins_as_a_shorter_one(names, count, seed):
    short, longer = perform(names, {}, count, seed), perform(names, {}, count + 130, seed)
    assert len(short) == count
    assert np.array_equal(short.expression, longer.expression[:count])
    assert np.array_equal(short.pose, longer.pose[:count])
    for field in ("yaw", "pitch", "roll", "distance", "shift", "zoom"):
        assert np.array_equal(getattr(walk(count, seed), field), getattr(walk(count + 130, seed), field)[:count])


def test_another_seed_is_another_performance(names, long):
    assert not np.array_equal(perform(names, {}, LONG, 4).expression, long.expression)


def test_every_unit_is_shown(names, long):
    assert min(long.expression.max(0)) > 0.5, dict(zip(names, long.expression.max(0), strict=True))
    assert long.expression.min() >= 0
    assert long.expression.max() <= 1


def test_it_is_smooth(long):
    """At 25 frames a second a blink shuts in four frames and eyes jump in four; all else moves as heads do."""
    steps = np.abs(np.diff(long.expression, axis=0))
    quick = np.array([name.startswith("eye") for name in long.names])
    assert steps[:, quick].max() < 0.6
    assert steps[:, ~quick].max() < 0.5
    assert np.degrees(np.abs(np.diff(long.pose[:, NECK], axis=0))).max() < 5
    assert np.abs(np.diff(long.pose[:, JAW], axis=0)).max() < 0.06
    views = walk(LONG, 3)
    assert np.abs(np.diff(views.yaw)).max() < 6
    assert np.abs(np.diff(views.pitch)).max() < 5
    assert np.abs(np.diff(views.roll)).max() < 5


def test_all_views_are_visited_and_kept(long):
    views = walk(LONG, 3)
    for curve, most in ((views.yaw, MOST_YAW), (views.pitch, MOST_PITCH), (views.roll, MOST_ROLL)):
        assert np.abs(curve).max() <= most
        assert curve.max() > 0.7 * most
        assert curve.min() < -0.7 * most
    assert (MOST_YAW, MOST_PITCH, MOST_ROLL) == (45, 25, 20)
    quarters = np.histogram(views.yaw, 4, (-MOST_YAW, MOST_YAW))[0]
    assert quarters.min() > 0.12 * LONG
    assert np.ptp(long.pose[:, LEFT_EYE, 1]) > 0.5
    assert long.pose[:, JAW, 0].max() > 0.2


def test_sparse_moments_are_frames_of_the_performance(portrait):
    whole = script(portrait, 30 * 20, 9)
    told = {
        tuple(sorted(whole.performance.coefficients(k, whole.performance.names).items())) for k in range(len(whole))
    }
    for moment in sparse_moments(portrait, 30, 9):
        assert tuple(sorted(moment.expression.items())) in told


def test_a_head_without_units_moves_too():
    motion = perform([f"flame_{k:03d}" for k in range(50)], {}, 500, 0)
    assert np.abs(motion.expression[:, :12]).max(0).min() > 0.3
    assert not motion.expression[:, 12:].any()
    assert np.abs(motion.pose[:, [NECK, JAW, LEFT_EYE]]).max() > 0.2
