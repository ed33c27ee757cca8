"""The rows that weights bring, and those that say what is missing."""

import functools
import types

import numpy as np
import pytest

from perse_engine.avatars.styles import Style, style_weights
from perse_engine.cameras import front_camera
from perse_engine.evaluation import between_sets
from perse_engine.evaluation.between_sets import LEAST_SHARE, between_set_rows, between_state
from perse_engine.evaluation.evaluate import network_rows
from perse_engine.evaluation.networks import Networks, load_networks
from perse_engine.evaluation.strips import strips
from perse_engine.evaluation.teacher import split_rows
from perse_engine.progress import silent

STYLES = tuple(Style(f"attr_{name}", name, name.split("_")[0]) for name in ("hair_a", "hair_b", "hair_c", "hat_a"))
SHADES = dict(zip((style.slider for style in STYLES), np.eye(4, 3) * 0.6 + 0.1, strict=True))


def subject(noise=0.0, seed=0):
    """Somebody whose colour is the sum of what the sliders say, before a ramp, with noise of its own."""
    rng = np.random.default_rng(seed)

    def draw(state, camera):
        ramp = np.linspace(0, 0.3, camera.width)[None, :, None]
        color = ramp + sum(value * SHADES[name] for name, value in state.sliders.items() if name in SHADES)
        picture = np.ones((camera.height, camera.width, 4), np.float32)
        picture[..., :3] = color + rng.normal(0, noise, (camera.height, camera.width, 3))
        return picture

    figure = types.SimpleNamespace(joints=np.zeros((5, 3), np.float32), expression_names=("jawopen", "smile"))
    camera = front_camera(np.zeros(3), 1.0, 512.0, 512, 512)
    return types.SimpleNamespace(draw=draw, figure=figure, styles=STYLES, neutral_camera=camera)


@pytest.fixture(scope="module")
def networks(weights):
    return load_networks(weights)


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(between_sets, "SIDE", 80)
    monkeypatch.setattr(between_sets, "between_set_rows", functools.partial(between_set_rows, count=8))


def test_in_betweens_are_of_one_category_and_never_an_end():
    rng = np.random.default_rng(0)
    for _ in range(50):
        state = between_state(STYLES, ("jawopen", "smile"), rng)
        shares = style_weights(STYLES, state.sliders)
        worn = shares[shares > 0]
        assert (worn >= LEAST_SHARE - 1e-6).all()
        assert (worn <= 1 - LEAST_SHARE + 1e-6).all()
        assert len({STYLES[k].category for k in np.flatnonzero(shares)}) == 1


def test_without_weights_every_measure_says_so_and_what_is_needed():
    rows = network_rows(subject(), subject(), Networks(), silent)
    assert {row.name for row in rows} == {"LPIPS", "LPIPS-PPL", "FID", "KID"}
    for row in rows:
        assert row.value is None
        assert row.note.startswith("not run: weights absent; ")
        assert "--weights" in row.note


def test_with_weights_sets_are_compared(networks, few):
    same = network_rows(subject(), subject(), networks, silent)
    assert [row.name for row in same] == ["FID, random in-betweens", "KID, random in-betweens"]
    assert [row.value for row in same] == pytest.approx([0, 0], abs=1e-6)
    near, far = (network_rows(subject(noise), subject(), networks, silent) for noise in (0.05, 0.3))
    for first, second in zip(near, far, strict=True):
        assert 0 < first.value < second.value


def test_an_avatar_without_styles_has_no_in_betweens(networks):
    bare = types.SimpleNamespace(**{**vars(subject()), "styles": ()})
    assert {row.note for row in network_rows(bare, bare, networks, silent)} == {"not run: the avatar has no style"}


def test_held_out_pictures_have_lpips_beside_the_others(networks):
    camera = front_camera(np.zeros(3), 1.0, 512.0, 64, 64)
    state = types.SimpleNamespace(sliders={"attr_hair_a": 1.0})
    frame = types.SimpleNamespace(camera=camera, state=state)

    def value(noise):
        rows = split_rows(subject(noise), subject(), "heldout", [frame], networks.lpips)
        (row,) = (row for row in rows if row.name == "LPIPS, held-out expressions and views, 256²")
        return row.value

    assert value(0.0) == 0
    assert 0 < value(0.02) < value(0.2)
    assert not any("LPIPS" in row.name for row in split_rows(subject(), subject(), "heldout", [frame]))


def test_paths_between_styles_have_a_perceptual_length(networks):
    rows, _ = strips(subject(), lpips=networks.lpips)
    (row,) = (row for row in rows if row.name == "hair: hair_a to hair_c, path length (LPIPS-PPL)")
    assert row.value > 0
    assert float(row.note.split("; ")[1].split()[0]) >= 1
