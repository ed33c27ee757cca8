"""A shot that is collected for a farm is whole, and opens anywhere."""

from __future__ import annotations

import shutil
from pathlib import Path

import bpy
import numpy as np
import pytest
from conftest import import_avatar
from exr import combined
from farm_process import blender_process, command_line


def collected(folder: Path, part) -> Path:
    """Collect the open shot into `folder` by the command that people use; the shot there."""
    bpy.ops.wm.save_mainfile()
    assert part("commands.commands").run(["collect", bpy.data.filepath, "-o", str(folder)]) == 0
    (blend,) = [path for path in folder.rglob("*.blend") if path.name == Path(bpy.data.filepath).name]
    return blend


def test_the_folder_renders_where_nothing_else_is(saved_shot, part, tmp_path):
    home, away = saved_shot.parent / "home", tmp_path / "away"
    assert part("commands.commands").run(["render", str(saved_shot), "-f", "4", "-o", str(home / "####")]) == 0
    collected(tmp_path / "farm", part).parent.rename(away)
    shutil.move(saved_shot.parent / "hero.perse", tmp_path / "hidden.perse")
    assert {path.name for path in away.iterdir()} == {"README.txt", "hero.perse", "perse_preflight.py", "shot.blend"}
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    done = blender_process(
        command_line("render", away / "shot.blend", "-f", 4, "-o", "//frames/####"), away / "shot.blend"
    )
    assert done.returncode == 0, done.stderr
    assert np.array_equal(combined(away / "frames" / "0004.exr"), combined(home / "0004.exr"))


def test_the_open_file_stays_as_it_is(saved_shot, part, tmp_path):
    avatar = next(thing for thing in bpy.data.objects if thing.type == "ARMATURE")
    assert bpy.ops.perse.collect(directory=str(tmp_path / "farm")) == {"FINISHED"}
    assert bpy.data.filepath == str(saved_shot)
    assert avatar["perse_path"] == "//hero.perse"
    assert avatar["perse_last_seen"] == str(saved_shot.parent / "hero.perse")


def test_the_readme_says_the_command(saved_shot, part, tmp_path):
    collected(tmp_path / "farm", part)
    text = (tmp_path / "farm" / "README.txt").read_text()
    assert 'blender -b "shot.blend" --python-exit-code 1 -P perse_preflight.py -E PERSE -a' in text


@pytest.fixture
def linking_shot(saved_shot, tmp_path) -> Path:
    """A shot in another folder that links the avatar of `saved_shot`, and has one of its own from elsewhere."""
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    (tmp_path / "shots" / "010").mkdir(parents=True)
    (tmp_path / "avatars").mkdir()
    shutil.copy(saved_shot.parent / "hero.perse", tmp_path / "avatars" / "friend.perse")
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shots" / "010" / "link.blend"))
    with bpy.data.libraries.load(str(saved_shot), link=True, relative=True) as (source, target):
        target.objects = list(source.objects)
    for thing in target.objects:
        bpy.context.collection.objects.link(thing)
    bpy.context.scene.camera = next(thing for thing in target.objects if thing.type == "CAMERA")
    import_avatar(tmp_path / "avatars" / "friend.perse")
    bpy.ops.wm.save_mainfile()
    return Path(bpy.data.filepath)


def test_libraries_and_their_avatars_come_along(linking_shot, part, tmp_path):
    blend = collected(tmp_path / "farm", part)
    assert blend == tmp_path / "farm" / "shots" / "010" / "link.blend"
    assert (tmp_path / "farm" / "shot" / "shot.blend").is_file()
    for name in ("shot", "shots", "avatars"):
        (tmp_path / name).rename(tmp_path / f"{name}.gone")
    code = "import importlib, bpy; find = importlib.import_module('bl_ext.user_default.perse.avatars.avatars'); "
    code += "print('FOUND', *sorted(str(find.avatar_path(rig)) for rig in find.rigs()))"
    done = blender_process(code, blend)
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("FOUND")]
    assert line.split()[1:] == [str(blend.parent / name) for name in ("friend.perse", "hero.perse")]


def test_everything_that_is_missing_is_told_at_once(linking_shot, part, tmp_path, capfd):
    (tmp_path / "shot" / "hero.perse").unlink()
    (tmp_path / "avatars" / "friend.perse").unlink()
    assert part("commands.commands").run(["collect", str(linking_shot), "-o", str(tmp_path / "farm")]) == 1
    said = capfd.readouterr().err
    assert "perse: missing-files" in said
    assert "hero.perse" in said
    assert "friend.perse" in said
    assert not (tmp_path / "farm").exists()


def test_avatars_of_one_name_are_refused(linking_shot, part, tmp_path, capfd):
    own = next(thing for thing in bpy.data.objects if thing.type == "ARMATURE" and thing.library is None)
    other = tmp_path / "avatars" / "hero.perse"
    (tmp_path / "avatars" / "friend.perse").rename(other)
    own["perse_path"] = own["perse_last_seen"] = str(other)
    bpy.ops.wm.save_mainfile()
    assert part("commands.commands").run(["collect", str(linking_shot), "-o", str(tmp_path / "farm")]) == 1
    assert "same-name" in capfd.readouterr().err


def test_a_folder_with_something_in_it_is_left_alone(saved_shot, part, tmp_path, capfd):
    (tmp_path / "farm").mkdir()
    (tmp_path / "farm" / "mine.txt").write_text("mine")
    assert part("commands.commands").run(["collect", str(saved_shot), "-o", str(tmp_path / "farm")]) == 1
    assert "not-empty" in capfd.readouterr().err
    assert [path.name for path in (tmp_path / "farm").iterdir()] == ["mine.txt"]


def test_a_collected_shot_that_is_not_whole_is_no_success(saved_shot, part, tmp_path):
    collecting = part("commands.collecting")
    found = collecting.collect(tmp_path / "farm")
    (found.folder / "hero.perse").unlink()
    with collecting.start_check(found) as check, pytest.raises(collecting.EngineFailure, match="not whole") as raised:
        check.finish()
    assert raised.value.code == "not-collected"
    assert "missing-avatar" in raised.value.message
