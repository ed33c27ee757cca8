"""Textured pictures: coverage, layers, sampling."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perse_engine.cameras import front_camera
from perse_engine.surfaces.shading import render_textured

CAMERA = front_camera(np.zeros(3), 2.0, 32.0, 32, 32)  # one unit is 16 pixels
QUAD = np.array([[0, 1, 2], [0, 2, 3]])
UV = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], float)


def square(size: float, z: float = 0.0) -> NDArray[np.float64]:
    half = size / 2
    return np.array([[-half, -half, z], [half, -half, z], [half, half, z], [-half, half, z]])


def plain(color: tuple[float, ...]) -> NDArray[np.float32]:
    return np.full((64, 64, len(color)), color, np.float32)


def test_coverage_is_the_area_of_the_mesh() -> None:
    rendered = render_textured(square(1.05), QUAD, UV, QUAD, plain((0.2, 0.4, 0.6)), CAMERA, samples=8)
    assert abs(rendered.alpha.sum() - (1.05 * 16) ** 2) < 6
    np.testing.assert_allclose(
        rendered.color[rendered.alpha > 0],
        np.tile([0.2, 0.4, 0.6], (18 * 18, 1)),
        atol=1e-5,
    )
    assert (rendered.face[rendered.alpha == 0] == -1).all()
    np.testing.assert_allclose(rendered.depth[16, 16], 2.0, rtol=1e-5)


def test_the_pictures_top_is_the_textures_first_row() -> None:
    texture = np.zeros((64, 64, 3), np.float32)
    texture[:32, :, 0] = 1
    texture[:, 32:, 1] = 1
    rendered = render_textured(square(1.5), QUAD, UV, QUAD, texture, CAMERA)
    np.testing.assert_allclose(rendered.color[8, 8], [1, 0, 0], atol=0.02)
    np.testing.assert_allclose(rendered.color[22, 22], [0, 1, 0], atol=0.02)


def test_translucent_layers_are_ordered_whatever_the_order_of_faces() -> None:
    vertices = np.concatenate([square(1, 0.0), square(1, 0.2), square(1, 0.4)])
    uv = np.concatenate([UV * [1 / 3, 1] + [k / 3, 0] for k in range(3)])
    texture = np.zeros((60, 60, 4), np.float32)
    texture[:, :20] = [1, 0, 0, 1]
    texture[:, 20:40] = [0, 1, 0, 0.5]
    texture[:, 40:] = [0, 0, 1, 0.5]
    faces = np.concatenate([QUAD, QUAD + 4, QUAD + 8])
    expected = [0.25, 0.25, 0.5]
    for order in (np.arange(6), np.arange(6)[::-1]):
        rendered = render_textured(vertices, faces[order], uv, faces[order], texture, CAMERA)
        np.testing.assert_allclose(rendered.color[16, 16], expected, atol=1e-5)
        np.testing.assert_allclose(rendered.alpha[16, 16], 1, atol=1e-5)


def test_what_lies_behind_many_faint_sheets_is_still_seen() -> None:
    sheets = 10
    vertices = np.concatenate([square(1, 0.1 * k) for k in range(sheets)])
    uv = np.concatenate([UV * [0.5, 1]] + [UV * [0.5, 1] + [0.5, 0]] * (sheets - 1))
    texture = np.zeros((64, 64, 4), np.float32)
    texture[:, :32] = [1, 0, 0, 1]
    texture[:4, :4, 3] = 0  # no part of it may count as solid
    texture[:, 32:] = [0, 1, 0, 0.05]
    faces = np.concatenate([QUAD + 4 * k for k in range(sheets)])
    rendered = render_textured(vertices, faces, uv, faces, texture, CAMERA)
    through = 0.95 ** (sheets - 1)
    np.testing.assert_allclose(rendered.color[16, 16], [through, 1 - through, 0], atol=1e-3)
    np.testing.assert_allclose(rendered.alpha[16, 16], 1, atol=1e-3)


def test_what_is_transparent_is_not_seen() -> None:
    rendered = render_textured(square(1), QUAD, UV, QUAD, plain((1, 1, 1, 0)), CAMERA)
    assert rendered.alpha.max() == 0
    assert rendered.face.max() == -1


def test_a_fine_checkerboard_far_away_is_grey_not_noise() -> None:
    board = np.indices((512, 512)).sum(0) % 2
    texture = np.repeat(board[..., None], 3, -1).astype(np.float32)
    rendered = render_textured(square(1), QUAD, UV, QUAD, texture, CAMERA)
    inner = rendered.color[10:22, 10:22]
    assert abs(inner.mean() - 0.5) < 0.02
    assert inner.std() < 0.05
