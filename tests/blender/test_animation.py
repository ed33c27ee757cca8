"""Everything that Blender animates with moves the avatar: tests look at rendered pictures, or at what is sent."""

from __future__ import annotations

import math
from pathlib import Path

import bpy
import numpy as np
import pytest
from bpy_extras.object_utils import world_to_camera_view
from exr import combined
from seen import shown


def redness(picture: np.ndarray) -> float:
    crown = picture[10:35]
    return float((crown[..., 0] - crown[..., 2])[crown[..., 3] > 0.9].mean())


def outline(picture: np.ndarray) -> np.ndarray:
    """Left, right, bottom and top of what is drawn, 0 to 1."""
    rows, columns = np.nonzero(picture[..., 3] > 0.5)
    height, width = picture.shape[:2]
    return np.array(
        [columns.min() / width, (columns.max() + 1) / width, 1 - (rows.max() + 1) / height, 1 - rows.min() / height]
    )


def proxy_outline(proxy: bpy.types.Object) -> np.ndarray:
    """The same of the mesh that stands for the avatar."""
    evaluated = proxy.evaluated_get(bpy.context.evaluated_depsgraph_get())
    matrix, scene = evaluated.matrix_world, bpy.context.scene
    points = [world_to_camera_view(scene, scene.camera, matrix @ vertex.co) for vertex in evaluated.data.vertices]
    xy = np.clip(np.array(points)[:, :2], 0, 1)
    return np.array([xy[:, 0].min(), xy[:, 0].max(), xy[:, 1].min(), xy[:, 1].max()])


def frames_of(folder: Path) -> list[np.ndarray]:
    return [combined(file) for file in sorted(folder.iterdir())]


def key(owner, path: str, values: dict[int, float], index: int = -1) -> None:
    for frame, value in values.items():
        if path.startswith("["):
            owner[path[2:-2]] = value
        elif index >= 0:
            getattr(owner, path)[index] = value
        else:
            setattr(owner, path, value)
        owner.keyframe_insert(path, index=index, frame=frame)


def new_empty(name: str = "Empty") -> bpy.types.Object:
    empty = bpy.data.objects.new(name, None)
    bpy.context.scene.collection.objects.link(empty)
    return empty


def test_the_place_of_another_object_drives_a_slider(scene, avatar, render):
    avatar["attr_hair_red"] = 1.0
    avatar.update_tag()
    red = redness(combined(render()))
    handle = new_empty()
    key(handle, "location", {1: 0.0, 3: 2.0}, index=0)
    driver = avatar.driver_add('["attr_hair_red"]').driver
    driver.type = "SUM"
    variable = driver.variables.new()
    variable.type = "TRANSFORMS"
    variable.targets[0].id = handle
    variable.targets[0].transform_type = "LOC_X"
    scene.frame_start, scene.frame_end, scene.frame_step = 1, 3, 2
    first, last = map(redness, frames_of(render(animation=True)))
    assert first < red - 0.04
    assert last == pytest.approx(red, abs=1e-3)  # 2 is beyond the slider's range, whose end is 1


def test_strips_of_the_nla_add_up(scene, avatar, render, part):
    bone = avatar.pose.bones["neck"]
    key(avatar, '["attr_hair_red"]', {1: 0.0, 3: 0.4})
    key(bone, "rotation_euler", {1: 0.0, 3: 0.3}, index=1)
    animation = avatar.animation_data
    turn = animation.action
    base = animation.nla_tracks.new()
    base.strips.new("Turn", 1, turn)
    extra = animation.nla_tracks.new()
    strip = extra.strips.new("Again", 1, turn)
    strip.blend_type = "ADD"
    animation.action = None
    scene.frame_set(3)
    assert shown(part).sliders["attr_hair_red"] == pytest.approx(0.8, abs=1e-3)
    both = combined(render())
    animation.nla_tracks.remove(extra)
    animation.nla_tracks.remove(base)
    avatar["attr_hair_red"] = 0.8
    bone.rotation_euler.y = 0.6
    avatar.update_tag()
    assert np.abs(both - combined(render())).max() < 2e-3


