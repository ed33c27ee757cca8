"""What is particular to Warp: its choice, its compiler and its memory. The other tests run its kernels on the CPU."""

from __future__ import annotations

import dataclasses
import re
import sys
import threading
import types
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from perse_engine.errors import InputError
from perse_engine.splatting import torch_op, warp_backend
from perse_engine.splatting.blending import FAR
from perse_engine.splatting.gaussians import Gaussians
from perse_engine.splatting.rasterize import cuda_backend, rasterize
from perse_engine.splatting.torch_op import best_device, rasterize_torch
from perse_engine.splatting.warp_backend import draw_gaussians, probe_warp

from .backends import ATTRIBUTES, WARP_ON_CPU, picture, state_of, with_gradients
from .scenes import camera, cloud
from .test_robustness import SIZES, WILD, gaussians_of

needs_warp = pytest.mark.skipif(state_of(WARP_ON_CPU) != "ok", reason=state_of(WARP_ON_CPU))
# What NVIDIA's Turing and Ampere cards run.
ARCHITECTURES = (75, 86)


@pytest.fixture
def probed_anew() -> Iterator[None]:
    """The probe forgets what it found, before and after."""
    probe_warp.cache_clear()
    yield
    probe_warp.cache_clear()


def say(monkeypatch: pytest.MonkeyPatch, *, gsplat: str, warp: str) -> None:
    monkeypatch.setattr("perse_engine.splatting.rasterize.probe_gsplat", lambda: gsplat)
    monkeypatch.setattr(warp_backend, "probe_warp", lambda: warp)


@pytest.mark.usefixtures("probed_anew")
def test_a_machine_without_warp_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "warp" else object())
    assert probe_warp() == "warp-lang is not installed"
    with pytest.raises(InputError, match="warp-lang is not installed"):
        rasterize(cloud(1, 0), camera(4, 4), backend="warp")


@needs_warp
@pytest.mark.usefixtures("probed_anew")
@pytest.mark.parametrize("driver", [False, True])
def test_a_machine_without_a_device_is_told_so(monkeypatch: pytest.MonkeyPatch, driver: bool) -> None:
    monkeypatch.setattr(warp_backend, "_has_driver", lambda: driver)
    monkeypatch.setattr("warp.is_cuda_available", lambda: False)
    assert probe_warp().startswith("no CUDA device")


@needs_warp
@pytest.mark.usefixtures("probed_anew")
def test_a_warp_that_does_not_load_is_no_reason_to_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warp_backend, "_has_driver", lambda: True)
    monkeypatch.setitem(sys.modules, "perse_engine.splatting.warp_drawing", None)
    assert probe_warp().startswith("Warp does not load: ")


@needs_warp
@pytest.mark.usefixtures("probed_anew")
@pytest.mark.parametrize(("arch", "answer"), [(61, "GTX 1080 is sm_61, and Warp begins at sm_75"), (86, "ok")])
def test_a_card_that_warp_cannot_compile_for_is_refused(
    monkeypatch: pytest.MonkeyPatch, arch: int, answer: str
) -> None:
    monkeypatch.setattr(warp_backend, "_has_driver", lambda: True)
    monkeypatch.setattr("warp.is_cuda_available", lambda: True)
    monkeypatch.setattr("warp.get_cuda_supported_archs", lambda: [75, 80, 86])
    monkeypatch.setattr("warp.get_device", lambda _: types.SimpleNamespace(name="GTX 1080", arch=arch))
    assert probe_warp() == answer


@pytest.mark.parametrize(
    ("gsplat", "warp", "chosen"),
    [("ok", "ok", "gsplat"), ("no", "ok", "warp"), ("ok", "no", "gsplat"), ("no", "no", None)],
)
def test_gsplat_is_taken_before_warp_and_both_before_the_cpu(
    monkeypatch: pytest.MonkeyPatch, gsplat: str, warp: str, chosen: str | None
) -> None:
    say(monkeypatch, gsplat=gsplat, warp=warp)
    drawn: list[str] = []
    nothing = (np.zeros(1),) * 3
    monkeypatch.setattr("perse_engine.splatting.rasterize.draw_gaussians", lambda *_: drawn.append("gsplat") or nothing)
    monkeypatch.setattr(warp_backend, "draw_gaussians", lambda *_: drawn.append("warp") or nothing)
    assert cuda_backend() == chosen
    rasterize(cloud(5, 0), camera(8, 8))
    assert drawn == [chosen] * bool(chosen)


