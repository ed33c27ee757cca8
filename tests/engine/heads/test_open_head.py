"""The open head's data: what every room above takes for granted."""

import numba
import numpy as np
import pytest

from perse_engine.heads.head import LEFT_EYE, RIGHT_EYE, Head
from perse_engine.heads.open_head import DATA
from perse_engine.heads.posing import rest_head


def vertices_of(head: Head, *parts: str) -> np.ndarray:
    return np.unique(head.faces[np.isin(head.face_parts, [head.parts.index(part) for part in parts])])


def random_identity(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=150).astype(np.float32)


NOBODY = np.zeros(0, np.float32)


def test_it_has_the_shape_that_was_promised(open_head: Head) -> None:
    assert open_head.name == "open"
    assert open_head.licence == "CC0-1.0"
    assert open_head.shape_directions.shape[2] == 150
    assert len(open_head.expression_names) == open_head.expression_directions.shape[2] == 52
    assert set(open_head.expression_names) > {"jawopen", "eyeblinkleft", "mouthsmileright", "tongueout", "browinnerup"}
    assert open_head.parts == ("skin", "mouth", "sockets", "eyes", "teeth", "tongue", "lashes", "bust")
    assert set(np.unique(open_head.face_parts)) == set(range(len(open_head.parts)))
    assert DATA.stat().st_size < 6e6


def test_space_is_metres_with_the_neck_joint_as_origin(open_head: Head) -> None:
    np.testing.assert_allclose(open_head.joints[1], 0, atol=1e-7)
    assert 0.05 < np.linalg.norm(open_head.joints[LEFT_EYE] - open_head.joints[RIGHT_EYE]) < 0.07
    assert open_head.joints[LEFT_EYE, 0] > 0 > open_head.joints[RIGHT_EYE, 0]
    nose = open_head.template[open_head.regions["nose"].argmax()]
    assert nose[2] > open_head.joints[LEFT_EYE, 2]
    head = vertices_of(open_head, "skin")
    assert 0.2 < np.ptp(open_head.template[head, 1]) < 0.35


def test_arrays_are_consistent(open_head: Head) -> None:
    assert open_head.faces.min() == 0
    assert open_head.faces.max() == len(open_head.template) - 1
    assert open_head.uv_faces.max() == len(open_head.uv) - 1
    np.testing.assert_allclose(open_head.weights.sum(1), 1, atol=1e-6)
    assert open_head.weights.min() >= 0
    for name, mask in open_head.regions.items():
        assert mask.shape == (len(open_head.template),), name
        assert 0 <= mask.min() <= mask.max() <= 1, name
        assert (mask > 0.5).sum() > 10, name


def test_skin_mouth_sockets_and_bust_are_one_surface_that_ends_only_at_the_chest(open_head: Head) -> None:
    parts = [open_head.parts.index(part) for part in ("skin", "mouth", "sockets", "bust")]
    faces = open_head.faces[np.isin(open_head.face_parts, parts)]
    directed = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    edges, counts = np.unique(np.sort(directed, 1), axis=0, return_counts=True)
    assert counts.max() == 2
    assert len(np.unique(directed, axis=0)) == len(directed)  # every face is turned the same way as its neighbours
    ends = open_head.template[np.unique(edges[counts == 1])]
    assert np.ptp(ends[:, 1]) < 0.003
    assert ends[:, 1].max() < open_head.joints[0, 1] - 0.1


def test_faces_are_counter_clockwise_from_outside(open_head: Head) -> None:
    for part in ("skin", "eyes"):
        corners = open_head.template[open_head.faces[open_head.face_parts == open_head.parts.index(part)]]
        assert np.einsum("fd,fd->", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])) > 0


def test_the_mirror_map_is_an_exact_symmetry(open_head: Head) -> None:
    mirror = open_head.mirror
    np.testing.assert_array_equal(mirror[mirror], np.arange(len(mirror)))
    np.testing.assert_allclose(open_head.template[mirror] * [-1, 1, 1], open_head.template, atol=5e-5)
    names = open_head.expression_names
    left = open_head.expression_directions[:, :, names.index("mouthsmileleft")]
    right = open_head.expression_directions[:, :, names.index("mouthsmileright")]
    np.testing.assert_allclose(left[mirror] * [-1, 1, 1], right, atol=1e-5)


