"""`perse style`: mix, remove and rename from the command line."""

import dataclasses
import json

import numpy as np
import pytest

from perse_engine.avatars.file import load_avatar, save_avatar
from perse_engine.avatars.initial import bare_figure, initial_avatar
from perse_engine.avatars.styles import Category, Style
from perse_engine.heads.open_head import load_open_head

STYLES = (Style("attr_nose_long", "Long", "nose"), Style("attr_nose_wide", "Wide", "nose"))


@pytest.fixture
def styled(tmp_path):
    """An untrained avatar with two noses."""
    figure = bare_figure(load_open_head())
    rng = np.random.default_rng(0)
    nose = load_open_head().regions["nose"][: len(figure.vertices), None, None] * rng.normal(0, 2e-3, (1, 3, 2))
    moves = np.zeros((len(figure.vertices), 3, 2), np.float32)
    moves[: len(nose)] = nose
    figure = dataclasses.replace(
        figure,
        style_directions=moves,
        joint_style_directions=np.zeros((5, 3, 2), np.float32),
        style_names=tuple(style.slider for style in STYLES),
    )
    path = tmp_path / "styled.perse"
    save_avatar(initial_avatar(figure, (Category("nose", "Nose", "shape"),), STYLES, count=3000, seed=0), path)
    return path


@pytest.mark.parametrize("command", ["add", "match", "axes", "random", "mix", "remove", "rename"])
def test_help_has_an_example(perse, command):
    status, out, _ = perse("style", command, "--help")
    assert status == 0
    assert f"Example: perse style {command}" in out


def test_a_mixture_becomes_a_slider_that_renders(perse, styled, tmp_path):
    status, out, _ = perse("style", "mix", styled, "attr_nose_long=0.5", "nose_wide=0.5", "--name", "Both ways")
    assert status == 0
    assert out.split()[0] == "attr_nose_both_ways"
    avatar = load_avatar(styled)
    assert [style.label for style in avatar.styles] == ["Long", "Wide", "Both ways"]
    assert avatar.provenance["restyled"] == ["mixed attr_nose_long=0.5 nose_wide=0.5 as Both ways"]
    picture = tmp_path / "picture.png"
    status, _, err = perse("render", styled, "--out", picture, "--size", "64x64", "--set", "attr_nose_both_ways=1")
    assert status == 0, err


def test_out_leaves_the_file_alone(perse, styled, tmp_path):
    before = styled.read_bytes()
    other = tmp_path / "other.perse"
    assert perse("style", "remove", styled, "attr_nose_wide", "--out", other)[0] == 0
    assert styled.read_bytes() == before
    assert [style.slider for style in load_avatar(other).styles] == ["attr_nose_long"]


def test_the_file_itself_is_changed_without_out(perse, styled):
    assert perse("style", "rename", styled, "nose_long", "--name", "Pinocchio")[0] == 0
    assert perse("style", "remove", styled, "attr_nose_wide")[0] == 0
    avatar = load_avatar(styled)
    assert [style.slider for style in avatar.styles] == ["attr_nose_pinocchio"]
    assert len(avatar.provenance["restyled"]) == 2


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("mix", "attr_nose_long=0.5", "attr_nose_wide=x", "--name", "A"), "bad-share"),
        (("mix", "attr_nose_long=1", "--name", "A"), "not-a-mixture"),
        (("mix", "attr_nose_long=0.5", "attr_nose_long=0.1", "--name", "A"), "bad-share"),
        (("remove", "attr_nose_flat"), "unknown-slider"),
        (("rename", "attr_nose_long", "--name", "wide"), "name-taken"),
    ],
)
def test_mistakes_are_said_and_nothing_is_lost(perse, styled, arguments, code):
    before = styled.read_bytes()
    command, *rest = arguments
    status, _, err = perse("style", command, styled, *rest)
    assert status != 0
    assert code in err
    assert styled.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("add", "--category", "hair"), "bad-wish"),
        (("add", "--category", "hair", "--text", "red", "--image", "x.png"), "bad-wish"),
        (("add", "--category", "hair", "--text", "red", "--mask", "x.png"), "bad-wish"),
        (("add", "--category", "tail", "--text", "red"), "unknown-category"),
        (("add", "--category", "hat", "--image", "x.png"), "needs-a-mask"),
        (("add", "--category", "hair", "--image", "nowhere.png"), "file-missing"),
        (("add", "--category", "hair", "--text", "glorp"), "unknown-words"),
        (("add", "--category", "nose", "--text", "broad", "--name", "Wide"), "name-taken"),
        (("add", "--category", "nose", "--text", "broad"), "another-head"),
        (("match", "--category", "hair", "--text", "red"), "unknown-category"),
        (("match", "--category", "nose", "--text", "broad", "--clip", "nowhere"), "no-clip"),
        (("axes", "--category", "hair"), "unknown-category"),
    ],
)
def test_wishes_that_cannot_be_granted_are_said(perse, styled, arguments, code):
    before = styled.read_bytes()
    command, *rest = arguments
    status, _, err = perse("style", command, styled, *rest)
    assert status != 0
    assert f"perse: {code}: " in err
    assert styled.read_bytes() == before


def test_random_people_are_drawn_and_told(perse, styled, tmp_path):
    status, out, err = perse("style", "random", styled, "--out", tmp_path / "people.png", "--count", "3", "--json")
    assert status == 0, err
    assert len(json.loads(out)) == 3
    assert (tmp_path / "people.png").stat().st_size > 1000
