"""Run by bpy's interpreter: install the extension, import an avatar, key its sliders and render an animation.

shoot.py EXTENSION.zip AVATAR.perse FRAMES_FOLDER
"""

from __future__ import annotations

import math
import os
import sys

import bpy

FRAMES = 5
SLIDERS = {"expr_jawopen": 0.7, "expr_mouthsmileleft": 0.6}


def shoot(archive: str, avatar: str, frames: str) -> None:
    """Render the neutral face at the first frame, and every key at the last one."""
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    bpy.ops.extensions.package_install_files(filepath=archive, repo="user_default", enable_on_install=True)
    bpy.ops.perse.import_avatar(filepath=avatar)
    rig = bpy.context.object
    hats = [name for name in rig.keys() if name.startswith("attr_hat_")]  # noqa: SIM118
    for name, value in {**SLIDERS, hats[0]: 1.0}.items():
        for frame, key in ((1, 0.0), (FRAMES, value)):
            rig[name] = key
            rig.keyframe_insert(f'["{name}"]', frame=frame)
    camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    camera.data.lens = 100
    camera.location, camera.rotation_euler = (0.0, -1.3, 0.08), (math.pi / 2, 0.0, 0.0)
    scene = bpy.context.scene
    scene.collection.objects.link(camera)
    scene.camera = camera
    scene.frame_start, scene.frame_end = 1, FRAMES
    scene.render.engine = "PERSE"
    scene.render.resolution_x = scene.render.resolution_y = 256
    scene.render.film_transparent = True
    scene.view_settings.view_transform = "Standard"
    scene.render.image_settings.file_format = "PNG"
    scene.render.image_settings.color_mode = "RGBA"
    scene.render.filepath = f"{frames}/"
    bpy.ops.render.render(animation=True)


if __name__ == "__main__":
    status = 1
    try:
        shoot(*sys.argv[1:])
        status = 0
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        if status == 0:
            os._exit(0)  # Blender before 5.0 hangs at exit while a render engine is registered
