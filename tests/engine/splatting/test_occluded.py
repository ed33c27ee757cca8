"""What Gaussians show before a barrier."""

import numpy as np
import pytest

from perse_engine.cameras import Camera
from perse_engine.splatting.gaussians import Gaussians
from perse_engine.splatting.occluded import PLACES, rasterize_before
from perse_engine.splatting.rasterize import rasterize
from perse_engine.surfaces.barrier import PLACES as SURFACE_PLACES

CAMERA = Camera(np.eye(4), 150.0, 150.0, 75.0, 50.0, 150, 100)


@pytest.fixture
def gaussians():
    random = np.random.default_rng(3)
    count = 3000
    return Gaussians(
        random.uniform((-0.4, -0.3, 1.0), (0.4, 0.3, 3.0), (count, 3)).astype(np.float32),
        random.normal(size=(count, 4)).astype(np.float32),
        random.uniform(0.005, 0.04, (count, 3)).astype(np.float32),
        random.uniform(0.1, 0.9, count).astype(np.float32),
        random.uniform(0, 1, (count, 3)).astype(np.float32),
    )


def wall(depth):
    return lambda camera: np.full((PLACES, camera.height, camera.width), depth, np.float32)


def of(gaussians, chosen):
    return Gaussians(*(getattr(gaussians, name)[chosen] for name in Gaussians.__dataclass_fields__))


def test_both_sides_have_the_same_number_of_places():
    assert len(SURFACE_PLACES) == PLACES


def test_a_barrier_behind_everything_changes_nothing(gaussians):
    free, before = rasterize(gaussians, CAMERA, backend="numba"), rasterize_before(gaussians, CAMERA, wall(np.inf))
    assert np.abs(before.color - free.color).max() < 1e-5
    assert np.abs(before.alpha - free.alpha).max() < 1e-5
    edge = np.abs(free.alpha - 0.5) < 1e-4
    assert np.array_equal(before.depth[~edge], free.depth[~edge])


def test_a_barrier_before_everything_hides_it(gaussians):
    image = rasterize_before(gaussians, CAMERA, wall(0.5))
    assert not image.color.any()
    assert not image.alpha.any()
    assert (image.depth == np.float32(1e10)).all()


def test_a_wall_in_the_middle_leaves_what_is_before_it(gaussians):
    image = rasterize_before(gaussians, CAMERA, wall(2.0))
    expected = rasterize(of(gaussians, gaussians.means[:, 2] < 2.0), CAMERA, backend="numba")
    assert np.abs(image.color - expected.color).max() < 1e-4
    assert np.abs(image.alpha - expected.alpha).max() < 1e-4
    assert np.abs(image.depth - expected.depth)[expected.alpha > 0.501].max() < 1e-5


def test_a_pixel_is_the_mean_of_its_places(gaussians):
    def half(camera):
        depths = np.full((PLACES, camera.height, camera.width), np.inf, np.float32)
        depths[: PLACES // 2] = 0.5
        return depths

    free = rasterize(gaussians, CAMERA, backend="numba")
    image = rasterize_before(gaussians, CAMERA, half)
    assert np.abs(image.color - free.color / 2).max() < 1e-5
    assert np.abs(image.alpha - free.alpha / 2).max() < 1e-5


def test_the_barrier_is_asked_only_where_gaussians_are(gaussians):
    asked = []

    def barrier(camera):
        asked.append(camera)
        return wall(np.inf)(camera)

    few = of(gaussians, np.arange(1))
    rasterize_before(few, CAMERA, barrier)
    assert len(asked) == 1
    assert asked[0].width < CAMERA.width
    x, y, _ = CAMERA.project(few.means[0])
    own_x, own_y, _ = asked[0].project(few.means[0])
    assert (own_x - asked[0].cx, own_y - asked[0].cy) == pytest.approx((x - 75, y - 50))
    rasterize_before(of(gaussians, np.arange(0)), CAMERA, barrier)
    assert len(asked) == 1
