"""File > Export: what the scene shows of an avatar becomes a file that draws the same picture."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import bpy
import numpy as np
import pytest
from conftest import HERE, import_avatar, raises_report, run_engine
from exr import combined
from mathutils import Matrix

FROM_BLENDER = np.array(((1, 0, 0, 0), (0, 0, 1, 0), (0, -1, 0, 0), (0, 0, 0, 1)))  # to a world with y up


def export(tmp_path, **options) -> Path:
    out = tmp_path / options.pop("name", "me.ply")
    assert bpy.ops.perse.export_avatar(filepath=str(out), **options) == {"FINISHED"}
    return out


def drawn(part, tmp_path: Path, *files: tuple[Path, np.ndarray]) -> list[np.ndarray]:
    """The picture that the scene's camera would take of each file, whose axes (4, 4) are made of the world's."""
    scene, depsgraph = bpy.context.scene, bpy.context.evaluated_depsgraph_get()
    size = scene.render.resolution_x, scene.render.resolution_y
    camera = part("rendering.camera").pinhole(scene.camera.evaluated_get(depsgraph), depsgraph, *size)
    words: list[Path] = []
    for number, (file, to_file) in enumerate(files):
        fields = dataclasses.asdict(camera)
        fields["view"] = (np.array(camera.view).reshape(4, 4) @ np.linalg.inv(to_file)).ravel().tolist()
        seen = tmp_path / f"camera{number}.json"
        seen.write_text(json.dumps(fields))
        words += [file, seen, tmp_path / f"drawn{number}.npy"]
    run_engine(HERE / "splat_file.py", *words)
    return [np.load(out) for out in words[2::3]]


def psnr(first: np.ndarray, second: np.ndarray) -> float:
    return float(-10 * np.log10(np.mean((first - second) ** 2) + 1e-20))


@pytest.fixture
def posed(avatar) -> bpy.types.Object:
    """The avatar with sliders set, bones posed by hand, a shape key freed from its slider, moved, turned and scaled."""
    avatar["attr_hat_cap"], avatar["attr_face_long"], avatar["expr_mouthsmileleft"] = 1.0, 0.7, 0.8
    avatar.pose.bones["neck"].rotation_euler = (0.1, 0.4, 0.05)
    avatar.pose.bones["jaw"].rotation_euler.x = 0.15
    limit = avatar.pose.bones["eye.L"].constraints.new("LIMIT_ROTATION")
    limit.use_limit_y, limit.min_y, limit.max_y, limit.owner_space = True, 0.2, 0.2, "LOCAL"
    keys = avatar.children[0].data.shape_keys
    keys.driver_remove('key_blocks["browInnerUp"].value')
    keys.key_blocks["browInnerUp"].value = 0.9
    avatar.location, avatar.rotation_euler.z, avatar.scale = (0.03, 0.1, -0.02), 0.3, (0.8, 0.8, 0.8)
    bpy.context.view_layer.update()
    return avatar


def test_an_exported_file_draws_what_blender_renders(posed, part, render, tmp_path):
    picture = combined(render())
    assert 0.2 < (picture[..., 3] > 0.5).mean() < 0.8
    pictures = drawn(
        part,
        tmp_path,
        (export(tmp_path, content="PLY", up="z", name="z.ply"), np.eye(4)),
        (export(tmp_path, content="PLY", name="down.ply"), np.diag([1.0, -1, -1, 1]) @ FROM_BLENDER),
        (export(tmp_path, content="GLB", name="me.glb"), FROM_BLENDER),
        (export(tmp_path, content="SPZ", name="me.spz"), FROM_BLENDER),
    )
    similar = [psnr(one, picture) for one in pictures]
    assert min(similar[:3]) > 70
    assert similar[3] > 40


def test_a_range_of_frames_becomes_numbered_files(scene, avatar, part, render, tmp_path):
    scene.frame_start, scene.frame_end, scene.frame_step = 3, 7, 2
    for frame, value in ((3, 0.0), (7, 1.0)):
        avatar["attr_hair_red"] = value
        avatar.keyframe_insert('["attr_hair_red"]', frame=frame)
    scene.frame_set(5, subframe=0.25)
    export(tmp_path, content="PLY", up="z", animation=True)
    assert scene.frame_current_final == 5.25
    files = sorted(tmp_path.glob("*.ply"))
    assert [file.name for file in files] == ["me_0003.ply", "me_0005.ply", "me_0007.ply"]
    scene.frame_set(7)
    picture = combined(render())
    first, last = drawn(part, tmp_path, (files[0], np.eye(4)), (files[-1], np.eye(4)))
    assert psnr(last, picture) > 70
    assert psnr(first, picture) < 60


def test_the_mesh_comes_back_as_an_object_with_shape_keys_and_bones(posed, tmp_path):
    file = export(tmp_path, content="MESH", name="me.glb")
    depsgraph = bpy.context.evaluated_depsgraph_get()
    proxy = posed.children[0].evaluated_get(depsgraph)
    before = np.array([proxy.matrix_world @ vertex.co for vertex in proxy.data.vertices])
    import addon_utils

    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    addon_utils.enable("io_scene_gltf2")
    bpy.ops.import_scene.gltf(filepath=str(file))
    mesh = next(o for o in bpy.data.objects if o.type == "MESH" and o.data.shape_keys)
    keys = mesh.data.shape_keys.key_blocks
    assert {"jawOpen", "mouthSmileLeft", "eyeBlinkRight", "attr_face_long", "attr_hat_cap"} <= set(keys.keys())
    assert keys["mouthSmileLeft"].value == pytest.approx(0.8)
    assert keys["browInnerUp"].value == pytest.approx(0.9)
    assert {group.name for group in mesh.vertex_groups} == {"root", "neck", "jaw", "left_eye", "right_eye"}
    assert "cap" in {material.name for material in mesh.data.materials}
    depsgraph = bpy.context.evaluated_depsgraph_get()
    after = mesh.evaluated_get(depsgraph)
    points = np.array([after.matrix_world @ vertex.co for vertex in after.data.vertices])
    from mathutils.kdtree import KDTree

    tree = KDTree(len(before))
    for index, point in enumerate(before):
        tree.insert(point, index)
    tree.balance()
    assert max(tree.find(point)[2] for point in points[::7]) < 2e-4


def test_blendshapes_need_no_state(avatar, tmp_path):
    avatar["attr_hat_cap"] = 1.0
    with np.load(export(tmp_path, content="BLENDSHAPES", name="me.npz")) as file:
        assert "expr_jawopen" in file["sliders"].tolist()


def test_the_ending_follows_the_format(avatar, tmp_path):
    bpy.ops.perse.export_avatar(filepath=str(tmp_path / "me.ply"), content="SPZ")
    bpy.ops.perse.export_avatar(filepath=str(tmp_path / "dr.who"), content="SPZ")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dr.who.spz", "me.spz"]


def test_another_avatar_does_not_come_along(avatar, avatar_file, tmp_path):
    alone = export(tmp_path, name="alone.ply").stat().st_size
    second = import_avatar(avatar_file)
    second.matrix_world = Matrix.Translation((1, 0, 0))
    bpy.context.view_layer.objects.active = avatar
    assert export(tmp_path, name="one.ply").stat().st_size == alone


def test_what_goes_wrong_is_said_and_nothing_is_left(avatar, tmp_path):
    (tmp_path / "folder.ply").mkdir()
    with raises_report("wrong-path"):
        bpy.ops.perse.export_avatar(filepath=str(tmp_path / "folder.ply"))
    avatar["expr_jawopen"] = float("nan")
    avatar.update_tag()
    with raises_report("expr_jawopen of .* is not a number"):
        bpy.ops.perse.export_avatar(filepath=str(tmp_path / "me.ply"))
    avatar["expr_jawopen"] = 0.0
    avatar.update_tag()
    avatar.children[0].hide_viewport = True
    with raises_report("does not show"):
        bpy.ops.perse.export_avatar(filepath=str(tmp_path / "me.ply"))
    assert [path.name for path in tmp_path.iterdir()] == ["folder.ply"]


def test_without_an_avatar_the_entry_is_grey(scene):
    assert not bpy.ops.perse.export_avatar.poll()
