import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perse_engine.avatars.styles import LAYERS
from perse_engine.clips.catalogue import (
    SHIPPED,
    load_catalogue,
    parse_catalogue,
    read_catalogue,
    shipped_and,
)
from perse_engine.errors import InputError


def test_every_promised_category_has_three_styles(catalogue):
    for category in ("hair", "beard", "eyebrows", "mouth", "glasses", "hat"):
        assert len(catalogue.indices(category)) >= 3, category


def test_sliders_are_named_as_blender_names_them(catalogue):
    for style in catalogue.styles:
        assert re.fullmatch("attr_[a-z0-9]+_[a-z0-9_]+", style.slider)
        assert len(style.slider) <= 48
        assert style.label


def test_categories_come_in_layer_order(catalogue):
    layers = [LAYERS.index(category.layer) for category in catalogue.categories]
    assert layers == sorted(layers)
    assert [style.category for style in catalogue.styles] == [
        category.name for category in catalogue.categories for _ in catalogue.indices(category.name)
    ]


def test_one_more_table_is_one_more_style(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(SHIPPED.read_text() + '\n[hair.styles.teal]\nlabel = "Teal hair"\ncolor = "#0f8b8d"\n')
    mine = read_catalogue(path)
    assert len(mine.styles) == len(load_catalogue().styles) + 1
    assert "attr_hair_teal" in [style.slider for style in mine.styles]


HAIR = '[hair]\nlabel = "Hair"\nlayer = "hair"\n[hair.styles.{name}]\nlabel = "x"\n{line}\n'


@pytest.mark.parametrize(
    ("name", "line", "said"),
    [
        ("a", "volume = nan", "volume"),
        ("a", "volume = inf", "volume"),
        ("a", "volume = 1000.0", "60"),
        ("a", 'color = "red"', "color"),
        ("a", "volum = 1.0", "volum"),
        ("a", 'cut = "mohawk"', "mohawk"),
        ("a", 'between = "fade"', "fade"),
        ("a", "hard = [0.5, 1.0]", "soft"),
        ("a", "hard = [1.0]", "length"),
        ("a", 'overlaps = ["teeth"]', "teeth"),
        ("A-b", "volume = 1.0", "a–z"),
        ("a" * 50, "volume = 1.0", "48"),
    ],
)
def test_wrong_values_are_named(name, line, said):
    with pytest.raises(InputError) as caught:
        parse_catalogue(HAIR.format(name=f'"{name}"', line=line).encode(), "mine.toml")
    assert caught.value.code == "bad-catalogue"
    assert said in str(caught.value)
    assert "mine.toml" in str(caught.value)
    assert f"hair.styles.{name}" in str(caught.value)


def test_a_missing_file_is_said(tmp_path):
    with pytest.raises(InputError, match="no-catalogue"):
        read_catalogue(tmp_path / "none.toml")


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_give_a_catalogue_or_a_clear_error(content):
    try:
        parse_catalogue(content, "fuzz")
    except InputError as error:
        assert error.code == "bad-catalogue"


KEYS = [
    "label",
    "color",
    "contrast",
    "volume",
    "cut",
    "between",
    "soft",
    "hard",
    "overlaps",
    "layer",
    "styles",
]
VALUES = [
    '"x"',
    '"#102030"',
    "1.0",
    "-3.5",
    "nan",
    "[0.0, 1.0]",
    "[]",
    "{}",
    '["hat"]',
    "true",
    '"buzz"',
    '"grow"',
]


@settings(max_examples=150)
@given(st.lists(st.tuples(st.sampled_from(KEYS), st.sampled_from(VALUES)), max_size=6))
def test_any_table_gives_a_catalogue_or_a_clear_error(pairs):
    lines = "\n".join(f"{key} = {value}" for key, value in pairs)
    try:
        found = parse_catalogue(HAIR.format(name="a", line=lines).encode(), "fuzz")
    except InputError as error:
        assert error.code == "bad-catalogue"
    else:
        assert len(found.styles) == 1


def test_a_file_of_my_own_adds_styles_to_those_that_ship(catalogue, tmp_path):
    mine = tmp_path / "mine.toml"
    mine.write_text(
        '[hair.styles.sky]\nlabel = "Sky"\ncolor = "#70a0e0"\n'
        '[hat.styles.cap]\nlabel = "My cap"\nheight = 20.0\ncolor = "#112233"\n'
    )
    both = shipped_and(mine)
    sliders = [style.slider for style in both.styles]
    assert set(sliders) - {style.slider for style in catalogue.styles} == {"attr_hair_sky"}
    assert both.categories == catalogue.categories
    assert both.styles[sliders.index("attr_hat_cap")].label == "My cap"


@pytest.mark.parametrize(
    "line", ['[hair.styles.sky]\nlabel = "Sky"\nshade = 1.0', "[socks]\n", "hair = 3", "[hair]\nstyles = 3"]
)
def test_a_wrong_file_of_my_own_is_named(tmp_path, line):
    mine = tmp_path / "mine.toml"
    mine.write_text(line)
    with pytest.raises(InputError, match=re.escape("mine.toml")) as caught:
        shipped_and(mine)
    assert caught.value.code == "bad-catalogue"
