"""Styles: worn by a click, mixed, starred, made, renamed and removed by the engine; sliders in step with the file."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import bpy
import numpy as np
import pytest
from conftest import engine_python, import_avatar, raises_report, run_engine

HERE = Path(__file__).parent
RESTYLE = """
import dataclasses, sys
from pathlib import Path
from perse_engine.avatars.file import load_avatar, save_avatar
from perse_engine.avatars.restyling import renamed_style, with_mixture, without_style
path, *changes = sys.argv[1:]
avatar = load_avatar(Path(path))
for change in changes:
    verb, slider, *rest = change.split(":")
    if verb == "mix":
        avatar = with_mixture(avatar, {slider: 0.5, rest[0]: 0.5}, rest[1])
    elif verb == "remove":
        avatar = without_style(avatar, slider)
    else:
        avatar = renamed_style(avatar, slider, rest[0])
save_avatar(avatar, Path(path))
"""


def restyle(path: Path, *changes: str) -> None:
    """Change the styles in an avatar file: mix:A:B:NAME, remove:A, rename:A:NAME."""
    subprocess.run([str(engine_python()), "-c", RESTYLE, str(path), *changes], check=True, timeout=120)


@pytest.fixture
def own(scene, avatar_file, tmp_path):
    """An avatar whose file may be changed."""
    path = tmp_path / "own.perse"
    shutil.copy(avatar_file, path)
    return import_avatar(path)


def file_of(rig: bpy.types.Object) -> Path:
    return Path(rig["perse_last_seen"])


def again() -> bpy.types.Object:
    """The avatar after an undo, which makes new objects, active."""
    (rig,) = [thing for thing in bpy.data.objects if thing.type == "ARMATURE"]
    bpy.context.view_layer.objects.active = rig
    return rig


def key_count(rig: bpy.types.Object, part, name: str) -> int:
    return sum(len(c.keyframe_points) for c in part("compat").fcurves(rig) if c.data_path == f'["{name}"]')


def test_wearing_a_style_takes_off_its_siblings_only(avatar):
    avatar["attr_face_wide"], avatar["attr_hat_cap"] = 0.5, 0.25
    assert bpy.ops.perse.wear(slider="attr_face_long") == {"FINISHED"}
    assert (avatar["attr_face_long"], avatar["attr_face_wide"], avatar["attr_hat_cap"]) == (1.0, 0.0, 0.25)
    bpy.ops.perse.wear(group="Face shape")
    assert (avatar["attr_face_long"], avatar["attr_hat_cap"]) == (0.0, 0.25)
    with raises_report("no style attr_face_round"):
        bpy.ops.perse.wear(slider="attr_face_round")


def test_pictures_choose_what_is_worn_in_one_undo_step(avatar, part):
    pictures = bpy.context.window_manager.perse_worn
    bpy.ops.ed.undo_push(message="before")
    assert pictures.slot_0 == "AS_PHOTOGRAPHED"
    pictures.slot_0 = "attr_face_long"
    assert avatar["attr_face_long"] == 1.0
    assert pictures.slot_0 == "attr_face_long"
    bpy.ops.ed.undo()
    rig = again()
    assert rig["attr_face_long"] == 0.0
    rig["attr_face_wide"] = 0.3
    assert pictures.slot_0 == "attr_face_wide"
    pictures.slot_0 = "AS_PHOTOGRAPHED"
    assert rig["attr_face_wide"] == 0.0


def test_only_auto_keying_keys_and_only_what_is_animated(scene, avatar, part):
    avatar.keyframe_insert('["attr_face_wide"]', frame=1)
    scene.frame_set(10)
    bpy.ops.perse.wear(slider="attr_face_wide")
    assert key_count(avatar, part, "attr_face_wide") == 1
    scene.tool_settings.use_keyframe_insert_auto = True
    bpy.ops.perse.wear(slider="attr_face_wide")
    assert key_count(avatar, part, "attr_face_wide") == 2
    assert key_count(avatar, part, "attr_face_long") == 0


def test_driven_sliders_are_left_alone(avatar):
    avatar["attr_face_long"] = 0.5
    avatar.driver_add('["attr_face_long"]').driver.expression = "0.5"
    bpy.ops.perse.wear(slider="attr_face_wide")
    assert (avatar["attr_face_wide"], avatar["attr_face_long"]) == (1.0, pytest.approx(0.5))


def test_two_styles_are_mixed_by_one_factor(avatar):
    avatar["attr_hair_red"] = 0.5
    bpy.ops.perse.mix_styles(group="Face shape", first="attr_face_wide", second="attr_face_long", factor=0.25)
    assert (avatar["attr_face_wide"], avatar["attr_face_long"]) == (0.75, 0.25)
    assert avatar["attr_hair_red"] == 0.5
    bpy.ops.ed.undo_push(message="before")
    bpy.ops.perse.mix_styles(
        "EXEC_DEFAULT", True, group="Face shape", first="attr_face_wide", second="attr_face_wide", factor=0.9
    )
    assert (avatar["attr_face_wide"], avatar["attr_face_long"]) == (1.0, 0.0)
    bpy.ops.ed.undo()
    assert again()["attr_face_wide"] == 0.75


def test_favourites_travel_with_the_avatar(avatar, part, tmp_path):
    favourites = part("avatars.styling").favourites
    assert favourites(avatar).sliders == ()
    bpy.ops.perse.favourite(slider="attr_hair_red")
    bpy.ops.perse.favourite(slider="attr_face_wide")
    assert [name for name, _ in favourites(avatar).sliders] == ["attr_face_wide", "attr_hair_red"]
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "a.blend"))
    rig = again()
    assert dict(favourites(rig).sliders)["attr_hair_red"] == "Red"
    bpy.ops.perse.favourite(slider="attr_hair_red")
    assert [name for name, _ in favourites(rig).sliders] == ["attr_face_wide"]
    rig["perse_favourites"] = "rubbish"
    assert favourites(rig).sliders == ()


def test_sync_adds_what_is_new_and_keeps_what_people_did(scene, own, part):
    own["attr_face_wide"], own["expr_jawopen"] = 0.5, 0.25
    own.keyframe_insert('["attr_hair_red"]', frame=1)
    proxy = own.children[0]
    mine = bpy.data.materials.new("Mine")
    proxy.data.materials[0] = mine
    assert not part("avatars.avatars").has_changed(own)
    restyle(file_of(own), "mix:attr_face_wide:attr_face_long:Both ways")
    assert part("avatars.avatars").has_changed(own)
    assert bpy.ops.perse.sync_sliders() == {"FINISHED"}
    assert not part("avatars.avatars").has_changed(own)
    assert (own["attr_face_wide"], own["expr_jawopen"], own["attr_face_both_ways"]) == (0.5, 0.25, 0.0)
    limits = own.id_properties_ui("attr_face_both_ways").as_dict()
    assert (limits["min"], limits["max"]) == (0.0, 1.0)
    assert "Both ways" in limits["description"]
    face = next(g for g in part("avatars.sliders").groups(own) if g.label == "Face shape")
    assert [label for _, label in face.sliders] == ["Wide", "Long", "Both ways"]
    assert key_count(own, part, "attr_hair_red") == 1
    assert proxy.data.materials[0] == mine
    own["attr_face_wide"], own["attr_face_both_ways"], own["expr_jawopen"] = 0.0, 1.0, 1.0
    own.update_tag()
    bpy.context.view_layer.update()
    keys = proxy.data.shape_keys.key_blocks
    assert keys["attr_face_both_ways"].value == 1.0
    assert keys["jawOpen"].value == 1.0
    drivers = [d.data_path for d in own.animation_data.drivers]
    assert len(drivers) == len(set(zip(drivers, [d.array_index for d in own.animation_data.drivers])))
    read = {t.id for d in own.animation_data.drivers for v in d.driver.variables for t in v.targets}
    assert read == {proxy.data.shape_keys, own}


def test_shapes_released_for_capture_stay_released_and_keep_their_animation(scene, own):
    bpy.ops.perse.release()
    shape = own.children[0].data.shape_keys
    shape.key_blocks["jawOpen"].value = 0.7
    shape.key_blocks["jawOpen"].keyframe_insert("value", frame=1)
    restyle(file_of(own), "mix:attr_face_wide:attr_face_long:Both ways")
    bpy.ops.perse.sync_sliders()
    shape = own.children[0].data.shape_keys
    scene.frame_set(1)
    assert shape.evaluated_get(bpy.context.evaluated_depsgraph_get()).key_blocks["jawOpen"].value == pytest.approx(0.7)
    own["expr_jawopen"] = 0.2
    own.update_tag()
    assert shape.evaluated_get(bpy.context.evaluated_depsgraph_get()).key_blocks["jawOpen"].value == pytest.approx(0.7)


def test_the_synced_proxy_is_the_one_that_an_import_would_make(scene, own):
    restyle(file_of(own), "mix:attr_face_wide:attr_face_long:Both ways", "remove:attr_hat_cap")
    bpy.ops.perse.sync_sliders()
    fresh = import_avatar(file_of(own))
    one, other = own.children[0], fresh.children[0]
    assert [m.name for m in one.modifiers] == [m.name for m in other.modifiers]
    assert [key.name for key in one.data.shape_keys.key_blocks] == [k.name for k in other.data.shape_keys.key_blocks]
    for rig in (own, fresh):
        rig["attr_face_both_ways"] = 1.0
        rig["attr_face_wide"] = 0.5
        rig.pose.bones["jaw"].rotation_euler[0] = 0.2
        rig.update_tag()
    bpy.context.view_layer.update()
    depsgraph = bpy.context.evaluated_depsgraph_get()
    shapes = []
    for thing in (one, other):
        mesh = thing.evaluated_get(depsgraph).data
        points = np.empty(3 * len(mesh.vertices), np.float32)
        mesh.vertices.foreach_get("co", points)
        shapes.append(points)
    assert np.abs(shapes[0] - shapes[1]).max() < 1e-6


def test_sync_never_deletes_what_is_animated_driven_or_read(scene, own, part):
    own.keyframe_insert('["attr_hair_red"]', frame=1)
    reader = bpy.data.objects.new("reader", None)
    variable = reader.driver_add("location", 0).driver.variables.new()
    variable.targets[0].id, variable.targets[0].data_path = own, '["attr_face_wide"]'
    restyle(file_of(own), "remove:attr_hair_red", "remove:attr_face_wide", "remove:attr_hat_cap")
    bpy.ops.perse.sync_sliders()
    assert "attr_hat_cap" not in own  # nobody has used it
    assert part("avatars.syncing").gone_sliders(own) == {"attr_face_wide": "Wide", "attr_hair_red": "Red"}
    assert "Gone" in own.id_properties_ui("attr_hair_red").as_dict()["description"]
    assert key_count(own, part, "attr_hair_red") == 1
    assert "attr_hair_red" not in part("avatars.sliders").names(own)  # the engine is not asked for it
    bpy.ops.perse.sync_sliders()
    assert set(part("avatars.syncing").gone_sliders(own)) == {"attr_face_wide", "attr_hair_red"}
    assert bpy.ops.perse.delete_gone(slider="attr_hair_red") == {"FINISHED"}
    assert "attr_hair_red" not in own
    assert key_count(own, part, "attr_hair_red") == 0


def test_sync_is_one_undo_step(scene, own, part):
    restyle(file_of(own), "mix:attr_face_wide:attr_face_long:Both ways")
    bpy.ops.ed.undo_push(message="before")
    bpy.ops.perse.sync_sliders("EXEC_DEFAULT", True)
    assert "attr_face_both_ways" in own
    bpy.ops.ed.undo()
    rig = again()
    assert "attr_face_both_ways" not in rig
    assert "attr_face_both_ways" not in rig.children[0].data.shape_keys.key_blocks
    assert part("avatars.avatars").has_changed(rig)


def test_a_mesh_that_is_being_edited_is_synced_later(scene, own, part):
    restyle(file_of(own), "mix:attr_face_wide:attr_face_long:Both ways")
    proxy = own.children[0]
    proxy.hide_select = False
    bpy.context.view_layer.objects.active = proxy
    bpy.ops.object.mode_set(mode="EDIT")
    assert bpy.ops.perse.sync_sliders() == {"FINISHED"}
    assert proxy.mode == "EDIT"
    assert "attr_face_both_ways" not in own
    assert part("avatars.avatars").has_changed(own)
    bpy.ops.object.mode_set(mode="OBJECT")
    bpy.ops.perse.sync_sliders()
    assert own["attr_face_both_ways"] == 0.0
    assert "attr_face_both_ways" in proxy.data.shape_keys.key_blocks


def test_a_synced_avatar_renders(scene, own, render):
    from exr import combined

    restyle(file_of(own), "mix:attr_face_wide:attr_face_long:Both ways", "remove:attr_hat_cap")
    with pytest.raises(RuntimeError):
        render()  # the engine knows the slider no more
    bpy.ops.perse.sync_sliders()
    plain = combined(render())
    own["attr_face_both_ways"] = 1.0
    assert np.abs(combined(render()) - plain).max() > 0.05


def until(done: Callable[[], bool], seconds: float = 90.0) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.05)


@pytest.fixture
def jobs(part, tmp_path, monkeypatch):
    """The jobs, with a list of their own."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "data"))
    module = part("building.jobs")
    yield module
    for job in module.jobs():
        module.cancel(job)
    until(lambda: not module.watch())


