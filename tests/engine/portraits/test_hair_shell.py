"""The photo's hair as a thing with depth: its outline, its back, tails, and the shoulders that it falls on."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from perse_engine.cameras import Camera
from perse_engine.heads.head import Head
from perse_engine.heads.posing import pose_head
from perse_engine.portraits.hair_outline import shell_columns
from perse_engine.portraits.hair_shell import ShellGrid, build_grid, skull_center
from perse_engine.portraits.hair_tail import BOX
from perse_engine.portraits.hair_texture import kept_cells
from perse_engine.portraits.membrane import Membrane
from perse_engine.portraits.portrait import Portrait
from perse_engine.portraits.shoulders import shoulder_offsets
from perse_engine.surfaces.rasterize import rasterize_mesh

SIDE = 400


def frontal(head: Head) -> Camera:
    """A camera before the head, 1.2 m away."""
    center = skull_center(head)
    view = np.diag([1.0, -1.0, -1.0, 1.0])
    view[:3, 3] = [-center[0], center[1], center[2] + 1.2]
    return Camera(view, 1.2 * 900, 1.2 * 900, SIDE / 2, SIDE / 2, SIDE, SIDE)


def masks(head: Head, camera: Camera, thick: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """A cap of hair `thick` metres over the upper head, and the face below it."""
    drawn = (rasterize_mesh(head.template.astype(np.float64), head.faces, camera).triangle >= 0).astype(np.uint8)
    rows = np.arange(SIDE)[:, None]
    size = 2 * round(thick * 900) + 1
    grown = cv2.dilate(drawn, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)))
    brows = camera.project(head.joints[3:4].astype(np.float64))[0, 1] - 0.03 * 900
    return (grown * (rows < brows)).astype(np.float32), (drawn * (rows >= brows)).astype(np.float32)


def silhouette(grid: ShellGrid, camera: Camera) -> NDArray[np.bool_]:
    rows, columns = grid.radius.shape
    index = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = (part.reshape(-1) for part in (index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]))
    faces = np.concatenate([np.stack([a, d, c], 1), np.stack([a, c, b], 1)])
    return rasterize_mesh(grid.points.reshape(-1, 3), faces, camera).triangle >= 0


def tail_mask(head: Head, camera: Camera) -> tuple[NDArray[np.float32], int]:
    """A strip that hangs far beside the head, and the row of the skull's middle."""
    tail = np.zeros((SIDE, SIDE), np.float32)
    x, y = camera.project(skull_center(head)[None])[0, :2]
    tail[int(y) - 30 : int(y) + 110, int(x) + 150 : int(x) + 185] = 1
    return tail, int(y)


def tailed_grid(head: Head, camera: Camera, tail: NDArray[np.float32]) -> ShellGrid:
    hair, person = masks(head, camera, 0.03)
    return build_grid(head, camera, np.maximum(hair, tail), person)


@pytest.fixture(scope="module")
def cap(open_head: Head) -> ShellGrid:
    camera = frontal(open_head)
    return build_grid(open_head, camera, *masks(open_head, camera, 0.03))


def test_the_shell_fills_the_outline_and_is_even_on_both_sides(cap: ShellGrid, open_head: Head) -> None:
    camera = frontal(open_head)
    hair, _ = masks(open_head, camera, 0.03)
    drawn = silhouette(cap, camera) & (hair.any(1)[:, None])
    above = hair > 0.5
    assert (drawn & above).sum() / (drawn | above)[above.any(1)].sum() > 0.93
    thickness = cap.radius - cap.skin
    np.testing.assert_allclose(thickness[:20], thickness[:20, ::-1], atol=0.004)


def test_hair_behind_is_about_as_thick_as_at_the_rim_and_smooth(cap: ShellGrid) -> None:
    thickness = cap.radius - cap.skin
    behind, rim = thickness[6:18, :6], thickness[6:18, 17:20]
    assert 0.5 * rim.mean() < behind.mean() < 1.6 * rim.mean()
    # no ridge: from one node to the next thickness changes little
    assert np.abs(np.diff(thickness[2:20], axis=1)).max() < 0.012