@pytest.mark.parametrize(
    ("warp", "torch_sees_it", "device"), [("ok", True, "cuda"), ("ok", False, "cpu"), ("no", True, "cpu")]
)
def test_training_goes_where_both_torch_and_a_rasteriser_work(
    monkeypatch: pytest.MonkeyPatch, warp: str, torch_sees_it: bool, device: str
) -> None:
    say(monkeypatch, gsplat="no", warp=warp)
    monkeypatch.setattr("torch.cuda.is_available", lambda: torch_sees_it)
    assert best_device() == device


def test_tensors_on_a_cuda_device_that_nothing_can_use_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    say(monkeypatch, gsplat="not built", warp="not there")
    elsewhere = types.SimpleNamespace(is_cuda=True)
    with pytest.raises(InputError, match="gsplat: not built; warp: not there"):
        rasterize_torch(*[elsewhere] * 5, camera(4, 4))


@needs_warp
def test_tensors_on_a_cuda_device_go_to_warp_where_gsplat_does_not_work(monkeypatch: pytest.MonkeyPatch) -> None:
    say(monkeypatch, gsplat="not built", warp="ok")
    monkeypatch.setattr("perse_engine.splatting.warp_torch.draw_tensors", lambda *_: ("color", "alpha"))
    elsewhere = types.SimpleNamespace(is_cuda=True)
    assert torch_op.rasterize_torch(*[elsewhere] * 5, camera(4, 4)) == ("color", "alpha")


@needs_warp
@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_every_kernel_compiles_for_cuda_without_a_device(tmp_path: Path, arch: int) -> None:
    import warp as wp

    from perse_engine.splatting import warp_binning, warp_blending, warp_projection, warp_projection_backward

    kernels = {
        warp_projection: {"project"},
        warp_projection_backward: {"project_backward"},
        warp_binning: {"list_pairs", "find_tiles"},
        warp_blending: {"blend", "blend_backward"},
    }
    if arch not in wp.get_cuda_supported_archs():
        pytest.skip(f"this build of Warp does not compile for sm_{arch}")
    for module, names in kernels.items():
        (portable,) = wp.compile_aot_module(module, arch=arch, module_dir=tmp_path, use_ptx=True)
        text = portable.read_bytes().decode(errors="replace")
        assert f".target sm_{arch}" in text
        entries = re.findall(r"\.entry (\w+?)_[0-9a-f]+_cuda_kernel_forward", text)
        assert set(entries) == names
        # The other half of the compiler, from PTX to the card's own code.
        (binary,) = wp.compile_aot_module(module, arch=arch, module_dir=tmp_path, use_ptx=False)
        assert binary.read_bytes().startswith(b"\x7fELF")
        if module is warp_blending:
            assert "shfl.sync" in text
            assert "vote.sync.any" in text


@needs_warp
@settings(max_examples=60)
@given(gaussians_of(WILD, WILD), SIZES, SIZES)
def test_any_numbers_give_a_finite_picture_and_finite_gradients(gaussians: Gaussians, width: int, height: int) -> None:
    view = camera(width, height)
    image = picture(WARP_ON_CPU, gaussians, view)
    assert np.isfinite(image.alpha).all()
    assert (image.alpha >= -1e-6).all()
    assert (image.alpha <= 1).all()
    assert (image.depth > 0).all()
    colors = np.abs(gaussians.colors[np.isfinite(gaussians.colors).all(1)])
    if colors.max(initial=0) < 1e6:
        assert np.abs(image.color).max() <= colors.max(initial=0) * (1 + 1e-5)
        ones = np.ones_like(image.alpha)
        gradients = with_gradients(WARP_ON_CPU, gaussians, view, np.ones_like(image.color), ones).gradients
        assert all(np.isfinite(gradient).all() for gradient in gradients.values())


