"""What gsplat is asked for, and what is made of its answer, without a CUDA device.

`by_the_book` stands in for gsplat: its documented conventions, written densely in torch.
"""

from __future__ import annotations

import dataclasses
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from perse_engine.cameras import Camera
from perse_engine.errors import InputError
from perse_engine.splatting import gsplat_backend, torch_op
from perse_engine.splatting.blending import FAR
from perse_engine.splatting.gsplat_backend import probe_gsplat
from perse_engine.splatting.rasterize import rasterize

from .backends import ATTRIBUTES
from .scenes import camera, cloud


def by_the_book(
    means: Tensor,
    quats: Tensor,
    scales: Tensor,
    opacities: Tensor,
    colors: Tensor,
    viewmats: Tensor,
    Ks: Tensor,
    width: int,
    height: int,
    *,
    near_plane: float,
    far_plane: float,
    eps2d: float,
    packed: bool,
    render_mode: str,
    rasterize_mode: str,
    camera_model: str,
) -> tuple[Tensor, Tensor, dict[str, Any]]:
    """gsplat.rasterization for one camera, no batch dimensions, every pair of Gaussian and pixel."""
    assert (packed, render_mode, rasterize_mode, camera_model) == (False, "RGB", "antialiased", "pinhole")
    assert viewmats.shape == (1, 4, 4)
    assert Ks.shape == (1, 3, 3)
    (view,), (lens,) = viewmats, Ks
    x, y, z = (means @ view[:3, :3].T + view[:3, 3]).unbind(-1)
    w, i, j, k = torch.nn.functional.normalize(quats, dim=-1).unbind(-1)
    rows = [
        [1 - 2 * (j * j + k * k), 2 * (i * j - w * k), 2 * (i * k + w * j)],
        [2 * (i * j + w * k), 1 - 2 * (i * i + k * k), 2 * (j * k - w * i)],
        [2 * (i * k - w * j), 2 * (j * k + w * i), 1 - 2 * (i * i + j * j)],
    ]
    rotation = torch.stack([torch.stack(row, -1) for row in rows], -2)
    fx, fy, cx, cy = lens[0, 0], lens[1, 1], lens[0, 2], lens[1, 2]
    margin_x, margin_y = 0.3 * 0.5 * width / fx, 0.3 * 0.5 * height / fy
    tx = z * torch.minimum((width - cx) / fx + margin_x, torch.maximum(-(cx / fx + margin_x), x / z))
    ty = z * torch.minimum((height - cy) / fy + margin_y, torch.maximum(-(cy / fy + margin_y), y / z))
    zero = torch.zeros_like(z)
    jacobian = torch.stack([fx / z, zero, -fx * tx / z**2, zero, fy / z, -fy * ty / z**2], -1).view(-1, 2, 3)
    root = jacobian @ view[:3, :3] @ (rotation * scales[:, None, :])
    covariance = root @ root.mT
    dilated = covariance + eps2d * torch.eye(2)
    opacities = opacities * (torch.linalg.det(covariance) / torch.linalg.det(dilated)).clamp(min=0).sqrt()
    conic = torch.linalg.inv(dilated)
    means2d = torch.stack([fx * x / z + cx, fy * y / z + cy], -1)

    order = torch.argsort(z, stable=True)
    order = order[(z[order] >= near_plane) & (z[order] <= far_plane)]
    pixel = torch.arange(height * width)
    center = torch.stack([pixel % width, pixel // width], -1) + 0.5
    delta = means2d[order][None] - center[:, None]
    sigma = 0.5 * torch.einsum("pgi,gij,pgj->pg", delta, conic[order], delta)
    alpha = (opacities[order] * torch.exp(-sigma)).clamp(max=0.999)
    alpha = torch.where(alpha >= 1 / 255, alpha, 0.0)
    after = torch.cumprod(1 - alpha, 1)
    before = torch.cat([torch.ones_like(after[:, :1]), after[:, :-1]], 1)
    picture = (alpha * before) @ colors[order]
    hit_pixel, hit = torch.nonzero(alpha > 0, as_tuple=True)
    meta = {
        "means2d": means2d[None],
        "conics": torch.stack([conic[:, 0, 0], conic[:, 0, 1], conic[:, 1, 1]], -1)[None],
        "opacities": opacities[None],
        "depths": z[None],
        "tile_size": 16,
        "isect_offsets": torch.zeros(1, -(-height // 16), -(-width // 16)),
        "flatten_ids": (order[hit], hit_pixel),
    }
    return picture.view(1, height, width, 3), (1 - after[:, -1]).view(1, height, width, 1), meta


def indices_by_the_book(
    range_start: int,
    range_end: int,
    transmittances: Tensor,
    means2d: Tensor,
    conics: Tensor,
    opacities: Tensor,
    image_width: int,
    image_height: int,
    tile_size: int,
    isect_offsets: Tensor,
    flatten_ids: Any,
) -> tuple[Tensor, Tensor, Tensor]:
    """gsplat.rasterize_to_indices_in_range over the whole range."""
    assert (range_start, range_end) == (0, 2**31 - 1)
    assert transmittances.shape == (1, image_height, image_width)
    assert transmittances.min() == transmittances.max() == 1
    count = means2d.shape[1]
    assert (means2d.shape, conics.shape, opacities.shape) == ((1, count, 2), (1, count, 3), (1, count))
    assert isect_offsets.shape == (1, -(-image_height // tile_size), -(-image_width // tile_size))
    gaussians, pixels = flatten_ids
    return gaussians, pixels, torch.zeros_like(pixels)


@pytest.fixture
def gsplat_by_the_book(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stand-in where gsplat is imported from, on the CPU."""
    stand_in = types.ModuleType("gsplat")
    stand_in.rasterization = by_the_book
    stand_in.rasterize_to_indices_in_range = indices_by_the_book
    monkeypatch.setitem(sys.modules, "gsplat", stand_in)
    monkeypatch.setattr(gsplat_backend, "_DEVICE", "cpu")
    monkeypatch.setattr("perse_engine.splatting.rasterize.probe_gsplat", lambda: "ok")


VIEWS = [camera(40, 30), camera(33, 47, cx=5.5, cy=40.2), dataclasses.replace(camera(20, 20), near=2.0)]


@pytest.mark.usefixtures("gsplat_by_the_book")
@pytest.mark.parametrize("view", VIEWS)
def test_gsplat_is_asked_for_the_picture_that_numba_draws(view: Camera) -> None:
    gaussians = cloud(80, 3)
    theirs = rasterize(gaussians, view, backend="gsplat")
    ours = rasterize(gaussians, view, backend="numba")
    np.testing.assert_allclose(theirs.color, ours.color, atol=1e-4)
    np.testing.assert_allclose(theirs.alpha, ours.alpha, atol=1e-4)
    assert np.isclose(theirs.depth, ours.depth, rtol=1e-5).mean() > 0.995
    assert (ours.depth < FAR).any()
    assert theirs.color.dtype == theirs.alpha.dtype == theirs.depth.dtype == np.float32


@pytest.mark.usefixtures("gsplat_by_the_book")
def test_gsplat_is_the_choice_where_it_works(monkeypatch: pytest.MonkeyPatch) -> None:
    called = []
    monkeypatch.setattr(
        "perse_engine.splatting.rasterize.draw_gaussians", lambda *_: called.append(1) or (np.zeros(1),) * 3
    )
    rasterize(cloud(5, 0), camera(8, 8))
    assert called


@pytest.mark.usefixtures("gsplat_by_the_book")
def test_bad_gaussians_do_not_reach_gsplat() -> None:
    gaussians, view = cloud(60, 4), camera(40, 30)
    spoilt = dataclasses.replace(gaussians, scales=gaussians.scales.copy())
    spoilt.scales[::3] = np.nan
    kept = np.arange(60) % 3 > 0
    rest = type(gaussians)(*(getattr(gaussians, a)[kept] for a in ATTRIBUTES))
    left = rasterize(spoilt, view, backend="gsplat")
    np.testing.assert_allclose(left.color, rasterize(rest, view, backend="numba").color, atol=1e-4)
    nothing = dataclasses.replace(gaussians, opacities=np.full(60, np.nan, np.float32))
    empty = rasterize(nothing, view, backend="gsplat")
    assert not empty.color.any()
    assert (empty.depth == np.float32(FAR)).all()


@pytest.mark.usefixtures("gsplat_by_the_book")
def test_gradients_flow_through_gsplat_and_its_clamp() -> None:
    gaussians, view = cloud(40, 5, opacity=(0.2, 1.0)), camera(30, 30)
    tensors = [torch.tensor(getattr(gaussians, a), requires_grad=True) for a in ATTRIBUTES]
    ours = [torch.tensor(getattr(gaussians, a), requires_grad=True) for a in ATTRIBUTES]
    color, alpha, _ = gsplat_backend.draw_tensors(*tensors, view)
    (color.sum() + alpha.sum()).backward()
    color, alpha = torch_op.rasterize_torch(*ours, view)
    (color.sum() + alpha.sum()).backward()
    for name, theirs, mine in zip(ATTRIBUTES, tensors, ours):
        assert torch.linalg.norm(theirs.grad - mine.grad) < 1e-2 * torch.linalg.norm(mine.grad), name


def fake_package(folder: Path, name: str, files: dict[str, str]) -> None:
    for file, text in files.items():
        path = folder / name / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.mark.parametrize(
    ("cuda", "backend", "answer"),
    [
        ("True", "_C = object()", "ok"),
        ("True", "_C = None", "not built"),
        ("True", "raise ImportError('nvcc and torch do not fit')", "nvcc and torch do not fit"),
        ("False", "_C = object()", "no CUDA device"),
    ],
)
def test_the_probe_says_why_gsplat_cannot_be_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cuda: str, backend: str, answer: str
) -> None:
    torch_like = f"class cuda:\n    @staticmethod\n    def is_available():\n        return {cuda}\n"
    fake_package(tmp_path, "torch", {"__init__.py": torch_like})
    fake_package(tmp_path, "gsplat", {"__init__.py": "", "cuda/__init__.py": "", "cuda/_backend.py": backend})
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(str(tmp_path))
    probe_gsplat.cache_clear()
    try:
        assert answer in probe_gsplat()
    finally:
        probe_gsplat.cache_clear()


def test_a_machine_without_gsplat_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "gsplat" else object())
    probe_gsplat.cache_clear()
    try:
        assert probe_gsplat() == "gsplat is not installed"
        with pytest.raises(InputError, match="gsplat is not installed"):
            rasterize(cloud(1, 0), camera(4, 4), backend="gsplat")
    finally:
        probe_gsplat.cache_clear()


def test_who_asks_for_numba_waits_for_no_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> str:
        raise AssertionError("gsplat was probed")

    monkeypatch.setattr("perse_engine.splatting.rasterize.probe_gsplat", refuse)
    rasterize(cloud(1, 0), camera(4, 4), backend="numba")
