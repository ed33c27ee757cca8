"""`perse style add` and `match`, from the avatar file to the avatar file."""

import numpy as np
import pytest
from PIL import Image

from perse_engine.avatars.file import load_avatar, save_avatar
from perse_engine.avatars.rendering import render_avatar
from perse_engine.avatars.state import AvatarState
from perse_engine.errors import Cancelled, InputError
from perse_engine.progress import silent
from perse_engine.service.new_style import Wish, add_style, match_style


@pytest.fixture
def path(avatar, tmp_path):
    file = tmp_path / "me.perse"
    save_avatar(avatar, file)
    return file


def picture(avatar, sliders):
    return render_avatar(avatar, AvatarState(sliders), avatar.neutral_camera.fitted(128, 128))


def test_words_become_a_slider(path):
    before = load_avatar(path)
    added = add_style(path, Wish("glasses", text="round glasses"), path, seed=0, progress=silent)
    assert added.style.slider == "attr_glasses_round_glasses"
    after = load_avatar(path)
    assert [style.slider for style in after.styles] == [
        *(style.slider for style in before.styles),
        "attr_glasses_round_glasses",
    ]
    assert np.array_equal(picture(after, {}), picture(before, {}))
    assert np.abs(picture(after, {added.style.slider: 1.0}) - picture(before, {})).max() > 0.2
    assert after.provenance["restyled"] == [
        "added round glasses to glasses from the words 'round glasses', seed 0",
    ]


def test_a_cancelled_one_leaves_the_file_alone(path):
    before = path.read_bytes()

    def stop(stage, done, total):
        if stage == "train" and done > 4:
            raise Cancelled

    with pytest.raises(Cancelled):
        add_style(path, Wish("glasses", text="round glasses"), path, seed=0, progress=stop)
    assert path.read_bytes() == before


def test_what_changes_nothing_is_refused(path, monkeypatch):
    before = path.read_bytes()
    from perse_engine.clips import words

    monkeypatch.setattr(words, "USUAL", {})  # a beard of no kind is a colour of nothing
    with pytest.raises(InputError) as refused:
        add_style(path, Wish("beard", text="grey beard"), path, seed=0, progress=silent)
    assert refused.value.code == "nothing-to-lend"
    assert path.read_bytes() == before


def test_a_black_mask_is_refused(path, tmp_path):
    from skimage.data import astronaut

    Image.fromarray(astronaut()).save(tmp_path / "photo.png")
    Image.new("L", (512, 512)).save(tmp_path / "mask.png")
    wish = Wish("hat", image=tmp_path / "photo.png", mask=tmp_path / "mask.png")
    with pytest.raises(InputError) as refused:
        add_style(path, wish, path, seed=0, progress=silent)
    assert refused.value.code == "nothing-to-lend"


@pytest.mark.slow
def test_somebody_elses_hair_becomes_a_slider(path, tmp_path):
    from skimage.data import astronaut

    Image.fromarray(astronaut()).save(tmp_path / "you.png")
    before = load_avatar(path)
    added = add_style(path, Wish("hair", image=tmp_path / "you.png"), path, seed=0, progress=silent)
    assert added.style.slider == "attr_hair_you"
    after = load_avatar(path)
    for sliders in ({}, {"attr_hat_beanie": 1.0}, {"attr_face_wide": 1.0}):
        assert np.array_equal(picture(after, sliders), picture(before, sliders))
    assert np.abs(picture(after, {"attr_hair_you": 1.0}) - picture(before, {})).max() > 0.2


def test_the_nearest_sliders_are_found(path):
    values = match_style(path, Wish("hair", text="black"), seed=0, progress=silent)
    assert max(values, key=lambda slider: values[slider]) == "attr_hair_black"
    assert values["attr_hair_black"] > 0.6
