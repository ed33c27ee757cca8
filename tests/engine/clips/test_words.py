"""Styles from words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perse_engine.clips.catalogue import load_catalogue
from perse_engine.clips.parameters import PARAMETERS
from perse_engine.clips.variations import load_slots
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
        ("hat", "a beanie", {"cuff": 44.0}),
        ("beard", "a long grey beard", {"length": 60.0, "color": "#9a9794"}),
        ("beard", "grey beard", {"moustache": 1.0, "chin": 1.0, "color": "#9a9794"}),
        ("hair", "a bun", {"cut": "shoulder", "shape": "bun"}),
        ("hair", "tied-back", {"shape": "ponytail"}),
        ("clothes", "T-shirt", {"cut": "round"}),
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


@pytest.mark.parametrize("text", ["buzzed curly", "short long hair", "red and black hair"])
def test_a_contradiction_is_refused(text):
    with pytest.raises(InputError) as refused:
        said("hair", text)
    assert refused.value.code == "contradiction"


def test_what_leaves_the_kind_open_is_told_the_kinds():
    with pytest.raises(InputError) as refused:
        said("hat", "red hat")
    assert refused.value.code == "unknown-words"
    assert "beanie" in refused.value.hint
    assert "`" not in refused.value.message


def test_every_shipped_label_is_understood_as_the_style_that_ships():
    catalogue = load_catalogue()
    for style, parameters in zip(catalogue.styles, catalogue.parameters, strict=True):
        understood = said(style.category, style.label)
        for field in parameters.__struct_fields__:
            if field not in ("label", "overlaps"):
                assert getattr(understood, field) == getattr(parameters, field), (style.slider, field)


def test_an_unknown_category_is_refused():
    with pytest.raises(InputError) as refused:
        said("tail", "long")
    assert refused.value.code == "unknown-category"


VOCABULARY = sorted(
    {word for slots in load_slots().values() for slot in slots.slots.values() for key, entry in slot.items()
     for word in (key, *entry.label.split(), *entry.also)}
    | {word for style in load_catalogue().styles for word in style.label.lower().split()} | {"red", "teal", "glorp"}
)  # fmt: skip


@given(st.sampled_from(sorted(PARAMETERS)), st.lists(st.sampled_from(VOCABULARY) | st.text(max_size=8), max_size=5))
def test_any_text_gives_a_style_or_one_clear_error(category, words):
    try:
        style = said(category, " ".join(words))
    except InputError as error:
        assert error.code in ("unknown-words", "contradiction")
        assert error.hint
    else:
        assert isinstance(style, PARAMETERS[category])
