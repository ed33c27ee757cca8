"""What a frame shows: sliders, bones, cameras, borders, passes, colours."""

from __future__ import annotations

import math

import bpy
import numpy as np
import pytest
from conftest import import_avatar, raises_report
from exr import combined, depth, read_exr
from mathutils import Vector


def test_a_still_shows_the_avatar_over_nothing(avatar, render):
    picture = combined(render())
    assert picture[48, 48, 3] > 0.95
    assert picture[0, 0].tolist() == [0, 0, 0, 0]
    assert 0.2 < (picture[..., 3] > 0.5).mean() < 0.8


def test_depth_is_planar_and_far_where_nothing_is(avatar, render):
    planes = depth(file := render())
    inside = combined(file)[..., 3] >= 0.5
    assert (planes[~inside] == np.float32(1e10)).all()
    assert 0.85 < planes[inside].min() < planes[inside].max() < 1.2


def test_depth_does_not_grow_towards_the_edges(scene, avatar, render):
    scene.camera.data.lens = 30
    nose = depth(render()).min()
    scene.camera.location.x = 0.25
    assert depth(render()).min() == pytest.approx(nose, abs=0.004)


def test_keyed_sliders_move_while_an_animation_renders(scene, avatar, render):
    scene.frame_start, scene.frame_end = 1, 3
    for frame, value in ((1, 0.0), (3, 1.0)):
        avatar["attr_hair_red"] = value
        avatar.keyframe_insert('["attr_hair_red"]', frame=frame)
    frames = [combined(file) for file in sorted(render(animation=True).iterdir())]
    reddish = [(frame[10:35, :, 0] - frame[10:35, :, 2])[frame[10:35, :, 3] > 0.9].mean() for frame in frames]
    assert len(frames) == 3
    assert reddish[0] + 0.02 < reddish[1] < reddish[2] - 0.02


def test_driven_sliders_count(scene, avatar, render):
    before = combined(render())
    driver = avatar.driver_add('["attr_hair_red"]').driver
    driver.expression = "1.0"
    bpy.context.view_layer.update()
    assert np.abs(combined(render()) - before).max() > 0.1


def test_an_armature_that_is_hidden_in_renders_still_moves_its_avatar(scene, avatar, render):
    before = combined(render())
    avatar.hide_render = True
    avatar["attr_hair_red"] = 0.0
    avatar.keyframe_insert('["attr_hair_red"]', frame=1)
    avatar["attr_hair_red"] = 1.0
    avatar.keyframe_insert('["attr_hair_red"]', frame=2)
    avatar.pose.bones["neck"].rotation_euler.y = 0.0
    avatar.pose.bones["neck"].keyframe_insert("rotation_euler", frame=1)
    avatar.pose.bones["neck"].rotation_euler.y = 0.5
    avatar.pose.bones["neck"].keyframe_insert("rotation_euler", frame=2)
    avatar.driver_add('["attr_hat_cap"]').driver.expression = "frame - 1"
    scene.frame_start, scene.frame_end = 1, 2
    first, second = [combined(file) for file in sorted(render(animation=True).iterdir())]
    assert np.abs(first - before).max() < 1e-4
    assert np.abs(second - before)[..., 2].max() > 0.2  # the cap is blue
    assert np.abs(second - before)[60:90].max() > 0.1


def test_the_nla_counts(scene, avatar, render):
    before = combined(render())
    avatar["attr_hair_red"] = 1.0
    avatar.keyframe_insert('["attr_hair_red"]', frame=1)
    action = avatar.animation_data.action
    strip = avatar.animation_data.nla_tracks.new().strips.new("Red", 1, action)
    if getattr(action, "slots", None):
        strip.action_slot = action.slots[0]
    avatar.animation_data.action = None
    avatar["attr_hair_red"] = 0.0
    scene.frame_set(1)
    assert np.abs(combined(render()) - before).max() > 0.1


def test_shape_keys_freed_from_the_sliders_count(avatar, render):
    before = combined(render())
    keys = avatar.children[0].data.shape_keys
    keys.driver_remove('key_blocks["jawOpen"].value')
    keys.key_blocks["jawOpen"].value = 1.0
    assert np.abs(combined(render()) - before).max() > 0.1


def test_posed_bones_and_their_constraints_count(scene, avatar, render):
    still = combined(render())
    avatar.pose.bones["neck"].rotation_euler.y = 0.6
    turned = combined(render())
    assert np.abs(turned - still).max() > 0.2
    avatar.pose.bones["neck"].rotation_euler.y = 0.0
    limit = avatar.pose.bones["neck"].constraints.new("LIMIT_ROTATION")
    limit.use_limit_y, limit.min_y, limit.max_y, limit.owner_space = True, 0.6, 0.6, "LOCAL"
    bpy.context.view_layer.update()
    assert np.abs(combined(render()) - turned).max() < 0.05


