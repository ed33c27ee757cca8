"""Import Avatar: what stands in the scene afterwards, and what happens to files that are no avatars."""

from __future__ import annotations

import json
import subprocess
import sys

import bpy
import numpy as np
import pytest
from conftest import HERE, import_avatar, raises_report, run_engine

ARKIT_SAMPLE = ("expr_jawopen", "expr_mouthsmileleft", "expr_eyeblinkright")
STYLES = ("attr_face_wide", "attr_face_long", "attr_hair_red", "attr_hat_cap")


def evaluated_vertices(avatar: bpy.types.Object) -> np.ndarray:
    """The proxy as it is shown without its masks, armature space, (V, 3)."""
    proxy = avatar.children[0]
    for modifier in proxy.modifiers:
        if modifier.type == "MASK":
            for path in ("show_viewport", "show_render"):
                modifier.driver_remove(path)
                setattr(modifier, path, False)
    avatar.update_tag()
    mesh = proxy.evaluated_get(bpy.context.evaluated_depsgraph_get()).data
    points = np.empty(len(mesh.vertices) * 3, np.float32)
    mesh.vertices.foreach_get("co", points)
    return points.reshape(-1, 3)


def test_it_is_life_size_upright_and_faces_the_front_view(avatar):
    points = evaluated_vertices(avatar)
    size = np.ptp(points, axis=0)
    assert 0.14 < size[0] < 0.6
    assert 0.2 < size[2] < 0.7
    eyes = [avatar.data.bones[name].head_local for name in ("eye.L", "eye.R")]
    assert eyes[0].x > 0.02 > -0.02 > eyes[1].x
    assert max(eye.y for eye in eyes) < -0.05
    assert avatar.data.bones["neck"].head_local.length < 0.03


def test_every_slider_is_a_float_property_with_limits_and_a_description(avatar):
    for name in (*STYLES, *ARKIT_SAMPLE):
        assert isinstance(avatar[name], float)
        ui = avatar.id_properties_ui(name).as_dict()
        assert ui["soft_min"] == 0.0
        assert ui["soft_max"] == 1.0
        assert len(ui["description"]) > 10
        assert avatar.is_property_overridable_library(f'["{name}"]')
    assert avatar.id_properties_ui("attr_face_wide").as_dict()["max"] == 1.5
    assert sum(key.startswith(("attr_", "expr_")) for key in dict(avatar.items())) == 52 + len(STYLES)


def test_the_proxy_has_a_key_for_expressions_and_shape_styles_driven_without_python(avatar):
    shape = avatar.children[0].data.shape_keys
    names = set(shape.key_blocks.keys())
    assert {"jawOpen", "mouthSmileLeft", "eyeBlinkRight", "attr_face_wide", "attr_face_long"} <= names
    assert "attr_hair_red" not in names
    drivers = [*shape.animation_data.drivers, *avatar.animation_data.drivers]
    drivers += avatar.children[0].animation_data.drivers
    assert len(drivers) > 60
    for curve in drivers:
        assert curve.driver.is_valid, curve.data_path
        assert curve.driver.is_simple_expression, curve.driver.expression


@pytest.mark.parametrize(
    ("sliders", "pose"),
    [
        ({}, {}),
        ({"expr_jawopen": 0.8, "expr_mouthsmileleft": 1.0}, {}),
        ({"attr_face_wide": 0.5}, {"neck": (0.2, 0.5, -0.1), "jaw": (0.3, 0, 0)}),
        ({"attr_face_wide": 1.5, "attr_face_long": 0.9}, {"eye.L": (0, 0.4, 0), "root": (0.1, 0, 0.2)}),
        ({"attr_face_wide": -0.5, "attr_face_long": 0.25, "expr_eyeblinkright": 9.0}, {"neck": (0, 0, 0.7)}),
    ],
)
def test_the_proxy_is_the_engine_s_mesh(sliders, pose, avatar, avatar_file, tmp_path):
    """Styles that add up to more than one are normalised, joints move with styles, and bones turn about them."""
    for name, value in sliders.items():
        avatar[name] = value
    axis_angles = np.zeros((5, 3))
    for index, bone in enumerate(("root", "neck", "jaw", "eye.L", "eye.R")):
        if bone in pose:
            turn = np.array(pose[bone])  # axis-angle in head space; the bone's own axes differ
            axis_angles[index] = turn
            set_rotation(avatar, bone, turn)
    avatar.update_tag()
    (tmp_path / "state.json").write_text(json.dumps({"sliders": sliders, "pose": axis_angles.tolist()}))
    run_engine(HERE / "make_avatar.py", "pose", avatar_file, tmp_path / "state.json", tmp_path / "posed.npy")
    expected = np.load(tmp_path / "posed.npy")
    in_blender = np.stack([expected[:, 0], -expected[:, 2], expected[:, 1]], -1)
    assert np.abs(evaluated_vertices(avatar) - in_blender).max() < 2e-4


