"""Setup Compositing: avatars in Cycles' pictures, a second scene in step with the first, and nothing left of it."""

from __future__ import annotations

import shutil

import bpy
import numpy as np
import pytest
from conftest import import_avatar, raises_report
from exr import read_exr
from test_occlusion import plane


@pytest.fixture
def stage(scene, avatar) -> bpy.types.Scene:
    """An avatar over a floor and before a wall, a sphere before half of its face, a sun; Cycles, a few samples."""
    settings = scene.render.image_settings
    if hasattr(settings, "media_type"):
        settings.media_type = "IMAGE"
    settings.file_format, settings.color_mode, settings.color_depth = "OPEN_EXR", "RGBA", "32"
    settings.exr_codec = "NONE"
    scene.render.engine = "CYCLES"
    scene.render.film_transparent = False
    scene.cycles.samples, scene.cycles.use_denoising = 4, False
    scene.cycles.use_adaptive_sampling = False
    scene.world = bpy.data.worlds.new("grey")
    scene.world.color = (0.2, 0.2, 0.2)
    floor = plane("floor", -2.0, 2.0, 0.0)
    floor.rotation_euler.x, floor.location.z = -np.pi / 2, -0.2
    bpy.ops.mesh.primitive_uv_sphere_add(radius=0.05, location=(0.09, -0.35, 0.03))
    sun = bpy.data.objects.new("sun", bpy.data.lights.new("sun", "SUN"))
    sun.data.energy = 3.0
    sun.rotation_euler = (1.3, 0, -0.6)  # from the left and from the front, a little from above
    plane("wall", -2.0, 2.0, 0.3)
    scene.collection.objects.link(sun)
    bpy.context.view_layer.objects.active = avatar
    bpy.context.view_layer.update()
    return scene


def picture(file) -> np.ndarray:
    """(H, W, 4) of a plain EXR."""
    channels = read_exr(file)
    return np.stack([channels[letter] for letter in "RGBA"], -1)


def over(below: np.ndarray, above: np.ndarray) -> np.ndarray:
    """Premultiplied."""
    return above + (1 - above[..., 3:]) * below


def second_of(part) -> bpy.types.Scene:
    second = part("rendering.second_scene").second_of(bpy.context.scene)
    assert second is not None
    return second


def alone(second: bpy.types.Scene, tmp_path) -> np.ndarray:
    """What `second` renders by itself."""
    settings, own = second.render.image_settings, bpy.context.scene.render.image_settings
    if hasattr(settings, "media_type"):
        settings.media_type = "IMAGE"
    for name in ("file_format", "color_mode", "color_depth", "exr_codec"):
        setattr(settings, name, getattr(own, name))
    second.render.filepath = str(tmp_path / "alone")
    bpy.ops.render.render(scene=second.name, write_still=True)
    return picture(tmp_path / "alone.exr")


def test_avatars_lie_over_what_cycles_renders(stage, avatar, render, part, tmp_path):
    proxy = avatar.children[0]
    assert bpy.ops.perse.setup_compositing() == {"FINISHED"}
    assert not proxy.visible_camera
    composed = picture(render())
    second = second_of(part)
    avatars = alone(second, tmp_path)
    stage.render.use_compositing = False
    below = picture(render())
    assert np.abs(composed - over(below, avatars)).max() < 1 / 255
    nowhere = avatars[..., 3] == 0
    assert 0.1 < nowhere.mean() < 0.9
    assert np.array_equal(composed[nowhere], below[nowhere])
    soft = (avatars[..., 3] > 0.02) & (avatars[..., 3] < 0.98)
    assert soft.sum() > 100
    # the sphere cuts the face, the other half stays
    assert avatars[48, 64:68, 3].max() == 0
    assert avatars[48, 36, 3] > 0.95
    proxy.hide_render = True
    shadowless = picture(render())
    darker = (shadowless - below)[..., :3].mean(-1) > 0.1
    assert darker[nowhere].sum() > 50


def test_an_animation_composes_each_frame(stage, avatar, render, part):
    for frame, value in ((1, 0.0), (2, 1.0)):
        avatar["attr_hair_red"] = value
        avatar.keyframe_insert('["attr_hair_red"]', frame=frame)
    stage.frame_start, stage.frame_end = 1, 2
    bpy.ops.perse.setup_compositing()
    first, second = (picture(file) for file in sorted(render(animation=True).iterdir()))
    changed = np.abs(second - first)[..., :3].max(-1)
    assert changed[10:35].max() > 0.1
    assert changed[80:].max() < 1e-3


def test_the_second_scene_stays_in_step(stage, avatar_file, part, tmp_path):
    bpy.ops.perse.setup_compositing()
    second = second_of(part)
    camera = bpy.data.objects.new("Other", bpy.data.cameras.new("Other"))
    stage.collection.objects.link(camera)
    stage.camera = camera
    stage.render.resolution_x, stage.render.fps = 64, 30
    stage.frame_start, stage.frame_end = 5, 9
    hidden = bpy.data.collections.new("hidden")
    stage.collection.children.link(hidden)
    bpy.context.view_layer.layer_collection.children["hidden"].exclude = True
    stage.timeline_markers.new("cut", frame=7).camera = camera
    bpy.context.view_layer.update()
    import_avatar(avatar_file)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "shot.blend"))
    stage = bpy.context.scene
    second = second_of(part)
    assert (second.render.resolution_x, second.render.fps, second.frame_start, second.frame_end) == (64, 30, 5, 9)
    assert second.camera.name == "Other"
    assert second.timeline_markers["cut"].camera.name == "Other"
    assert set(second.objects) == set(stage.objects)
    assert second.view_layers[0].layer_collection.children["hidden"].exclude
    proxies = [thing for thing in stage.objects if "perse_proxy" in thing]
    assert len(proxies) == 2
    assert not any(proxy.visible_camera for proxy in proxies)
    stage.render.resolution_x = 80
    bpy.context.view_layer.update()
    assert second.render.resolution_x == 80