def test_several_avatars_hide_each_other(scene, avatar, avatar_file, render):
    alone = combined(render())
    second = import_avatar(avatar_file)
    second.location = (0.12, -0.15, 0.0)
    second["attr_hair_red"] = 1.0
    bpy.context.view_layer.update()
    both = combined(file := render())
    assert (both[..., 3] > 0.5).sum() > 1.2 * (alone[..., 3] > 0.5).sum()
    assert depth(file).min() == pytest.approx(depth(file)[both[..., 3] > 0.5].min())
    avatar.children[0].hide_render = True
    only_second = combined(render())
    covered = only_second[..., 3] > 0.99
    assert np.abs(both - only_second)[covered].max() < 0.02


def test_collection_instances_are_rendered(scene, avatar, render):
    alone = combined(render())
    collection = bpy.data.collections.new("Cast")
    for thing in (avatar, avatar.children[0]):
        collection.objects.link(thing)
        bpy.context.scene.collection.objects.unlink(thing)
    for x in (-0.1, 0.1):
        instancer = bpy.data.objects.new("Instance", None)
        instancer.instance_type, instancer.instance_collection = "COLLECTION", collection
        instancer.location.x = x
        scene.collection.objects.link(instancer)
    bpy.context.view_layer.update()
    assert (combined(render())[..., 3] > 0.5).sum() > 1.3 * (alone[..., 3] > 0.5).sum()


def test_objects_that_move_and_scale_move_and_scale_the_avatar(scene, avatar, render):
    scene.camera.data.lens = 50
    small = (combined(render())[..., 3] > 0.5).sum()
    avatar.scale = (0.5, 0.5, 0.5)
    bpy.context.view_layer.update()
    shrunk = (combined(file := render())[..., 3] > 0.5).sum()
    assert shrunk == pytest.approx(small / 4, rel=0.25)
    assert depth(file).min() > 0.9
    avatar.scale = (0, 0, 0)
    bpy.context.view_layer.update()
    assert (combined(render())[..., 3] == 0).all()


CAMERAS = {
    "long lens": {"lens": 135.0},
    "shift": {"lens": 60.0, "shift_x": 0.11, "shift_y": -0.07},
    "vertical sensor": {"lens": 60.0, "sensor_fit": "VERTICAL", "sensor_height": 30.0},
    "horizontal sensor": {"lens": 50.0, "sensor_fit": "HORIZONTAL", "sensor_width": 20.0},
}


@pytest.mark.parametrize("name", CAMERAS)
@pytest.mark.parametrize("size", [(96, 64, 100), (64, 96, 100), (120, 90, 50)])
def test_cameras_agree_with_the_thin_lens_formula(name, size, scene, avatar, render):
    width, height, percentage = size
    scene.render.resolution_x, scene.render.resolution_y = width, height
    scene.render.resolution_percentage = percentage
    camera = scene.camera
    for key, value in CAMERAS[name].items():
        setattr(camera.data, key, value)
    camera.location = (0.4, -1.9, 0.45)
    camera.rotation_euler = (Vector((0, 0, 0.03)) - camera.location).to_track_quat("-Z", "Y").to_euler()
    bpy.context.view_layer.update()
    seen = combined(render())[..., 3] > 0.5
    rows, columns = np.nonzero(seen)
    drawn = [columns.min(), columns.max() + 1, rows.min(), rows.max() + 1]
    x, y = np.array([project(camera, point, *reversed(seen.shape)) for point in proxy_points(avatar)]).T
    width, height = seen.shape[1], seen.shape[0]
    expected = np.clip([x.min(), x.max(), y.min(), y.max()], 0, [width, width, height, height])
    assert drawn == pytest.approx(expected, abs=1.6)


def proxy_points(avatar: bpy.types.Object) -> list[Vector]:
    """The vertices of the proxy as it is shown, world space."""
    proxy = avatar.children[0].evaluated_get(bpy.context.evaluated_depsgraph_get())
    return [proxy.matrix_world @ vertex.co for vertex in proxy.data.vertices]


def project(camera: bpy.types.Object, point: Vector, width: int, height: int) -> tuple[float, float]:
    """Pixels from the upper left corner, by the camera's lens, sensor and shift."""
    local = camera.matrix_world.inverted() @ point
    data = camera.data
    vertical = data.sensor_fit == "VERTICAL" or (data.sensor_fit == "AUTO" and height > width)
    longest = height if vertical else width
    pixels = data.lens / (data.sensor_height if data.sensor_fit == "VERTICAL" else data.sensor_width) * longest
    x = local.x / -local.z * pixels - data.shift_x * longest + width / 2
    y = -local.y / -local.z * pixels + data.shift_y * longest + height / 2
    return x, y