def set_rotation(avatar: bpy.types.Object, name: str, turn: np.ndarray) -> None:
    from mathutils import Quaternion, Vector

    axis = Vector((turn[0], -turn[2], turn[1]))
    rest = avatar.data.bones[name].matrix_local.to_3x3()
    spin = Quaternion(axis.normalized(), axis.length).to_matrix()
    bone = avatar.pose.bones[name]
    bone.rotation_euler = (rest.inverted() @ spin @ rest).to_euler(bone.rotation_mode)


def test_parts_that_nobody_wears_are_hidden(avatar):
    mask = next(modifier for modifier in avatar.children[0].modifiers if modifier.type == "MASK")

    def shown() -> int:
        avatar.update_tag()
        bpy.context.view_layer.update()
        return len(avatar.children[0].evaluated_get(bpy.context.evaluated_depsgraph_get()).data.vertices)

    bare = shown()
    avatar["attr_hat_cap"] = 1.0
    assert shown() > bare
    assert "cap" in mask.name


def test_it_has_colours_that_viewports_show(avatar):
    mesh = avatar.children[0].data
    colors = np.empty(len(mesh.vertices) * 4, np.float32)
    mesh.color_attributes.active_color.data.foreach_get("color", colors)
    assert colors.min() >= 0
    assert colors.reshape(-1, 4)[:, 0].mean() > colors.reshape(-1, 4)[:, 2].mean()
    assert {material.name for material in mesh.materials} >= {"Test proxy skin", "Test proxy cap"}


def test_a_dropped_file_is_imported_and_not_remembered(scene, part):
    operator = part("avatars.importing").PERSE_OT_import_avatar
    handler = part("avatars.importing").PERSE_FH_avatar
    assert bpy.ops.perse.import_avatar.get_rna_type().properties["filepath"].is_skip_save
    assert handler.bl_file_extensions == ".perse"
    assert handler.bl_import_operator == operator.bl_idname


def test_importing_can_be_undone_and_redone(scene, avatar_file):
    bpy.ops.ed.undo_push(message="before")
    import_avatar(avatar_file)
    bpy.ops.ed.undo_push(message="Import Avatar")
    bpy.ops.ed.undo()
    assert [thing.type for thing in bpy.data.objects] == ["CAMERA"]
    bpy.ops.ed.redo()
    assert "attr_hair_red" in bpy.data.objects["Test"]


def test_two_avatars_do_not_share_anything_that_moves(avatar, avatar_file):
    other = import_avatar(avatar_file)
    other["expr_jawopen"] = 1.0
    other.update_tag()
    bpy.context.view_layer.update()
    keys = [thing.children[0].data.shape_keys.key_blocks["jawOpen"].value for thing in (avatar, other)]
    assert keys == [0.0, 1.0]


