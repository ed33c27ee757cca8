"""Shape keys that face-capture software keys, and what it keyed as keys of the sliders."""

from __future__ import annotations

import bpy
import numpy as np
import pytest
from exr import combined
from seen import lips, shown
from test_capture import UNITS


def key_shapes(avatar: bpy.types.Object, count: int = 40) -> bpy.types.Key:
    """Key the face as capture add-ons do."""
    shape = avatar.children[0].data.shape_keys
    for frame in range(1, count + 1):
        shape.key_blocks["jawOpen"].value = frame / count
        shape.key_blocks["eyeBlinkLeft"].value = 0.5 + 0.5 * np.sin(frame / 5)
        for name in ("jawOpen", "eyeBlinkLeft"):
            shape.key_blocks[name].keyframe_insert("value", frame=frame)
    return shape


def test_the_keys_have_arkit_s_names(avatar, part):
    keys = set(avatar.children[0].data.shape_keys.key_blocks.keys())
    assert {name[0].lower() + name[1:] for name in UNITS} <= keys


def test_released_keys_move_the_face_and_baking_gives_the_same(avatar, scene, render, part):
    scene.frame_start, scene.frame_end, scene.frame_step = 1, 40, 13
    avatar["expr_mouthsmileleft"] = 0.75
    assert bpy.ops.perse.release() == {"FINISHED"}
    shape = key_shapes(avatar)
    assert shape.key_blocks["mouthSmileLeft"].value == 0.75
    captured = [combined(file) for file in sorted(render(animation=True).iterdir())]
    assert np.abs(captured[0] - captured[-1]).max() > 0.2
    scene.frame_set(20)
    assert shown(part).sliders["expr_jawopen"] == pytest.approx(0.5)
    assert lips(avatar) > 0.005
    for modifier in avatar.children[0].modifiers:
        modifier.show_viewport = True

    action = shape.animation_data.action
    assert bpy.ops.perse.bake() == {"FINISHED"}
    assert action.use_fake_user
    assert shape.animation_data.action is None
    assert not bpy.ops.perse.bake.poll()
    baked = [combined(file) for file in sorted(render(animation=True).iterdir())]
    assert max(np.abs(a - b).max() for a, b in zip(captured, baked, strict=True)) < 1e-3
    found = {curve.data_path: curve for curve in part("compat").fcurves(avatar)}
    assert set(found) == {'["expr_jawopen"]', '["expr_eyeblinkleft"]'}
    assert len(found['["expr_jawopen"]'].keyframe_points) == 2  # a straight line
    assert 30 < len(found['["expr_eyeblinkleft"]'].keyframe_points) <= 40
    avatar["expr_mouthsmileleft"] = 0.0
    avatar.update_tag()
    scene.frame_set(3)
    assert shown(part).sliders["expr_mouthsmileleft"] == 0.0


def test_keys_between_frames_and_what_sliders_had_elsewhere_are_kept(avatar, scene, part):
    for frame, value in ((1, 0.9), (15, 0.9), (60, 0.3)):
        avatar["expr_jawopen"] = value
        avatar.keyframe_insert('["expr_jawopen"]', frame=frame)
    bpy.ops.perse.release()
    key = avatar.children[0].data.shape_keys.key_blocks["jawOpen"]
    for frame, value in ((10, 0.0), (12.5, 1.0), (20, 0.0)):
        key.value = value
        key.keyframe_insert("value", frame=frame)
    bpy.ops.perse.bake()
    (curve,) = part("compat").fcurves(avatar)
    assert curve.evaluate(12.5) == pytest.approx(1.0)
    frames = [point.co.x for point in curve.keyframe_points]
    assert frames[0] == 1
    assert frames[-1] == 60
    assert 15 in frames
    assert curve.evaluate(20) == 0.0


def test_captures_in_the_nla_and_from_drivers_are_baked(avatar, scene, part):
    scene.frame_start, scene.frame_end = 1, 20
    bpy.ops.perse.release()
    shape = key_shapes(avatar, 20)
    animation = shape.animation_data
    action = animation.action
    animation.nla_tracks.new().strips.new("Take", 5, action)
    animation.action = None
    driver = shape.key_blocks["browInnerUp"].driver_add("value").driver
    driver.expression = "frame / 20"
    scene.frame_set(13)
    before = shown(part).sliders
    assert before["expr_jawopen"] > 0.3
    bpy.ops.perse.bake()
    assert all(track.mute for track in animation.nla_tracks)
    scene.frame_set(12)
    scene.frame_set(13)
    now = shown(part).sliders
    for name in ("expr_jawopen", "expr_eyeblinkleft", "expr_browinnerup"):
        assert now[name] == pytest.approx(before[name], abs=1e-4)
    assert now["expr_browinnerup"] == pytest.approx(0.65, abs=1e-4)


def test_release_and_bake_are_one_step_of_undo_each(avatar, part):
    bpy.ops.ed.undo_push(message="before")
    bpy.ops.perse.release()
    bpy.ops.ed.undo_push(message="Release for Capture")
    assert len(part("animation.release").free_keys(bpy.data.objects["Test"])) == 52
    bpy.ops.ed.undo()
    assert not part("animation.release").free_keys(bpy.data.objects["Test"])
    bpy.ops.ed.redo()
    bpy.ops.perse.bake()
    assert not part("animation.release").free_keys(bpy.data.objects["Test"])


def test_avatars_of_earlier_versions_work_and_are_released(avatar, scene, part):
    """Their keys were named as the sliders are."""
    shape = avatar.children[0].data.shape_keys
    for unit in UNITS:
        shape.key_blocks[unit[0].lower() + unit[1:]].name = f"expr_{unit.lower()}"
    avatar["expr_jawopen"] = 0.5
    avatar.update_tag()
    assert shown(part).sliders["expr_jawopen"] == pytest.approx(0.5)
    bpy.ops.perse.release()
    assert shape.key_blocks["jawOpen"].value == pytest.approx(0.5)
    key_shapes(avatar, 10)
    scene.frame_set(10)
    assert shown(part).sliders["expr_jawopen"] == 1.0
    bpy.ops.perse.bake()
    scene.frame_set(5)
    assert shown(part).sliders["expr_jawopen"] == pytest.approx(0.5)
    assert shape.key_blocks["jawOpen"].value == pytest.approx(0.5)
