"""Numbers that nobody means, but a damaged file or a wild camera may bring: a picture all the same, never a crash."""

import numpy as np
import pytest

from perse_engine.cameras import Camera
from perse_engine.splatting.gaussians import Gaussians
from perse_engine.splatting.rasterize import rasterize


@pytest.mark.parametrize(("fx", "fy"), [(30.0, 30.0), (1e9, 30.0), (30.0, 1e9), (1e18, 1e-6)])
def test_gaussians_of_any_size_anywhere_before_any_camera(fx, fy):
    rng = np.random.default_rng(0)
    count = 4000

    def sizes(low, high, *shape):
        return (10 ** rng.uniform(low, high, shape)).astype(np.float32)

    means = sizes(-3, 9, count, 3) * rng.choice(np.float32([-1, 1]), (count, 3))
    means[:, 2] = sizes(-30, 9, count)
    gaussians = Gaussians(
        means,
        rng.normal(size=(count, 4)).astype(np.float32),
        sizes(-9, 12, count, 3),
        np.full(count, 0.9, np.float32),
        rng.uniform(0, 1, (count, 3)).astype(np.float32),
    )
    image = rasterize(gaussians, Camera(np.eye(4), fx, fy, 40.0, 1e-30, 100, 70, 1e-30), backend="numba")
    assert np.isfinite(image.color).all()
    assert 0 <= image.alpha.min() <= image.alpha.max() <= 1
