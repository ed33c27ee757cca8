"""Eyes that follow a target."""

from __future__ import annotations

import math

import bpy
import numpy as np
import pytest
from exr import combined
from mathutils import Vector

EYES = ("eye.L", "eye.R")


@pytest.fixture
def target(avatar) -> bpy.types.Object:
    """What the eyes of `avatar` follow."""
    assert bpy.ops.perse.add_gaze_target() == {"FINISHED"}
    (found,) = [thing for thing in bpy.data.objects if thing.type == "EMPTY"]
    return found


def looks(avatar: bpy.types.Object, eye: str, name: str = "DEF-") -> Vector:
    """Where an eye looks, world space."""
    bpy.context.view_layer.update()
    evaluated = avatar.evaluated_get(bpy.context.evaluated_depsgraph_get())
    return (
        (evaluated.matrix_world @ evaluated.pose.bones[name + eye].matrix).to_3x3() @ Vector((0, 1, 0))
    ).normalized()


def towards(avatar: bpy.types.Object, eye: str, place: Vector) -> Vector:
    return (place - avatar.matrix_world @ avatar.pose.bones[f"DEF-{eye}"].head).normalized()


def degrees(a: Vector, b: Vector) -> float:
    return math.degrees(a.angle(b))


def test_the_target_is_before_the_eyes_and_goes_with_the_armature(avatar, target):
    assert target.parent == avatar
    for eye in EYES:
        assert degrees(looks(avatar, eye), Vector((0, -1, 0))) < 5
    avatar.location = (1, 2, 3)
    bpy.context.view_layer.update()
    assert (target.matrix_world.translation - Vector((1, 2, 3))).y < -0.5
    assert degrees(looks(avatar, "eye.L"), towards(avatar, "eye.L", target.matrix_world.translation)) < 0.1


def test_each_eye_looks_at_it_wherever_it_is(avatar, target):
    avatar.rotation_euler.z = 0.3
    avatar.pose.bones["neck"].rotation_euler.x = 0.1
    target.parent = None
    for place in ((0.4, -0.9, 0.05), (0.05, -0.5, 0.12)):
        target.location = place
        directions = [looks(avatar, eye) for eye in EYES]
        for eye, direction in zip(EYES, directions, strict=True):
            assert degrees(direction, towards(avatar, eye, Vector(place))) < 0.1
        assert degrees(*directions) > 2  # eyes converge


@pytest.mark.parametrize("place", [(3, 0.5, 0), (0, 1, 0.1), (0, -0.1, 3), (0, -0.1, -3), (-0.3, 0.0, 2)])
def test_eyes_do_not_turn_into_the_skull(place, avatar, target):
    target.location = place
    for eye in EYES:
        assert degrees(looks(avatar, eye), Vector((0, -1, 0))) < 32


def test_posing_the_eyes_adds_to_it(avatar, target):
    target.location = (0.1, -0.6, 0.05)
    followed = looks(avatar, "eye.L")
    avatar.pose.bones["eye.L"].rotation_euler.z = 0.2
    posed = looks(avatar, "eye.L")
    assert degrees(posed, followed) == pytest.approx(math.degrees(0.2), abs=0.5)
    assert degrees(looks(avatar, "eye.R"), towards(avatar, "eye.R", target.matrix_world.translation)) < 0.1


def test_lids_follow_the_eyes_and_still_shut(avatar, target, part):
    """Else an eye that looks up hides its iris, and one that looks down stares."""

    def sent() -> dict[str, float]:
        avatar.update_tag()
        (only,) = part("rendering.frame").shown_avatars(bpy.context.evaluated_depsgraph_get())
        return dict(only.sliders)

    target.location = (0, -0.5, 0.2)
    up = sent()
    assert 0.3 < up["expr_eyewideleft"] < 1.0
    assert up["expr_eyeblinkleft"] == 0.0
    avatar["expr_eyeblinkleft"] = 1.0
    assert sent()["expr_eyewideleft"] == pytest.approx(0.0, abs=1e-6)
    avatar["expr_eyeblinkleft"] = 0.0
    target.location = (0, -0.5, -0.1)
    down = sent()
    assert 0.2 < down["expr_eyeblinkright"] < 0.6
    assert down["expr_eyewideright"] == 0.0
    avatar["expr_eyeblinkright"] = 1.0
    assert sent()["expr_eyeblinkright"] == pytest.approx(1.0)


