"""What is said of a photo before a build."""

import json

import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

from perse_engine.errors import InputError
from perse_engine.portraits.checking import advice


@pytest.fixture
def photo(tmp_path):
    """Save pixels as a photo."""

    def save(pixels):
        path = tmp_path / "photo.png"
        Image.fromarray(np.asarray(pixels, np.uint8)).save(path)
        return path

    return save


def said(path, word):
    return [sentence for sentence in advice(path) if word in sentence]


def test_an_open_mouth_is_said_and_nothing_that_is_not_so(photo):
    assert len(advice(photo(astronaut()))) == 1
    assert said(photo(astronaut()), "mouth is open")


def test_each_flaw_has_its_sentence(photo):
    picture = astronaut()
    assert said(photo(picture * 0.15), "dark")
    assert said(photo(np.clip(picture.astype(float) * 2.5, 0, 255)), "burnt out")
    assert said(photo(picture[60:300, 110:340]), "top of the head")
    small = np.asarray(Image.fromarray(picture).resize((256, 256)))
    assert said(photo(small), "pixels apart")


def test_what_cannot_be_used_is_an_error(photo, tmp_path):
    with pytest.raises(InputError) as refused:
        advice(photo(np.full((200, 200, 3), 128)))
    assert refused.value.code == "no-face"
    with pytest.raises(InputError) as refused:
        advice(photo(np.concatenate([astronaut()[:300, 100:350]] * 2, 1)))
    assert refused.value.code == "several-faces"


def test_the_command_says_it_in_words_and_in_json(photo, tmp_path, capfd):
    from perse_engine.cli.running import run

    path = str(photo(astronaut()))
    assert run(["check", path, "--json"]) == 0
    assert len(json.loads(capfd.readouterr().out)["advice"]) == 1
    assert run(["check", path]) == 0
    assert "mouth is open" in capfd.readouterr().out
    text = tmp_path / "clip.mp4"
    text.write_text("no video")
    assert run(["check", str(text)]) == 2
    assert "not-a-video" in capfd.readouterr().err
