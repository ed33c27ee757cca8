import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from perse_engine.clips.noise import layered_noise, smoothstep, strands, value_noise
from perse_engine.surfaces.colors import hex_to_srgb, oklab_to_srgb, srgb_to_oklab

channel = st.floats(0, 1, width=32)


@given(st.tuples(channel, channel, channel))
def test_colours_survive_oklab(color):
    color = np.array([color], np.float32)
    assert np.abs(oklab_to_srgb(srgb_to_oklab(color)) - color).max() < 2e-3


def test_known_colours():
    assert np.allclose(srgb_to_oklab(np.ones((1, 3), np.float32)), [[1, 0, 0]], atol=2e-3)
    assert np.allclose(srgb_to_oklab(hex_to_srgb("#ff0000")[None]), [[0.628, 0.225, 0.126]], atol=2e-3)


@given(st.integers(0, 1000), st.floats(0.1, 50))
def test_noise_is_bounded_and_seeded(seed, scale):
    points = np.random.default_rng(0).normal(size=(50, 2)) * scale
    for field in (value_noise, layered_noise):
        assert field(points, seed).min() >= 0
        assert field(points, seed).max() <= 1
        assert np.array_equal(field(points, seed), field(points, seed))
    lines = strands(points[:, 0], points[:, 1], seed)
    assert 0 <= lines.min() <= lines.max() <= 1


def test_smoothstep_turns_round():
    x = np.linspace(-1, 2, 31)
    assert np.allclose(smoothstep(0, 1, x) + smoothstep(1, 0, x), 1)
