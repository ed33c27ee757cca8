"""The vector type does what numpy does, and the hot loops are vector code."""

from __future__ import annotations

import re

import llvmlite.binding as llvm
import numpy as np
import pytest
from numba import njit
from numba.core.errors import TypingError

from perse_engine.splatting import blending, blending_backward
from perse_engine.splatting.jit import KERNEL, f32
from perse_engine.splatting.projection import ENERGY_MAX
from perse_engine.splatting.simd import (
    LANES,
    fetch_add,
    iota,
    lane_max,
    lane_sum,
    lanes,
    load,
    square_root,
    store,
    store_whole,
    where,
)

PLAIN = KERNEL | {"cache": False}


@njit(**PLAIN)
def every_operation(a, b, out, whole):
    x, y = load(a, 3), load(b, 1)
    store(out[0], 0, x + y)
    store(out[1], 0, x - f32(2))
    store(out[2], 0, f32(3) * y)
    store(out[3], 0, x / y)
    store(out[4], 0, where(x <= y, x, f32(-1)))
    store(out[5], 0, where(x > f32(0.5), lanes(f32(7)), y))
    store(out[6], 0, square_root(y) + iota())
    store_whole(whole, 2, y * f32(100))
    return lane_sum(x), lane_max(y)


def test_every_operation_is_that_of_numpy():
    rng = np.random.default_rng(0)
    a, b = rng.uniform(0.1, 1, (2, 16)).astype(np.float32)
    out, whole = np.zeros((7, LANES), np.float32), np.zeros(12, np.int32)
    total, most = every_operation(a, b, out, whole)
    x, y = a[3:11], b[1:9]
    expected = [x + y, x - 2, 3 * y, x / y, np.where(x <= y, x, -1), np.where(x > 0.5, 7, y), np.sqrt(y) + np.arange(8)]
    np.testing.assert_allclose(out, expected, rtol=1e-6)
    assert (whole[2:10] == (100 * y).astype(int)).all()
    assert not whole[[0, 1, 10, 11]].any()
    assert total == pytest.approx(x.sum(), rel=1e-6)
    assert most == y.max()


def test_lanes_do_not_mix_with_other_numbers():
    @njit(**PLAIN)
    def mixed(a):
        return lane_sum(load(a, 0) + 1.0)

    with pytest.raises(TypingError):
        mixed(np.zeros(8, np.float32))


def test_each_piece_of_shared_work_is_given_once():
    @njit(**PLAIN)
    def take(counter):
        return fetch_add(counter)

    counter = np.zeros(1, np.int64)
    assert [take(counter) for _ in range(4)] == [0, 1, 2, 3]
    assert counter[0] == 4


def test_alpha_is_the_exponential_of_minus_energy():
    @njit(**PLAIN)
    def alphas(energies, out):
        for i in range(0, len(energies), LANES):
            store(out, i, blending.alpha_at(load(energies, i)))

    energies = np.linspace(0, ENERGY_MAX - 1e-4, 8000, dtype=np.float32)
    out = np.empty_like(energies)
    alphas(energies, out)
    np.testing.assert_allclose(out, np.exp(-energies.astype(float)), rtol=3e-6)
    alphas(energies + np.float32(ENERGY_MAX), out)
    assert not out[1:].any()


@pytest.mark.parametrize("kernel", [blending._blend_tile, blending_backward._blend_tile_backward])
def test_hot_loops_multiply_and_add_eight_pixels_at_once(kernel):
    features = llvm.get_host_cpu_features()
    if not (features.get("avx2") and features.get("fma")):
        pytest.skip("this processor has no AVX2")
    compiled = njit(**PLAIN)(kernel.py_func)
    floats, ints = np.zeros((1, 16), np.float32), np.zeros(32, np.int32)
    planes, rows = np.zeros((5, blending.PLANE), np.float32), np.zeros((3, 32), np.float32)
    more = () if kernel is blending._blend_tile else (np.zeros((1, 9), np.float32),)
    compiled(floats, ints, 0, 0, 0, 0, 16, planes, rows, ints, ints, *more)
    (assembly,) = compiled.inspect_asm().values()
    assert len(re.findall(r"vfn?m(?:add|sub)\d+ps\b.*%ymm", assembly)) >= 10