@pytest.fixture(scope="module")
def person_file(tmp_path_factory):
    """An avatar that the engine can give more styles."""
    path = tmp_path_factory.mktemp("person") / "person.perse"
    run_engine(HERE / "make_avatar.py", "person", path)
    return path


@pytest.fixture
def person(scene, person_file, tmp_path):
    """Its armature; the file may be changed."""
    shutil.copy(person_file, tmp_path / "person.perse")
    return import_avatar(tmp_path / "person.perse")


def finish(jobs, part) -> object:
    """Wait for the newest job, and let avatars take on what it has changed."""
    job = jobs.jobs()[-1]
    until(lambda: jobs.progress(job).state != "running")
    part("building.following").settle()
    return job


@pytest.mark.slow
def test_words_become_a_slider_while_blender_stays_free(person, part, jobs):
    with raises_report("no words"):
        bpy.ops.perse.add_style_words(category="glasses")
    assert bpy.ops.perse.add_style_words(category="glasses", words="round glasses", label="Specs") == {"FINISHED"}
    (job,) = jobs.jobs()
    with raises_report("being changed already"):
        bpy.ops.perse.remove_style(slider="attr_face_wide")
    fractions = []

    def done() -> bool:
        progress = jobs.progress(job)
        fractions.append(progress.fraction)
        return progress.state != "running"

    until(done, 500.0)
    assert jobs.progress(job).state == "done", jobs.progress(job).error
    assert fractions == sorted(fractions)
    assert len({round(f, 2) for f in fractions}) > 3
    part("building.following").settle()
    assert person["attr_glasses_specs"] == 0.0
    assert any(g.label == "Glasses" for g in part("avatars.sliders").groups(person))
    bpy.ops.perse.delete_job(job=job.id)
    assert not job.work.exists()
    assert file_of(person).exists()


