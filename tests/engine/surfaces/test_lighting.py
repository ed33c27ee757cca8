"""Light by spherical harmonics, and how open a point is to it."""

from __future__ import annotations

import numpy as np

from perse_engine.surfaces.lighting import encoded, flat_light, irradiance, linear, shade
from perse_engine.surfaces.normals import vertex_normals
from perse_engine.surfaces.occlusion import ambient_occlusion


def directions(count: int = 400) -> np.ndarray:
    way = np.random.default_rng(0).normal(size=(count, 3))
    return (way / np.linalg.norm(way, axis=1, keepdims=True)).astype(np.float32)


def test_a_flat_light_of_one_shows_the_reflectance_itself():
    albedo = np.random.default_rng(1).random((400, 3)).astype(np.float32)
    np.testing.assert_allclose(shade(albedo, flat_light(), directions()), albedo, atol=1e-4)


def test_irradiance_is_that_of_the_integral_over_all_directions():
    """A distant light of band-limited radiance L(w) gives E(n) = 1/pi times the integral of L(w) max(w n, 0)."""
    rng = np.random.default_rng(2)
    light = np.concatenate([[[4.0, 4.0, 4.0]], rng.normal(0, 0.6, (8, 3))]).astype(np.float32)
    ways = directions(200_000)
    x, y, z = ways.T
    values = np.stack(
        [0.282095 + 0 * x, 0.488603 * y, 0.488603 * z, 0.488603 * x, 1.092548 * x * y, 1.092548 * y * z,
         0.315392 * (3 * z * z - 1), 1.092548 * x * z, 0.546274 * (x * x - y * y)], 1
    )  # fmt: skip
    radiance = values @ light
    for normal in directions(5):
        fallen = (radiance * np.maximum(ways @ normal, 0)[:, None]).mean(0) * 4
        np.testing.assert_allclose(irradiance(light, normal), fallen, rtol=0.02)


def test_no_surface_is_darker_than_darkness():
    light = np.zeros((9, 3), np.float32)
    light[2] = 3.0
    assert (irradiance(light, directions()) > 0).all()


def test_occlusion_scales_light_in_linear_rgb():
    shaded = shade(np.array([0.8, 0.6, 0.5]), flat_light(), np.array([[0, 0, 1.0]]), np.array([0.25]))
    np.testing.assert_allclose(linear(shaded)[0], linear(np.array([0.8, 0.6, 0.5])) / 4, rtol=1e-3)
    np.testing.assert_allclose(encoded(linear(np.linspace(0, 1, 50))), np.linspace(0, 1, 50), atol=1e-5)


SHEET = np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]], np.float32)
SHEET_FACES = np.array([[0, 1, 2], [0, 2, 3]], np.int32)


def test_a_sheet_over_a_point_closes_it_the_nearer_the_more():
    heights = np.array([0.0005, 0.003, 0.006, 0.012, 0.0199])
    points = np.stack([0 * heights, 0 * heights, -heights], 1)
    up = np.tile([0.0, 0.0, 1.0], (5, 1))
    open_share = ambient_occlusion(points, up, SHEET, SHEET_FACES, 0.02)
    assert (np.diff(open_share) > 0).all()
    assert open_share[0] < 0.15
    assert open_share[-1] > 0.98
    # the mean over cosine-weighted directions in closed form: t = h / c, c² uniform
    h = 0.3
    c = np.sqrt((np.arange(100_000) + 0.5) / 100_000)
    expected = np.where(c > h, 1 - (1 - np.minimum(h / c, 1)) ** 2, 1).mean()
    assert abs(open_share[2] - expected) < 0.03


def test_what_lies_behind_or_beyond_reach_does_not_count():
    points = np.array([[0, 0, -0.05], [0, 0, -0.001], [5, 5, -0.001]])
    normals = np.array([[0, 0, 1.0], [0, 0, -1.0], [0, 0, 1.0]])
    np.testing.assert_array_equal(ambient_occlusion(points, normals, SHEET, SHEET_FACES, 0.02), 1)


def test_nothing_shades_nothing():
    none = np.zeros((0, 3))
    assert ambient_occlusion(none, none, SHEET, SHEET_FACES, 0.02).shape == (0,)
    empty = np.zeros((0, 3), np.int32)
    np.testing.assert_array_equal(ambient_occlusion(SHEET, SHEET * 0 + [0, 0, 1], SHEET, empty, 0.02), 1)


def test_a_crease_is_darker_than_a_ridge():
    """A folded sheet, seen from above: its valley closed by half, its ridge open."""
    x = np.linspace(-0.02, 0.02, 41)
    z = np.abs(np.abs(x) - 0.01)
    grid = np.stack([np.stack([x, np.full_like(x, y), z], 1) for y in np.linspace(-0.05, 0.05, 21)])
    index = np.arange(41 * 21).reshape(21, 41)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]
    faces = np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)])
    vertices = grid.reshape(-1, 3)
    openness = ambient_occlusion(vertices, vertex_normals(vertices, faces), vertices, faces, 0.02)
    middle = openness.reshape(21, 41)[10]
    assert middle[20] > 0.95  # the ridge in the middle
    assert middle[10] < 0.8
