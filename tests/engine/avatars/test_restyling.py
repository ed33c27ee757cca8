"""Mixing, removing and renaming styles."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perse_engine.avatars.file import load_avatar, save_avatar
from perse_engine.avatars.rendering import render_avatar
from perse_engine.avatars.restyling import find_style, renamed_style, slider_name, with_mixture, without_style
from perse_engine.avatars.state import AvatarState
from perse_engine.avatars.styles import Category, Style
from perse_engine.errors import InputError


def draw(avatar, **sliders):
    return render_avatar(avatar, AvatarState(sliders), avatar.neutral_camera.fitted(96, 96), (1, 1, 1))


@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.3, 0.7), (0.2, 0.3), (1.0, 1.0), (0.05, 0.9)])
def test_a_mixture_looks_as_its_parts_do_together(avatar, shares):
    parts = dict(zip(("attr_hair_red", "attr_hair_blue"), shares, strict=True))
    mixed = with_mixture(avatar, parts, "Purple hair")
    assert mixed.styles[-1] == Style("attr_hair_purple_hair", "Purple hair", "hair", "morph")
    assert np.abs(draw(mixed, attr_hair_purple_hair=1.0) - draw(avatar, **parts)).max() < 2 / 255


def test_what_was_there_before_is_the_same_to_the_bit(avatar):
    mixed = with_mixture(avatar, {"attr_hair_red": 0.5, "attr_hair_blue": 0.5}, "Purple")
    for sliders in ({}, {"attr_hair_red": 1.0}, {"attr_shape_long": 1.0, "attr_hat_cap": 1.0, "expr_jawopen": 0.5}):
        np.testing.assert_array_equal(draw(mixed, **sliders), draw(avatar, **sliders))


def test_a_mixture_with_offsets_moves_what_its_parts_move(avatar):
    mixed = with_mixture(avatar, {"attr_hair_red": 0.4, "attr_hair_blue": 0.6}, "Purple")
    expected = avatar.figure.style_directions @ np.array([0, 0.4, 0.6, 0], np.float32)
    np.testing.assert_allclose(mixed.figure.style_directions[:, :, -1], expected, atol=1e-7)


def test_every_mixture_comes_back_from_disk(avatar, tmp_path):
    """Shares whose sum is not exactly one, of styles that come evenly: sums in single precision stray past 1."""
    looks = dataclasses.replace(
        avatar.appearance,
        softness=np.ones(4, np.float32),
        onsets=np.zeros_like(avatar.appearance.onsets),
    )
    even = dataclasses.replace(avatar, appearance=looks)
    rng = np.random.default_rng(0)
    for number, (a, b) in enumerate([(0.35, 0.55), (0.4, 0.5), (0.15, 0.5), *rng.uniform(0.01, 1, (12, 2)).round(2)]):
        mixed = with_mixture(even, {"attr_hair_red": float(a), "attr_hair_blue": float(b)}, f"mix {number}")
        save_avatar(mixed, tmp_path / "a.perse")
        assert load_avatar(tmp_path / "a.perse").styles[-1].label == f"mix {number}"


def test_a_style_that_only_goes_down_has_no_share(avatar):
    down = dataclasses.replace(avatar.styles[1], soft_min=-1.0, soft_max=0.0, hard_min=-1.0, hard_max=0.0)
    odd = dataclasses.replace(avatar, styles=(avatar.styles[0], down, *avatar.styles[2:]))
    with pytest.raises(InputError) as error:
        with_mixture(odd, {"attr_hair_red": 0.5, "attr_hair_blue": 0.5}, "Down")
    assert error.value.code == "not-a-mixture"


@pytest.mark.parametrize("gone", [0, 1, 2, 3])
def test_without_a_style_the_others_are_the_same(avatar, gone):
    slider = avatar.styles[gone].slider
    less = without_style(avatar, slider)
    assert slider not in [style.slider for style in less.styles]
    assert less.figure.style_names == tuple(style.slider for style in less.styles)
    others = {style.slider: 0.8 for style in less.styles}
    # sums go in another order where a part is gone
    np.testing.assert_allclose(draw(less, **others), draw(avatar, **others), atol=1e-6)
    with pytest.raises(InputError) as error:
        draw(less, **{slider: 1.0})
    assert error.value.code == "unknown-slider"


def test_a_category_that_is_left_empty_goes(avatar):
    less = without_style(avatar, "hat_cap")
    assert Category("hat", "Hat", "hat") not in less.categories
    assert len(less.categories) == 2


def test_an_avatar_may_lose_all_its_styles(avatar, tmp_path):
    bare = avatar
    for style in avatar.styles:
        bare = without_style(bare, style.slider)
    assert bare.styles == ()
    assert bare.categories == ()
    save_avatar(bare, tmp_path / "bare.perse")
    np.testing.assert_allclose(draw(load_avatar(tmp_path / "bare.perse")), draw(avatar), atol=8 / 255)


def test_a_name_is_another_name_and_nothing_else(avatar):
    named = renamed_style(avatar, "attr_hair_red", "Ginger, short!")
    assert named.styles[1] == dataclasses.replace(
        avatar.styles[1], slider="attr_hair_ginger_short", label="Ginger, short!"
    )
    np.testing.assert_array_equal(draw(named, attr_hair_ginger_short=0.7), draw(avatar, attr_hair_red=0.7))
    assert renamed_style(avatar, "attr_hair_red", "RED").styles[1].slider == "attr_hair_red"


def test_a_restyled_avatar_comes_back_from_disk(avatar, tmp_path):
    mixed = with_mixture(without_style(avatar, "attr_hat_cap"), {"attr_hair_red": 1, "attr_hair_blue": 1}, "Both")
    save_avatar(mixed, tmp_path / "a.perse")
    loaded = load_avatar(tmp_path / "a.perse")
    assert loaded.styles == mixed.styles
    assert np.abs(draw(loaded, attr_hair_both=1.0) - draw(mixed, attr_hair_both=1.0)).max() < 8 / 255


def test_one_style_alone_is_weakened(avatar):
    half = with_mixture(avatar, {"attr_hair_red": 0.5}, "Half")
    assert np.abs(draw(half, attr_hair_half=1.0) - draw(avatar, attr_hair_red=0.5)).max() < 8 / 255


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda a: with_mixture(a, {"attr_hair_red": 1.0}, "One"), "not-a-mixture"),
        (lambda a: with_mixture(a, {"attr_hair_red": 0.5, "attr_hat_cap": 0.5}, "Two"), "not-a-mixture"),
        (lambda a: with_mixture(a, {"attr_hair_red": 0.5, "attr_hair_blue": 0.0}, "None"), "not-a-mixture"),
        (lambda a: with_mixture(a, {"attr_hair_red": 0.5, "attr_hair_blue": float("nan")}, "Nan"), "not-a-mixture"),
        (lambda a: with_mixture(a, {"attr_hair_red": 0.5, "hair_red": 0.5}, "Same"), "not-a-mixture"),
        (lambda a: with_mixture(a, {"attr_hair_red": 0.5, "attr_hair_blue": 0.5}, "Red"), "name-taken"),
        (lambda a: with_mixture(a, {"attr_hair_red": 0.5, "attr_hair_blue": 0.5}, "!!"), "bad-name"),
        (lambda a: with_mixture(a, {"attr_hair_red": 0.5, "attr_hair_blue": 0.5}, "x" * 60), "bad-name"),
        (lambda a: renamed_style(a, "attr_hair_red", "blue"), "name-taken"),
        (lambda a: renamed_style(a, "attr_hair_red", "x" + "!" * 250), "bad-name"),
        (lambda a: renamed_style(a, "attr_hair_pink", "blue"), "unknown-slider"),
        (lambda a: without_style(a, "attr_hair_pink"), "unknown-slider"),
    ],
)
def test_what_cannot_be_done_is_said(avatar, change, code):
    with pytest.raises(InputError) as error:
        change(avatar)
    assert error.value.code == code


@given(st.text(max_size=60))
@settings(max_examples=200, deadline=None)
def test_every_label_gives_a_slider_or_a_sentence(label):
    try:
        name = slider_name("hair", label)
    except InputError as error:
        assert error.code == "bad-name"
        return
    assert name.startswith("attr_hair_")
    assert len(name) <= 48
    assert all(letter in "abcdefghijklmnopqrstuvwxyz0123456789_" for letter in name)


def test_a_slider_is_found_with_and_without_its_prefix(avatar):
    assert find_style(avatar, "hair_blue") == find_style(avatar, "attr_hair_blue") == 2
