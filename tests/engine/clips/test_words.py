"""Styles from words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perse_engine.clips.parameters import PARAMETERS
from perse_engine.clips.words import style_in_words
from perse_engine.errors import InputError


def said(category, text):
    return style_in_words(category, text, f"attr_{category}_said", text).parameters[0]


@pytest.mark.parametrize(
    ("category", "text", "expected"),
    [
        ("hair", "short curly red hair", {"cut": "short", "shape": "curly", "color": "#a85a24"}),
        ("hair", "Blonde", {"cut": "own", "color": "#bfa373"}),
        ("hair", "curly hair", {"cut": "chin", "shape": "curly"}),
        ("hair", "slicked-back long hair", {"cut": "long", "shape": "slicked"}),
        ("hat", "a beanie", {"cuff": 46.0}),
        ("beard", "a long grey beard", {"length": 40.0, "color": "#9a9794"}),
        ("eyes", "blue eyes", {"color": "#7394b8"}),
    ],
)
def test_words_set_parameters(category, text, expected):
    style = said(category, text)
    assert {name: getattr(style, name) for name in expected} == expected


def test_a_named_colour_is_a_dye():
    red, green, blue = (int(said("hat", "purple beanie").color[i : i + 2], 16) for i in (1, 3, 5))
    assert red > 1.5 * green
    assert blue > 1.5 * green


@pytest.mark.parametrize("text", ["quiffy hair", "", "hair", "short short glorp"])
def test_words_that_say_nothing_are_named(text):
    with pytest.raises(InputError) as refused:
        said("hair", text)
    assert refused.value.code == "unknown-words"


def test_a_contradiction_is_refused():
    with pytest.raises(InputError) as refused:
        said("hair", "buzzed curly")
    assert refused.value.code == "contradiction"


def test_an_unknown_category_is_refused():
    with pytest.raises(InputError) as refused:
        said("tail", "long")
    assert refused.value.code == "unknown-category"


@given(st.sampled_from(sorted(PARAMETERS)), st.text(max_size=40))
def test_any_text_gives_a_style_or_one_clear_error(category, text):
    try:
        style = said(category, text)
    except InputError as error:
        assert error.code in ("unknown-words", "contradiction")
    else:
        assert isinstance(style, PARAMETERS[category])
