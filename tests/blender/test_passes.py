"""Passes beside colour and depth, view layers, and cameras with parallel rays."""

from __future__ import annotations

import bpy
import numpy as np
import pytest
from conftest import import_avatar
from exr import combined, depth, plane, read_exr


@pytest.fixture
def layer(scene) -> bpy.types.ViewLayer:
    """The view layer, which asks for every pass."""
    layer = scene.view_layers[0]
    layer.use_pass_normal = True
    layer.perse.category_masks = layer.perse.avatar_masks = True
    return layer


@pytest.fixture
def pair(avatar, avatar_file) -> tuple[bpy.types.Object, bpy.types.Object]:
    """Two avatars, one partly before the other."""
    second = import_avatar(avatar_file)
    second.name = "Second.001"
    second.location = (0.12, -0.15, 0.0)
    bpy.context.view_layer.update()
    return avatar, second


def normals(file) -> np.ndarray:
    """The Normal pass, (H, W, 3)."""
    channels = read_exr(file)
    return np.stack([plane(channels, f"Normal.{axis}") for axis in "XYZ"], -1)


def test_masks_of_avatars_add_up_to_the_alpha(layer, pair, render):
    channels = read_exr(file := render())
    alpha = combined(file)[..., 3]
    first, second = (plane(channels, f"Mask {name}.X") for name in ("Test", "Second_001"))
    assert np.abs(first + second - alpha).max() < 1e-4
    assert 0 <= first.min() <= first.max() <= 1
    assert 0.2 < (second > 0.99).sum() / (alpha > 0.99).sum() < 0.8
    edge = (second > 0.05) & (second < 0.95)
    assert 20 < edge.sum() < 1500
    pair[0].children[0].hide_render = True
    alone = combined(render())[..., 3]
    assert np.abs(alone - second)[first < 1e-4].max() < 1e-4


def test_regions_cover_what_they_are_called_after(layer, avatar, render):
    avatar["attr_hat_cap"] = 1.0
    bpy.context.view_layer.update()
    channels = read_exr(file := render())
    names = {name.split(".")[-2] for name in channels}
    assert names >= {"PERSE skin", "PERSE eyes", "PERSE hair", "PERSE hat", "Mask Test", "Normal", "Depth"}
    assert "PERSE face" not in names
    picture, hat, skin, eyes = combined(file), *(plane(channels, f"PERSE {n}.X") for n in ("hat", "skin", "eyes"))
    blue = picture[..., 2] > picture[..., 0]
    assert hat[blue & (picture[..., 3] > 0.99)].mean() > 0.7
    assert hat[55:].max() < 0.01
    assert skin[50:60, 40:56].mean() > 0.8
    assert 5 < eyes.sum() < 200
    total = sum(plane(channels, f"{name}.X") for name in names if name.startswith("PERSE "))
    assert (total <= picture[..., 3] + 1e-4).all()


def test_painted_hair_is_hair(layer, avatar, render):
    assert plane(read_exr(render()), "PERSE hair.X").max() < 0.01
    avatar["attr_hair_red"] = 1.0
    bpy.context.view_layer.update()
    channels = read_exr(render())
    assert plane(channels, "PERSE hair.X")[15:25, 40:56].mean() > 0.8
    assert plane(channels, "PERSE skin.X")[15:25, 40:56].mean() < 0.2


def test_normals_are_of_the_world(layer, avatar, render):
    found = normals(file := render())
    solid = combined(file)[..., 3] > 0.99
    assert np.linalg.norm(found, axis=-1)[solid] == pytest.approx(1, abs=1e-3)
    assert not found[combined(file)[..., 3] == 0].any()
    assert found[30:34, 44:52].mean((0, 1)) @ [0, -1, 0] > 0.9  # the forehead looks at the camera, along -y
    left, right = found[40:70, :48][solid[40:70, :48]], found[40:70, 48:][solid[40:70, 48:]]
    assert left[:, 0].mean() < -0.2
    assert right[:, 0].mean() > 0.2
    avatar.rotation_euler.z = np.pi / 2
    avatar.scale.x = -1
    bpy.context.view_layer.update()
    turned = normals(file := render())
    assert np.median((turned @ [0, -1, 0])[combined(file)[..., 3] > 0.99]) > 0.6


def test_the_compositor_offers_what_is_asked_for(scene, avatar, layer, part):
    passes = part("rendering.passes").mask_passes(scene, layer)
    assert [mask.name for mask in passes] == ["PERSE skin", "PERSE eyes", "PERSE hair", "PERSE hat", "Mask Test"]
    if hasattr(scene, "compositing_node_group"):
        tree = scene.compositing_node_group = bpy.data.node_groups.new("Tree", "CompositorNodeTree")
    else:
        scene.use_nodes = True
        tree = scene.node_tree
    node = tree.nodes.new("CompositorNodeRLayers")
    layer.update_render_passes()
    offered = {socket.name for socket in node.outputs if socket.enabled}
    assert offered >= {"Depth", "Normal", *(mask.name for mask in passes)}
    avatar.name = "Anna"
    bpy.context.view_layer.update()
    assert "Mask Anna" in {socket.name for socket in node.outputs if socket.enabled}
    layer.perse.category_masks = False
    offered = {socket.name for socket in node.outputs if socket.enabled}
    assert "Mask Anna" in offered
    assert not any(name.startswith("PERSE ") for name in offered)


