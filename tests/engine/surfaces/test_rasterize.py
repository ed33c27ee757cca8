"""The mesh rasteriser against brute force, and what must hold for every mesh."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from perse_engine.cameras import Camera, front_camera
from perse_engine.surfaces.rasterize import rasterize_mesh
from perse_engine.surfaces.shading import interpolate

SEEDS = st.integers(0, 10_000)


def camera(width: int = 40, height: int = 31) -> Camera:
    return front_camera(np.zeros(3), 2.0, 45.0, width, height)


def soup(seed: int, count: int = 30, spread: float = 0.7) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    vertices = np.random.default_rng(seed).normal(0, spread, (3 * count, 3))
    return vertices, np.arange(3 * count, dtype=np.int32).reshape(-1, 3)


def brute_force(
    vertices: NDArray[np.float64], faces: NDArray[np.int32], lens: Camera
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Every ray against every triangle (Möller and Trumbore, 1997)."""
    local = vertices @ lens.view[:3, :3].T + lens.view[:3, 3]
    y, x = np.mgrid[: lens.height, : lens.width] + 0.5
    rays = np.stack([(x - lens.cx) / lens.fx, (y - lens.cy) / lens.fy, np.ones_like(x)], -1)
    depth = np.full(x.shape, np.inf)
    triangle = np.full(x.shape, -1)
    for f, (a, b, c) in enumerate(local[faces]):
        normal = np.cross(rays, c - a)
        determinant = normal @ (b - a)
        with np.errstate(divide="ignore", invalid="ignore"):
            u = normal @ (-a) / determinant
            q = np.cross(-a, b - a)
            v = rays @ q / determinant
            t = (c - a) @ q / determinant
            hit = (u >= 0) & (v >= 0) & (u + v <= 1) & (t >= lens.near) & (t < depth)
        depth[hit], triangle[hit] = t[hit], f
    return depth, triangle


@settings(max_examples=25, deadline=None)
@given(SEEDS)
def test_sees_what_brute_force_sees_even_through_the_near_plane(seed: int) -> None:
    vertices, faces = soup(seed, spread=1.2)  # the camera stands at 2: many triangles cross it
    depth, triangle = brute_force(vertices, faces, camera())
    fragments = rasterize_mesh(vertices, faces, camera())
    assert np.mean(fragments.triangle != triangle) < 0.002  # ties on edges only
    same = (fragments.triangle == triangle) & (triangle >= 0)
    np.testing.assert_allclose(fragments.depth[same], depth[same], rtol=1e-4)


@settings(max_examples=25, deadline=None)
@given(SEEDS)
def test_barycentrics_sum_to_one_and_stay_inside(seed: int) -> None:
    fragments = rasterize_mesh(*soup(seed), camera())
    hit = fragments.triangle >= 0
    np.testing.assert_allclose(fragments.barycentric[hit].sum(-1), 1, atol=1e-5)
    assert (fragments.barycentric >= -1e-6).all()
    assert not fragments.barycentric[~hit].any()
    assert np.isinf(fragments.depth[~hit]).all()


@settings(max_examples=25, deadline=None)
@given(SEEDS)
def test_linear_functions_of_position_interpolate_exactly(seed: int) -> None:
    vertices, faces = soup(seed)
    lens = camera()
    fragments = rasterize_mesh(vertices, faces, lens)
    local = vertices @ lens.view[:3, :3].T + lens.view[:3, 3]
    seen = interpolate(fragments, faces, local)
    y, x = np.mgrid[: lens.height, : lens.width] + 0.5
    hit = fragments.triangle >= 0
    z = fragments.depth[hit]
    np.testing.assert_allclose(seen[hit][:, 2], z, rtol=2e-4, atol=1e-5)
    np.testing.assert_allclose(seen[hit][:, 0], (x[hit] - lens.cx) / lens.fx * z, rtol=2e-4, atol=1e-4)
    np.testing.assert_allclose(seen[hit][:, 1], (y[hit] - lens.cy) / lens.fy * z, rtol=2e-4, atol=1e-4)


@settings(max_examples=15, deadline=None)
@given(SEEDS)
def test_a_closed_sheet_has_no_cracks(seed: int) -> None:
    side = 17
    rng = np.random.default_rng(seed)
    v, u = np.mgrid[:side, :side] / (side - 1.0) * 2 - 1
    vertices = np.stack([u * 5, v * 5, np.zeros_like(u)], -1)
    vertices[1:-1, 1:-1] += rng.normal(0, 0.1, (side - 2, side - 2, 3))
    i = np.arange(side * side).reshape(side, side)
    a, b, c, d = (
        i[:-1, :-1].ravel(),
        i[:-1, 1:].ravel(),
        i[1:, 1:].ravel(),
        i[1:, :-1].ravel(),
    )
    faces = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])
    fragments = rasterize_mesh(vertices.reshape(-1, 3), faces, camera(160, 120))
    assert (fragments.triangle >= 0).all()


def test_degenerate_and_unseen_triangles_draw_nothing() -> None:
    vertices = np.array(
        [
            [0, 0, 0],
            [0, 0, 0],
            [1, 0, 0],
            [0, 0, 5],
            [1, 0, 5],
            [0, 1, 5],
            [np.nan, 0, 0],
        ],
        float,
    )
    faces = np.array([[0, 1, 2], [0, 2, 0], [3, 4, 5], [6, 0, 2]])
    assert (rasterize_mesh(vertices, faces, camera()).triangle == -1).all()
    assert (rasterize_mesh(vertices, np.zeros((0, 3), int), camera()).triangle == -1).all()


def test_both_sides_show_and_the_nearer_one_wins() -> None:
    vertices = np.array(
        [[-1, -1, 0], [1, -1, 0], [0, 1, 0], [-1, -1, 0.5], [0, 1, 0.5], [1, -1, 0.5]],
        float,
    )
    fragments = rasterize_mesh(vertices, np.arange(6).reshape(2, 3), camera())
    assert fragments.triangle[15, 20] == 1
    np.testing.assert_allclose(fragments.depth[15, 20], 1.5, rtol=1e-6)
