"""From pictures to textures and back; filling; normals."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from perse_engine.cameras import front_camera
from perse_engine.surfaces.filling import fill_holes
from perse_engine.surfaces.normals import vertex_normals
from perse_engine.surfaces.shading import render_textured
from perse_engine.surfaces.unproject import texel_map, unproject

CAMERA = front_camera(np.zeros(3), 2.0, 256.0, 256, 256)


def sphere(rows: int = 24, columns: int = 48) -> tuple[NDArray, NDArray, NDArray]:
    """Vertices, faces and uv; u = 0.5 faces +z."""
    v, u = np.mgrid[: rows + 1, : columns + 1]
    u, v = u / columns, v / rows
    longitude, latitude = (u - 0.5) * 2 * np.pi, (v - 0.5) * np.pi
    points = np.stack(
        [
            np.cos(latitude) * np.sin(longitude),
            np.sin(latitude),
            np.cos(latitude) * np.cos(longitude),
        ],
        -1,
    )
    i = np.arange((rows + 1) * (columns + 1)).reshape(rows + 1, columns + 1)
    a, b, c, d = (
        i[:-1, :-1].ravel(),
        i[:-1, 1:].ravel(),
        i[1:, 1:].ravel(),
        i[1:, :-1].ravel(),
    )
    faces = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])
    return points.reshape(-1, 3) * 0.7, faces, np.stack([u, v], -1).reshape(-1, 2)


def test_a_texture_survives_the_way_to_a_picture_and_back() -> None:
    vertices, faces, uv = sphere()
    y, x = np.mgrid[:128, :256] / 128.0
    texture = np.stack(
        [
            0.5 + 0.4 * np.sin(9 * x),
            0.5 + 0.4 * np.cos(7 * y),
            0.5 + 0.2 * np.sin(5 * x + 3 * y),
        ],
        -1,
    )
    picture = render_textured(vertices, faces, uv, faces, texture, CAMERA, samples=4).color
    texels = texel_map(uv, faces, (128, 256))
    read, confidence = unproject(picture, vertices, faces, CAMERA, texels)
    sure = confidence > 0.3
    assert sure.mean() > 0.05
    assert np.abs(read - texture)[sure].max() < 0.06
    back = np.abs(x * 128 / 256 - 0.5) > 0.27  # behind the horizon
    assert confidence[back].max() == 0


def test_what_stands_in_front_hides_what_is_behind() -> None:
    vertices, faces, uv = sphere()
    shield = np.array([[-0.2, -0.2, 0.9], [0.2, -0.2, 0.9], [0.2, 0.2, 0.9], [-0.2, 0.2, 0.9]])
    all_vertices = np.concatenate([vertices, shield])
    all_faces = np.concatenate([faces, np.array([[0, 1, 2], [0, 2, 3]]) + len(vertices)])
    all_uv = np.concatenate([uv, np.zeros((4, 2))])
    texels = texel_map(all_uv, all_faces, (128, 256))
    _, confidence = unproject(np.zeros((256, 256, 3)), all_vertices, all_faces, CAMERA, texels)
    assert confidence[64, 128] == 0
    assert confidence[64, 150] > 0.1


def test_texels_know_their_place() -> None:
    _, faces, uv = sphere()
    texels = texel_map(uv, faces, (64, 128))
    where = texels.interpolate(faces, uv)
    y, x = np.mgrid[:64, :128] + 0.5
    assert (texels.triangle >= 0).all()
    np.testing.assert_allclose(where[..., 0], x / 128, atol=1e-4)
    np.testing.assert_allclose(where[..., 1], 1 - y / 64, atol=1e-4)


@settings(max_examples=30, deadline=None)
@given(
    arrays(np.float32, (11, 17, 3), elements=st.floats(0, 1, width=32)),
    arrays(np.bool_, (11, 17)).filter(lambda known: known.any()),
)
def test_filling_keeps_what_is_known_and_stays_in_range(texture: NDArray, known: NDArray) -> None:
    filled = fill_holes(texture, known)
    np.testing.assert_allclose(filled[known], texture[known], atol=1e-5)
    low, high = texture[known].min(0), texture[known].max(0)
    assert (filled >= low - 1e-4).all()
    assert (filled <= high + 1e-4).all()


def test_normals_of_a_sphere_point_outwards() -> None:
    vertices, faces, _ = sphere()
    normals = vertex_normals(vertices, faces)
    inner = np.abs(vertices[:, 1]) < 0.65
    assert (np.einsum("vk,vk->v", normals, vertices / 0.7)[inner] > 0.9).all()