def test_constraints_on_control_bones_count(scene, avatar, render):
    bone = avatar.pose.bones["neck"]
    bone.rotation_euler.y = 0.5
    posed = combined(render())
    bone.rotation_euler.y = 0.0
    handle = new_empty()
    handle.rotation_euler.z = 0.5
    copy = bone.constraints.new("COPY_ROTATION")
    copy.target, copy.mix_mode = handle, "BEFORE"
    key(copy, "influence", {1: 0.0, 2: 1.0})
    scene.frame_start, scene.frame_end = 1, 2
    still, turned = frames_of(render(animation=True))
    assert np.abs(turned - posed).max() < 2e-3
    assert np.abs(still - posed).max() > 0.2


def test_a_head_that_is_a_child_of_something_goes_along(scene, avatar, render):
    scene.camera.data.lens = 40
    bone = avatar.pose.bones["root"]
    handle = new_empty()
    child = bone.constraints.new("CHILD_OF")
    child.target = handle
    key(handle, "location", {1: 0.0, 2: 0.06}, index=0)
    scene.frame_start, scene.frame_end = 1, 2
    first, second = frames_of(render(animation=True))
    for frame, picture in enumerate((first, second), 1):
        scene.frame_set(frame)
        assert np.abs(outline(picture) - proxy_outline(avatar.children[0])).max() < 0.035
    assert np.abs(outline(second) - outline(first)).max() > 0.05


def test_constraints_and_parents_of_the_armature_count(scene, avatar, render):
    parent, handle = new_empty("Parent"), new_empty("Handle")
    avatar.parent = parent
    parent.location.z = 0.02
    key(parent, "rotation_euler", {1: 0.0, 2: math.pi / 3}, index=2)
    handle.rotation_euler.y = 0.3
    tilt = avatar.constraints.new("COPY_ROTATION")
    tilt.target, tilt.mix_mode, tilt.use_x, tilt.use_z = handle, "AFTER", False, False
    scene.frame_start, scene.frame_end = 1, 2
    for frame, picture in enumerate(frames_of(render(animation=True)), 1):
        scene.frame_set(frame)
        assert np.abs(outline(picture) - proxy_outline(avatar.children[0])).max() < 0.035
    avatar.parent = None
    avatar.constraints.remove(tilt)
    from mathutils import Matrix

    avatar.matrix_world = (
        Matrix.Translation((0, 0, 0.02)) @ Matrix.Rotation(math.pi / 3, 4, "Z") @ Matrix.Rotation(0.3, 4, "Y")
    )
    bpy.context.view_layer.update()
    assert np.abs(picture - combined(render())).max() < 2e-3


def test_an_armature_that_is_stretched_stretches_its_avatar(scene, avatar, render):
    scene.camera.data.lens = 60
    parent = new_empty()
    avatar.parent = parent
    parent.rotation_euler.y = 0.4  # across the stretch, so that the head is sheared
    parent.scale = (1.0, 1.0, 1.3)
    avatar.rotation_euler.y = -0.3
    avatar.pose.bones["neck"].rotation_euler.y = 0.3
    bpy.context.view_layer.update()
    picture = combined(render())
    assert np.abs(outline(picture) - proxy_outline(avatar.children[0])).max() < 0.035


def test_control_bones_are_keyed(scene, avatar, render):
    for name, axis, turn in (("neck", 1, 0.5), ("jaw", 0, -0.3), ("eye.L", 2, 0.3)):
        key(avatar.pose.bones[name], "rotation_euler", {1: 0.0, 3: turn}, index=axis)
    scene.frame_start, scene.frame_end = 1, 3
    first, between, last = frames_of(render(animation=True))
    assert np.abs(first - last).max() > 0.3
    assert 0.1 < np.abs(first - between).sum() / np.abs(first - last).sum() < 0.9
    assert (first - last)[70:].any()