def test_nothing_is_made_that_was_not_asked_for(avatar, render):
    assert {name.split(".")[-2] for name in read_exr(render())} == {"Combined", "Depth"}


def test_passes_follow_a_border(scene, layer, avatar, render):
    whole = read_exr(render())
    scene.render.use_border = scene.render.use_crop_to_border = True
    scene.render.border_min_x, scene.render.border_max_x = 0.25, 0.75
    scene.render.border_min_y, scene.render.border_max_y = 0.5, 1.0
    part = read_exr(render())
    for name in ("PERSE skin.X", "Mask Test.X", "Normal.Y"):
        assert np.abs(plane(part, name) - plane(whole, name)[:48, 24:72]).max() < 1e-3


def into_collection(name: str, avatar: bpy.types.Object) -> None:
    """Move an avatar to a collection of its own."""
    collection = bpy.data.collections.new(name)
    bpy.context.scene.collection.children.link(collection)
    for thing in (avatar, avatar.children[0]):
        collection.objects.link(thing)
        bpy.context.scene.collection.objects.unlink(thing)


def test_view_layers_hold_out_and_leave_out(scene, pair, layer, tmp_path):
    into_collection("Second", pair[1])
    for name, setting in (("Held", "holdout"), ("Indirect", "indirect_only"), ("Without", "exclude")):
        other = scene.view_layers.new(name)
        other.perse.avatar_masks = True
        setattr(other.layer_collection.children["Second"], setting, True)
    scene.render.filepath = str(tmp_path / "layers")
    bpy.ops.render.render(write_still=True)
    channels = read_exr(tmp_path / "layers.exr")
    full, held, indirect, without = (channels[f"{n}.Combined.A"] for n in (layer.name, "Held", "Indirect", "Without"))
    first, second = (channels[f"{layer.name}.Mask {name}.X"] for name in ("Test", "Second_001"))
    assert np.abs(held - first).max() < 1e-4
    assert np.abs(channels["Held.Mask Test.X"] - first).max() < 1e-4
    assert channels["Held.Mask Second_001.X"].max() == 0
    assert np.abs(indirect - without).max() < 1e-6
    assert full.sum() > without.sum() > held.sum() + 100
    assert second.sum() > 500
    assert np.abs(channels["Held.Combined.R"][first < 1e-5]).max() < 1e-4


def test_orthographic_cameras_keep_sizes_and_depths(scene, avatar, render):
    camera = scene.camera
    camera.data.type, camera.data.ortho_scale = "ORTHO", 0.5
    near = combined(file := render())
    nearest = depth(file).min()
    points = np.array([tuple(point) for point in proxy_points(avatar)])
    columns = np.flatnonzero((near[..., 3] > 0.5).any(0))
    x = np.array([points[:, 0].min(), points[:, 0].max()]) / 0.5 * 96 + 48
    assert [columns.min(), columns.max() + 1] == pytest.approx(np.clip(x, 0, 96), abs=1.5)
    assert nearest == pytest.approx(points[:, 1].min() + 1, abs=0.01)
    camera.location.y = -3
    file = render()
    assert np.abs(combined(file) - near).max() < 0.03
    assert depth(file).min() == pytest.approx(nearest + 2, abs=1e-3)
    camera.data.shift_x = 0.25
    shifted = combined(render())
    assert np.abs(shifted[:, :60] - near[:, 24:84]).max() < 0.03


def proxy_points(avatar: bpy.types.Object) -> list:
    """The vertices of the proxy as it is shown, world space."""
    proxy = avatar.children[0].evaluated_get(bpy.context.evaluated_depsgraph_get())
    return [proxy.matrix_world @ vertex.co for vertex in proxy.data.vertices]


def test_finer_pictures_keep_their_brightness(scene, avatar, render):
    plain = combined(render())
    scene.perse.supersampling = "2"
    fine = combined(render())
    assert fine.mean() == pytest.approx(plain.mean(), rel=0.01)
    assert 1e-4 < np.abs(fine - plain).max() < 0.3


def test_alpha_is_right_over_white_and_over_black(scene, avatar, render, part):
    over_nothing = combined(render())
    scene.render.film_transparent = False
    scene.world = bpy.data.worlds.new("World")
    background = next(node for node in part("compat").give_shader_nodes(scene.world).nodes if node.type == "BACKGROUND")
    for shade in (0.0, 1.0):
        background.inputs["Color"].default_value = (shade, shade, shade, 1)
        expected = over_nothing[..., :3] + (1 - over_nothing[..., 3:]) * shade
        assert np.abs(combined(render())[..., :3] - expected).max() < 1e-5
