"""What a Gaussian takes from a texture, and what a style's layer makes of it."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from perse_engine.clips.wardrobe import Layer
from perse_engine.training.footprints import Footprints

SHAPE = (64, 128)


@pytest.fixture(scope="module")
def avatar():
    path = Path(__file__).parents[1] / "avatars" / "conftest.py"
    spec = importlib.util.spec_from_file_location("ball", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.make_avatar()


def layer(texels, color, alpha, strength=255):
    texels = np.asarray(texels, np.int32)
    target = np.tile(np.array([*color, alpha], np.uint8), (len(texels), 1))
    return Layer(texels, target, np.full(len(texels), strength, np.uint8), np.zeros(len(texels), np.uint8), 1.0)


def everywhere():
    return np.arange(SHAPE[0] * SHAPE[1])


def upper():
    """The upper half of the atlas."""
    return everywhere()[: len(everywhere()) // 2]


def opaque(color=(90, 60, 30)):
    return np.tile(np.array([*color, 255], np.uint8), (*SHAPE, 1))


def test_the_base_is_read_where_a_gaussian_lies(avatar):
    base = opaque()
    base[:, SHAPE[1] // 2 :, :3] = (10, 200, 10)  # the cap's half
    read = Footprints(avatar, base)
    on_cap = avatar.figure.face_parts[avatar.triangles] == 1
    assert np.abs(read.colors[on_cap] * 255 - (10, 200, 10)).max(1).mean() < 10
    assert np.abs(read.colors[~on_cap] * 255 - (90, 60, 30)).max(1).mean() < 10
    np.testing.assert_allclose(read.coverages, 1, atol=1e-5)


def test_a_layer_over_everything_reaches_every_gaussian(avatar):
    gaussians, rows = Footprints(avatar, opaque()).entries(layer(everywhere(), (200, 100, 0), 255, strength=128))
    np.testing.assert_array_equal(gaussians, np.arange(avatar.count))
    np.testing.assert_allclose(rows[:, :3] * 255, np.tile([200, 100, 0], (avatar.count, 1)), atol=0.01)
    np.testing.assert_allclose(rows[:, 3], 1, atol=1e-3)
    np.testing.assert_allclose(rows[:, 4] * 255, 128, atol=0.1)


def test_a_layer_reaches_only_the_gaussians_upon_it(avatar):
    gaussians, rows = Footprints(avatar, opaque()).entries(layer(upper(), (200, 100, 0), 255))
    height = (avatar.figure.uv[avatar.figure.uv_faces[avatar.triangles]] * avatar.barycentric[..., None]).sum(1)[:, 1]
    assert height[gaussians].min() > 0.3
    assert set(np.flatnonzero(height > 0.7)) <= set(gaussians.tolist())
    well_inside = height[gaussians] > 0.7
    np.testing.assert_allclose(rows[well_inside, 4], 1, atol=1e-4)


def test_what_is_taken_away_leaves_nothing_over_at_its_rim(avatar):
    base = opaque()
    base.reshape(-1, 4)[len(everywhere()) // 2 :, 3] = 0  # hair, and beyond its rim nothing
    read = Footprints(avatar, base)
    gaussians, rows = read.entries(layer(upper(), (90, 60, 30), 0))
    remaining = (1 - rows[:, 4]) * read.coverages[gaussians] + rows[:, 4] * rows[:, 3]
    assert read.coverages[gaussians].max() > 0.99
    assert remaining.max() < 0.03


def test_what_is_put_on_covers_what_its_texture_covers(avatar):
    base = opaque()
    base[..., 3] = 0
    read = Footprints(avatar, base)
    gaussians, rows = read.entries(layer(everywhere(), (200, 100, 0), 127))
    worn = (1 - rows[:, 4]) * read.coverages[gaussians] + rows[:, 4] * rows[:, 3]
    np.testing.assert_allclose(worn * 255, 127, atol=1)
