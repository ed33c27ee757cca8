"""A face keeps its look at every resolution."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import pytest

from perse_engine.splatting.benchmark_scene import benchmark_scene
from perse_engine.splatting.rasterize import rasterize


def picture(size: int) -> np.ndarray:
    """The open head in smooth colours, (size, size, 4)."""
    gaussians, camera = benchmark_scene(8000, size, size)
    colors = 0.5 + 0.3 * np.sin(gaussians.means * 25 + np.arange(3))
    image = rasterize(dataclasses.replace(gaussians, colors=colors.astype(np.float32)), camera)
    return np.dstack([image.color, image.alpha])


@pytest.mark.parametrize("size", [128, 512, 1024])
def test_a_picture_of_another_size_is_the_same_picture(size: int) -> None:
    small, large = sorted((size, 256))
    reduced = cv2.resize(picture(large), (small, small), interpolation=cv2.INTER_AREA)
    drawn = picture(small)
    inside = reduced[..., 3] > 0.5
    error = np.mean((drawn - reduced)[inside, :3] ** 2)
    assert -10 * np.log10(error) >= 36


def test_a_dot_smaller_than_a_pixel_gives_light_by_its_area() -> None:
    gaussians, camera = benchmark_scene(1, 64, 64)
    depth = camera.project(gaussians.means)[0, 2]
    shifts = np.random.default_rng(0).uniform(0, 1, (60, 2))

    def light(sigma: float) -> float:
        """Opacity summed over pixels, the mean over where the dot falls in its pixel."""
        scales = np.full((1, 3), sigma * depth / camera.fx, np.float32)
        dot = dataclasses.replace(gaussians, scales=scales, opacities=np.full(1, 0.9, np.float32))
        views = [dataclasses.replace(camera, cx=camera.cx + x, cy=camera.cy + y) for x, y in shifts]
        return float(np.mean([rasterize(dot, view).alpha.sum() for view in views]))

    for sigma in (0.4, 0.2, 0.1):
        assert light(sigma) == pytest.approx(0.9 * 2 * np.pi * sigma**2, rel=0.1)
