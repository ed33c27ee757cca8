"""The avatar in another light, and the numbers that carry a light."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from perse_engine.avatars.decoding import decode
from perse_engine.avatars.relighting import LIGHT, Light, estimated_light, stored_light
from perse_engine.avatars.state import AvatarState
from perse_engine.surfaces.lighting import flat_light, harmonics, irradiance, shade
from perse_engine.surfaces.normals import vertex_normals
from perse_protocol.decoding import decode as read
from perse_protocol.errors import ProtocolError
from perse_protocol.lights import light_from, light_from_everywhere
from perse_protocol.messages import Instance

TRUNCATION = 0.036
"""How far second order is from the cosine of one lamp at most, in units of its irradiance over pi times pi."""
ways = st.tuples(*[st.floats(-1, 1)] * 3).filter(lambda v: np.linalg.norm(v) > 0.1)


def unit(way) -> np.ndarray:
    return np.asarray(way, np.float64) / np.linalg.norm(way)


@given(ways, ways)
def test_a_lamp_lights_as_its_cosine_says_as_far_as_second_order_can(lamp, normal):
    lamp, normal = unit(lamp), unit(normal)
    fallen = harmonics(normal) @ light_from(lamp[None], np.ones((1, 3)))
    assert np.abs(fallen - max(0.0, lamp @ normal) / np.pi).max() < TRUNCATION


@given(st.integers(0, 2**32 - 1))
def test_a_broad_light_lights_as_the_integral_over_its_directions(seed):
    rng = np.random.default_rng(seed)
    count = 4000  # evenly spread: Fibonacci's sphere
    height = 1 - (2 * np.arange(count) + 1) / count
    around = np.arange(count) * np.pi * (3 - np.sqrt(5))
    ring = np.sqrt(1 - height**2)
    sky = np.stack([ring * np.cos(around), ring * np.sin(around), height], 1)
    radiance = np.exp(2 * (sky @ unit(rng.normal(size=3)) - 1))[:, None] * rng.random(3)
    light = light_from(sky, radiance * 4 * np.pi / count)
    for normal in (unit(rng.normal(size=3)) for _ in range(5)):
        integral = (radiance * np.maximum(sky @ normal, 0)[:, None]).mean(0) * 4
        assert np.abs(harmonics(normal) @ light - integral).max() < 0.02 * radiance.max()


@given(st.integers(0, 2**32 - 1))
def test_turning_light_and_surface_together_changes_nothing(seed):
    turn = Rotation.random(random_state=seed).as_matrix()
    rng = np.random.default_rng(seed)
    lamps, normals = (np.array([unit(v) for v in rng.normal(size=(6, 3))]) for _ in range(2))
    bright = rng.random((6, 3))
    before = harmonics(normals) @ light_from(lamps, bright)
    after = harmonics(normals @ turn.T) @ light_from(lamps @ turn.T, bright)
    assert np.allclose(before, after, atol=1e-5)


def test_a_sky_of_one_is_the_flat_light():
    assert np.allclose(light_from_everywhere(np.ones(3)), flat_light(), atol=1e-5)


def lit_from(way, amount: float = 1.0) -> Light:
    return Light(light_from(unit(way)[None], np.full((1, 3), np.pi)).astype(np.float32), amount)


def sides(avatar, gaussians) -> tuple[float, float]:
    """How bright the person's left is, and the right."""
    left = gaussians.means[:, 0] > 0.04
    right = gaussians.means[:, 0] < -0.04
    return float(gaussians.colors[left].mean()), float(gaussians.colors[right].mean())


def test_no_light_is_exactly_what_was_trained(avatar):
    assert np.array_equal(
        decode(avatar, AvatarState(), light=lit_from((1, 0, 0), 0.0)).colors, decode(avatar, AvatarState()).colors
    )


def test_shade_lies_away_from_the_lamp_and_grows_with_the_amount(avatar):
    plain = dataclasses.replace(avatar, colors=np.full_like(avatar.colors, 0.5))
    differences = []
    for amount in (0.0, 0.5, 1.0):
        left, right = sides(plain, decode(plain, AvatarState(), light=lit_from((1, 0, 0.2), amount)))
        differences.append(left - right)
    assert abs(differences[0]) < 0.01
    assert differences[0] + 0.05 < differences[1] < differences[2] - 0.05


def test_the_face_turns_in_the_light(avatar):
    plain = dataclasses.replace(avatar, colors=np.full_like(avatar.colors, 0.5))
    turned = np.zeros((5, 3), np.float32)
    turned[0, 1] = np.pi / 2  # the whole head looks to its left
    front = np.flatnonzero(decode(plain, AvatarState()).means[:, 2] > 0.06)
    lamp = lit_from((1, 0, 0))
    before = decode(plain, AvatarState(), light=lamp).colors[front].mean()
    after = decode(plain, AvatarState(pose=turned), light=lamp).colors[front].mean()
    assert after > before + 0.1


def baked(avatar, light: np.ndarray):
    """`avatar` of one reflectance, its colours shaded by `light`."""
    normals = vertex_normals(avatar.figure.vertices, avatar.figure.faces)
    at = np.einsum("nk,nkc->nc", avatar.barycentric, normals[avatar.corners])
    at /= np.maximum(np.linalg.norm(at, axis=1, keepdims=True), 1e-9)
    return dataclasses.replace(avatar, colors=shade(np.full(3, 0.6), light, at))


FADING = np.float32(
    light_from_everywhere(np.full(3, 0.5)) + light_from(np.array([[0.6, 0.0, 0.8]]), np.full((1, 3), 1.2))
)


def test_the_own_light_as_the_new_one_changes_nothing(avatar):
    known = dataclasses.replace(baked(avatar, FADING), provenance={LIGHT: FADING.tolist()})
    before = decode(known, AvatarState()).colors
    assert np.allclose(decode(known, AvatarState(), light=Light(FADING, 1.0)).colors, before, atol=2e-3)


def test_what_the_file_does_not_say_is_read_from_the_skin(avatar):
    found = estimated_light(baked(avatar, FADING))
    normals = np.array([unit(v) for v in np.random.default_rng(0).normal(size=(200, 3))])
    told, seen = irradiance(FADING, normals)[:, 0], irradiance(found, normals)[:, 0]
    assert np.corrcoef(told, seen)[0, 1] > 0.97


@pytest.mark.parametrize("content", [None, "bright", [[1, 2]], [[float("nan")] * 3] * 9, [[-1.0] * 3] * 9])
def test_a_file_that_says_nonsense_says_nothing(content):
    assert stored_light(content) is None


@pytest.mark.parametrize(
    "wrong", [{"coefficients": [0.0] * 26}, {"amount": 1.5}, {"amount": float("nan")}, {"coefficients": [1e12] * 27}]
)
def test_a_light_that_is_none_is_refused(wrong):
    light = {"coefficients": [0.0] * 27, "amount": 0.5, **wrong}
    content = {"avatar": "a", "model": [0.0] * 16, "sliders": {}, "light": light}
    with pytest.raises(ProtocolError):
        read(Instance, content, "instance")