def test_a_tail_becomes_a_sheet_and_leaves_the_shell_slim(cap: ShellGrid, open_head: Head) -> None:
    camera = frontal(open_head)
    tail, middle = tail_mask(open_head, camera)
    grid = tailed_grid(open_head, camera, tail)
    assert cap.tail is None
    assert grid.tail is not None
    vertices, faces, uv = grid.tail.mesh()
    shown = rasterize_mesh(vertices, faces, camera).triangle >= 0
    assert (shown & (tail > 0)).sum() > 0.75 * tail[middle:].sum()
    assert np.ptp(vertices[:, 2]) > 0.008
    assert uv.min() >= 0
    assert uv.max() <= 1
    assert (grid.radius - grid.skin).max() < (cap.radius - cap.skin).max() + 0.02


def test_no_cell_of_the_shell_shows_a_piece_of_the_tail(cap: ShellGrid, open_head: Head) -> None:
    camera = frontal(open_head)
    grid = tailed_grid(open_head, camera, tail_mask(open_head, camera)[0])
    rows = len(grid.radius)
    texture = np.ones((1024, 1024, 4), np.float32)
    kept = kept_cells(texture, grid)
    assert kept_cells(texture, cap).all()
    assert not kept.all()
    left, right, low, high = BOX
    u, v = shell_columns(), np.linspace(1, 0, rows)
    for row, column in np.argwhere(kept):
        outside = u[column + 1] <= left or u[column] >= right or v[row] <= low or v[row + 1] >= high
        assert outside, (row, column)


def test_the_membrane_meets_wishes_and_is_smooth_between() -> None:
    angle = np.linspace(-np.pi, np.pi, 41)
    height = np.linspace(0.1, -0.1, 20)
    surface = np.stack(np.broadcast_arrays(0.1 * np.sin(angle), height[:, None], 0.1 * np.cos(angle)), -1)
    wanted, weight = np.zeros((20, 41)), np.zeros((20, 41))
    wanted[10, 10], weight[10, 10] = 0.02, 50
    wanted[10, 30], weight[10, 30] = 0.0, 50
    field = Membrane(surface).settle(wanted, weight)
    assert abs(field[10, 10] - 0.02) < 0.004
    assert abs(field[10, 30]) < 0.004
    np.testing.assert_array_equal(field[:, 0], field[:, -1])
    assert np.abs(np.diff(field, axis=1)).max() < 0.006


def test_an_outline_that_is_soft_in_the_photo_leaves_no_thin_hair(portrait: Portrait) -> None:
    """A matte fades at the outline; turned towards it, one would see a parting there that nobody has."""
    crown = portrait.hair_texture[: len(portrait.hair_texture) // 3, :, 3]
    assert (crown < 0.95).mean() < 0.01
    assert crown.min() > 0.75


def test_the_back_has_the_hairs_colours_and_strands(portrait: Portrait) -> None:
    texture = portrait.hair_texture
    height, width = texture.shape[:2]
    back = texture[height // 5 : height // 2, : width // 8]
    front = texture[height // 8 : height // 2, width // 4 : 3 * width // 4]
    assert back[..., 3].mean() > 0.95
    behind, seen = back[..., :3].mean((0, 1)), front[..., :3][front[..., 3] > 0.9].mean(0)
    # behind is the shade's side, of one colour with what is seen
    assert 0.7 < behind.mean() / seen.mean() < 1.15
    np.testing.assert_allclose(behind / behind.sum(), seen / seen.sum(), atol=0.05)
    # strands: along them colours change more slowly than across
    light = cv2.GaussianBlur(back[..., :3].mean(-1), (0, 0), 1)
    down, across = np.abs(np.diff(light, axis=0)).mean(), np.abs(np.diff(light, axis=1)).mean()
    assert across > 1.5 * down
    assert across > 0.002


def test_the_bust_follows_the_shoulders_that_are_seen(portrait: Portrait) -> None:
    head = portrait.head
    vertices = pose_head(head, portrait.state).vertices
    bust = np.zeros(len(head.template), bool)
    bust[head.faces[head.face_parts == head.parts.index("bust")]] = True
    narrow = cv2.erode(portrait.matte, np.ones((15, 15), np.uint8))
    clothes = np.minimum(portrait.parts["clothes"], narrow)
    moved = shoulder_offsets(head, vertices, portrait.camera, narrow, clothes)
    assert not moved[~bust].any()
    assert np.linalg.norm(moved, axis=1).max() > 0.004
    away = dataclasses.replace(head, parts=tuple(name if name != "bust" else "torso" for name in head.parts))
    assert not shoulder_offsets(away, vertices, portrait.camera, narrow, clothes).any()
