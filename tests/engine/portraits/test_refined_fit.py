"""The second fit: landmarks weighed as their errors go, and the picture itself."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import pytest

from perse_engine.cameras import Camera, front_camera
from perse_engine.evaluation.fit_check import compare
from perse_engine.evaluation.random_heads import RandomHead, random_head
from perse_engine.heads.head import LEFT_EYE, RIGHT_EYE, Head
from perse_engine.heads.posing import rotation_matrices
from perse_engine.portraits.correspondence import find_correspondence
from perse_engine.portraits.fit import Fit, fit_head, photo_lens
from perse_engine.portraits.landmark_response import LandmarkEvidence, landmark_response, turn_of, upright
from perse_engine.portraits.landmarks import Face, Tracker
from perse_engine.portraits.matting import Matter
from perse_engine.portraits.parsing import EmbeddedParser
from perse_engine.portraits.parts import Mask
from perse_engine.portraits.photometric import PictureEvidence
from perse_engine.portraits.refined_fit import refine_fit

RESPONSE = functools.partial(landmark_response, tracker=Tracker())
Seen = tuple[RandomHead, Face, Camera, Fit, Mask, dict[str, Mask]]


def see(head: Head, number: int) -> Seen:
    tracker = Tracker()
    truth = random_head(head, number)
    face = tracker.track(truth.picture)
    lens = photo_lens(truth.camera.width, truth.camera.height, truth.focal_mm)
    fit = fit_head(head, find_correspondence(head, tracker), face, lens)
    matte = Matter().matte(truth.picture, face.landmarks)
    camera = dataclasses.replace(lens, view=fit.view())
    parts = EmbeddedParser().parse(truth.picture, matte, face.landmarks, head, fit.vertices(head), camera)
    return truth, face, lens, fit, matte, parts


@pytest.fixture(scope="module")
def seen(open_head: Head) -> list[Seen]:
    return [see(open_head, number) for number in range(5000, 5003)]


@pytest.mark.slow
def test_it_comes_nearer_to_heads_that_are_known(open_head: Head, seen: list[Seen]) -> None:
    before, after = [], []
    for truth, face, lens, fit, matte, parts in seen:
        refined = refine_fit(open_head, fit, face, lens, truth.picture, matte, parts, RESPONSE(open_head))
        before.append(compare(open_head, truth, fit).vertices_mm)
        after.append(compare(open_head, truth, refined).vertices_mm)
        assert (refined.expression >= 0).all()
        assert (refined.expression <= 1).all()
        np.testing.assert_allclose(refined.rotation @ refined.rotation.T, np.eye(3), atol=1e-9)
    assert np.mean(after) < 0.9 * np.mean(before)


def test_the_same_picture_is_fitted_the_same(open_head: Head, seen: list[Seen]) -> None:
    truth, face, lens, fit, matte, parts = seen[0]
    one, two = (
        refine_fit(open_head, fit, face, lens, truth.picture, matte, parts, RESPONSE(open_head)) for _ in range(2)
    )
    np.testing.assert_array_equal(one.identity, two.identity)
    np.testing.assert_array_equal(one.rotation, two.rotation)


def test_an_expected_identity_draws_the_fit_to_it(open_head: Head, seen: list[Seen]) -> None:
    truth, face, lens, fit, matte, parts = seen[1]
    freely = refine_fit(open_head, fit, face, lens, truth.picture, matte, parts, RESPONSE(open_head))
    drawn = refine_fit(open_head, fit, face, lens, truth.picture, matte, parts, RESPONSE(open_head), truth.identity)
    far = [float(np.linalg.norm(found.identity - truth.identity)) for found in (freely, drawn)]
    assert far[1] < 0.8 * far[0]


def test_a_head_that_nobody_measured_keeps_its_fit(open_head: Head, seen: list[Seen]) -> None:
    truth, face, lens, fit, matte, parts = seen[0]
    other = dataclasses.replace(open_head, template=open_head.template * np.float32(1.01))
    assert landmark_response(other, Tracker()) is None
    assert refine_fit(other, fit, face, lens, truth.picture, matte, parts, None) is fit


@pytest.mark.parametrize(("yaw", "pitch", "roll"), [(0, 0, 0), (25, 0, 0), (0, -12, 0), (0, 0, 9), (-20, 8, -5)])
def test_a_turn_is_named_by_its_angles(yaw: float, pitch: float, roll: float) -> None:
    camera = front_camera(np.zeros(3), 1.0, 500.0, 640, 480).orbited(np.zeros(3), yaw, pitch, roll)
    found = np.degrees(turn_of(camera.view[:3, :3].astype(np.float64)))
    assert np.abs(np.abs(found) - np.abs([yaw, pitch, roll])).max() < 2.5


def test_another_tracker_errs_in_its_own_way(open_head: Head) -> None:
    class Another:
        """Says that it is no embedded one."""

    assert RESPONSE(open_head) is not None
    assert landmark_response(open_head, Another()) is None  # type: ignore[arg-type]


@pytest.mark.parametrize("roll", [0.0, 12.0, -35.0])
def test_a_rolled_head_is_put_upright(open_head: Head, roll: float) -> None:
    eyes = open_head.joints[[LEFT_EYE, RIGHT_EYE]].astype(np.float64)
    camera = front_camera(eyes.mean(0), 0.8, 700.0, 640, 480).orbited(eyes.mean(0), 0.0, 0.0, roll)
    seen = np.zeros((468, 2))
    seen[263], seen[33] = camera.project(eyes)[:, :2]
    across = (seen[263] - seen[33]) @ upright(camera.view[:3, :3].astype(np.float64), seen)
    np.testing.assert_allclose(across, [1, 0], atol=1e-3)


def test_the_small_picture_lies_where_the_camera_says(open_head: Head, seen: list[Seen]) -> None:
    """A spot that is painted at a known point of space is found there again."""
    truth, face, lens, _, matte, parts = seen[0]
    point = np.array([[0.01, -0.02, 0.9]])
    place = lens.project(point)[0]
    picture = np.zeros_like(truth.picture)
    y, x = np.mgrid[: lens.height, : lens.width] + 0.5
    picture[..., :] = (255 * np.exp(-((x - place[0]) ** 2 + (y - place[1]) ** 2) / 200))[..., None]
    evidence = PictureEvidence(open_head, face, lens, picture, matte, parts)
    spot = evidence.pixels[..., 0].astype(np.float64)
    rows, columns = np.mgrid[: spot.shape[0], : spot.shape[1]] + 0.5
    center = [(columns * spot).sum() / spot.sum(), (rows * spot).sum() / spot.sum()]
    np.testing.assert_allclose(center, evidence.camera.project(point)[0, :2], atol=0.06)


def test_the_gradient_of_the_landmarks_is_that_of_their_error(open_head: Head, seen: list[Seen]) -> None:
    _, face, lens, fit, *_ = seen[2]
    response = RESPONSE(open_head)
    assert response is not None
    # without weights along the way, the gradient of half the squared error is what differences say
    evidence = LandmarkEvidence(open_head, response, face.landmarks[:, :2], lens)
    _, gradient = evidence.system(fit)
    hessian, _ = evidence.system(fit)
    assert np.linalg.eigvalsh(hessian).min() > -1e-6 * np.linalg.eigvalsh(hessian).max()
    rng = np.random.default_rng(0)
    shapes = len(fit.identity)
    for _ in range(5):
        step = 1e-4 * rng.normal(0, 1, len(gradient))
        step[:6] *= 0.1
        moved = dataclasses.replace(
            fit,
            rotation=rotation_matrices(step[:3]) @ fit.rotation,
            translation=fit.translation + step[3:6],
            identity=fit.identity + step[6 : 6 + shapes],
            expression=fit.expression + step[6 + shapes :],
        )
        change = evidence.system(moved)[1] - gradient
        expected = hessian @ step
        assert np.dot(change, expected) / np.linalg.norm(change) / np.linalg.norm(expected) > 0.98


def test_a_turned_head_is_turned_back_by_the_picture_alone(open_head: Head, seen: list[Seen]) -> None:
    turned_back = []
    for truth, face, lens, _, matte, parts in seen:
        view = truth.camera.view.astype(np.float64)
        true = Fit(
            truth.identity.astype(np.float64), truth.expression.astype(np.float64), 0.0, view[:3, :3], view[:3, 3], 0
        )
        middle = true.rotation @ open_head.joints[3:].mean(0).astype(np.float64)
        wrong = rotation_matrices(np.radians([1.5, 3.0, 0.0]))
        off = dataclasses.replace(
            true, rotation=wrong @ true.rotation, translation=true.translation + middle - wrong @ middle
        )
        picture = PictureEvidence(open_head, face, lens, truth.picture, matte, parts)
        fit = off
        for _ in range(3):
            hessian, gradient = picture.system(fit, np.zeros(len(fit.expression), bool), np.ones(len(fit.expression)))
            step = np.linalg.solve(hessian[:6, :6] + 1e-6 * np.eye(6), -gradient[:6])
            fit = dataclasses.replace(
                fit, rotation=rotation_matrices(step[:3]) @ fit.rotation, translation=fit.translation + step[3:]
            )
        turned_back.append(compare(open_head, truth, fit).turn_deg < 0.6 * compare(open_head, truth, off).turn_deg)
    assert np.mean(turned_back) > 0.7