def test_between_frames_things_are_between(scene, avatar, render, part):
    for frame, value in ((1, 0.0), (2, 1.0)):
        avatar["attr_hair_red"] = avatar["expr_jawopen"] = value
        avatar.keyframe_insert('["attr_hair_red"]', frame=frame)
        avatar.keyframe_insert('["expr_jawopen"]', frame=frame)
    scene.frame_set(1, subframe=0.5)
    assert shown(part).sliders["expr_jawopen"] == pytest.approx(0.5, abs=1e-4)
    halfway = combined(render())
    avatar.animation_data.action = None
    avatar["attr_hair_red"] = avatar["expr_jawopen"] = 0.5
    avatar.update_tag()
    assert np.abs(halfway - combined(render())).max() < 1e-3


def test_a_pose_of_the_library_holds_face_and_bones(scene, avatar, render, part):
    rest = combined(render())
    avatar["expr_jawopen"], avatar["expr_mouthsmileleft"], avatar["attr_hair_red"] = 0.6, 0.9, 1.0
    avatar.pose.bones["neck"].rotation_euler.y = 0.4
    assert bpy.ops.perse.create_pose_asset(name="Grin") == {"FINISHED"}
    pose = bpy.data.actions["Grin"]
    assert pose.asset_data is not None
    bpy.ops.perse.reset(kind="attribute")
    avatar.update_tag()
    grin = combined(render())
    bpy.ops.perse.reset(kind="all")
    avatar.pose.bones["neck"].rotation_euler.y = 0.0
    avatar.update_tag()
    assert np.abs(combined(render()) - rest).max() < 1e-4

    avatar.pose.blend_pose_from_action(pose, blend_factor=0.5)
    assert avatar["expr_jawopen"] == pytest.approx(0.3)
    assert avatar.pose.bones["neck"].rotation_euler.y == pytest.approx(0.2)
    avatar.pose.apply_pose_from_action(pose)
    avatar.update_tag()
    assert avatar["attr_hair_red"] == 0.0
    assert np.abs(combined(render()) - grin).max() < 1e-4


def test_duplicates_have_sliders_of_their_own(scene, avatar, render, part):
    scene.camera.data.lens = 50
    for thing in (avatar, avatar.children[0]):
        thing.select_set(True)
    bpy.ops.object.duplicate()
    copy = next(thing for thing in bpy.data.objects if thing.type == "ARMATURE" and thing != avatar)
    avatar.location.x, copy.location.x = -0.12, 0.12
    key(copy, '["attr_hair_red"]', {1: 0.0, 2: 1.0})
    key(copy, '["expr_jawopen"]', {1: 0.0, 2: 1.0})
    scene.frame_start, scene.frame_end = 1, 2
    first, second = frames_of(render(animation=True))
    moved = np.abs(second - first).max(-1)
    assert moved[:, 60:].max() > 0.1
    assert moved[:, :36].max() < 1e-4


def test_instances_of_a_collection_move_with_their_avatar(scene, avatar, render):
    scene.camera.data.lens = 50
    collection = bpy.data.collections.new("Cast")
    for thing in (avatar, avatar.children[0]):
        collection.objects.link(thing)
        scene.collection.objects.unlink(thing)
    for x in (-0.12, 0.12):
        instancer = new_empty()
        instancer.instance_type, instancer.instance_collection = "COLLECTION", collection
        instancer.location.x = x
    key(avatar, '["attr_hair_red"]', {1: 0.0, 2: 1.0})
    key(avatar.pose.bones["neck"], "rotation_euler", {1: 0.0, 2: 0.5}, index=1)
    scene.frame_start, scene.frame_end = 1, 2
    first, second = frames_of(render(animation=True))
    left, right = np.abs(second - first)[:, :48], np.abs(second - first)[:, 48:]
    assert min(left.max(), right.max()) > 0.2
    assert min(left.sum(), right.sum()) > 100


