"""The avatar as a whole: library, info, packing, missing files, duplicates, the portrait camera."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import bpy
import numpy as np
import pytest
from conftest import engine_python, import_avatar, raises_report
from exr import combined


@pytest.fixture
def library(part, tmp_path):
    """An empty library of its own."""
    own = bpy.context.preferences.addons[part("preferences").__package__].preferences
    own.library_path = str(tmp_path / "library")
    yield tmp_path / "library"
    own.library_path = ""


def undo_of(operator) -> None:
    """Run `operator` as a click does, then take its one undo step back."""
    bpy.ops.ed.undo_push(message="before")
    operator()
    bpy.ops.ed.undo()


def the_rig() -> bpy.types.Object:
    (found,) = [thing for thing in bpy.data.objects if thing.type == "ARMATURE"]
    return found


def test_an_avatar_is_copied_into_the_library_once(avatar, part, library, avatar_file):
    assert part("avatars.library").library_avatars() == ()
    assert bpy.ops.perse.add_to_library() == {"FINISHED"}
    assert bpy.ops.perse.add_to_library() == {"FINISHED"}
    (copy,) = part("avatars.library").library_avatars()
    assert copy.parent == library
    assert copy.read_bytes() == avatar_file.read_bytes()
    assert [path.name for path in library.iterdir()] == [copy.name]
    other = library / "other.perse"
    shutil.copy(avatar_file, other)
    with other.open("ab") as stream:
        stream.write(b"x")
    third = part("avatars.library").add_to_library(other, copy.stem)
    assert third.name == f"{copy.stem} 2.perse"
    assert bpy.ops.perse.import_avatar(filepath=str(copy)) == {"FINISHED"}


def test_pictures_come_out_of_the_file(part, avatar_file, tmp_path):
    pictures = part("avatars.thumbnails").picture_file  # Blender makes no icons of them without a window
    for member, side in (("thumbnail.png", 256), ("thumbnails/attr_hair_red.png", 96)):
        image = bpy.data.images.load(str(pictures(avatar_file, member)))
        assert tuple(image.size) == (side, side)
    assert pictures(avatar_file, "thumbnails/attr_hair_blue.png") is None
    assert pictures(tmp_path / "nothing.perse") is None
    rubbish = tmp_path / "rubbish.perse"
    rubbish.write_text("PK")
    assert pictures(rubbish) is None
    assert part("avatars.thumbnails").style_icon(rubbish, "attr_hair_red") == 0


def test_a_file_that_only_the_library_has_is_found_there(avatar, part, library):
    bpy.ops.perse.add_to_library()
    avatar["perse_path"] = f"/nowhere/{avatar.name}.perse"
    avatar["perse_last_seen"] = ""
    assert part("avatars.avatars").avatar_path(avatar).parent == library
    avatar["perse_sha256"] = "another"
    with pytest.raises(part("perse_protocol").EngineFailure):
        part("avatars.avatars").avatar_path(avatar)


def test_info_tells_what_is_in_the_file(avatar, part, avatar_file):
    document = part("avatars.avatar_file").read_document(avatar_file)
    rows = dict(part("avatars.avatar_info").info_rows(document, 12_345_678))
    assert rows["Gaussians"] == "6,000"
    assert rows["Styles"] == "4"
    assert rows["    Face shape"] == "2"
    assert rows["Size"].startswith("12.3 MB")
    assert bpy.ops.perse.avatar_info() == {"FINISHED"}


@pytest.fixture
def shot(scene, avatar_file, tmp_path):
    """A saved .blend whose avatar's file lies beside it, packed."""
    folder = tmp_path / "shot"
    folder.mkdir()
    shutil.copy(avatar_file, folder / "hero.perse")
    import_avatar(folder / "hero.perse")["attr_hair_red"] = 0.5
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "shot.blend"))
    return folder