@pytest.mark.parametrize("crop", [True, False])
def test_a_border_cuts_the_same_picture(crop, scene, avatar, render):
    whole = combined(render())
    scene.render.use_border, scene.render.use_crop_to_border = True, crop
    scene.render.border_min_x, scene.render.border_max_x = 1 / 3, 0.777
    scene.render.border_min_y, scene.render.border_max_y = 0.1, 0.6
    left, right, bottom, top = 32, 74, 9, 57
    part = combined(render())
    window = whole[96 - top : 96 - bottom, left:right]
    if crop:
        assert part.shape == window.shape
    else:
        assert part.shape == whole.shape
        assert part[:20].max() == 0
        part = part[96 - top : 96 - bottom, left:right]
    assert np.abs(part - window).max() < 1e-3


def test_the_world_is_behind_where_the_film_is_not_transparent(scene, avatar, render, part):
    over_nothing = combined(render())
    scene.render.film_transparent = False
    world = bpy.data.worlds.new("World")
    scene.world = world
    background = next(node for node in part("compat").give_shader_nodes(world).nodes if node.type == "BACKGROUND")
    background.inputs["Color"].default_value = (0.1, 0.2, 0.4, 1)
    background.inputs["Strength"].default_value = 2.0
    picture = combined(render())
    assert picture[0, 0] == pytest.approx([0.2, 0.4, 0.8, 1.0], abs=1e-5)
    expected = over_nothing[..., :3] + (1 - over_nothing[..., 3:]) * [0.2, 0.4, 0.8]
    assert np.abs(picture[..., :3] - expected).max() < 1e-4


def test_colours_are_scene_linear_and_premultiplied(avatar, render):
    picture = combined(render())
    skin = picture[30:34, 44:52].reshape(-1, 4).mean(0)
    srgb = np.array([0.78, 0.6, 0.5])
    assert skin[:3] / skin[3] == pytest.approx(((srgb + 0.055) / 1.055) ** 2.4, abs=0.02)
    assert (picture[..., :3] <= picture[..., 3:] + 1e-5).all()


@pytest.mark.skipif(bpy.app.version < (5, 0, 0), reason="the working space is fixed before 5.0")
def test_other_working_spaces(scene, avatar, render, part):
    reference = combined(render())
    matrix = part("rendering.color").from_rec709("ACEScg")
    assert matrix @ np.ones(3) == pytest.approx(np.ones(3), abs=1e-6)
    assert matrix == pytest.approx(
        np.array([[0.6131, 0.3395, 0.0474], [0.0702, 0.9164, 0.0134], [0.0206, 0.1096, 0.8698]]), abs=2e-4
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(part("compat"), "working_space", lambda: "ACEScg")
        assert np.abs(combined(render())[..., :3] - reference[..., :3] @ matrix.T).max() < 1e-4


def test_every_view_layer_is_rendered(scene, avatar, avatar_file, tmp_path):
    second = import_avatar(avatar_file)
    collection = bpy.data.collections.new("Second")
    scene.collection.children.link(collection)
    for thing in (second, second.children[0]):
        collection.objects.link(thing)
        scene.collection.objects.unlink(thing)
    second.location.x = 0.15
    layer = scene.view_layers.new("Only first")
    layer.layer_collection.children["Second"].exclude = True
    scene.render.filepath = str(tmp_path / "layers")
    bpy.ops.render.render(write_still=True)
    channels = read_exr(tmp_path / "layers.exr")
    both = channels["ViewLayer.Combined.A"] if "ViewLayer.Combined.A" in channels else channels["View Layer.Combined.A"]
    assert both.sum() > 1.2 * channels["Only first.Combined.A"].sum() > 0


@pytest.mark.parametrize("kind", ["PANO"])
def test_cameras_that_cannot_be_drawn_are_refused(kind, scene, avatar, render):
    scene.camera.data.type = kind
    with raises_report("camera-type.*Lens Type"):
        render()


def test_a_scene_without_avatars_is_empty(scene, render):
    picture = combined(file := render())
    assert (picture == 0).all()
    assert (depth(file) == np.float32(1e10)).all()


def test_not_a_number_stops_the_animation_and_names_slider_and_frame(scene, avatar, tmp_path, part):
    scene.frame_start, scene.frame_end = 1, 4
    for frame, value in ((1, 0.0), (2, 0.0), (3, 1.0)):
        avatar["attr_hair_red"] = value
        avatar.keyframe_insert('["attr_hair_red"]', frame=frame)
    curve = next(curve for curve in part("compat").fcurves(avatar) if "hair_red" in curve.data_path)
    curve.keyframe_points[2].co[1] = math.nan
    scene.render.filepath = str(tmp_path / "frame_####")
    with raises_report(r"not-a-number: attr_hair_red of Test is not a number at frame 3"):
        bpy.ops.render.render(animation=True)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["frame_0001.exr", "frame_0002.exr"]