@pytest.fixture
def library(scene, avatar, tmp_path) -> Path:
    """A .blend whose avatar reddens and turns from frame 1 to 2, in a collection."""
    collection = bpy.data.collections.new("Hero")
    scene.collection.children.link(collection)
    for thing in (avatar, avatar.children[0]):
        collection.objects.link(thing)
        scene.collection.objects.unlink(thing)
    key(avatar, '["attr_hair_red"]', {1: 0.0, 2: 1.0})
    key(avatar.pose.bones["neck"], "rotation_euler", {1: 0.0, 2: 0.5}, index=1)
    path = tmp_path / "library.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    return path


def bring(library: Path, link: bool) -> bpy.types.Collection:
    """The collection of `library` in the open scene, whose own avatar goes."""
    scene = bpy.context.scene
    bpy.ops.wm.save_as_mainfile(filepath=str(library.parent / "shot.blend"))
    bpy.data.batch_remove([thing for thing in bpy.data.objects if thing.type in ("ARMATURE", "MESH")])
    bpy.data.batch_remove([bpy.data.collections["Hero"], *bpy.data.actions, *bpy.data.meshes, *bpy.data.armatures])
    with bpy.data.libraries.load(str(library), link=link) as (_, target):
        target.collections = ["Hero"]
    (collection,) = target.collections
    scene.collection.children.link(collection)
    scene.frame_start, scene.frame_end = 1, 2
    return collection


@pytest.mark.parametrize("link", [True, False], ids=["linked", "appended"])
def test_avatars_of_another_file_are_animated(link, library, render):
    collection = bring(library, link)
    first, second = frames_of(render(animation=True))
    assert redness(second) > redness(first) + 0.04
    if link:  # an instance of the linked collection, as Link makes it
        bpy.context.scene.collection.children.unlink(collection)
        instancer = new_empty()
        instancer.instance_type, instancer.instance_collection = "COLLECTION", collection
        assert np.abs(frames_of(render(animation=True))[1] - second).max() < 1e-4


def test_overrides_are_animated_again_and_keep_it(library, render):
    collection = bring(library, link=True)
    bpy.context.view_layer.update()
    override = collection.override_hierarchy_create(bpy.context.scene, bpy.context.view_layer, do_fully_editable=True)
    rig = next(thing for thing in override.all_objects if thing.type == "ARMATURE")
    bpy.context.view_layer.objects.active = rig
    rig.animation_data.action = None
    key(rig, '["attr_hat_cap"]', {1: 0.0, 2: 1.0})
    key(rig, '["expr_jawopen"]', {1: 0.0, 2: 1.0})
    key(rig.pose.bones["neck"], "rotation_euler", {1: 0.0, 2: -0.5}, index=1)
    assert bpy.ops.perse.add_gaze_target() == {"FINISHED"}
    pictures = frames_of(render(animation=True))
    assert np.abs(pictures[1] - pictures[0])[..., 2].max() > 0.2  # the cap is blue
    target = next(thing.name for thing in bpy.data.objects if thing.name.endswith("gaze"))
    name = rig.name
    bpy.ops.wm.save_mainfile()
    bpy.ops.wm.open_mainfile(filepath=bpy.data.filepath)
    again = next(thing for thing in bpy.data.objects if thing.name == name and thing.override_library)
    assert again.pose.bones["MCH-eye.L"].constraints["Gaze"].target == bpy.data.objects[target]
    assert np.abs(np.array(frames_of(render(animation=True))) - pictures).max() < 1e-4


