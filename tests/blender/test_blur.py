"""What is averaged: motion blur, depth of field, both; and the two eyes of a stereo picture."""

from __future__ import annotations

import math

import bpy
import numpy as np
import pytest
from exr import combined, depth, plane, read_exr


def psnr(picture: np.ndarray, expected: np.ndarray) -> float:
    """Decibels, of a peak of one."""
    return float(10 * np.log10(1 / max(float(((picture - expected) ** 2).mean()), 1e-12)))


@pytest.fixture
def moving(scene, avatar) -> bpy.types.Object:
    """An avatar that goes sideways and turns, at frame 5."""
    for frame, x, angle in ((0, -0.1, -0.4), (10, 0.1, 0.4)):
        avatar.location.x, avatar.rotation_euler.z = x, angle
        avatar.keyframe_insert("location", frame=frame)
        avatar.keyframe_insert("rotation_euler", frame=frame)
    scene.frame_set(5)
    return avatar


def average(scene, render, start: float, end: float, count: int) -> np.ndarray:
    """The average of sharp stills between two times."""
    scene.render.use_motion_blur = False
    total = np.zeros((96, 96, 4))
    for k in range(count):
        time = start + (end - start) * (k + 0.5) / count
        scene.frame_set(math.floor(time), subframe=time % 1)
        total += combined(render())
    scene.frame_set(5)
    return total / count


@pytest.mark.parametrize(("position", "start"), [("START", 5.0), ("CENTER", 4.5), ("END", 4.0)])
def test_motion_blur_is_the_average_over_the_shutter(position, start, scene, moving, render):
    scene.render.use_motion_blur, scene.render.motion_blur_shutter = True, 1.0
    scene.render.motion_blur_position = position
    blurred = combined(render())
    assert scene.frame_current_final == 5
    count = 64 if position == "CENTER" else 16
    assert psnr(blurred, average(scene, render, start, start + 1, count)) > 40
    sharp = combined(render())
    assert psnr(blurred, sharp) < 36


def test_blurred_masks_add_up_and_depth_is_of_the_middle(scene, moving, render):
    layer = scene.view_layers[0]
    layer.perse.avatar_masks = layer.use_pass_normal = True
    sharp = render()
    scene.render.use_motion_blur, scene.render.motion_blur_position = True, "CENTER"
    blurred = render()
    assert np.abs(plane(read_exr(blurred), "Mask Test.X") - combined(blurred)[..., 3]).max() < 1e-4
    assert np.abs(combined(blurred) - combined(sharp)).max() > 0.05
    assert np.array_equal(depth(blurred), depth(sharp))
    assert np.array_equal(plane(read_exr(blurred), "Normal.X"), plane(read_exr(sharp), "Normal.X"))


def test_sliders_and_cameras_blur_in_an_animation(scene, avatar, render):
    scene.render.use_motion_blur, scene.render.motion_blur_shutter = True, 1.0
    scene.render.motion_blur_position = "START"
    scene.frame_start, scene.frame_end = 1, 2
    for frame, value in ((1, 0.0), (2, 1.0)):
        avatar["attr_hair_red"] = value
        avatar.keyframe_insert('["attr_hair_red"]', frame=frame)
    first, second = (combined(file) for file in sorted(render(animation=True).iterdir()))
    scene.render.use_motion_blur = False
    scene.frame_set(1, subframe=0.5)
    assert psnr(first, combined(render())) > 40
    scene.frame_set(2)
    assert psnr(second, combined(render())) > 55


def test_depth_of_field_is_the_average_over_the_lens(scene, avatar, render):
    sharp = combined(render())
    lens = scene.camera.data.dof
    lens.use_dof, lens.aperture_fstop, lens.focus_distance = True, 1.4, 0.7
    blurred = combined(render())
    assert psnr(blurred, sharp) < 30
    expected = through_the_lens(scene, render, radius=0.085 / 2.8, focus=0.7, rings=10)
    assert psnr(blurred, expected) > 40


def through_the_lens(scene, render, radius: float, focus: float, rings: int) -> np.ndarray:
    """The average of sharp stills of cameras all over the lens, by Blender's own shift."""
    camera, lens = scene.camera, scene.camera.data.dof
    lens.use_dof = False
    home, total, weight = camera.location.copy(), np.zeros((96, 96, 4)), 0
    for x in (np.arange(rings) + 0.5) / rings * 2 - 1:
        for z in (np.arange(rings) + 0.5) / rings * 2 - 1:
            if x * x + z * z > 1:
                continue
            camera.location = (home.x + radius * x, home.y, home.z + radius * z)
            camera.data.shift_x = -radius * x / focus * camera.data.lens / camera.data.sensor_width
            camera.data.shift_y = -radius * z / focus * camera.data.lens / camera.data.sensor_width
            total += combined(render())
            weight += 1
    return total / weight