@needs_warp
@settings(max_examples=30)
@given(
    gaussians_of(st.floats(-3, 3, width=32), st.floats(2**-13, 2, width=32)),
    SIZES,
    SIZES,
    st.floats(-50, 100),
    st.floats(3, 500),
)
def test_numba_and_warp_draw_the_same(gaussians: Gaussians, width: int, height: int, cx: float, focal: float) -> None:
    gaussians = dataclasses.replace(gaussians, opacities=np.abs(gaussians.opacities) / 3)
    view = dataclasses.replace(camera(width, height, focal=focal), cx=cx, near=0.2)
    off = np.abs(picture(WARP_ON_CPU, gaussians, view).color - rasterize(gaussians, view, backend="numba").color).max(
        -1
    )
    # A pixel at the very edge of an outline may fall to either side of alpha = 1/255; colours reach three.
    assert (off > 4e-4).mean() <= 0.02 + 2 / off.size
    assert off.max() <= 3 / 255 * 1.1


@needs_warp
def test_nothing_to_draw_has_gradients_of_nothing() -> None:
    view = camera(30, 20)
    for gaussians in (cloud(0, 1), dataclasses.replace(cloud(9, 1), opacities=np.full(9, np.nan, np.float32))):
        result = with_gradients(WARP_ON_CPU, gaussians, view, np.ones((20, 30, 3)), np.ones((20, 30)))
        assert not result.alpha.any()
        for attribute in ATTRIBUTES:
            assert result.gradients[attribute].shape == getattr(gaussians, attribute).shape
            assert not result.gradients[attribute].any()


@needs_warp
def test_the_same_picture_every_time_and_from_any_thread() -> None:
    gaussians, view = cloud(500, 8), camera(60, 50)
    expected = [part.tobytes() for part in draw_gaussians(gaussians, view, device="cpu")]
    pictures: list[list[bytes]] = []

    def work() -> None:
        pictures.extend([part.tobytes() for part in draw_gaussians(gaussians, view, device="cpu")] for _ in range(3))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert pictures == [expected] * 9


@needs_warp
def test_equal_depths_keep_the_order_of_the_gaussians() -> None:
    gaussians, view = cloud(20, 3, size=(0.1, 0.3)), dataclasses.replace(camera(40, 40), view=np.eye(4))
    flat = dataclasses.replace(
        gaussians, means=np.ascontiguousarray(gaussians.means * [1, 1, 0] + [0, 0, 2], np.float32)
    )
    theirs, ours = picture(WARP_ON_CPU, flat, view), picture("numba", flat, view)
    np.testing.assert_allclose(theirs.color, ours.color, atol=1.5e-4)
    assert (theirs.depth < FAR).any()


@needs_warp
def test_more_pairs_than_can_be_sorted_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("perse_engine.splatting.warp_binning._MOST_PAIRS", 10)
    with pytest.raises(InputError, match="too-many-splats"):
        draw_gaussians(cloud(50, 3), camera(40, 40), device="cpu")


@needs_warp
def test_float64_and_strided_tensors_are_taken() -> None:
    from perse_engine.splatting.warp_torch import draw_tensors

    gaussians, view = cloud(50, 11), camera(30, 30)
    plain = [torch.tensor(getattr(gaussians, name)) for name in ATTRIBUTES]
    wide = [tensor.double().repeat_interleave(2, 0)[::2].requires_grad_() for tensor in plain]
    color, alpha = draw_tensors(*wide, view)
    assert torch.equal(color, draw_tensors(*plain, view)[0])
    # Gradients of a sum are expanded from one number.
    (color.sum() + alpha.sum()).backward()
    assert all(tensor.grad is not None and tensor.grad.dtype == torch.float64 for tensor in wide)