def test_a_duplicate_is_an_avatar_of_its_own(avatar):
    for thing in (avatar, avatar.children[0]):
        thing.select_set(True)
    bpy.ops.object.duplicate()
    copy = next(thing for thing in bpy.data.objects if thing.type == "ARMATURE" and thing != avatar)
    copy["expr_jawopen"] = 1.0
    copy["attr_face_wide"] = 1.0
    copy.update_tag()
    bpy.context.view_layer.update()
    (proxy,) = copy.children
    assert proxy.modifiers["Armature"].object == copy
    assert proxy.data.shape_keys.key_blocks["jawOpen"].value == 1.0
    assert avatar.children[0].data.shape_keys.key_blocks["jawOpen"].value == 0.0
    assert copy.pose.bones["MCH-eye.L"].location.length > 1e-3
    assert avatar.pose.bones["MCH-eye.L"].location.length < 1e-6


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "not-an-avatar"),
        (b"hello", "not-an-avatar"),
        (b"PK\x03\x04 and then nothing", "truncated-avatar"),
        (None, "missing-avatar"),
    ],
)
def test_files_that_are_no_avatars(content, code, scene, tmp_path):
    path = tmp_path / "x.perse"
    if content is not None:
        path.write_bytes(content)
    with raises_report(code):
        bpy.ops.perse.import_avatar(filepath=str(path))
    assert [thing.type for thing in bpy.data.objects] == ["CAMERA"]


def test_an_avatar_that_was_cut_short_or_is_of_another_version(scene, avatar_file, tmp_path):
    whole = avatar_file.read_bytes()
    cut = tmp_path / "cut.perse"
    cut.write_bytes(whole[: len(whole) // 2])
    with raises_report("truncated-avatar"):
        bpy.ops.perse.import_avatar(filepath=str(cut))
    newer = tmp_path / "newer.perse"
    newer.write_bytes(whole)
    import zipfile

    with zipfile.ZipFile(avatar_file) as source, zipfile.ZipFile(newer, "w") as target:
        for entry in source.namelist():
            data = source.read(entry)
            if entry == "avatar.json":
                data = json.dumps({**json.loads(data), "version": 99}).encode()
            target.writestr(entry, data)
    with raises_report("avatar-version.*update the add-on"):
        bpy.ops.perse.import_avatar(filepath=str(newer))


@pytest.mark.parametrize("version", [1, 2])
def test_avatars_of_every_version_are_imported(scene, version):
    """Both files are the same avatar, saved by the engines of their time."""
    path = HERE.parent / "engine" / "avatars" / "files" / f"version_{version}.perse"
    avatar = import_avatar(path)
    assert {"attr_shape_long", "attr_hat_cap", "expr_jawopen"} <= set(avatar.keys())
    before = evaluated_vertices(avatar)
    avatar["expr_jawopen"] = 1.0
    avatar.update_tag()
    bpy.context.view_layer.update()
    assert 1e-3 < np.abs(evaluated_vertices(avatar) - before).max() < 0.1


def test_an_excluded_collection_is_named(scene, avatar_file):
    collection = bpy.data.collections.new("Hidden")
    scene.collection.children.link(collection)
    layer = bpy.context.view_layer.layer_collection.children["Hidden"]
    bpy.context.view_layer.active_layer_collection = layer
    layer.exclude = True
    before = len(bpy.data.objects)
    with bpy.context.temp_override(collection=collection), raises_report("hidden-collection"):
        bpy.ops.perse.import_avatar(filepath=str(avatar_file))
    assert len(bpy.data.objects) == before


def test_values_are_there_without_the_add_on(avatar, tmp_path):
    avatar["attr_hair_red"] = 0.25
    avatar.keyframe_insert('["attr_hair_red"]', frame=1)
    blend = tmp_path / "scene.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(blend))
    script = (
        "import bpy, os, sys; bpy.ops.wm.open_mainfile(filepath=sys.argv[1]); rig = bpy.data.objects['Test'];"
        "rig['expr_jawopen'] = 1.0; rig.update_tag(); bpy.context.view_layer.update();"
        "value = rig.children[0].data.shape_keys.key_blocks['jawOpen'].value;"
        "assert 'PERSE' not in dir(bpy.types) and rig['attr_hair_red'] == 0.25 and value == 1.0;"
        "print('fine', flush=True); os._exit(0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(blend)],
        capture_output=True,
        text=True,
        env={**__import__("os").environ, "BLENDER_USER_RESOURCES": str(tmp_path)},
        timeout=60,
    )
    assert "fine" in done.stdout, done.stderr