def test_key_all_keys_sliders_gaze_and_controls(scene, avatar, part):
    scene.frame_set(7)
    avatar["expr_jawopen"] = 0.4
    assert bpy.ops.perse.key() == {"FINISHED"}
    curves = {(curve.data_path, curve.array_index): curve for curve in part("compat").fcurves(avatar)}
    assert curves['["expr_jawopen"]', 0].evaluate(7) == pytest.approx(0.4)
    wanted = {f'["{name}"]' for name in (*part("avatars.sliders").names(avatar), "gaze_follow")}
    assert wanted <= {path for path, _ in curves}
    assert ('pose.bones["neck"].rotation_euler', 2) in curves
    assert ('pose.bones["root"].location', 0) in curves
    assert ('pose.bones["eye.L"].location', 0) not in curves  # locked


def test_key_group_keys_that_group_as_the_preferences_say(scene, avatar, part):
    edit = bpy.context.preferences.edit
    before = edit.keyframe_new_interpolation_type, edit.use_keyframe_insert_needed
    edit.keyframe_new_interpolation_type, edit.use_keyframe_insert_needed = "CONSTANT", True
    scene.tool_settings.keyframe_type = "BREAKDOWN"
    try:
        bpy.ops.perse.key(group="Hair")
        scene.frame_set(5)
        bpy.ops.perse.key(group="Hair")
    finally:
        edit.keyframe_new_interpolation_type, edit.use_keyframe_insert_needed = before
    (curve,) = part("compat").fcurves(avatar)
    assert curve.data_path == '["attr_hair_red"]'
    (point,) = curve.keyframe_points  # the second was not needed
    assert (point.interpolation, point.type) == ("CONSTANT", "BREAKDOWN")


def test_expressions_are_mirrored(avatar):
    avatar["expr_mouthsmileleft"], avatar["expr_eyeblinkright"], avatar["expr_jawopen"] = 0.7, 0.3, 0.5
    avatar["expr_eyelookinleft"] = 0.2
    bpy.ops.perse.mirror(direction="SWAP", group="Eyes")
    assert (avatar["expr_eyeblinkleft"], avatar["expr_eyeblinkright"]) == (pytest.approx(0.3), 0.0)
    assert avatar["expr_mouthsmileright"] == 0.0
    bpy.ops.perse.mirror(direction="LEFT")
    assert avatar["expr_mouthsmileright"] == avatar["expr_mouthsmileleft"] == pytest.approx(0.7)
    assert avatar["expr_eyeblinkright"] == pytest.approx(0.3)
    bpy.ops.perse.mirror(direction="RIGHT")
    assert avatar["expr_eyelookinleft"] == avatar["expr_eyelookinright"] == 0.0
    assert avatar["expr_jawopen"] == 0.5


def test_control_bones_are_a_click_away(avatar):
    bpy.context.view_layer.objects.active = avatar.children[0]
    assert bpy.ops.perse.select_control(bone="jaw") == {"FINISHED"}
    assert bpy.context.object == avatar
    assert avatar.mode == "POSE"
    assert [bone.name for bone in bpy.context.selected_pose_bones] == ["jaw"]
    assert bpy.context.active_pose_bone.name == "jaw"
    bpy.ops.perse.select_control(bone="eye.R")
    assert [bone.name for bone in bpy.context.selected_pose_bones] == ["eye.R"]
    bpy.ops.object.mode_set(mode="OBJECT")


def test_retiming_stretches_keys_and_their_handles(scene, avatar, part):
    key(avatar, '["expr_jawopen"]', {1: 0.0, 11: 1.0, 21: 0.0})
    (curve,) = part("compat").fcurves(avatar)
    before = [curve.evaluate(1 + 0.1 * k) for k in range(201)]
    bpy.ops.perse.retime(start=100, end=110)
    assert [point.co.x for point in curve.keyframe_points] == [100, 105, 110]
    assert [curve.evaluate(100 + 0.05 * k) for k in range(201)] == pytest.approx(before, abs=1e-4)


def test_retiming_to_nothing_is_refused(avatar):
    assert not bpy.ops.perse.retime.poll()
    key(avatar, '["expr_jawopen"]', {1: 0.0, 11: 1.0})
    with pytest.raises(RuntimeError, match="after the first"):
        bpy.ops.perse.retime(start=5, end=5)
