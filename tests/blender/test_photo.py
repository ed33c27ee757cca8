"""The photograph's own view, in Blender as on the command line."""

from __future__ import annotations

import subprocess

import bpy
import numpy as np
from conftest import ENGINE
from exr import combined


def test_blender_s_picture_of_the_photo_s_view_is_the_command_line_s(scene, avatar, avatar_file, render, tmp_path):
    avatar["expr_jawopen"] = 1.0
    assert bpy.ops.perse.match_photo() == {"FINISHED"}
    assert bpy.ops.perse.add_photo_camera() == {"FINISHED"}
    assert avatar["expr_jawopen"] == 0.0
    assert abs(avatar["expr_mouthsmileleft"] - 0.8) < 1e-6
    assert scene.camera.name == "Test portrait"
    assert (scene.render.resolution_x, scene.render.resolution_y) == (120, 90)
    ours = combined(render())
    picture = tmp_path / "expected.png"
    command = [ENGINE / "bin" / "perse", "render", avatar_file, "--out", picture]
    command += ["--state", "photo", "--camera", "portrait", "--size", "120x90"]
    subprocess.run(list(map(str, command)), check=True, timeout=120)
    expected = load(picture)
    alpha = ours[..., 3:]
    straight = np.where(alpha > 0, ours[..., :3] / np.maximum(alpha, 1e-6), 0)
    srgb = np.where(straight <= 0.0031308, straight * 12.92, 1.055 * np.maximum(straight, 1e-9) ** (1 / 2.4) - 0.055)
    assert np.abs(alpha[..., 0] - expected[..., 3]).mean() < 1 / 255
    assert np.abs((srgb - expected[..., :3]) * alpha).mean() < 1 / 255


def test_the_photo_camera_moves_with_the_avatar(scene, avatar, render):
    bpy.ops.perse.match_photo()
    bpy.ops.perse.add_photo_camera()
    before = combined(render())
    avatar.location, avatar.rotation_euler.z = (1, 2, 3), 0.7
    bpy.context.view_layer.update()
    bpy.context.view_layer.objects.active = avatar
    bpy.ops.perse.add_photo_camera()
    assert np.abs(combined(render()) - before).mean() < 1e-3


def load(path) -> np.ndarray:
    """A PNG as (H, W, 4) sRGB floats, rows from the top down."""
    image = bpy.data.images.load(str(path))
    image.colorspace_settings.name = "Non-Color"
    image.alpha_mode = "CHANNEL_PACKED"
    pixels = np.empty(image.size[0] * image.size[1] * 4, np.float32)
    image.pixels.foreach_get(pixels)
    return pixels.reshape(image.size[1], image.size[0], 4)[::-1]
