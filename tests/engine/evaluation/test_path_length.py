"""Perceptual path length on paths whose length is known."""

import numpy as np
import pytest

from perse_engine.evaluation.path_length import EPSILON, SAMPLES, path_length


def squared(first, second):
    return float(((first.astype(np.float64) - second) ** 2).sum())


def test_a_straight_and_steady_path_is_as_long_as_its_ends_are_apart():
    assert path_length(lambda t: np.array([2 * t, 1 - t]), squared) == pytest.approx(5, rel=1e-6)


def test_a_detour_and_a_rush_are_longer():
    around = path_length(lambda t: np.array([np.cos(np.pi * t), np.sin(np.pi * t)]), squared)
    assert around == pytest.approx(np.pi**2, rel=1e-4)  # the ends lie 2 apart, 4 squared
    rushing = path_length(lambda t: np.array([t**3]), squared)
    assert rushing == pytest.approx(9 / 5, rel=0.02)


def test_nothing_that_changes_has_no_length():
    assert path_length(lambda t: np.ones(3), squared) == 0


def test_what_pops_is_caught():
    pop = 0.5 / SAMPLES + EPSILON / 2
    assert path_length(lambda t: np.array([float(t > pop)]), squared) == pytest.approx(1 / SAMPLES / EPSILON**2)
