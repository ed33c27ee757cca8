"""The avatar file: what is saved comes back; what was damaged, edited or made to hurt gets one clear error."""

import io
import json
import struct
import zipfile

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image as PillowImage

from perse_engine.avatars.decoding import decode
from perse_engine.avatars.file import load_avatar, read_document, read_style_thumbnails, read_thumbnail, save_avatar
from perse_engine.avatars.state import AvatarState
from perse_engine.avatars.tensors import pack
from perse_engine.errors import InputError

STATE = AvatarState({"attr_hair_red": 0.6, "attr_hat_cap": 1.0, "expr_jawopen": 0.5})


@pytest.fixture(scope="module")
def saved(avatar, tmp_path_factory):
    path = tmp_path_factory.mktemp("avatar") / "x.perse"
    save_avatar(avatar, path)
    return path


def rewritten(saved, path, *, change_json=None, change_tensors=None, compression=zipfile.ZIP_STORED, extra=()):
    """A copy of the file with a consistent zip whose content was edited."""
    with zipfile.ZipFile(saved) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    if change_json:
        document = json.loads(members["avatar.json"])
        change_json(document)
        members["avatar.json"] = json.dumps(document).encode()
    if change_tensors:
        arrays = safetensors.numpy.load(members["tensors.safetensors"])
        change_tensors(arrays)
        members["tensors.safetensors"] = safetensors.numpy.save(arrays)
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in [*members.items(), *extra]:
            archive.writestr(name, content)
    return path


def rehashed(path):
    """Give an edited file the hash of its content, as someone who means harm would."""
    from perse_engine.avatars import file as module

    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    document = module.msgspec.json.decode(members["avatar.json"], type=module.Document)
    document.content = module._content(module.msgspec.to_builtins(document), members)
    members["avatar.json"] = module.msgspec.json.encode(document)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def same(first, second):
    a, b = pack(first), pack(second)
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


def test_what_is_saved_comes_back(avatar, saved):
    loaded = load_avatar(saved)
    assert same(avatar, loaded)
    assert (loaded.name, loaded.head, loaded.categories, loaded.styles) == (
        avatar.name,
        avatar.head,
        avatar.categories,
        avatar.styles,
    )
    assert loaded.provenance == avatar.provenance
    assert loaded.photo_camera.to_json() == avatar.photo_camera.to_json()
    before, after = decode(avatar, STATE), decode(loaded, STATE)
    np.testing.assert_allclose(after.means, before.means, atol=2e-5)
    np.testing.assert_allclose(after.colors, before.colors, atol=2e-3)


def test_saving_is_reproducible_and_stable(saved, tmp_path):
    again = tmp_path / "again.perse"
    save_avatar(load_avatar(saved), again)
    third = tmp_path / "third.perse"
    save_avatar(load_avatar(again), third)
    assert again.read_bytes() == third.read_bytes()
    assert read_document(again).content == read_document(third).content


def test_it_is_readable_without_the_engine(saved):
    with zipfile.ZipFile(saved) as archive:
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
        document = json.loads(archive.read("avatar.json"))
        header = struct.unpack("<Q", archive.read("tensors.safetensors")[:8])[0]
        names = json.loads(archive.read("tensors.safetensors")[8 : 8 + header])
    assert document["format"] == "perse-avatar"
    assert document["styles"][0]["slider"] == "attr_shape_long"
    assert names["gaussians.colors"]["shape"] == [600, 3]
    assert read_thumbnail(saved).startswith(b"\x89PNG")


def test_only_what_moves_is_stored(avatar, saved):
    with zipfile.ZipFile(saved) as archive:
        arrays = safetensors.numpy.load(archive.read("tensors.safetensors"))
    for kind in ("expression", "style"):
        directions = getattr(avatar.figure, f"{kind}_directions")
        assert len(arrays[f"figure.{kind}_moves"]) <= directions.any(1).sum() < directions[:, 0].size
        np.testing.assert_allclose(getattr(load_avatar(saved).figure, f"{kind}_directions"), directions, atol=1e-5)


def test_every_style_has_a_picture_of_its_own(avatar, saved):
    pictures = read_style_thumbnails(saved)
    assert list(pictures) == [style.slider for style in avatar.styles]
    shown = [np.asarray(PillowImage.open(io.BytesIO(content))) for content in pictures.values()]
    assert {picture.shape for picture in shown} == {(96, 96, 4)}
    assert len({picture.tobytes() for picture in shown}) == len(shown)


@pytest.mark.parametrize("name", ["thumbnails/attr_no_such.png", "thumbnails/../../evil.png", "thumbnails/x.exe"])
def test_pictures_of_other_styles_are_refused(saved, tmp_path, name):
    refused(rewritten(saved, tmp_path / "more.perse", extra=[(name, b"x")]), "edited-avatar")


def test_a_missing_picture_is_refused(saved, tmp_path):
    path = tmp_path / "fewer.perse"
    with zipfile.ZipFile(saved) as archive, zipfile.ZipFile(path, "w") as fewer:
        pictures = [name for name in archive.namelist() if name.startswith("thumbnails/")]
        for name in set(archive.namelist()) - {pictures[0]}:
            fewer.writestr(name, archive.read(name))
    refused(path, "edited-avatar")


def refused(path, code):
    with pytest.raises(InputError) as caught:
        load_avatar(path)
    assert caught.value.code == code
    assert "\n" not in str(caught.value)


