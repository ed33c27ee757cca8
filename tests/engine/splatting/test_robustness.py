"""What no picture may do, whatever the Gaussians."""

from __future__ import annotations

import dataclasses
import threading

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perse_engine.cameras import Camera
from perse_engine.errors import InputError
from perse_engine.splatting.blending import FAR
from perse_engine.splatting.cpu import draw, draw_backward
from perse_engine.splatting.gaussians import Gaussians
from perse_engine.splatting.rasterize import rasterize

from .backends import ATTRIBUTES, picture, with_gradients
from .scenes import camera, cloud

SIZES = st.integers(1, 70)
ORDINARY = st.floats(-3, 3, width=32)
WILD = st.one_of(
    ORDINARY,
    st.floats(width=32),
    st.sampled_from([0.0, -0.0, 1e-38, -1e-38, 1e-10, 1e10, 3e38, -3e38, np.inf, -np.inf, np.nan]),
)


def gaussians_of(numbers: st.SearchStrategy[float], scales: st.SearchStrategy[float]) -> st.SearchStrategy[Gaussians]:
    """Lists of up to eight Gaussians."""
    row = st.tuples(*[numbers] * 7, *[scales] * 3, numbers, *[numbers] * 3)

    def build(rows: list[tuple[float, ...]]) -> Gaussians:
        table = np.array(rows, np.float32).reshape(-1, 14)
        parts = (table[:, :3], table[:, 3:7], table[:, 7:10], table[:, 10], table[:, 11:])
        return Gaussians(*(np.ascontiguousarray(part) for part in parts))

    return st.lists(row, max_size=8).map(build)


@settings(max_examples=150)
@given(gaussians_of(WILD, WILD), SIZES, SIZES)
def test_any_numbers_give_a_finite_picture_and_finite_gradients(gaussians: Gaussians, width: int, height: int) -> None:
    view = camera(width, height)
    drawing = draw(gaussians, view)
    assert np.isfinite(drawing.alpha).all()
    assert (drawing.alpha >= -1e-6).all()
    assert (drawing.alpha <= 1).all()
    assert (drawing.depth > 0).all()
    colors = np.abs(gaussians.colors[np.isfinite(gaussians.colors).all(1)])
    if colors.max(initial=0) < 1e30:
        assert np.isfinite(drawing.color).all()
        assert np.abs(drawing.color).max() <= colors.max(initial=0) * (1 + 1e-5)
        if colors.max(initial=0) < 1e6:
            ones = np.ones_like(drawing.alpha)
            gradients = draw_backward(gaussians, view, drawing, np.ones_like(drawing.color), ones)
            for attribute in ATTRIBUTES:
                drawn = np.isin(np.arange(len(gaussians.means)), drawing.order)
                assert np.isfinite(getattr(gradients, attribute)).all()
                assert not getattr(gradients, attribute)[~drawn].any()


@settings(max_examples=60)
@given(
    gaussians_of(ORDINARY, st.floats(2**-13, 2, width=32)),
    SIZES,
    SIZES,
    st.floats(-50, 100),
    st.floats(-50, 100),
    st.floats(3, 500),
)
def test_ordinary_numbers_give_the_picture_of_the_equations(
    gaussians: Gaussians, width: int, height: int, cx: float, cy: float, focal: float
) -> None:
    gaussians = dataclasses.replace(gaussians, opacities=np.abs(gaussians.opacities) / 3)
    view = dataclasses.replace(camera(width, height, focal=focal), cx=cx, cy=cy, near=0.2)
    to_color, to_alpha = np.ones((height, width, 3), np.float32), np.ones((height, width), np.float32)
    exact = with_gradients("reference", gaussians, view, to_color, to_alpha)
    ours = with_gradients("numba", gaussians, view, to_color, to_alpha)
    # A pixel at the very edge of an outline may fall to either side of alpha = 1/255.
    off = np.abs(ours.color - exact.color).max(-1)
    assert (off > 1e-4).mean() <= 0.02 + 2 / off.size
    assert off.max() <= 3 / 255 * 1.1


def test_no_gaussians_give_an_empty_picture(backend: str) -> None:
    image = picture(backend, cloud(0, 0), camera(7, 5))
    assert image.color.shape == (5, 7, 3)
    assert not image.color.any()
    assert not image.alpha.any()
    assert (image.depth == np.float32(FAR)).all()


def test_a_quaternion_of_no_length_counts_as_no_rotation(backend: str) -> None:
    gaussians = cloud(30, 3)
    still = dataclasses.replace(gaussians, quaternions=np.tile(np.array([1, 0, 0, 0], np.float32), (30, 1)))
    none = dataclasses.replace(gaussians, quaternions=np.zeros((30, 4), np.float32))
    expected = picture(backend, still, camera(40, 40))
    np.testing.assert_allclose(picture(backend, none, camera(40, 40)).color, expected.color, atol=1e-6)


def test_gaussians_with_bad_numbers_are_left_out_and_the_others_stay(backend: str) -> None:
    good, bad = cloud(60, 4), cloud(60, 5)
    rng = np.random.default_rng(0)
    for attribute in ATTRIBUTES:
        array = getattr(bad, attribute).reshape(60, -1)
        rows = rng.choice(60, 25, replace=False)
        array[rows, rng.integers(0, array.shape[1], 25)] = rng.choice([np.nan, np.inf, -np.inf], 25)
    every = [getattr(bad, attribute).reshape(60, -1) for attribute in ATTRIBUTES]
    fine = np.isfinite(np.concatenate(every, 1)).all(1)
    both = Gaussians(*(np.concatenate([getattr(good, a), getattr(bad, a)]) for a in ATTRIBUTES))
    kept = Gaussians(*(np.concatenate([getattr(good, a), getattr(bad, a)[fine]]) for a in ATTRIBUTES))
    view = camera(50, 40)
    np.testing.assert_allclose(picture(backend, both, view).color, picture(backend, kept, view).color, atol=1e-6)


def test_the_same_picture_on_any_number_of_threads() -> None:
    gaussians, view = cloud(3000, 8), camera(150, 130)

    def everything() -> list[bytes]:
        drawing = draw(gaussians, view)
        gradients = draw_backward(gaussians, view, drawing, drawing.color, drawing.alpha)
        arrays = [drawing.color, drawing.alpha, drawing.depth, *(getattr(gradients, a) for a in ATTRIBUTES)]
        return [array.tobytes() for array in arrays]

    before = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        alone = everything()
    finally:
        numba.set_num_threads(before)
    assert everything() == alone


def test_two_threads_may_draw_at_once() -> None:
    gaussians, view = cloud(2000, 9), camera(120, 120)
    expected = rasterize(gaussians, view).color
    pictures: list[np.ndarray] = []
    threads = [
        threading.Thread(target=lambda: pictures.extend(rasterize(gaussians, view).color for _ in range(5)))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(pictures) == 15
    assert all(np.array_equal(picture, expected) for picture in pictures)


def test_an_unknown_backend_is_refused() -> None:
    with pytest.raises(InputError, match="no-backend") as refused:
        rasterize(cloud(1, 0), camera(4, 4), backend="abacus")
    assert "numba" in refused.value.hint


def test_float64_and_strided_arrays_are_taken() -> None:
    gaussians = cloud(50, 11)
    wide = Gaussians(*(np.repeat(getattr(gaussians, a).astype(np.float64), 2, axis=0)[::2] for a in ATTRIBUTES))
    view: Camera = camera(30, 30)
    assert np.array_equal(rasterize(wide, view).color, rasterize(gaussians, view).color)
