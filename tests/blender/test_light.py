"""The light slider: Blender's lamps and world on the avatar, in Blender's own units, and exactly nothing at 0."""

from __future__ import annotations

import math

import bpy
import numpy as np
import pytest
from exr import combined, read_exr
from mathutils import Vector
from seen import shown

SIZE = 64


def lamp(kind: str, place: tuple[float, float, float], energy: float) -> bpy.types.Object:
    """A lamp at `place` that shines on the face."""
    thing = bpy.data.objects.new("lamp", bpy.data.lights.new("lamp", kind))
    bpy.context.scene.collection.objects.link(thing)
    thing.data.energy = energy
    aim(thing, place)
    return thing


def aim(thing: bpy.types.Object, place: tuple[float, float, float]) -> None:
    thing.location = place
    thing.rotation_euler = (Vector((0, -0.02, 0.06)) - Vector(place)).to_track_quat("-Z", "Y").to_euler()
    bpy.context.view_layer.update()


def test_at_rest_the_picture_is_exactly_that_without_the_slider(scene, avatar, render):
    lamp("SUN", (1, -1, 1), 3.0)
    avatar["light"] = 0.0
    at_rest = combined(render())
    del avatar["light"]
    assert np.array_equal(combined(render()), at_rest)


def luminance(picture: np.ndarray) -> np.ndarray:
    return picture[..., :3] @ [0.2126, 0.7152, 0.0722]


@pytest.fixture
def diffuse(scene, avatar, part, tmp_path):
    """What Cycles makes of the head's mesh in white plaster: (H, W) luminance."""

    def render_it() -> np.ndarray:
        other = scene.copy()
        other.render.engine = "CYCLES"
        other.cycles.samples, other.cycles.use_denoising, other.cycles.max_bounces = 8, False, 0
        settings = other.render.image_settings
        if hasattr(settings, "media_type"):
            settings.media_type = "IMAGE"
        settings.file_format, settings.color_depth, settings.exr_codec = "OPEN_EXR", "32", "NONE"
        plaster = bpy.data.materials.get("plaster") or bpy.data.materials.new("plaster")
        tree = part("compat").give_shader_nodes(plaster)
        tree.nodes.clear()
        output, shader = tree.nodes.new("ShaderNodeOutputMaterial"), tree.nodes.new("ShaderNodeBsdfDiffuse")
        shader.inputs["Color"].default_value = (1, 1, 1, 1)
        tree.links.new(shader.outputs[0], output.inputs["Surface"])
        other.view_layers[0].material_override = plaster
        other.render.filepath = str(tmp_path / "plaster.exr")
        bpy.ops.render.render(scene=other.name, write_still=True)
        bpy.data.scenes.remove(other)
        planes = read_exr(tmp_path / "plaster.exr")
        return luminance(np.stack([planes[letter] for letter in "RGB"], -1))

    return render_it


def test_shade_follows_a_lamp_that_circles_the_head_as_it_does_in_cycles(scene, avatar, render, diffuse):
    scene.render.resolution_x = scene.render.resolution_y = SIZE
    scene.camera.data.lens = 120
    scene.world = None
    plain = combined(render())
    face = plain[..., 3] > 0.999
    face[SIZE * 3 // 4 :] = False
    avatar["light"] = 1.0
    avatar.update_tag()
    key = lamp("SUN", (1, -1, 0.3), math.pi)
    for degrees in (-80, -40, 0, 40, 80):
        turn = math.radians(degrees)
        aim(key, (2 * math.sin(turn), -2 * math.cos(turn), 0.6))
        gain = luminance(combined(render())) / np.maximum(luminance(plain), 1e-4)
        assert np.corrcoef(gain[face], diffuse()[face])[0, 1] > 0.8


def coefficients(part, avatar) -> np.ndarray:
    avatar["light"] = 1.0
    avatar.update_tag()
    bpy.context.view_layer.update()
    return np.reshape(shown(part).light.coefficients, (9, 3))


def test_lamps_have_blenders_units(scene, avatar, part):
    """What falls on a surface facing the lamp is sqrt(4 pi) times the first number; Cycles gives the same."""
    scene.world = None
    place, distance = (0, -1.02, 0.06), 1.0
    expected = {
        "SUN": 5.0,
        "POINT": 5.0 / (4 * math.pi * distance**2),
        "SPOT": 5.0 / (4 * math.pi * distance**2),
        "AREA": 5.0 / (math.pi * distance**2),
    }
    for kind, irradiance in expected.items():
        thing = lamp(kind, place, 5.0)
        found = coefficients(part, avatar)[0] * math.sqrt(4 * math.pi)
        assert found == pytest.approx([irradiance] * 3, rel=0.1), kind
        bpy.data.objects.remove(thing)


def test_the_world_and_hidden_and_averted_lamps(scene, avatar, part):
    scene.world = bpy.data.worlds.new("world")
    part("compat").give_shader_nodes(scene.world)
    background = next((n for n in scene.world.node_tree.nodes if n.type == "BACKGROUND"), None)
    background = background or scene.world.node_tree.nodes.new("ShaderNodeBackground")
    background.inputs["Color"].default_value = (0.2, 0.4, 0.6, 1)
    background.inputs["Strength"].default_value = 0.5
    before = coefficients(part, avatar)
    assert before[0] * 0.282095 == pytest.approx([0.1, 0.2, 0.3], abs=1e-4)
    assert not before[1:].any()
    hidden = lamp("POINT", (0, -1, 0), 50.0)
    hidden.hide_viewport = True
    averted = lamp("AREA", (0, -1, 0), 50.0)
    averted.rotation_euler.x += math.pi
    spot = lamp("SPOT", (0, -1, 0), 50.0)
    spot.rotation_euler.x += 1.0
    assert np.allclose(coefficients(part, avatar), before)


def test_light_is_keyed_and_drawn_in_steps(scene, avatar, render):
    lamp("SUN", (-2, 0, 0), 4.0)
    for frame, value in ((1, 0.0), (2, 0.5), (3, 1.0)):
        avatar["light"] = value
        avatar.keyframe_insert('["light"]', frame=frame)
    scene.frame_start, scene.frame_end = 1, 3
    files = sorted(render(animation=True).iterdir())
    frames = [luminance(combined(file)) for file in files]
    left = [frame[30:60, :48].sum() - frame[30:60, 48:].sum() for frame in frames]
    assert left[0] + 1 < left[1] < left[2] - 1


def test_an_avatar_of_an_earlier_version_gets_the_slider(avatar):
    del avatar["light"]
    assert bpy.ops.perse.add_light() == {"FINISHED"}
    assert avatar["light"] == 0.0
    assert avatar.is_property_overridable_library('["light"]')
