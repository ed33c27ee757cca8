"""The losses, against what they should say."""

import itertools

import numba
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from perse_engine.training.adam import adam_step, fresh_moments
from perse_engine.training.fused_loss import fused_picture_loss, loss_and_slopes
from perse_engine.training.losses import picture_loss, pyramid_difference, structural_similarity


def picture(seed, size=32):
    return torch.rand((size, size, 3), generator=torch.Generator().manual_seed(seed))


def test_the_same_picture_costs_nothing():
    x, ones = picture(0), torch.ones(32, 32)
    assert float(picture_loss(x, ones, x, ones, ones)) == pytest.approx(0, abs=1e-6)
    assert float(structural_similarity(x, x, ones)) == pytest.approx(1, abs=1e-6)


@given(st.floats(0.01, 0.3))
@settings(max_examples=10, deadline=None)
def test_more_wrong_costs_more(amount):
    x, ones = picture(1) * 0.5, torch.ones(32, 32)
    noise = picture(2) - 0.5
    costs = [float(picture_loss(x + s * amount * noise, ones, x, ones, ones)) for s in (0.5, 1.0)]
    assert 0 < costs[0] < costs[1]


@given(st.integers(8, 70), st.integers(8, 70), st.integers(0, 2**20))
@settings(max_examples=40, deadline=None)
def test_in_one_go_it_is_the_same_with_the_same_slopes(height, width, seed):
    generator = torch.Generator().manual_seed(seed)
    color, alpha, target, matte = (
        torch.rand(shape, generator=generator)
        for shape in ((height, width, 3), (height, width), (height, width, 3), (height, width))
    )
    weights = 2 * torch.rand((height, width), generator=generator)
    weights[torch.rand((height, width), generator=generator) < 0.3] = 0
    found = []
    for loss in (picture_loss, fused_picture_loss):
        given_color, given_alpha = color.clone().requires_grad_(), alpha.clone().requires_grad_()
        value = loss(given_color, given_alpha, target, matte, weights)
        (2.5 * value).backward()
        found.append((value.detach(), given_color.grad, given_alpha.grad))
    assert float(found[1][0]) == pytest.approx(float(found[0][0]), rel=1e-5)
    for torchs, ours in zip(found[0][1:], found[1][1:], strict=True):
        near = torch.isclose(ours, torchs, rtol=1e-4, atol=1e-5 * float(torchs.abs().max()))
        assert near.float().mean() > 0.98  # the slope of an absolute value jumps where it is zero but for rounding
        assert float((ours - torchs).norm() / torchs.norm()) < 0.02


def test_in_one_go_it_is_the_same_on_any_number_of_threads():
    arguments = [picture(6), picture(7)[..., 0].contiguous(), picture(8), picture(9)[..., 1].contiguous()]
    arguments.append(torch.ones(32, 32))
    threads = numba.get_num_threads()
    found = []
    try:
        for count in {1, threads}:
            numba.set_num_threads(count)
            found.append(loss_and_slopes(*(array.numpy() for array in arguments)))
    finally:
        numba.set_num_threads(threads)
    for first, second in itertools.pairwise(found):
        assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_pixels_without_weight_do_not_count():
    x, ones = picture(3), torch.ones(32, 32)
    wrong, weights = x.clone(), ones.clone()
    wrong[:, 16:] = 0
    weights[:, 16:] = 0
    assert float(picture_loss(wrong, weights, x, ones, weights)) == pytest.approx(0, abs=0.03)
    assert float(picture_loss(wrong, ones, x, ones, ones)) > 0.2


def test_structural_similarity_agrees_with_its_definition():
    from numpy.lib.stride_tricks import sliding_window_view

    x, y = picture(4).numpy().astype(float), picture(5).numpy().astype(float)
    a, b = (sliding_window_view(p, (8, 8), (0, 1))[::4, ::4].reshape(7, 7, 3, 64) for p in (x, y))
    covariance = ((a - a.mean(-1, keepdims=True)) * (b - b.mean(-1, keepdims=True))).mean(-1)
    expected = ((2 * a.mean(-1) * b.mean(-1) + 1e-4) * (2 * covariance + 9e-4)) / (
        (a.mean(-1) ** 2 + b.mean(-1) ** 2 + 1e-4) * (a.var(-1) + b.var(-1) + 9e-4)
    )
    found = structural_similarity(picture(4), picture(5), torch.ones(32, 32))
    assert float(found) == pytest.approx(expected.mean(), abs=1e-4)


def test_a_shift_of_brightness_is_all_in_the_last_level():
    flat = torch.full((1, 3, 32, 32), 0.1)
    assert float(pyramid_difference(flat)) == pytest.approx(0.1, abs=1e-6)


def test_adam_moves_only_rows_that_were_seen():
    values, anchors = np.ones((4, 2), np.float32), np.zeros((4, 2), np.float32)
    gradients = np.array([[1, -2], [0, 0], [0, 3], [5, 5]], np.float32)
    moments = fresh_moments(4, 2)
    adam_step(values, gradients, moments, anchors, 0.1, 0.0, slice(0, 3))
    np.testing.assert_allclose(values, [[0.9, 1.1], [1, 1], [1, 0.9], [1, 1]], atol=1e-5)
    assert not moments.square[[1, 3]].any()
    adam_step(values, gradients, moments, anchors, 0.0, 0.5, slice(0, 1))
    np.testing.assert_allclose(values[0], [0.45, 0.55], atol=1e-5)


def test_adam_leaves_faint_rows_alone():
    values, anchors = np.ones((5, 1), np.float32), np.zeros((5, 1), np.float32)
    gradients = np.array([[1e-3], [2e-3], [1e-7], [-1e-6], [1e-4]], np.float32)
    moments = fresh_moments(5, 1)
    adam_step(values, gradients, moments, anchors, 0.1, 0.0, slice(0, 5))
    np.testing.assert_allclose(values[:, 0], [0.9, 0.9, 1, 1, 0.9], atol=1e-4)
    assert not moments.mean[[2, 3]].any()