def test_a_packed_avatar_renders_the_same_without_its_file(shot, render, part):
    before = combined(render())
    assert bpy.ops.perse.pack() == {"FINISHED"}
    bpy.ops.wm.save_mainfile()
    (shot / "hero.perse").unlink()
    bpy.ops.wm.open_mainfile(filepath=str(shot / "shot.blend"))
    rig = the_rig()
    assert part("avatars.missing").missing_avatars() == ()
    assert np.array_equal(combined(render()), before)
    bpy.context.view_layer.objects.active = rig
    with raises_report("system: .*choose another place"):
        bpy.ops.perse.unpack(filepath="")
    assert bpy.ops.perse.unpack(filepath=str(shot / "again.perse")) == {"FINISHED"}
    assert part("avatars.avatars").avatar_path(rig) == shot / "again.perse"
    assert not [image for image in bpy.data.images if image.name.endswith(".perse")]
    assert bpy.ops.perse.pack.poll()
    assert not bpy.ops.perse.unpack.poll()


@pytest.mark.parametrize("link", [False, True])
def test_a_packed_avatar_comes_along_when_it_is_appended_or_linked(shot, part, tmp_path, link):
    content = (shot / "hero.perse").read_bytes()
    bpy.ops.perse.pack()
    bpy.ops.wm.save_mainfile()
    (shot / "hero.perse").unlink()
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    with bpy.data.libraries.load(str(shot / "shot.blend"), link=link) as (source, target):
        target.objects = list(source.objects)
    for thing in target.objects:
        bpy.context.collection.objects.link(thing)
    rig = next(thing for thing in target.objects if thing.type == "ARMATURE")
    assert part("avatars.avatars").avatar_path(rig).read_bytes() == content
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "other.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "other.blend"))
    rig = next(thing for thing in bpy.data.objects if thing.type == "ARMATURE")
    assert part("avatars.avatars").avatar_path(rig).read_bytes() == content
    bpy.context.view_layer.objects.active = rig
    assert bpy.ops.perse.unpack.poll() is not link


def test_packing_is_one_undo_step_and_shares_what_is_the_same(avatar, part, avatar_file):
    undo_of(lambda: bpy.ops.perse.pack("EXEC_DEFAULT", True))
    assert "perse_packed" not in the_rig()
    bpy.context.view_layer.objects.active = the_rig()
    bpy.ops.perse.pack()
    first = the_rig()
    second = import_avatar(avatar_file)
    bpy.ops.perse.pack()
    assert first["perse_packed"] == second["perse_packed"]
    bpy.ops.perse.relink(filepath=str(avatar_file))
    assert part("avatars.avatars").avatar_path(second) == avatar_file
    assert part("avatars.avatars").avatar_path(first) != avatar_file


def test_what_is_missing_is_reported_with_every_place(avatar, part, library, tmp_path):
    assert part("avatars.missing").missing_avatars() == ()
    avatar["perse_path"], avatar["perse_last_seen"] = "/nowhere/hero.perse", "/before/hero.perse"
    (gone,) = part("avatars.missing").missing_avatars()
    assert gone.name == avatar.name
    assert gone.places == (Path("/nowhere/hero.perse"), Path("/before/hero.perse"), library / "hero.perse")
    assert bpy.ops.perse.report_missing() == {"FINISHED"}


def test_the_command_line_lists_missing_files(shot, part, capfd):
    blend = str(shot / "shot.blend")
    run = part("commands.commands").run
    assert run(["missing", blend]) == 0
    (shot / "hero.perse").unlink()
    capfd.readouterr()
    assert run(["missing", blend]) == 1
    said = capfd.readouterr().out
    assert str(shot / "hero.perse") in said
    assert run(["missing", str(shot / "none.blend")]) == 1