def test_a_wish_that_cannot_be_granted_fails_with_advice(scene, own, part, jobs, tmp_path):
    image = bpy.data.images.new("wall", 200, 200)
    image.filepath_raw, image.file_format = str(tmp_path / "wall.png"), "PNG"
    image.save()
    before = file_of(own).read_bytes()
    assert bpy.ops.perse.add_style_image(filepath=str(tmp_path / "wall.png"), category="nose") == {"FINISHED"}
    job = finish(jobs, part)
    progress = jobs.progress(job)
    assert progress.state == "failed"
    assert "face" in progress.error
    assert ";" in progress.error
    assert file_of(own).read_bytes() == before
    assert bpy.ops.perse.resume_job(job=job.id) == {"FINISHED"}
    assert jobs.progress(finish(jobs, part)).state == "failed"
    with raises_report("no picture at"):
        bpy.ops.perse.add_style_image(filepath=str(tmp_path / "none.png"), category="nose")


def test_a_style_is_renamed_with_its_keyframes_and_another_is_removed(scene, own, part, jobs):
    own["attr_hair_red"] = 0.75
    own.keyframe_insert('["attr_hair_red"]', frame=1)
    assert bpy.ops.perse.rename_style(slider="attr_hair_red", label="Ginger") == {"FINISHED"}
    job = finish(jobs, part)
    assert jobs.progress(job).state == "done", jobs.progress(job).error
    assert own["attr_hair_ginger"] == 0.75
    assert "attr_hair_red" not in own
    assert key_count(own, part, "attr_hair_ginger") == 1
    assert part("avatars.syncing").gone_sliders(own) == {}
    assert bpy.ops.perse.remove_style(slider="attr_hat_cap") == {"FINISHED"}
    finish(jobs, part)
    assert "attr_hat_cap" not in own
    assert all(g.label != "Hat" for g in part("avatars.sliders").groups(own))


def test_a_style_job_is_cancelled_and_the_file_stays(scene, own, part, jobs, tmp_path):
    before = file_of(own).read_bytes()
    save = "import sys, PIL.Image, skimage.data as d; PIL.Image.fromarray(d.astronaut()).save(sys.argv[1])"
    photo = tmp_path / "astronaut.png"
    subprocess.run([str(engine_python()), "-c", save, str(photo)], check=True, timeout=120)
    bpy.ops.perse.add_style_image(filepath=str(photo), category="nose", label="Hers")
    (job,) = jobs.jobs()
    until(lambda: jobs.progress(job).stage == "portrait")
    assert bpy.ops.perse.cancel_job(job=job.id) == {"FINISHED"}
    until(lambda: not jobs.watch(), 10.0)
    assert jobs.progress(job).state == "cancelled"
    part("building.following").settle()
    assert file_of(own).read_bytes() == before
    assert json.loads(jobs._list().read_text())[0]["kind"] == "add-style"


def test_a_packed_file_is_not_changed(scene, own):
    bpy.ops.perse.pack()
    assert not bpy.ops.perse.add_style_words.poll()
    assert not bpy.ops.perse.rename_style.poll()
