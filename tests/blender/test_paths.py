"""The avatar's file is found wherever the .blend goes."""

from __future__ import annotations

import shutil
from pathlib import Path

import bpy
import pytest
from conftest import import_avatar
from exr import combined


@pytest.fixture
def project(scene, avatar_file, tmp_path):
    """A folder with an avatar and a saved .blend that uses it."""
    folder = tmp_path / "project"
    folder.mkdir()
    shutil.copy(avatar_file, folder / "hero.perse")
    avatar = import_avatar(folder / "hero.perse")
    assert avatar["perse_path"] == str(folder / "hero.perse")
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "shot.blend"))
    return folder


def rig() -> bpy.types.Object:
    (found,) = [thing for thing in bpy.data.objects if thing.type == "ARMATURE" and thing.library is None]
    return found


def resolved(part) -> Path:
    return part("avatars.avatars").avatar_path(rig())


def test_saving_makes_the_path_relative(project, part):
    assert rig()["perse_path"] == "//hero.perse"
    bpy.ops.wm.open_mainfile(filepath=str(project / "shot.blend"))
    assert resolved(part) == project / "hero.perse"


def test_a_folder_that_moves_takes_its_avatar_along(project, part, tmp_path):
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    moved = project.rename(tmp_path / "moved")
    bpy.ops.wm.open_mainfile(filepath=str(moved / "shot.blend"))
    assert resolved(part) == moved / "hero.perse"


def test_save_as_elsewhere_still_finds_it(project, part, tmp_path):
    (tmp_path / "other").mkdir()
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "other" / "b.blend"))
    assert rig()["perse_path"] == "//../project/hero.perse"
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "other" / "b.blend"))
    assert resolved(part).samefile(project / "hero.perse")


def test_save_copy_changes_the_copy_only(project, part, tmp_path):
    (tmp_path / "copies").mkdir()
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "copies" / "c.blend"), copy=True)
    assert rig()["perse_path"] == "//hero.perse"
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "copies" / "c.blend"))
    assert rig()["perse_path"] == "//../project/hero.perse"


def load_into_new_file(project, folder: Path, link: bool) -> bpy.types.Object:
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    folder.mkdir()
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "new.blend"))
    with bpy.data.libraries.load(str(project / "shot.blend"), link=link) as (source, target):
        target.objects = list(source.objects)
    loaded = next(thing for thing in target.objects if thing.type == "ARMATURE")
    for thing in target.objects:
        bpy.context.collection.objects.link(thing)
    return loaded


def test_appended_avatars_find_their_file(project, part, tmp_path):
    loaded = load_into_new_file(project, tmp_path / "appended", link=False)
    assert part("avatars.avatars").avatar_path(loaded).samefile(project / "hero.perse")
    loaded["expr_jawopen"] = 1.0
    loaded.update_tag()
    bpy.context.view_layer.update()
    assert loaded.children[0].data.shape_keys.key_blocks["jawOpen"].value == 1.0
    bpy.ops.wm.save_mainfile()
    assert loaded["perse_path"] == "//../project/hero.perse"


def test_linked_avatars_find_their_file_and_overrides_animate_them(project, part, render, tmp_path):
    loaded = load_into_new_file(project, tmp_path / "linked", link=True)
    assert part("avatars.avatars").avatar_path(loaded).samefile(project / "hero.perse")
    override = loaded.override_hierarchy_create(bpy.context.scene, bpy.context.view_layer, do_fully_editable=True)
    assert part("avatars.avatars").avatar_path(override).samefile(project / "hero.perse")
    override["attr_hair_red"] = 0.75
    name = override.name
    bpy.ops.wm.save_mainfile()
    bpy.ops.wm.open_mainfile(filepath=bpy.data.filepath)
    again = next(thing for thing in bpy.data.objects if thing.name == name and thing.override_library)
    assert again["attr_hair_red"] == 0.75
    assert part("avatars.avatars").avatar_path(again).samefile(project / "hero.perse")


def test_a_reloaded_file_renders_the_same(project, scene, render):
    before = combined(render())
    bpy.ops.wm.save_mainfile()
    bpy.ops.wm.open_mainfile(filepath=str(project / "shot.blend"))
    assert abs(combined(render()) - before).max() < 1e-6
