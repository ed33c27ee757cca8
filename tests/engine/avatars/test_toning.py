"""Skin that a style lays bare has the tone that the rest of the skin has."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perse_engine.avatars.painting import paint, paint_backward
from perse_engine.avatars.styles import Category, Style, presence
from perse_engine.avatars.toning import active_tones, skin_likeness, toned, toned_backward
from perse_engine.surfaces.lighting import linear

DEEP = (0.3, 0.22, 0.18)
SHARES = st.floats(0.0, 1.0)
RATIOS = st.tuples(*[st.floats(0.05, 4.0)] * 3)


@pytest.fixture(scope="module")
def dyed(avatar):
    """`avatar` whose red hair is bare skin, and a style that makes skin deep."""
    figure, looks = avatar.figure, avatar.appearance
    still = np.zeros((len(figure.vertices), 3, 1), np.float32)
    colors = looks.colors.copy()
    colors[looks.of(1)] = np.median(avatar.colors, 0) * np.float32(1.05)
    return dataclasses.replace(
        avatar,
        figure=dataclasses.replace(
            figure,
            style_directions=np.concatenate([figure.style_directions, still], 2),
            joint_style_directions=np.concatenate([figure.joint_style_directions, np.zeros((5, 3, 1), np.float32)], 2),
            style_names=(*figure.style_names, "attr_skin_deep"),
        ),
        categories=(*avatar.categories, Category("skin", "Skin", "skin")),
        styles=(*avatar.styles, Style("attr_skin_deep", "Deep", "skin", tone=DEEP)),
        appearance=dataclasses.replace(
            looks,
            colors=colors,
            starts=np.append(looks.starts, looks.starts[-1]).astype(np.int32),
            softness=np.append(looks.softness, 1).astype(np.float32),
        ),
    )


def painted(avatar, **sliders):
    weights = np.array([sliders.get(style.slider, 0.0) for style in avatar.styles], np.float32)
    return paint(avatar, weights, presence(avatar.styles, weights), np.zeros(0, np.float32))


@given(st.tuples(SHARES, SHARES, SHARES), SHARES, SHARES, RATIOS)
def test_a_tone_scales_light_and_keeps_white_and_what_is_no_skin(color, share, likeness, ratio):
    colors = np.array([color, color, (1.0, 1.0, 1.0)], np.float32)
    tones = [(share, np.array(ratio, np.float32))]
    found = toned(colors, np.array([likeness, 0.0, likeness], np.float32), tones)
    assert np.array_equal(found[1], colors[1])
    assert np.all((found >= -1e-6) & (found <= 1 + 1e-6))
    lighter = np.array(ratio) > 1
    assert np.all(np.where(lighter, found[0] >= colors[0] - 1e-5, found[0] <= colors[0] + 1e-5))
    if max(ratio) <= 1 and share == 1 and likeness == 1:
        np.testing.assert_allclose(linear(found[0]), linear(colors[0]) * ratio, atol=2e-3)


@given(st.lists(st.tuples(*[st.floats(0.05, 0.95)] * 3), min_size=1, max_size=8), SHARES, RATIOS)
def test_gradients_are_those_of_small_differences(rows, share, ratio):
    colors = np.array(rows, np.float32)
    likeness, tones = np.linspace(0, 1, len(colors), dtype=np.float32), [(share, np.array(ratio, np.float32))]
    up = np.random.default_rng(0).normal(size=colors.shape).astype(np.float32)
    step = 4e-3
    for channel in range(3):
        move = np.eye(3, dtype=np.float32)[channel] * np.float32(step)
        change = toned(colors + move, likeness, tones) - toned(colors - move, likeness, tones)
        numeric = (change * up)[:, channel] / (2 * step)
        found = toned_backward(colors, likeness, tones, up)[:, channel]
        np.testing.assert_allclose(found, numeric, atol=0.03 * max(1.0, float(np.abs(numeric).max())))


def test_hair_and_cloth_are_no_skin():
    skin = np.array([0.82, 0.63, 0.54], np.float32)
    colors = np.array([skin, 0.8 * skin, (0.25, 0.17, 0.1), (0.2, 0.3, 0.7), (0.05, 0.05, 0.05)], np.float32)
    likeness = skin_likeness(colors, skin)
    assert likeness[:2].min() > 0.9
    assert likeness[2:].max() < 0.1


def test_what_a_style_lays_bare_takes_the_tone_on(dyed):
    pale, deep = painted(dyed, attr_hair_red=1.0), painted(dyed, attr_hair_red=1.0, attr_skin_deep=1.0)
    entries = dyed.appearance.of(1)
    full = dyed.appearance.gates[entries] > 0.99
    whole = dyed.appearance.gaussians[entries][full & (dyed.bare_skin[entries] > 0.99)]
    assert len(whole) > 0
    np.testing.assert_allclose(linear(deep.colors[whole]), linear(pale.colors[whole]) * DEEP, rtol=0.15)
    cap = dyed.appearance.gaussians[dyed.appearance.of(3)]
    worn = [painted(dyed, attr_hat_cap=1.0, **tone).colors[cap] for tone in ({}, {"attr_skin_deep": 1.0})]
    np.testing.assert_array_equal(*worn)


def test_a_blend_of_tones_is_a_tone(dyed):
    amounts = np.array([0, 0, 0, 0, 0.4], np.float32)
    ((amount, ratio),) = active_tones(dyed.styles, amounts)
    assert amount == pytest.approx(0.4)
    assert ratio == pytest.approx(DEEP)
    assert active_tones(dyed.styles, 0 * amounts) == []


def test_colours_are_learnt_through_the_tone(dyed):
    weights = np.array([0, 0.7, 0, 0, 0.8], np.float32)
    shown, none = presence(dyed.styles, weights), np.zeros(0, np.float32)
    rng = np.random.default_rng(1)
    up = rng.normal(size=(dyed.count, 3)).astype(np.float32)
    zero, flat = np.zeros((dyed.count, 3), np.float32), np.zeros(dyed.count, np.float32)
    before = paint(dyed, weights, shown, none)
    slopes = paint_backward(dyed, weights, shown, none, before, up, flat, zero).style_colors
    bare, step = dyed.bare_skin, 2e-3
    entries = range(*dyed.appearance.of(1).indices(len(bare)))
    moved = rng.choice([e for e in entries if bare[e] > 0.5], 12, replace=False)
    for entry in moved:
        ends = []
        for sign in (1, -1):
            colors = dyed.appearance.colors.copy()
            colors[entry, 0] += sign * step
            other = dataclasses.replace(dyed, appearance=dataclasses.replace(dyed.appearance, colors=colors))
            vars(other)["bare_skin"] = bare  # a training goes by what it began with
            ends.append(float((paint(other, weights, shown, none).colors * up).sum(dtype=np.float64)))
        assert slopes[entry, 0] == pytest.approx((ends[0] - ends[1]) / (2 * step), abs=0.02)
