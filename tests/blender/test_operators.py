"""The buttons of the PERSE tab."""

from __future__ import annotations

import shutil

import bpy
import pytest
from conftest import raises_report


def keyed(avatar: bpy.types.Object, part) -> dict[str, int]:
    return {curve.data_path: len(curve.keyframe_points) for curve in part("compat").fcurves(avatar)}


def test_reset_by_kind(avatar):
    avatar["attr_hair_red"] = avatar["expr_jawopen"] = 0.5
    bpy.ops.perse.reset(kind="attribute")
    assert (avatar["attr_hair_red"], avatar["expr_jawopen"]) == (0.0, 0.5)
    bpy.ops.perse.reset(kind="all")
    assert avatar["expr_jawopen"] == 0.0


def test_reset_of_one_group_leaves_the_others(avatar):
    avatar["attr_hair_red"] = avatar["attr_hat_cap"] = avatar["expr_jawopen"] = 0.5
    bpy.ops.perse.reset(kind="attribute", group="Hair")
    assert (avatar["attr_hair_red"], avatar["attr_hat_cap"], avatar["expr_jawopen"]) == (0.0, 0.5, 0.5)


def test_random_styles_come_from_their_seed_and_stay_in_range(avatar, part):
    styles = [name for name in part("avatars.sliders").names(avatar) if name.startswith("attr_")]
    people = []
    for seed in range(40):
        avatar["expr_jawopen"] = 0.25
        bpy.ops.perse.randomize(seed=seed)
        person = tuple(avatar[name] for name in styles)
        assert all(0 <= value <= 1 for value in person)
        for group in part("avatars.sliders").groups(avatar):
            if group.kind == "attribute":
                assert sum(avatar[name] for name, _ in group.sliders) <= 1.0001
        assert avatar["expr_jawopen"] == 0.25
        people.append(person)
    assert len(set(people)) > 20
    bpy.ops.perse.randomize(seed=3)
    assert tuple(avatar[name] for name in styles) == people[3]


def test_random_styles_of_one_group_leave_the_others(avatar):
    avatar["attr_hat_cap"] = 0.125
    bpy.ops.perse.randomize(seed=1, group="Hair")
    assert avatar["attr_hat_cap"] == 0.125
    assert any(avatar[name] > 0 for name in avatar.keys() if name.startswith("attr_hair_"))  # noqa: SIM118


def test_the_filter_finds_sliders_by_words_and_by_change(avatar, part):
    hair = next(g for g in part("avatars.sliders").groups(avatar) if "attr_hair_red" in dict(g.sliders))
    filtered = part("panels.panels").filtered
    avatar["attr_hair_red"] = 0.0
    assert filtered(avatar, hair, "", False) == hair
    assert [name for name, _ in filtered(avatar, hair, " RED ", False).sliders] == ["attr_hair_red"]
    assert filtered(avatar, hair, hair.label, False) == hair
    assert filtered(avatar, hair, "zzz", False).sliders == ()
    assert filtered(avatar, hair, "", True).sliders == ()
    avatar["attr_hair_red"] = -0.2
    assert [name for name, _ in filtered(avatar, hair, "", True).sliders] == ["attr_hair_red"]


def test_key_changed_keys_what_differs_and_nothing_else(scene, avatar, part):
    scene.frame_set(1)
    avatar["expr_jawopen"] = 0.5
    assert bpy.ops.perse.key_changed() == {"FINISHED"}
    assert keyed(avatar, part) == {'["expr_jawopen"]': 1}
    scene.frame_set(10)
    avatar["attr_hair_red"] = 0.3
    bpy.ops.perse.key_changed()
    assert keyed(avatar, part) == {'["expr_jawopen"]': 1, '["attr_hair_red"]': 1}
    avatar["expr_jawopen"] = 0.0
    bpy.ops.perse.key_changed()
    assert keyed(avatar, part)['["expr_jawopen"]'] == 2


def test_driven_sliders_are_not_keyed(avatar, part):
    avatar.driver_add('["expr_jawopen"]').driver.expression = "0.5"
    bpy.context.view_layer.update()
    bpy.ops.perse.key_changed()
    assert keyed(avatar, part) == {}


def test_operators_work_on_the_proxy_too(avatar):
    avatar["expr_jawopen"] = 0.5
    bpy.context.view_layer.objects.active = avatar.children[0]
    bpy.ops.perse.reset(kind="all")
    assert avatar["expr_jawopen"] == 0.0


def test_without_an_avatar_they_are_greyed_out(scene):
    assert not bpy.ops.perse.reset.poll()
    assert not bpy.ops.perse.key_changed.poll()
    assert not bpy.ops.perse.relink.poll()
    assert bpy.ops.perse.import_avatar.poll()


def test_relink_takes_the_same_avatar_from_elsewhere(avatar, avatar_file, tmp_path, part):
    moved = tmp_path / "moved.perse"
    shutil.copy(avatar_file, moved)
    avatar["perse_path"] = avatar["perse_last_seen"] = "/nowhere/x.perse"
    with pytest.raises(part("perse_protocol").EngineFailure, match="not at"):
        part("avatars.avatars").avatar_path(avatar)
    bpy.ops.perse.relink(filepath=str(moved))
    assert part("avatars.avatars").avatar_path(avatar) == moved


def test_relink_refuses_what_lacks_the_sliders(avatar, avatar_file):
    index = avatar["perse_sliders"].replace("attr_hair_red", "attr_hair_green")
    avatar["perse_sliders"] = index
    with raises_report("no slider attr_hair_green"):
        bpy.ops.perse.relink(filepath=str(avatar_file))


def test_the_engine_and_the_photo_s_colours_are_one_click_away(scene, avatar, part):
    scene.render.engine = "BLENDER_WORKBENCH"
    bpy.ops.perse.use_engine()
    assert scene.render.engine == "PERSE"
    scene.view_settings.view_transform = "AgX"
    assert not part("rendering.color").view_keeps_colors(scene)
    bpy.ops.perse.keep_colors()
    assert part("rendering.color").view_keeps_colors(scene)


def test_diagnostics_reach_the_clipboard(avatar):
    assert bpy.ops.perse.copy_diagnostics() == {"FINISHED"}
