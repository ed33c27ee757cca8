"""One more style: it shows what it should, and nothing else changes."""

import dataclasses

import numpy as np
import pytest

from perse_engine.avatars.decoding import posed_vertices
from perse_engine.avatars.file import load_avatar, save_avatar
from perse_engine.avatars.initial import head_center
from perse_engine.avatars.rendering import render_avatar
from perse_engine.avatars.restyling import without_style
from perse_engine.avatars.state import AvatarState
from perse_engine.clips.animator import posed_vertices as clip_vertices
from perse_engine.clips.animator import render_frame
from perse_engine.clips.editor import dress
from perse_engine.clips.lent import lent_style
from perse_engine.clips.words import style_in_words
from perse_engine.errors import InputError
from perse_engine.progress import silent
from perse_engine.transfer.grafting import graft
from perse_engine.transfer.learning import learn_style
from perse_engine.transfer.lessons import style_views
from perse_engine.transfer.recovering import portrait_of

LENT = ("hair", "nose", "face", "mouth", "eyebrows", "beard", "skin", "eyes", "clothes")
WORDS = {"hair": "short curly red hair", "hat": "straw hat", "glasses": "round glasses", "beard": "full beard"}


@pytest.fixture(scope="module")
def person(avatar, open_head):
    return portrait_of(avatar, open_head)


@pytest.fixture(scope="module")
def grafts(person, avatar, lender):
    """By category: the wardrobe that a lent style was made with, and the avatar that has it."""
    made = {}
    for category in LENT:
        wardrobe = dress(person, lent_style(f"attr_{category}_lent", "Lent", category, lender))
        made[category] = wardrobe, graft(avatar, wardrobe, 0)
    return made


def picture(avatar, sliders, size=160):
    return render_avatar(avatar, AvatarState(sliders), avatar.neutral_camera.fitted(size, size))


@pytest.mark.parametrize("category", LENT)
def test_every_other_picture_stays_as_it_was_to_the_last_bit(grafts, avatar, category):
    grown = grafts[category][1].avatar
    for sliders in (
        {},
        {"attr_hat_beanie": 1.0},
        {"attr_hair_bald": 0.5, "attr_face_wide": 1.0},
        {"expr_jawopen": 1.0},
    ):
        assert np.array_equal(picture(grown, sliders), picture(avatar, sliders))


@pytest.mark.parametrize("category", ["nose", "face", "mouth", "clothes"])
def test_the_style_moves_the_mesh_as_the_wardrobe_does(grafts, category):
    wardrobe, grafted = grafts[category]
    state = AvatarState({f"attr_{category}_lent": 1.0, "expr_jawopen": 0.5})
    teacher = clip_vertices(wardrobe, state, wardrobe.weights(state.sliders))
    assert np.abs(posed_vertices(grafted.avatar, state)[: len(teacher)] - teacher).max() < 1e-6
    assert np.abs(wardrobe.figure.style_directions).max() > 1e-3


@pytest.mark.parametrize("category", [category for category in LENT if category not in ("nose", "face", "clothes")])
def test_the_style_shows_what_its_texture_shows(grafts, avatar, category):
    wardrobe, grafted = grafts[category]
    camera = avatar.neutral_camera.fitted(320, 320).orbited(head_center(avatar.figure), 40.0, 0.0, 0.0)
    slider = f"attr_{category}_lent"
    before, after = (render_frame(wardrobe, AvatarState({slider: value}), camera) for value in (0.0, 1.0))
    wanted = after.color * after.alpha[..., None] - before.color * before.alpha[..., None]
    plain, styled = (
        render_avatar(grafted.avatar, AvatarState({slider: value}), camera)[..., :3] for value in (0.0, 1.0)
    )
    assert (np.abs(wanted).max(-1) > 0.05).sum() > 20
    # untrained Gaussians are softer than a texture, so the change is held against the change
    assert (wanted * (styled - plain)).sum() > 0.5 * np.linalg.norm(wanted) * np.linalg.norm(styled - plain)


def test_new_hair_goes_under_a_hat_as_the_own_hair_does(grafts, avatar):
    grown = grafts["hair"][1].avatar
    hat = picture(avatar, {"attr_hat_beanie": 1.0, "attr_hair_bald": 1.0})
    both = picture(grown, {"attr_hat_beanie": 1.0, "attr_hair_lent": 1.0})
    rows = np.flatnonzero((hat[..., 3] > 0.9).any(1))
    crown = slice(int(rows[0]), int(rows[0]) + 14)
    assert np.abs(both[crown] - hat[crown]).mean() < 0.02


def test_training_moves_only_the_new_style(grafts, avatar):
    wardrobe, grafted = grafts["hair"]
    views = style_views(grafted.avatar, wardrobe, 0, silent)
    learnt = learn_style(grafted, views, seed=0, progress=silent)
    entries, count = grafted.entries, grafted.gaussians
    assert count < learnt.count
    for name in ("offsets", "log_scales", "quaternions", "coverage_logits", "colors"):
        before, after = getattr(grafted.avatar, name), getattr(learnt, name)
        assert np.array_equal(after[:count], before[:count]), name
        moving = name in ("offsets", "log_scales", "quaternions")
        assert np.array_equal(after[count:], before[count:]) != moving, name
    for name in ("gates", "colors", "coverage_logits", "offsets", "onsets"):
        before, after = getattr(grafted.avatar.appearance, name), getattr(learnt.appearance, name)
        assert np.array_equal(after[: entries.start], before[: entries.start]), name
        assert np.array_equal(after[entries], before[entries]) != (name not in ("gates", "onsets")), name
    view = views[1]
    target = view.picture.color[..., :3] / 255 * (view.picture.color[..., 3:] / 255)
    weights = view.picture.weights.astype(np.float32)[..., None]
    off = [
        float((np.abs(render_avatar(a, view.state, view.camera)[..., :3] - target) * weights).mean())
        for a in (grafted.avatar, learnt)
    ]
    assert off[1] < 0.9 * off[0]