@numba.njit
def covered(uv: np.ndarray, faces: np.ndarray, size: int) -> np.ndarray:
    """How many triangles cover each texel's centre."""
    count = np.zeros((size, size), np.int32)
    for face in faces:
        a, b, c = uv[face[0]] * size, uv[face[1]] * size, uv[face[2]] * size
        twice = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
        if abs(twice) < 1e-12:
            continue
        for y in range(int(min(a[1], b[1], c[1])), min(size, int(max(a[1], b[1], c[1])) + 1)):
            for x in range(int(min(a[0], b[0], c[0])), min(size, int(max(a[0], b[0], c[0])) + 1)):
                u, v = x + 0.5 - a[0], y + 0.5 - a[1]
                s = (u * (c[1] - a[1]) - v * (c[0] - a[0])) / twice
                t = (v * (b[0] - a[0]) - u * (b[1] - a[1])) / twice
                if s > 1e-9 and t > 1e-9 and s + t < 1 - 1e-9:
                    count[y, x] += 1
    return count


def test_no_two_triangles_share_a_texel(open_head: Head) -> None:
    assert 0 <= open_head.uv.min() <= open_head.uv.max() <= 1
    count = covered(open_head.uv.astype(np.float64), open_head.uv_faces, 1024)
    assert count.max() == 1
    assert count.mean() > 0.65


def test_the_skin_is_one_upright_island(open_head: Head) -> None:
    def where(region: str) -> np.ndarray:
        weight = open_head.regions[region][open_head.faces].min(1)
        return np.average(open_head.uv[open_head.uv_faces].mean(1), axis=0, weights=weight)

    assert where("scalp")[1] > where("brows")[1] > where("nose")[1] > where("lips")[1] > where("neck")[1]
    for region in ("nose", "lips", "neck"):
        assert abs(where(region)[0] - 0.5) < 0.01


@pytest.mark.parametrize("seed", range(4))
def test_eyes_stay_round_and_turn_about_their_joints_in_every_identity(open_head: Head, seed: int) -> None:
    vertices, joints = rest_head(open_head, random_identity(seed), NOBODY)
    eyes = vertices_of(open_head, "eyes")
    for joint, sign in ((LEFT_EYE, 1), (RIGHT_EYE, -1)):
        ball = eyes[sign * open_head.template[eyes, 0] > 0]
        assert len(ball) > 250
        radius = np.linalg.norm(vertices[ball] - joints[joint], axis=1)
        assert radius.std() < 0.03 * radius.mean()
        assert 0.010 < radius.mean() < 0.024


def test_the_bust_rides_the_root_and_the_skull_the_neck(open_head: Head) -> None:
    bust, skin = vertices_of(open_head, "bust"), vertices_of(open_head, "skin")
    only_bust = np.setdiff1d(bust, skin)
    assert len(np.intersect1d(bust, skin)) > 40  # the collar is shared
    far = only_bust[open_head.template[only_bust, 1] < open_head.joints[0, 1] - 0.09]
    np.testing.assert_allclose(open_head.weights[far, 0], 1, atol=1e-2)
    skull = (open_head.regions["scalp"] > 0.9) & (open_head.template[:, 1] > open_head.joints[LEFT_EYE, 1])
    np.testing.assert_allclose(open_head.weights[skull, 1], 1, atol=0.05)


def test_an_open_mouth_shows_its_inside_and_not_a_hole(open_head: Head) -> None:
    """Rays from in front, through the middle of the open mouth, meet a face of mouth, tongue or teeth."""
    expression = np.zeros(52, np.float32)
    expression[open_head.expression_names.index("jawopen")] = 1
    vertices, _ = rest_head(open_head, NOBODY, expression)
    lips = vertices[open_head.regions["lips"] > 0.5]
    low, high = np.quantile(lips[:, 1], (0.35, 0.65))
    corners = vertices[open_head.faces].astype(np.float64)
    inside = [open_head.parts.index(part) for part in ("mouth", "tongue", "teeth")]
    for height in np.linspace(low, high, 5):
        a, b, c = (corners[:, index, :2] - [0.001, height] for index in range(3))
        areas = np.stack([b[:, 0] * c[:, 1] - b[:, 1] * c[:, 0], c[:, 0] * a[:, 1] - c[:, 1] * a[:, 0]])
        areas = np.vstack([areas, a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]])
        hit = np.flatnonzero((areas >= 0).all(0) | (areas <= 0).all(0))
        first = hit[np.argmax(corners[hit].mean(1)[:, 2])]
        assert open_head.face_parts[first] in inside
