"""Codes of styles: where they lie, the way back, the prior, the axes; with CLIP and without."""

import dataclasses

import numpy as np
import pytest

from perse_engine.avatars.rendering import render_avatar
from perse_engine.avatars.state import AvatarState
from perse_engine.avatars.styles import Category, Style
from perse_engine.errors import InputError
from perse_engine.progress import silent
from perse_engine.transfer.codes import code_space, encoding_camera, with_axes
from perse_engine.transfer.encoders import ChangeEncoder, ClipEncoder
from perse_engine.transfer.random_faces import random_faces


@pytest.fixture(scope="module")
def space(avatar):
    return code_space(avatar, "hair", ChangeEncoder())


def test_codes_have_the_variance_of_a_unit_gaussian(space):
    every = np.concatenate([space.codes, space.person[None]])
    np.testing.assert_allclose(every.mean(0), 0, atol=1e-9)
    np.testing.assert_allclose(every.std(0), 1, atol=1e-9)


def test_every_style_is_its_own_mixture_and_the_person_is_none(space):
    for k in range(len(space.styles)):
        np.testing.assert_allclose(space.weights(space.codes[k]), np.eye(len(space.styles))[k], atol=0.02)
    assert space.sliders(space.person) == {}


def test_half_of_two_codes_is_half_of_both(space):
    weights = space.weights((space.codes[0] + space.codes[1]) / 2)
    np.testing.assert_allclose(weights, [0.5, 0.5], atol=0.02)


def test_any_code_gives_weights_that_sliders_allow(space):
    rng = np.random.default_rng(0)
    for _ in range(50):
        weights = space.weights(rng.normal(0, 5, len(space.spread)))
        assert (weights >= 0).all()
        assert weights.sum() <= 1 + 1e-6


def test_a_picture_that_was_never_seen_has_a_code(space, avatar):
    """Half black hair is no style of the avatar's; its picture alone says where it lies."""
    camera = encoding_camera(avatar)
    without, worn = (render_avatar(avatar, AvatarState({"attr_hair_black": value}), camera) for value in (0.0, 0.5))
    sliders = space.sliders(space.code_of(ChangeEncoder().encode(without, worn, "half black")))
    assert sliders["attr_hair_black"] == pytest.approx(0.5, abs=0.12)
    assert sliders.get("attr_hair_bald", 0.0) < 0.15


def test_axes_become_sliders_with_two_ends(avatar):
    grown = with_axes(avatar, "hair", 1, ChangeEncoder())
    assert [style.slider for style in grown.styles[-2:]] == ["attr_hair_axis_1_plus", "attr_hair_axis_1_minus"]
    camera = avatar.neutral_camera.fitted(96, 96)
    ends = [render_avatar(grown, AvatarState({style.slider: 1.0}), camera) for style in grown.styles[-2:]]
    assert np.abs(ends[0] - ends[1]).max() > 0.2
    assert np.array_equal(render_avatar(grown, AvatarState(), camera), render_avatar(avatar, AvatarState(), camera))


@pytest.mark.parametrize(
    ("category", "count", "code"),
    [("hat", 1, "too-few-styles"), ("hair", 8, "too-few-axes"), ("tail", 1, "unknown-category")],
)
def test_what_has_no_axes_is_refused(avatar, category, count, code):
    with pytest.raises(InputError) as refused:
        with_axes(avatar, category, count, ChangeEncoder())
    assert refused.value.code == code


def test_random_faces_are_the_same_for_the_same_seed_and_stay_inside(avatar):
    sheet, states = random_faces(avatar, 7, 3, ChangeEncoder(), silent)
    again, _ = random_faces(avatar, 7, 3, ChangeEncoder(), silent)
    assert np.array_equal(np.asarray(sheet), np.asarray(again))
    assert sheet.size == (6 * 192, 2 * 192)
    assert any(states)
    for state in states:
        hair = sum(value for name, value in state.items() if name.startswith("attr_hair"))
        assert hair <= 1 + 1e-6
    alone = dataclasses.replace(avatar, styles=(Style("attr_a_b", "B", "a"),), categories=(Category("a", "A", "skin"),))
    with pytest.raises(InputError) as refused:
        random_faces(alone, 1, 0, ChangeEncoder(), silent)
    assert refused.value.code == "too-few-styles"


@pytest.fixture(scope="module")
def tiny_clip(tmp_path_factory):
    """A CLIP of the real classes, with random weights, small enough to make here."""
    transformers = pytest.importorskip("transformers")
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers

    folder = tmp_path_factory.mktemp("clip")
    words = ["<pad>", "<start>", "<end>", "<unk>", "a", "photo", "of", "person", "with", "black", "bald", "hair"]
    tokenizer = Tokenizer(models.WordLevel({word: k for k, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    wrapped = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", bos_token="<start>", eos_token="<end>", unk_token="<unk>"
    )
    wrapped.save_pretrained(folder)
    text = {"vocab_size": len(words), "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
            "num_attention_heads": 2, "max_position_embeddings": 16, "eos_token_id": 2, "bos_token_id": 1}  # fmt: skip
    vision = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2,
              "image_size": 32, "patch_size": 8}  # fmt: skip
    config = transformers.CLIPConfig(text_config=text, vision_config=vision, projection_dim=24)
    torch.manual_seed(0)
    transformers.CLIPModel(config).save_pretrained(folder, safe_serialization=True)
    return folder


def test_clip_encodes_picture_and_words(tiny_clip, avatar):
    encoder = ClipEncoder(tiny_clip)
    camera = encoding_camera(avatar)
    without, worn = (render_avatar(avatar, AvatarState({"attr_hair_black": value}), camera) for value in (0.0, 1.0))
    vector = encoder.encode(without, worn, "Black hair")
    assert vector.shape == (48,)
    assert np.abs(vector[:24]).max() > 0
    assert not np.array_equal(vector, encoder.encode(without, worn, "Bald"))
    assert not encoder.encode(without, without, "").any()


def test_a_space_by_clip_has_the_styles_in_it(tiny_clip, avatar):
    space = code_space(avatar, "hair", ClipEncoder(tiny_clip))
    for k in range(len(space.styles)):
        np.testing.assert_allclose(space.weights(space.codes[k]), np.eye(len(space.styles))[k], atol=0.02)


def test_a_folder_without_clip_is_refused(tmp_path):
    with pytest.raises(InputError) as refused:
        ClipEncoder(tmp_path)
    assert refused.value.code == "no-clip"