def test_the_same_seed_gives_the_same_graft(person, avatar, lender, grafts):
    wardrobe = dress(person, lent_style("attr_hair_lent", "Lent", "hair", lender))
    again, first = graft(avatar, wardrobe, 0).avatar, grafts["hair"][1].avatar
    assert np.array_equal(again.barycentric, first.barycentric)
    assert np.array_equal(again.appearance.colors, first.appearance.colors)


def test_it_survives_its_file_and_goes_without_a_trace(grafts, avatar, tmp_path):
    path = tmp_path / "grown.perse"
    save_avatar(grafts["hair"][1].avatar, path)
    again = load_avatar(path)
    assert again.styles[-1].slider == "attr_hair_lent"
    assert "lent_hair" in again.figure.parts
    removed = without_style(again, "attr_hair_lent")
    assert removed.figure.parts == avatar.figure.parts
    assert removed.count == avatar.count
    assert len(removed.appearance.gaussians) == len(avatar.appearance.gaussians)
    assert [style.slider for style in removed.styles] == [style.slider for style in avatar.styles]
    assert np.abs(picture(removed, {"attr_hair_black": 1.0}) - picture(avatar, {"attr_hair_black": 1.0})).max() < 0.02


@pytest.mark.parametrize("category", ["hat", "glasses", "earrings", "headphones"])
def test_what_a_mask_shows_is_lent_as_a_relief(person, avatar, lender, category):
    rows, columns = np.mgrid[: lender.portrait.matte.shape[0], : lender.portrait.matte.shape[1]]
    nose = lender.portrait.landmarks[1]
    above = 110 if category in ("hat", "headphones") else 30
    mask = (np.hypot(columns - nose[0], rows - nose[1] + above) < 25).astype(np.float32)
    masked = dataclasses.replace(lender, mask=mask)
    wardrobe = dress(person, lent_style(f"attr_{category}_lent", "Lent", category, masked))
    grown = graft(avatar, wardrobe, 0).avatar
    assert f"lent_{category}" in grown.figure.parts
    assert np.array_equal(picture(grown, {}), picture(avatar, {}))
    change = np.abs(picture(grown, {f"attr_{category}_lent": 1.0}, 480) - picture(avatar, {}, 480)).max(-1)
    assert (change > 0.02).sum() > 500  # somebody else's skin, over the whole of the patch


def test_a_new_hat_hides_new_hair(person, avatar, grafts):
    grown = grafts["hair"][1].avatar
    hat = dress(person, style_in_words("hat", "straw hat", "attr_hat_straw", "Straw"))
    both = graft(grown, hat, 0).avatar
    alone = graft(avatar, hat, 0).avatar
    with_hair = picture(both, {"attr_hat_straw": 1.0, "attr_hair_lent": 1.0}, 240)
    without = picture(alone, {"attr_hat_straw": 1.0, "attr_hair_bald": 1.0}, 240)
    rows = np.flatnonzero((without[..., 3] > 0.9).any(1))
    crown = slice(int(rows[0]), int(rows[0]) + 20)
    assert np.abs(with_hair[crown] - without[crown]).mean() < 0.03


def test_an_avatar_without_styles_gets_hair(person, avatar):
    bare = avatar
    for style in avatar.styles:
        bare = without_style(bare, style.slider)
    wardrobe = dress(person, style_in_words("hair", "a bob", "attr_hair_bob", "Bob"))
    grown = graft(bare, wardrobe, 0).avatar
    assert np.abs(picture(grown, {"attr_hair_bob": 1.0}) - picture(bare, {})).max() > 0.2


@pytest.mark.parametrize("category", WORDS)
def test_words_make_a_style_too(person, avatar, category):
    wardrobe = dress(person, style_in_words(category, WORDS[category], f"attr_{category}_said", "Said"))
    grown = graft(avatar, wardrobe, 0).avatar
    assert np.array_equal(picture(grown, {}), picture(avatar, {}))
    assert np.abs(picture(grown, {f"attr_{category}_said": 1.0}) - picture(avatar, {})).max() > 0.1
    if category != "beard":
        assert grown.count > avatar.count


def test_two_styles_of_one_kind_get_parts_of_their_own(person, avatar):
    first = dress(person, style_in_words("glasses", "round glasses", "attr_glasses_one", "One"))
    second = dress(person, style_in_words("glasses", "square glasses", "attr_glasses_two", "Two"))
    grown = graft(graft(avatar, first, 0).avatar, second, 0).avatar
    assert [part for part in grown.figure.parts if part.startswith("glasses")] == ["glasses", "glasses_2"]
    assert [category.name for category in grown.categories].count("glasses") == 1


def test_no_beard_is_said(person, lender):
    from painted_head import painted_portrait

    from perse_engine.clips.editor import lender_of

    shaven = lender_of(painted_portrait(1024))
    with pytest.raises(InputError) as refused:
        dress(person, lent_style("attr_beard_none", "None", "beard", shaven))
    assert refused.value.code == "nothing-to-lend"
