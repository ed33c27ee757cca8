import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.metrics import structural_similarity

from perse_engine.evaluation.metrics import area_reduced, dilated, eroded, over, psnr, ssim, step_uniformity


def pictures(seed, height=40, width=50):
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(0, 1, (height // 5 + 1, width // 5 + 1, 3))
    base = np.kron(coarse, np.ones((5, 5, 1)))[:height, :width].astype(np.float32)
    return base, np.clip(base + rng.normal(0, 0.05, base.shape), 0, 1).astype(np.float32)


def test_psnr_of_a_known_difference():
    first = np.zeros((4, 4, 3), np.float32)
    assert psnr(first + np.float32(0.1), first, np.ones((4, 4), bool)) == pytest.approx(20, abs=1e-4)
    assert psnr(first, first, np.ones((4, 4), bool)) == 100
    assert math.isnan(psnr(first, first, np.zeros((4, 4), bool)))


@given(st.integers(0, 2**16))
def test_only_what_the_mask_holds_counts(seed):
    first, second = pictures(seed)
    mask = np.zeros(first.shape[:2], bool)
    mask[10:30, 10:30] = True
    spoilt = second.copy()
    spoilt[~mask] = 7
    assert psnr(spoilt, first, mask) == psnr(second, first, mask)
    assert ssim(spoilt, first, mask) == pytest.approx(ssim(second, first, mask), abs=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_ssim_agrees_with_scikit_image(seed):
    first, second = pictures(seed, 64, 64)
    mask = np.zeros((64, 64), bool)
    mask[8:-8, 8:-8] = True
    _, theirs = structural_similarity(
        first, second, channel_axis=-1, data_range=1.0, gaussian_weights=True, sigma=1.5,
        use_sample_covariance=False, full=True,
    )  # fmt: skip
    assert ssim(second, first, np.ones((64, 64), bool)) == pytest.approx(theirs.mean(), abs=5e-3)
    assert ssim(first, first, mask) == pytest.approx(1)


def test_areas_are_averaged_and_masks_shrink_and_grow():
    picture = np.arange(16, dtype=np.float32).reshape(4, 4)
    assert area_reduced(picture, 2, 2).tolist() == [[2.5, 4.5], [10.5, 12.5]]
    assert area_reduced(picture, 4, 4) is picture
    mask = np.ones((9, 9), bool)
    assert eroded(mask, 2).sum() == 25
    point = np.zeros((9, 9), bool)
    point[4, 4] = True
    assert dilated(point, 1).sum() == 5


def test_a_grey_shows_through_where_nothing_is():
    picture = np.array([[[0.2, 0.2, 0.2, 0.5]]], np.float32)
    assert over(picture, 1.0).ravel().tolist() == pytest.approx([0.7, 0.7, 0.7])


def test_even_steps_are_even():
    frames = [np.full((2, 2, 3), value, np.float32) for value in np.linspace(0, 1, 11)]
    assert step_uniformity(frames) == pytest.approx(1, abs=1e-5)
    assert step_uniformity(frames[:1] * 5 + [frames[-1]]) == pytest.approx(5)
    assert step_uniformity(frames[:1] * 3) == 1
