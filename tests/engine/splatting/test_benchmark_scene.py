"""The scene that rasterisers are timed on is what it is said to be."""

from __future__ import annotations

import numpy as np
import pytest

from perse_engine.splatting.benchmark_scene import benchmark_scene
from perse_engine.splatting.rasterize import rasterize


def test_it_covers_a_third_of_the_picture() -> None:
    gaussians, camera = benchmark_scene(50_000, 512, 512)
    assert gaussians.means.shape == (50_000, 3)
    assert (camera.width, camera.height) == (512, 512)
    alpha = rasterize(gaussians, camera).alpha
    assert (alpha > 1 / 255).mean() == pytest.approx(0.32, abs=0.015)


@pytest.mark.parametrize("count", [2000, 20_000])
def test_the_surface_is_closed_whatever_the_count(count: int) -> None:
    alpha = rasterize(*benchmark_scene(count, 256, 256)).alpha
    assert np.median(alpha[alpha > 1 / 255]) > 0.95


def test_it_is_the_same_every_time() -> None:
    first, second = (benchmark_scene(100, 64, 64)[0] for _ in range(2))
    assert np.array_equal(first.means, second.means)
    assert np.array_equal(first.quaternions, second.quaternions)