def test_how_far_they_follow_is_a_slider(avatar, target, scene):
    target.location = (0.25, -0.6, 0.05)
    whole = degrees(looks(avatar, "eye.L"), Vector((0, -1, 0)))
    avatar["gaze_follow"] = 0.5
    avatar.update_tag()
    assert degrees(looks(avatar, "eye.L"), Vector((0, -1, 0))) == pytest.approx(whole / 2, rel=0.1)
    for frame, value in ((1, 0.0), (3, 1.0)):
        avatar["gaze_follow"] = value
        avatar.keyframe_insert('["gaze_follow"]', frame=frame)
    scene.frame_set(1)
    assert degrees(looks(avatar, "eye.L"), Vector((0, -1, 0))) < 0.1


def test_a_target_that_moves_moves_the_eyes_in_the_picture(avatar, target, scene, render):
    scene.camera.data.lens = 300
    scene.camera.location.z = avatar.data.bones["eye.L"].head_local.z
    for frame, x in ((1, -0.3), (2, 0.3)):
        target.location.x = x
        target.keyframe_insert("location", frame=frame)
    scene.frame_start, scene.frame_end = 1, 2
    first, second = (combined(file) for file in sorted(render(animation=True).iterdir()))
    changed = np.abs(first - second)[..., :3].max(-1)
    assert changed.max() > 0.04
    bpy.ops.perse.remove_gaze_target()
    assert np.abs(combined(render()) - second).max() > 0.02


def test_removing_puts_everything_back(avatar, target, part):
    target.location.x = 0.3
    assert bpy.ops.perse.remove_gaze_target() == {"FINISHED"}
    assert not [thing for thing in bpy.data.objects if thing.type == "EMPTY"]
    assert degrees(looks(avatar, "eye.L"), Vector((0, -1, 0))) < 0.1
    assert bpy.ops.perse.add_gaze_target.poll()
    assert not bpy.ops.perse.remove_gaze_target.poll()


def test_a_target_of_ones_own_stays(avatar, target, scene, part):
    part("rig.gaze").look_at(avatar, scene.camera)
    assert degrees(looks(avatar, "eye.L"), towards(avatar, "eye.L", scene.camera.location)) < 0.1
    bpy.ops.perse.remove_gaze_target()
    assert scene.camera.name in bpy.data.objects


def test_a_duplicate_keeps_the_target_that_both_follow(avatar, target, part):
    for thing in (avatar, part("avatars.avatars").proxy_of(avatar)):
        thing.select_set(True)
    bpy.ops.object.duplicate()
    copy = next(thing for thing in bpy.data.objects if thing.type == "ARMATURE" and thing != avatar)
    assert part("rig.gaze").gaze_target(copy) == target
    bpy.context.view_layer.objects.active = avatar
    bpy.ops.perse.remove_gaze_target()
    assert part("rig.gaze").gaze_target(copy) == target


def test_avatars_imported_before_there_was_gaze_get_it(avatar, part):
    for eye in EYES:
        bone = avatar.pose.bones[f"MCH-{eye}"]
        for constraint in list(bone.constraints):
            constraint.driver_remove("influence")
            bone.constraints.remove(constraint)
    del avatar["gaze_follow"]
    assert bpy.ops.perse.add_gaze_target() == {"FINISHED"}
    part("rig.gaze").gaze_target(avatar).location.x = 0.2
    assert len(part("avatars.avatars").proxy_of(avatar).data.shape_keys.animation_data.drivers) >= 52
    assert degrees(looks(avatar, "eye.L"), Vector((0, -1, 0))) > 10


def test_styles_that_move_the_eyes_do_not_lead_the_gaze_astray(avatar, target):
    """What turns is the eye about its own middle, though the pivot is elsewhere."""
    target.location = (0.1, -0.6, 0.1)
    avatar["attr_face_wide"] = 1.0
    avatar.update_tag()
    bpy.context.view_layer.update()
    middle = avatar.matrix_world @ avatar.pose.bones["MCH-eye.L"].head
    assert degrees(looks(avatar, "eye.L"), (target.matrix_world.translation - middle).normalized()) < 0.2
