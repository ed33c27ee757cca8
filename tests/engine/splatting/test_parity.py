"""Every backend against the float64 reference: values and every gradient."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from perse_engine.cameras import Camera
from perse_engine.splatting.blending import FAR, TRANSMITTANCE_MIN
from perse_engine.splatting.gaussians import Gaussians

from .backends import ATTRIBUTES, WARP_ON_CPU, picture, reference_depth, with_gradients
from .scenes import camera, cloud

# gsplat ends a pixel before transmittance falls to 1e-4, and takes fast exponentials; Warp's kernels end it after.
VALUE = {"numba": 2e-5, "gsplat": 2e-3, "warp": 1.5e-4, WARP_ON_CPU: 1.5e-4}
GRADIENT = {"numba": 5e-5, "gsplat": 2e-2, "warp": 5e-4, WARP_ON_CPU: 5e-4}

SCENES = {
    "mixed": (cloud(300, 1), camera(61, 47)),
    "principal point off centre": (cloud(200, 2), camera(50, 70, cx=11.3, cy=61.8)),
    "principal point outside": (cloud(200, 3), camera(48, 33, cx=-9.5, cy=40.0)),
    "smaller than pixels": (cloud(400, 4, size=(0.0005, 0.01)), camera(40, 40)),
    "larger than the picture": (cloud(40, 5, size=(0.3, 1.5), opacity=(0.02, 0.4)), camera(33, 31)),
    "needles": (cloud(300, 6, size=(0.0002, 0.3)), camera(64, 64)),
    "past the frustum's margin": (cloud(200, 7, size=(0.05, 0.4), opacity=(0.02, 0.2)), camera(40, 40, focal=400.0)),
    "long lens": (cloud(200, 8, size=(0.002, 0.02)), camera(70, 50, focal=900.0)),
    "one pixel": (cloud(60, 9, size=(0.02, 0.2)), camera(1, 1, focal=2.0)),
    "one row": (cloud(60, 10), camera(90, 1)),
    "one column": (cloud(60, 11), camera(1, 90)),
    "tile borders": (cloud(150, 12), camera(65, 33)),
}


def gradient_to_picture(view: Camera, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    shape = (view.height, view.width)
    return rng.normal(size=(*shape, 3)).astype(np.float32), rng.normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("name", SCENES)
def test_picture_and_gradients_are_those_of_the_equations(backend: str, name: str) -> None:
    gaussians, view = SCENES[name]
    to_color, to_alpha = gradient_to_picture(view, 5)
    ours = with_gradients(backend, gaussians, view, to_color, to_alpha)
    exact = with_gradients("reference", gaussians, view, to_color, to_alpha)
    assert exact.alpha.max() > 0.01
    np.testing.assert_allclose(ours.color, exact.color, atol=VALUE[backend])
    np.testing.assert_allclose(ours.alpha, exact.alpha, atol=VALUE[backend])
    for attribute in ATTRIBUTES:
        error = np.linalg.norm(ours.gradients[attribute] - exact.gradients[attribute])
        size = np.linalg.norm(exact.gradients[attribute])
        assert error <= GRADIENT[backend] * size + 1e-6, f"{attribute}: {error / size:.1e}"


@pytest.mark.parametrize("name", ["mixed", "principal point off centre", "needles", "tile borders"])
def test_depth_is_that_of_the_gaussian_that_takes_opacity_past_one_half(backend: str, name: str) -> None:
    gaussians, view = SCENES[name]
    depth = picture(backend, gaussians, view).depth
    exact = reference_depth(gaussians, view)
    assert (exact < FAR).any()
    assert (exact == FAR).any()
    close = np.isclose(depth, exact, rtol=1e-5)
    # Where opacity is one half to the last digit, either answer is right.
    assert close.mean() > 0.999


@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_gradients_are_slopes(backend: str, attribute: str) -> None:
    # So large that no outline, where alpha jumps from 1/255 to 0, runs through the picture.
    gaussians, view = cloud(12, 21, size=(0.6, 1.5), opacity=(0.2, 0.6)), camera(40, 36)
    to_color, to_alpha = gradient_to_picture(view, 6)
    direction = np.random.default_rng(7).normal(size=getattr(gaussians, attribute).shape)
    direction *= {"means": 1e-3, "quaternions": 1e-2, "scales": 1e-3, "opacities": 1e-2, "colors": 1e-1}[attribute]

    def loss(step: float) -> float:
        moved = (getattr(gaussians, attribute) + step * direction).astype(np.float32)
        image = picture(backend, dataclasses.replace(gaussians, **{attribute: moved}), view)
        return float(np.sum(image.color.astype(float) * to_color) + np.sum(image.alpha.astype(float) * to_alpha))

    predicted = np.sum(with_gradients(backend, gaussians, view, to_color, to_alpha).gradients[attribute] * direction)
    measured = (loss(1.0) - loss(-1.0)) / 2
    assert measured == pytest.approx(predicted, rel=0.01, abs=1e-3)


def test_opaque_layers_hide_what_is_behind_them(backend: str) -> None:
    count = 200
    gaussians = Gaussians(
        np.stack([np.zeros(count), np.zeros(count), np.linspace(-0.5, 0.5, count)], 1).astype(np.float32),
        np.tile(np.array([1, 0, 0, 0], np.float32), (count, 1)),
        np.full((count, 3), 3.0, np.float32),
        np.full(count, 0.5, np.float32),
        np.random.default_rng(0).uniform(0, 1, (count, 3)).astype(np.float32),
    )
    view = dataclasses.replace(camera(20, 20), view=np.block([[np.eye(3), np.array([[0], [0], [2.0]])], [0, 0, 0, 1]]))
    zeros = np.zeros((20, 20), np.float32)
    exact = with_gradients("reference", gaussians, view, np.zeros((20, 20, 3)), zeros)
    image = picture(backend, gaussians, view)
    np.testing.assert_allclose(image.color, exact.color, atol=2 * TRANSMITTANCE_MIN)
    np.testing.assert_allclose(image.alpha, 1.0, atol=2 * TRANSMITTANCE_MIN)
    assert np.allclose(image.depth, 1.5, atol=0.02)


def test_nothing_is_drawn_of_what_is_nearer_than_near_or_behind(backend: str) -> None:
    gaussians = cloud(100, 30)
    view = camera(30, 30)
    behind = dataclasses.replace(view, near=3.0)
    image = picture(backend, gaussians, behind)
    assert not image.alpha.any()
    assert (image.depth == np.float32(FAR)).all()
    half = dataclasses.replace(view, near=2.0)
    exact = with_gradients("reference", gaussians, half, np.zeros((30, 30, 3)), np.zeros((30, 30)))
    np.testing.assert_allclose(picture(backend, gaussians, half).color, exact.color, atol=VALUE[backend])