def test_files_that_are_no_avatar(saved, tmp_path):
    refused(tmp_path / "missing.perse", "no-such-avatar")
    refused(tmp_path, "no-such-avatar")
    empty = tmp_path / "empty.perse"
    empty.touch()
    refused(empty, "not-an-avatar")
    text = tmp_path / "text.perse"
    text.write_text("hello")
    refused(text, "not-an-avatar")
    other = tmp_path / "other.perse"
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("readme.txt", "no avatar")
    refused(other, "not-an-avatar")


def test_another_version(saved, tmp_path):
    path = rewritten(saved, tmp_path / "v.perse", change_json=lambda d: d.update(version=99, novelty=True))
    refused(path, "avatar-version")


@pytest.mark.parametrize("keep", [4, 100, 5000, -1, -200])
def test_cut_short(saved, tmp_path, keep):
    path = tmp_path / "short.perse"
    path.write_bytes(saved.read_bytes()[:keep])
    refused(path, "truncated-avatar")


def test_edits_by_hand_are_noticed(saved, tmp_path):
    def rename(document):
        document["styles"][0]["label"] = "Shorter"

    refused(rewritten(saved, tmp_path / "a.perse", change_json=rename), "edited-avatar")
    refused(rewritten(saved, tmp_path / "b.perse", change_json=lambda d: d.pop("name")), "edited-avatar")
    refused(rewritten(saved, tmp_path / "c.perse", compression=zipfile.ZIP_DEFLATED), "edited-avatar")
    refused(rewritten(saved, tmp_path / "d.perse", extra=[("../evil.py", b"boom")]), "edited-avatar")


def put(name, value):
    def change(arrays):
        arrays[name] = arrays[name].copy()
        arrays[name].reshape(-1)[0] = value

    return change


def swap(name, array):
    return lambda arrays: arrays.update({name: array})


@pytest.mark.parametrize(
    "change",
    [
        put("figure.faces", 1 << 30),
        put("figure.faces", -1),
        put("figure.uv_faces", 1 << 20),
        put("figure.face_parts", 200),
        put("figure.vertices", np.nan),
        put("figure.vertices", 1e30),
        put("figure.weights", 7),
        put("gaussians.triangles", 1 << 30),
        put("gaussians.barycentric", -0.5),
        put("gaussians.log_scales", 1000),
        put("gaussians.colors", np.inf),
        put("styles.starts", 3),
        put("figure.style_starts", 3),
        put("figure.style_vertices", 1 << 20),
        put("figure.expression_moves", np.nan),
        put("styles.gaussians", 599),
        put("styles.gates", 2),
        put("styles.softness", 0),
        swap("gaussians.colors", np.zeros((599, 3), np.float16)),
        swap("gaussians.colors", np.zeros((600, 3), np.float32)),
        swap("gaussians.quaternions", np.zeros((600, 4), np.float16)),
        swap("styles.gates", np.zeros(0, np.float16)),
        swap("more", np.zeros(3, np.float32)),
        lambda arrays: arrays.pop("figure.joints"),
    ],
)
def test_hostile_numbers_with_a_good_hash(saved, tmp_path, change):
    refused(rehashed(rewritten(saved, tmp_path / "h.perse", change_tensors=change)), "edited-avatar")


def edit(key, value):
    return lambda document: document.update({key: value})


@pytest.mark.parametrize(
    "change",
    [
        edit("count", 10**9),
        edit("styles", []),
        edit("categories", []),
        edit("parts", []),
        edit("layers", ["hat"]),
        lambda d: d["styles"][0].update(hard_min=5.0),
        lambda d: d["styles"][0].update(slider="attr_hair_red"),
        lambda d: d["photo_camera"].update(fx=-1.0),
        lambda d: d["photo_camera"].update(view=[[1.0]]),
        lambda d: d["photo_state"].update(pose=[]),
        lambda d: d["photo_state"].update(sliders={"attr_nobody": 1.0}),
    ],
)
def test_hostile_words_with_a_good_hash(saved, tmp_path, change):
    refused(rehashed(rewritten(saved, tmp_path / "h.perse", change_json=change)), "edited-avatar")


def test_deep_json_and_a_zip_bomb_cost_nothing(saved, tmp_path):
    def nest(document):
        document["provenance"] = "[[DEEP]]"

    path = rewritten(saved, tmp_path / "deep.perse", change_json=nest)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["avatar.json"] = members["avatar.json"].replace(b'"[[DEEP]]"', b'{"a":' * 200000 + b"1" + b"}" * 200000)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    refused(path, "edited-avatar")

    bomb = tmp_path / "bomb.perse"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("avatar.json", members["avatar.json"])
        archive.writestr("tensors.safetensors", b"\0" * (64 << 20))
        archive.writestr("thumbnail.png", b"")
    refused(bomb, "edited-avatar")


@given(st.data())
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_damage_loads_equal_or_is_one_clear_error(saved, tmp_path, avatar, data):
    content = bytearray(saved.read_bytes())
    ends = st.one_of(
        st.integers(0, len(content) - 1), st.integers(0, 3000), st.integers(len(content) - 400, len(content) - 1)
    )
    for _ in range(data.draw(st.integers(0, 3))):
        content[data.draw(ends)] ^= data.draw(st.integers(1, 255))
    path = tmp_path / "damaged.perse"
    path.write_bytes(content[: data.draw(st.sampled_from([len(content), data.draw(ends)]))])
    try:
        loaded, code = load_avatar(path), "none"
    except InputError as error:
        loaded, code = avatar, error.code
    assert code in {"none", "not-an-avatar", "truncated-avatar", "edited-avatar", "avatar-version"}
    assert same(avatar, loaded)
