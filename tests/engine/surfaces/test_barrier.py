"""Where meshes stop a camera's view, and how soft their edges are."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perse_engine.cameras import Camera
from perse_engine.surfaces.barrier import PLACES, barrier_depths
from perse_engine.surfaces.rasterize import rasterize_mesh

CAMERA = Camera(np.eye(4), 40.0, 40.0, 20.0, 15.0, 40, 30)
SQUARE = np.array([(0, 1, 2), (0, 2, 3)])


def square(left, right, top, bottom, z):
    """A square in front of `CAMERA` that covers these pixels at distance z."""
    pixels = np.array([(left, top), (right, top), (right, bottom), (left, bottom)], float)
    return np.column_stack([(pixels - (20, 15)) * z / 40, np.full(4, z)])


def test_nothing_stops_the_view_where_no_mesh_is():
    assert np.isinf(barrier_depths([], CAMERA)).all()
    depths = barrier_depths([(square(0, 10, 0, 30, 2.0), SQUARE)], CAMERA)
    assert depths.shape == (8, 30, 40)
    assert np.allclose(depths[:, :, :10], 2.0)
    assert np.isinf(depths[:, :, 10:]).all()


def test_the_nearest_of_several_meshes_counts():
    far, near = (square(0, 40, 0, 30, 3.0), SQUARE), (square(0, 20, 0, 30, 1.5), SQUARE)
    for order in ([far, near], [near, far]):
        depths = barrier_depths(order, CAMERA)
        assert np.allclose(depths[:, :, :20], 1.5)
        assert np.allclose(depths[:, :, 20:], 3.0)


@given(st.floats(2, 30), st.floats(2, 25))
@settings(max_examples=30, deadline=None)
def test_edges_cover_as_much_of_their_pixels_as_the_shape_does(x, y):
    depths = barrier_depths([(square(-50, x, -50, y, 2.0), SQUARE)], CAMERA)
    covered = np.isfinite(depths).mean(0)
    assert covered.sum() == pytest.approx(x * y, abs=0.07 * (x + y))
    assert set(np.round(covered.ravel() * 8, 6)) <= set(range(9))


@given(st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_every_place_sees_what_a_pixel_there_would(seed):
    random = np.random.default_rng(seed)
    corners = random.uniform((-2, -2, -1), (2, 2, 4), (12, 3))
    triangles = random.integers(0, 12, (10, 3))
    depths = barrier_depths([(corners, triangles)], CAMERA)
    for place, (x, y) in enumerate(PLACES):
        expected = rasterize_mesh(corners, triangles, CAMERA.cropped(x - 0.5, y - 0.5, 40, 30)).depth
        same = np.isclose(depths[place], expected, rtol=1e-4) | (np.isinf(depths[place]) & np.isinf(expected))
        assert same.mean() > 0.995  # rounding decides pixels that an edge goes exactly through


def test_what_is_nearer_than_the_near_distance_stops_nothing():
    assert np.isinf(barrier_depths([(square(0, 40, 0, 30, 0.005), SQUARE)], CAMERA)).all()


def test_bad_numbers_stop_nothing():
    corners = square(0, 40, 0, 30, 2.0)
    corners[0] = np.nan
    depths = barrier_depths([(corners, SQUARE)], CAMERA)
    assert not np.isnan(depths).any()