def test_a_duplicate_is_an_avatar_of_its_own(scene, avatar, part, render):
    avatar["attr_hair_red"] = 0.5
    avatar.keyframe_insert('["attr_hair_red"]', frame=1)
    proxy = avatar.children[0]
    proxy.hide_set(True)
    proxy.hide_select = True
    alone = combined(render())
    assert bpy.ops.perse.duplicate(aside=(0.2, 0, 0)) == {"FINISHED"}
    copy = bpy.context.object
    assert copy != avatar
    assert copy.location[0] == pytest.approx(avatar.location[0] + 0.2)
    (twin,) = copy.children
    assert part("avatars.avatars").rig_of(twin) == copy
    assert (twin.hide_get(), twin.hide_select, proxy.hide_get(), proxy.hide_select) == (True,) * 4
    assert twin.data != proxy.data
    assert copy.data != avatar.data
    assert "perse_duplicating" not in copy
    assert "perse_duplicating" not in avatar
    keys = {variable.targets[0].id for d in copy.animation_data.drivers for variable in d.driver.variables}
    assert keys == {twin.data.shape_keys, copy}
    copy["expr_jawopen"] = 1.0
    copy.update_tag()
    bpy.context.view_layer.update()
    assert twin.data.shape_keys.key_blocks["jawOpen"].value == 1.0
    assert proxy.data.shape_keys.key_blocks["jawOpen"].value == 0.0
    copy["expr_jawopen"] = 0.0
    both = combined(render())
    left, right = both[:, :36], both[:, 60:]
    assert np.abs(left - alone[:, :36]).max() < 1e-5  # the first one is as it was
    assert np.abs(right - alone[:, 60:]).max() > 0.1


def test_duplicating_follows_blenders_preferences_for_actions_and_is_one_undo_step(avatar):
    avatar.keyframe_insert('["attr_hair_red"]', frame=1)
    preferences = bpy.context.preferences.edit
    preferences.use_duplicate_action, preferences.use_duplicate_mesh = False, False
    try:
        bpy.ops.perse.duplicate()
        copy = bpy.context.object
        assert copy.animation_data.action == avatar.animation_data.action
        assert copy.children[0].data != avatar.children[0].data
        assert not preferences.use_duplicate_mesh
    finally:
        preferences.use_duplicate_action, preferences.use_duplicate_mesh = True, True
    count = len(bpy.data.objects)
    undo_of(lambda: bpy.ops.perse.duplicate("EXEC_DEFAULT", True))
    assert len(bpy.data.objects) == count


def test_an_avatar_becomes_an_asset_with_its_picture(avatar):
    assert bpy.ops.perse.mark_asset() == {"FINISHED"}
    (collection,) = [c for c in bpy.data.collections if c.asset_data]
    assert set(collection.objects) == {avatar, *avatar.children}
    assert len(avatar.users_collection) == 1
    assert collection.preview.image_size[0] > 0


def test_the_photo_camera_shows_the_photo_where_it_is_at_hand(scene, part, tmp_path):
    photo = tmp_path / "me.png"
    image = bpy.data.images.new("me", 120, 90)
    image.filepath_raw, image.file_format = str(photo), "PNG"
    image.save()
    bpy.data.images.remove(image)
    make = Path(__file__).parent / "make_avatar.py"
    subprocess.run(
        [str(engine_python()), str(make), "avatar", str(tmp_path / "me.perse"), "Me", str(photo)], check=True
    )
    import_avatar(tmp_path / "me.perse")
    assert bpy.ops.perse.add_photo_camera() == {"FINISHED"}
    (background,) = scene.camera.data.background_images
    assert Path(bpy.path.abspath(background.image.filepath)) == photo
    assert scene.camera.data.show_background_images
    photo.write_bytes(b"something else")
    bpy.context.view_layer.objects.active = the_rig()
    bpy.ops.perse.add_photo_camera()
    assert not scene.camera.data.background_images


def test_packing_what_is_missing_says_so(avatar):
    avatar["perse_path"] = avatar["perse_last_seen"] = "/nowhere/x.perse"
    with raises_report("not at"):
        bpy.ops.perse.pack()
    assert "perse_packed" not in avatar
