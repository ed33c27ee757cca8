"""The gallery: what goes wrong with one portrait is said on the page, and the others go on."""

import json
from pathlib import Path

import numpy as np
import pytest
import skimage
from PIL import Image as PillowImage

from perse_engine.errors import InputError
from perse_engine.progress import silent
from perse_engine.service.gallery import gallery


def run(portraits, out, **changes):
    arguments = {"preset": "draft", "seed": 0, "sources": None, "progress": silent}
    return gallery(portraits, out, **{**arguments, **changes})


def test_portraits_that_cannot_be_used_are_on_the_page(tmp_path):
    (tmp_path / "text.png").write_text("no picture")
    PillowImage.fromarray(np.zeros((200, 200, 3), np.uint8)).save(tmp_path / "dark.png")
    entries = run([tmp_path], tmp_path / "out")
    assert [entry.name for entry in entries] == ["dark", "text"]
    assert all(entry.error for entry in entries)
    page = (tmp_path / "out" / "gallery.html").read_text()
    assert all(entry.name in page for entry in entries)
    content = json.loads((tmp_path / "out" / "gallery.json").read_text())
    assert [person["name"] for person in content["people"]] == ["dark", "text"]
    assert not list((tmp_path / "out").glob("*.perse"))


def test_what_names_no_portraits_is_one_error(tmp_path):
    for portraits, code in (([tmp_path / "absent.jpg"], "file-missing"), ([tmp_path], "no-portraits")):
        with pytest.raises(InputError) as caught:
            run(portraits, tmp_path / "out")
        assert caught.value.code == code
    (tmp_path / "a.png").touch()
    (tmp_path / "a.jpg").touch()
    with pytest.raises(InputError) as caught:
        run([tmp_path], tmp_path / "out")
    assert caught.value.code == "same-name"


@pytest.mark.slow
def test_a_portrait_becomes_a_sheet_and_is_not_built_twice(tmp_path):
    photo = tmp_path / "astronaut.png"
    PillowImage.fromarray(skimage.data.astronaut()).save(photo)
    (entry,) = run([photo], tmp_path / "out")
    assert not entry.error
    with PillowImage.open(tmp_path / "out" / entry.sheet) as sheet:
        assert sheet.width == 8 * 256
        assert sheet.height > 10 * 256
    assert len(entry.strips) >= 8
    assert all((tmp_path / "out" / name).exists() for name in entry.strips.values())
    before = Path(tmp_path / "out" / "astronaut.perse").stat().st_mtime_ns
    (again,) = run([photo], tmp_path / "out")
    assert again.seconds == entry.seconds
    assert Path(tmp_path / "out" / "astronaut.perse").stat().st_mtime_ns == before
