"""Files of every version that was ever written are still read. tests/engine/avatars/files has one of each."""

import hashlib
import io
import json
import zipfile
from pathlib import Path

import msgspec
import numpy as np
import pytest
import safetensors.numpy
from PIL import Image

from perse_engine.avatars.document import VERSION
from perse_engine.avatars.file import DOCUMENT, load_avatar, read_document, read_thumbnail, save_avatar
from perse_engine.avatars.migration import STEPS
from perse_engine.avatars.rendering import render_avatar
from perse_engine.avatars.state import AvatarState
from perse_engine.errors import InputError

FILES = sorted((Path(__file__).parent / "files").glob("version_*.perse"))


def version_of(path):
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read(DOCUMENT))["version"]


def test_there_is_a_file_of_every_version():
    assert [version_of(path) for path in FILES] == list(range(1, VERSION + 1))
    assert sorted(STEPS) == list(range(1, VERSION))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_it_looks_as_it_did_when_it_was_written(path):
    avatar = load_avatar(path)
    assert len(avatar.styles) == 4
    drawn = render_avatar(avatar, AvatarState(), avatar.neutral_camera.fitted(256, 256))
    before = np.asarray(Image.open(io.BytesIO(read_thumbnail(path))).convert("RGBA"), np.float32) / 255
    before[..., :3] *= before[..., 3:]
    assert np.abs(drawn - before).mean() < 2 / 255


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_saved_again_it_is_of_todays_version_and_the_same(path, tmp_path):
    old = load_avatar(path)
    save_avatar(old, tmp_path / "new.perse")
    assert version_of(tmp_path / "new.perse") == VERSION
    new = load_avatar(tmp_path / "new.perse")
    sliders = {"attr_shape_long": 1.0, "attr_hair_blue": 0.6, "attr_hat_cap": 1.0, "expr_jawopen": 0.8}
    camera = old.neutral_camera.fitted(96, 96)
    np.testing.assert_array_equal(*(render_avatar(a, AvatarState(sliders), camera) for a in (old, new)))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_change_is_noticed_in_every_version(path, tmp_path):
    changed = tmp_path / "changed.perse"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(changed, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            new.writestr(name, content.replace(b'"Red hair"', b'"Red hare"') if name == DOCUMENT else content)
    for read in (load_avatar, read_document):
        with pytest.raises(InputError) as error:
            read(changed)
        assert error.value.code == "edited-avatar"


@pytest.mark.parametrize(
    "damage",
    [
        lambda arrays: arrays.pop("figure.style_directions"),
        lambda arrays: arrays.pop("figure.vertices"),
        lambda arrays: arrays.update({"figure.style_directions": np.zeros((0, 3, 1 << 40), np.float16)}),
        lambda arrays: arrays.update({"figure.style_directions": np.zeros((4,), np.float16)}),
        lambda arrays: arrays.update({"figure.expression_directions": np.zeros((9, 3, 2), np.float64)}),
    ],
)
def test_an_old_file_that_lacks_something_is_refused(damage, tmp_path):
    path = tmp_path / "lacking.perse"
    with zipfile.ZipFile(FILES[0]) as old:
        members = {name: old.read(name) for name in old.namelist()}
    arrays = safetensors.numpy.load(members["tensors.safetensors"])
    damage(arrays)
    members["tensors.safetensors"] = safetensors.numpy.save(arrays)
    document = json.loads(members[DOCUMENT])
    del document["content"]
    digest = hashlib.sha256(msgspec.json.encode(document, order="sorted"))
    for name in sorted(set(members) - {DOCUMENT}):
        digest.update(hashlib.sha256(members[name]).digest())
    members[DOCUMENT] = json.dumps({**document, "content": digest.hexdigest()}).encode()
    with zipfile.ZipFile(path, "w") as new:
        for name, content in members.items():
            new.writestr(name, content)
    with pytest.raises(InputError) as error:
        load_avatar(path)
    assert error.value.code == "edited-avatar"
