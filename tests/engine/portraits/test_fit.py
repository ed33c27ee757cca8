"""Camera, identity and expression from landmarks; correspondences; the bounded solver."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import lsq_linear

from perse_engine.cameras import front_camera
from perse_engine.heads.head import Head
from perse_engine.heads.posing import rest_head
from perse_engine.portraits.correspondence import Correspondence, find_correspondence
from perse_engine.portraits.expression_priors import expression_priors
from perse_engine.portraits.fit import fit_head, minimize_in_box, photo_lens
from perse_engine.portraits.landmarks import Face, Tracker


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.integers(1, 6), st.integers(1, 8))
def test_the_bounded_solver_finds_what_scipy_finds(seed: int, free: int, bounded: int) -> None:
    rng = np.random.default_rng(seed)
    size = free + bounded
    matrix, target = rng.normal(size=(size + 4, size)), rng.normal(size=size + 4) * 2
    low = -rng.random(bounded)
    high = low + rng.random(bounded) + 0.01
    found = minimize_in_box(matrix.T @ matrix, -matrix.T @ target, low, high)
    bounds = (np.concatenate([np.full(free, -np.inf), low]), np.concatenate([np.full(free, np.inf), high]))
    expected = lsq_linear(matrix, target, bounds, method="bvls").x
    error = np.linalg.norm(matrix @ found - target) - np.linalg.norm(matrix @ expected - target)
    assert error < 1e-5
    assert (found[free:] >= low - 1e-12).all()
    assert (found[free:] <= high + 1e-12).all()


def test_landmarks_lie_on_the_skin_and_mirror_each_other(open_head: Head, correspondence: Correspondence) -> None:
    names = {open_head.parts[part] for part in open_head.face_parts[correspondence.triangle]}
    assert names <= {"skin", "face"}
    np.testing.assert_allclose(correspondence.barycentric.sum(1), 1, atol=1e-5)
    points = correspondence.points(open_head, open_head.template)
    eyes = np.linalg.norm(points[33] - points[263])
    for left, right in ((33, 263), (61, 291), (50, 280), (105, 334), (172, 397)):
        assert np.linalg.norm(points[left] * [-1, 1, 1] - points[right]) < 0.09 * eyes
    assert points[10, 1] > points[168, 1] > points[4, 1] > points[13, 1] > points[152, 1]
    assert points[4, 2] == points[:, 2].max() or points[1, 2] == points[:, 2].max()


def test_a_known_head_is_not_tracked_again(
    open_head: Head, correspondence: Correspondence, tracker: Tracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracker, "track", lambda _: pytest.fail("tracked again"))
    again = find_correspondence(open_head, tracker)
    np.testing.assert_array_equal(again.triangle, correspondence.triangle)
    np.testing.assert_array_equal(again.barycentric, correspondence.barycentric)


def seen_face(head: Head, correspondence: Correspondence, seed: int, expression: dict[str, float]) -> tuple:
    """What a perfect tracker would say of a random head, and the truth."""
    rng = np.random.default_rng(seed)
    identity = np.zeros(head.shape_directions.shape[2], np.float32)
    identity[:20] = rng.normal(0, 0.7, 20)
    amounts = np.zeros(len(head.expression_names), np.float32)
    for name, amount in expression.items():
        amounts[head.expression_names.index(name)] = amount
    vertices, joints = rest_head(head, identity, amounts)
    center = joints[3:].mean(0).astype(np.float64)
    lens = photo_lens(640, 480, None)
    camera = dataclasses.replace(front_camera(center, 0.8, lens.fx, 640, 480), cx=lens.cx, cy=lens.cy)
    camera = camera.orbited(center, float(rng.uniform(-25, 25)), float(rng.uniform(-10, 10)), float(rng.uniform(-8, 8)))
    place = camera.project(correspondence.points(head, vertices))
    depth = (place[:, 2:] - place[:, 2].mean()) * camera.fx / place[:, 2].mean()
    landmarks = np.concatenate([place[:, :2], depth], 1).astype(np.float32)
    irises = camera.project(joints[3:].astype(np.float64))[:, :2].astype(np.float32)
    return Face(landmarks, irises, np.full(2, 5.0, np.float32), 1.0, 0.0), lens, camera, amounts, vertices


@pytest.mark.parametrize(
    "expression",
    [
        {},
        {"mouthsmileleft": 0.7, "mouthsmileright": 0.7, "mouthupperupleft": 0.5, "mouthupperupright": 0.5},
        {"jawopen": 0.5},
        {"eyeblinkleft": 0.8, "eyeblinkright": 0.8},
    ],
)
def test_a_known_head_is_fitted(open_head: Head, correspondence: Correspondence, expression: dict[str, float]) -> None:
    turns, distances = [], []
    for seed in range(4):
        face, lens, camera, amounts, vertices = seen_face(open_head, correspondence, seed, expression)
        fit = fit_head(open_head, correspondence, face, lens)
        turn = fit.rotation @ camera.view[:3, :3].T
        turns.append(np.degrees(np.arccos(np.clip((np.trace(turn) - 1) / 2, -1, 1))))
        assert np.quantile(np.delete(fit.expression, np.flatnonzero(amounts)), 0.95) < 0.1
        for name, amount in expression.items():
            assert abs(fit.expression[open_head.expression_names.index(name)] - amount) < 0.45
        fitted, _ = rest_head(open_head, fit.identity.astype(np.float32), fit.expression.astype(np.float32))
        fitted_points, true_points = (
            correspondence.points(open_head, v) @ m[:3, :3].T + m[:3, 3]
            for v, m in ((fitted, fit.view()), (vertices, camera.view))
        )
        scale = true_points[:, 2].mean() / fitted_points[:, 2].mean()
        distances.append(np.median(np.linalg.norm(fitted_points * scale - true_points, axis=1)))
    assert np.median(turns) < 3
    assert np.median(distances) < 0.0025


def test_a_grin_is_explained_by_smiling(open_head: Head, correspondence: Correspondence, astronaut_face: Face) -> None:
    fit = fit_head(open_head, correspondence, astronaut_face, photo_lens(512, 512, None))
    amount = dict(zip(open_head.expression_names, fit.expression, strict=True))
    assert min(amount["mouthsmileleft"], amount["mouthsmileright"]) > 0.35
    assert abs(amount["mouthsmileleft"] - amount["mouthsmileright"]) < 0.2
    assert max(amount[name] for name in ("jawleft", "jawright", "mouthleft", "mouthright", "mouthfunnel")) < 0.2
    priors = expression_priors(open_head)
    for a, b in priors.antagonists:
        assert min(fit.expression[a], fit.expression[b]) == 0
    assert (fit.expression >= 0).all()
    assert (fit.expression <= 1).all()
    assert np.abs(fit.identity).max() < 5
    assert fit.residual < 0.03


def test_heads_without_named_units_get_gaussian_priors(open_head: Head) -> None:
    names = tuple(f"flame_{k:03d}" for k in range(len(open_head.expression_names)))
    priors = expression_priors(dataclasses.replace(open_head, expression_names=names))
    assert len(priors.antagonists) == len(priors.sides) == 0
    np.testing.assert_array_equal(priors.low, -priors.high)


def test_the_focal_length_decides_the_distance(
    open_head: Head, correspondence: Correspondence, astronaut_face: Face
) -> None:
    near, far = (
        fit_head(open_head, correspondence, astronaut_face, photo_lens(512, 512, focal)).translation[2]
        for focal in (35.0, 105.0)
    )
    assert far / near == pytest.approx(3.0, rel=0.25)