def test_what_is_in_focus_stays_sharp(scene, avatar, render):
    sharp = combined(render())
    target = bpy.data.objects.new("Target", None)
    scene.collection.objects.link(target)
    target.location = (0, -0.09, 0)
    lens = scene.camera.data.dof
    lens.use_dof, lens.aperture_fstop, lens.focus_object = True, 5.6, target
    bpy.context.view_layer.update()
    on_face = psnr(combined(render()), sharp)
    target.location.y = 0.6
    bpy.context.view_layer.update()
    assert on_face > psnr(combined(render()), sharp) + 6


def test_both_blur_together(scene, moving, render):
    scene.render.use_motion_blur, scene.render.motion_blur_shutter = True, 1.0
    motion = combined(render())
    lens = scene.camera.data.dof
    lens.use_dof, lens.aperture_fstop, lens.focus_distance = True, 1.4, 0.7
    scene.perse.motion_samples, scene.perse.lens_samples = 8, 24
    both = combined(render())
    scene.perse.lens_samples = 128
    assert psnr(both, combined(render())) > 40
    scene.render.use_motion_blur = False
    scene.perse.lens_samples = 24
    assert psnr(both, motion) < 36
    assert psnr(both, combined(render())) < 36


def test_a_held_frame_is_the_same_with_and_without_a_shutter(scene, avatar, render):
    still = combined(render())
    scene.render.use_motion_blur = True
    assert np.abs(combined(render()) - still).max() < 1e-5


def test_two_eyes_see_the_face_apart(scene, avatar, render):
    scene.render.use_multiview = True
    scene.view_layers[0].perse.avatar_masks = True
    scene.render.image_settings.views_format = "MULTIVIEW"
    stereo = scene.camera.data.stereo
    stereo.convergence_mode, stereo.interocular_distance, stereo.convergence_distance = "OFFAXIS", 0.065, 2.0
    scene.camera.data.lens = 50
    channels = read_exr(render())
    left, right = (plane(channels, f"{eye}:Combined.A") for eye in ("left", "right"))
    head = slice(20, 50)
    at = [float((picture[head] * np.arange(96)).sum() / picture[head].sum()) for picture in (left, right)]
    pixels = 50 / 36 * 96
    distance = 0.97  # of the head's outline
    expected = 0.065 * pixels * (1 / distance - 1 / 2.0)
    assert at[0] - at[1] == pytest.approx(expected, abs=0.4)
    assert np.abs(plane(channels, "left:Mask Test.X") - left).max() < 1e-4
    assert np.abs(plane(channels, "right:Depth.")[right > 0.6]).max() < 2


def test_two_cameras_make_two_views(scene, avatar, render):
    scene.render.use_multiview, scene.render.views_format = True, "MULTIVIEW"
    scene.render.image_settings.views_format = "MULTIVIEW"
    for eye, x in (("L", -0.1), ("R", 0.1)):
        camera = scene.camera if eye == "L" else bpy.data.objects.new("Camera_R", scene.camera.data)
        camera.name = f"Camera_{eye}"
        if eye == "R":
            scene.collection.objects.link(camera)
            camera.rotation_euler = scene.camera.rotation_euler
        camera.location = (x, -1, 0.03)
    bpy.context.view_layer.update()
    channels = read_exr(render())
    left, right = (plane(channels, f"{eye}:Combined.A") for eye in ("left", "right"))
    columns = np.arange(96)
    at = [float((picture * columns).sum() / picture.sum()) for picture in (left, right)]
    assert at[0] > at[1] + 15


def test_people_see_how_far_it_is_and_what_is_left(scene, moving, render):
    said: list[str] = []

    def listen(line: str, _: object) -> None:
        said.append(line)

    scene.render.use_motion_blur = True
    bpy.app.handlers.render_stats.append(listen)
    try:
        render()
    finally:
        bpy.app.handlers.render_stats.remove(listen)
    told = [part for line in said for part in line.split(" | ") if part.startswith("Sample")]
    assert told == [f"Sample {k}/8" for k in range(1, 9)]
    assert all("Remaining 00:" in line for line in said if "Sample" in line)


def test_a_cancelled_blur_leaves_the_scene_at_its_frame(scene, moving, part, monkeypatch):
    wait, waits = part("session").EngineClient.wait, []

    def escape_at_the_third(self, ticket, poll=None, timeout=None):
        waits.append(ticket)
        return wait(self, ticket, (lambda: True) if len(waits) == 3 else poll, timeout)

    scene.render.use_motion_blur = True
    scene.render.resolution_x = scene.render.resolution_y = 1500
    monkeypatch.setattr(part("session").EngineClient, "wait", escape_at_the_third)
    monkeypatch.setattr(
        part("render_engine").PerseRenderEngine, "_hand_over", lambda *_: pytest.fail("it was handed over")
    )
    bpy.ops.render.render()
    assert len(waits) == 3
    assert scene.frame_current_final == 5
