"""What sliders mean."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perse_engine.avatars.styles import (
    Category,
    Style,
    expression_label,
    expression_range,
    expression_weights,
    presence,
    style_weights,
)
from perse_engine.errors import InputError

STYLES = (
    Style("attr_hair_long", "Long", "hair", "grow"),
    Style("attr_hair_curly", "Curly", "hair", "morph"),
    Style("attr_hair_bald", "Bald", "hair", "morph"),
    Style("attr_shape_wide", "Wide", "shape", "morph", soft_min=-1, hard_min=-1.5, hard_max=1.5),
    Style("attr_hat_cap", "Cap", "hat", "appear"),
)
numbers = st.floats(allow_nan=False, allow_infinity=True)


def test_the_origin_is_the_person():
    assert not style_weights(STYLES, {}).any()
    assert not expression_weights(("jawopen",), {}).any()


@given(st.fixed_dictionaries({style.slider: numbers for style in STYLES}))
def test_weights_are_clamped_and_a_mixture_never_exceeds_one(sliders):
    weights = style_weights(STYLES, sliders)
    assert np.isfinite(weights).all()
    for style, weight in zip(STYLES, weights):
        assert style.hard_min <= weight <= style.hard_max
    for category in {style.category for style in STYLES}:
        sizes = [abs(w) for s, w in zip(STYLES, weights) if s.category == category]
        asked = [abs(np.clip(sliders[s.slider], s.hard_min, s.hard_max)) for s in STYLES if s.category == category]
        assert sum(sizes) <= max(1, *asked, 1) + 1e-6


@given(st.lists(st.floats(0, 1), min_size=3, max_size=3))
def test_above_one_only_the_proportions_count(values):
    weights = style_weights(STYLES, dict(zip(["attr_hair_long", "attr_hair_curly", "attr_hair_bald"], values)))
    total = sum(values)
    np.testing.assert_allclose(weights[:3], np.array(values) / max(1, total), atol=1e-6)


def test_a_single_style_may_be_extrapolated():
    assert style_weights(STYLES, {"attr_shape_wide": 9.0})[3] == pytest.approx(1.5)
    assert style_weights(STYLES, {"attr_shape_wide": -9.0})[3] == pytest.approx(-1.5)


def test_categories_do_not_disturb_each_other():
    weights = style_weights(STYLES, {"attr_hair_long": 1.0, "attr_hat_cap": 0.5})
    assert weights.tolist() == [1, 0, 0, 0, 0.5]


@given(st.lists(st.floats(0, 1), min_size=5, max_size=5))
def test_presence_is_bounded_and_complete_at_one(values):
    weights = style_weights(STYLES, {style.slider: value for style, value in zip(STYLES, values)})
    shown = presence(STYLES, weights)
    assert (shown >= 0).all()
    assert sum(shown[:3]) <= 1 + 1e-6
    for k in range(len(STYLES)):
        assert presence(STYLES, np.eye(5)[k])[k] == 1


def test_what_is_put_on_is_solid_but_for_the_last_fifth():
    shown = [float(presence(STYLES, np.array([0, 0, 0, 0, w]))[4]) for w in (0, 0.1, 0.2, 0.6)]
    assert shown == pytest.approx([0, 0.5, 1, 1])


@pytest.mark.parametrize("name", ["attr_hair_lnog", "hair_long"])
def test_an_unknown_style_names_its_neighbours(name):
    with pytest.raises(InputError, match=name) as caught:
        style_weights(STYLES, {name: 1.0})
    assert caught.value.code == "unknown-slider"
    assert "attr_hair_long" in caught.value.hint


def test_an_unknown_expression_names_its_neighbours():
    with pytest.raises(InputError, match="expr_jawopn") as caught:
        expression_weights(("jawopen", "jawleft"), {"expr_jawopn": 1.0})
    assert caught.value.code == "unknown-slider"
    assert "expr_jawopen" in caught.value.hint


def test_nan_names_the_slider():
    with pytest.raises(InputError, match="attr_hair_curly") as caught:
        style_weights(STYLES, {"attr_hair_curly": math.nan})
    assert caught.value.code == "not-a-number"
    with pytest.raises(InputError, match="expr_jawopen"):
        expression_weights(("jawopen",), {"expr_jawopen": math.nan})


def test_expressions_have_ranges_and_labels():
    assert expression_weights(("jawopen", "flame_001"), {"expr_jawopen": 9, "expr_flame_001": -9}).tolist() == [1.5, -4]
    assert expression_range("jawopen").soft_max == 1
    assert expression_label("mouthupperupleft") == "Mouth upper up left"
    assert expression_label("eyelookinright") == "Eye look in right"
    assert expression_label("flame_010") == "Expression 10"


def test_a_category_lies_in_a_known_layer():
    with pytest.raises(ValueError, match="moustache"):
        Category("beard", "Beard", "moustache")
