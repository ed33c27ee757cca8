"""Distances of sets: against what is known of Gaussians, and against their formulas written out."""

import itertools

import numpy as np
import pytest
import scipy.linalg

from perse_engine.evaluation.distributions import SUBSETS, frechet_distance, kernel_distance


def gaussian(count, width, seed, mean=0.0, spread=1.0):
    return np.random.default_rng(seed).normal(mean, spread, (count, width))


def test_the_same_features_are_at_no_distance():
    features = gaussian(40, 2048, 0)
    assert frechet_distance(features, features) == pytest.approx(0, abs=1e-6)
    assert kernel_distance(features, features) == (0, 0)


def test_frechet_is_symmetric_also_for_sets_of_different_size():
    first, second = gaussian(40, 300, 1), gaussian(60, 300, 2, 0.3, 1.5)
    assert frechet_distance(first, second) == pytest.approx(frechet_distance(second, first), rel=1e-9)


def test_frechet_in_one_dimension_is_known():
    first, second = gaussian(500, 1, 3), gaussian(500, 1, 4, 2.0, 3.0)
    known = (first.mean() - second.mean()) ** 2 + (first.std(ddof=1) - second.std(ddof=1)) ** 2
    assert frechet_distance(first, second) == pytest.approx(known, rel=1e-9)


@pytest.mark.parametrize("count", [300, 12])
def test_frechet_is_the_formula_with_the_root_of_a_matrix(count):
    rng = np.random.default_rng(5)
    first, second = (rng.normal(size=(count, 20)) @ rng.normal(size=(20, 20)) + shift for shift in (0.0, 0.5))
    covariances = [np.cov(each, rowvar=False) for each in (first, second)]
    root = scipy.linalg.sqrtm(covariances[0] @ covariances[1] + 1e-12 * np.eye(20))
    between = ((first.mean(0) - second.mean(0)) ** 2).sum()
    written = between + np.trace(covariances[0] + covariances[1] - 2 * np.real(root))
    assert frechet_distance(first, second) == pytest.approx(written, rel=1e-4)


def test_kernel_is_the_formula_written_out():
    first, second = gaussian(8, 5, 6), gaussian(8, 5, 7, 0.4)

    def k(x, y):
        return (x @ y / 5 + 1) ** 3

    def of(chosen):
        return np.mean([
            k(first[i], first[j]) + k(second[i], second[j]) - k(first[i], second[j]) - k(first[j], second[i])
            for i, j in itertools.permutations(chosen, 2)
        ])  # fmt: skip

    mean, spread = kernel_distance(first, second)
    every = [of(chosen) for chosen in itertools.combinations(range(8), 4)]
    assert mean == pytest.approx(np.mean(every), abs=4 * np.std(every) / SUBSETS**0.5)
    assert spread == pytest.approx(np.std(every), rel=0.3)


def test_kernel_is_about_zero_for_one_distribution_and_grows_with_the_shift():
    found = [kernel_distance(gaussian(400, 64, 8), gaussian(400, 64, 9, shift))[0] for shift in (0.0, 0.2, 0.4, 0.8)]
    assert abs(found[0]) < 0.1 * found[1]
    assert (np.diff(found) > 0).all()


def test_kernel_is_not_fooled_by_pairs_that_are_nearly_the_same():
    """The common estimate, which takes pictures in one row for independent, lies far below zero here."""
    features = gaussian(100, 64, 10)
    assert abs(kernel_distance(features, features + gaussian(100, 64, 11, 0, 0.01))[0]) < 1e-2
