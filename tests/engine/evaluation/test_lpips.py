"""LPIPS against its own formula, computed another way, and what must hold of any such distance."""

import numpy as np
import pytest
import torch

from perse_engine.evaluation.lpips import ALEXNET, VGG16, load_lpips

PICTURE = np.random.default_rng(1).random((64, 64, 3)).astype(np.float32)


def noisy(strength):
    noise = np.random.default_rng(2).normal(0, strength, PICTURE.shape)
    return np.clip(PICTURE + noise, 0, 1).astype(np.float32)


@pytest.fixture(scope="module")
def lpips(weights):
    return load_lpips(weights)


def windows(channels, side, stride, padding, fill):
    """(C, H', W', side, side) of (C, H, W)."""
    wide = np.pad(channels, ((0, 0), (padding, padding), (padding, padding)), constant_values=fill)
    return np.lib.stride_tricks.sliding_window_view(wide, (side, side), (1, 2))[:, ::stride, ::stride]


def distance(lpips, first, second):
    """Zhang et al. 2018, equation 1, by numpy in float64, with the shift and scale that LPIPS's authors state."""
    shift, scale = np.array([-0.030, -0.088, -0.188]), np.array([0.458, 0.448, 0.450])
    flows = [((2 * picture.astype(np.float64) - 1 - shift) / scale).transpose(2, 0, 1) for picture in (first, second)]
    total, head = 0.0, 0
    for one in lpips.trunk.convolutions:
        weight, bias = (lpips.weights[f"features.{one.index}.{name}"].double().numpy() for name in ("weight", "bias"))
        if one.pooled:
            flows = [windows(flow, lpips.trunk.window, 2, 0, 0).max((3, 4)) for flow in flows]
        seen = [windows(flow, one.kernel, one.stride, one.padding, 0) for flow in flows]
        sums = [np.tensordot(weight, each, ((1, 2, 3), (0, 3, 4))) + bias[:, None, None] for each in seen]
        flows = [np.maximum(each, 0) for each in sums]
        if one.compared:
            units = [flow / np.sqrt((flow**2).sum(0)) for flow in flows]
            heads = lpips.heads[f"lin{head}.model.1.weight"].double().numpy()[0]
            total += float(((units[0] - units[1]) ** 2 * heads).sum(0).mean())
            head += 1
    assert head == 5
    return total


@pytest.mark.parametrize(("folder", "trunk"), [("weights", ALEXNET), ("vgg_weights", VGG16)])
def test_it_is_the_papers_formula(folder, trunk, request):
    lpips = load_lpips(request.getfixturevalue(folder))
    assert lpips.trunk is trunk
    assert lpips.distance(PICTURE, noisy(0.1)) == pytest.approx(distance(lpips, PICTURE, noisy(0.1)), rel=1e-4)


def test_the_same_picture_is_at_no_distance(lpips):
    assert lpips.distance(PICTURE, PICTURE) == 0


def test_it_grows_with_noise_and_either_may_come_first(lpips):
    found = [lpips.distance(PICTURE, noisy(strength)) for strength in (0.01, 0.03, 0.1, 0.3)]
    assert (np.diff(found) > 0).all()
    assert found[0] > 0
    assert lpips.distance(noisy(0.1), PICTURE) == pytest.approx(found[2], rel=1e-5)


def test_a_head_that_weighs_nothing_sees_nothing(lpips):
    blind = type(lpips)(lpips.trunk, lpips.weights, {key: torch.zeros_like(one) for key, one in lpips.heads.items()})
    assert blind.distance(PICTURE, noisy(0.3)) == 0
