import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from perse_engine.service.hand_over import hand_over_linear, hand_over_srgb, srgb_to_linear


def picture(seed, height, width):
    rng = np.random.default_rng(seed)
    alpha = rng.uniform(0, 1, (height, width)).astype(np.float32)
    alpha[rng.uniform(size=alpha.shape) < 0.3] = 0
    color = (rng.uniform(0, 1, (height, width, 3)) * alpha[..., None]).astype(np.float32)
    return color, alpha, rng.uniform(0.5, 2, (height, width)).astype(np.float32)


@given(st.integers(0, 2**16), st.integers(1, 9), st.integers(1, 9))
def test_linear_light_is_worked_out_without_premultiplication(seed, height, width):
    color, alpha, depth = picture(seed, height, width)
    matrix = np.random.default_rng(seed).uniform(-0.2, 1, (3, 3)).astype(np.float32)
    out_color, out_depth = np.empty((height, width, 4), np.float32), np.empty((height, width), np.float32)
    background = np.random.default_rng(seed + 1).uniform(0, 1, 4).astype(np.float32) * (seed % 2)
    hand_over_linear(color, alpha, depth, matrix, background, out_color, out_depth)
    straight = color.astype(np.float64) / np.maximum(alpha, 1e-9)[..., None]
    expected = srgb_to_linear(np.minimum(straight, 1)) @ matrix.T.astype(np.float64) * alpha[..., None]
    through = 1 - alpha[..., None]
    assert np.allclose(out_color[::-1, :, :3], expected + through * background[:3], atol=1e-6)
    assert np.allclose(out_color[::-1, :, 3:], alpha[..., None] + through * background[3], atol=1e-6)
    assert np.array_equal(out_depth[::-1], depth)


def test_srgb_is_left_as_it_is():
    color, alpha, depth = picture(1, 4, 5)
    out_color, out_depth = np.empty((4, 5, 4), np.float32), np.empty((4, 5), np.float32)
    hand_over_srgb(color, alpha, depth, np.zeros(4, np.float32), out_color, out_depth)
    assert np.array_equal(out_color[::-1], np.dstack([color, alpha]))
    assert np.array_equal(out_depth[::-1], depth)


def test_the_curve_is_the_standards():
    assert np.allclose(srgb_to_linear(np.array([0, 0.04045, 0.5, 1])), [0, 0.0031308, 0.2140411, 1], atol=1e-6)