def own_compositor(scene: bpy.types.Scene, part) -> tuple[bpy.types.NodeTree, bpy.types.Node]:
    """A compositor that turns the picture upside down, and its output."""
    compat = part("compat")
    tree = compat.give_compositor(scene)
    flip = tree.nodes.new("CompositorNodeFlip")
    output = compat.compositor_output(tree)
    tree.links.new(output.inputs[0].links[0].from_socket, flip.inputs[0])
    tree.links.new(flip.outputs[0], output.inputs[0])
    return tree, output


def state_of(scene: bpy.types.Scene, tree: bpy.types.NodeTree, proxy: bpy.types.Object) -> object:
    """What Remove Compositing must bring back."""
    links = sorted((link.from_node.name, link.to_node.name, link.to_socket.name) for link in tree.links)
    names = sorted(node.name for node in tree.nodes)
    kinds = [sorted(data.keys()) for data in (bpy.data.scenes, bpy.data.node_groups)]
    return links, names, kinds, proxy.visible_camera, sorted(proxy.keys()), scene.render.use_compositing


@pytest.mark.parametrize("connect", [False, True])
def test_removing_leaves_a_compositor_as_it_was(stage, avatar, part, connect):
    tree, output = own_compositor(stage, part)
    before = state_of(stage, tree, avatar.children[0])
    links = before[0]
    assert bpy.ops.perse.setup_compositing(connect=connect) == {"FINISHED"}
    assert (output.inputs[0].links[0].from_node.type == "GROUP") == connect
    kept = set(state_of(stage, tree, avatar.children[0])[0]) >= set(links)
    assert kept != connect  # not a link is touched unasked
    assert not bpy.ops.perse.setup_compositing.poll()
    assert bpy.ops.perse.remove_compositing() == {"FINISHED"}
    assert state_of(stage, tree, avatar.children[0]) == before


def test_removing_what_was_made_leaves_nothing(stage, avatar, part):
    def left() -> object:
        tree = part("compat").compositor(stage)
        used = tree is not None and len(tree.nodes) > 0
        kinds = [sorted(data.keys()) for data in (bpy.data.scenes, bpy.data.node_groups)]
        return used, kinds, avatar.children[0].visible_camera, stage.render.use_compositing

    stage.render.use_compositing = False
    before = left()
    bpy.ops.perse.setup_compositing()
    assert left() != before
    bpy.ops.perse.remove_compositing()
    assert left() == before


def test_it_is_one_undo_step(stage, avatar):
    names = sorted(bpy.data.scenes.keys())
    bpy.ops.ed.undo_push(message="before")
    bpy.ops.perse.setup_compositing("EXEC_DEFAULT", True)
    assert len(bpy.data.scenes) == 2
    bpy.ops.ed.undo()
    assert sorted(bpy.data.scenes.keys()) == names


def test_a_compositor_that_is_off_is_not_turned_on(stage, avatar, part):
    own_compositor(stage, part)
    stage.render.use_compositing = False
    with raises_report("turn it on"):
        bpy.ops.perse.setup_compositing()
    assert len(bpy.data.scenes) == 1


def test_no_frame_is_left_without_an_avatar_that_is_missing(stage, avatar_file, tmp_path, part, capfd):
    gone = tmp_path / "gone.perse"
    shutil.copy(avatar_file, gone)
    import_avatar(gone)
    bpy.ops.perse.setup_compositing()
    gone.unlink()
    part("session").stop()
    stage.frame_start, stage.frame_end = 1, 2
    stage.render.filepath = str(tmp_path / "out" / "frame_####")
    bpy.ops.render.render(animation=True)
    assert "Error: PERSE: missing-avatar" in capfd.readouterr().err
    assert not list((tmp_path / "out").glob("*"))


def test_the_scene_of_avatars_is_not_composited_again(scene, avatar):
    assert not bpy.ops.perse.setup_compositing.poll()


def test_the_command_renders_what_is_composed(stage, avatar_file, part, tmp_path):
    shutil.copy(avatar_file, tmp_path / "hero.perse")
    bpy.ops.perse.setup_compositing()
    hero = import_avatar(tmp_path / "hero.perse")
    bpy.context.view_layer.update()
    scene, path = bpy.context.scene, tmp_path / "0001.exr"
    scene.render.filepath = str(tmp_path / "####")
    part("commands.command_render").render_frame(scene, 1, path)
    assert picture(path)[..., :3].min() > 0  # the world, the floor, and no black
    (tmp_path / "hero.perse").unlink()
    part("session").stop()
    path.unlink()
    with pytest.raises(part("session").EngineFailure, match=f"missing-avatar.*{hero.name}"):
        part("commands.command_render").render_frame(scene, 1, path)
    assert not path.exists()
