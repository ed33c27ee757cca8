"""What a frame costs in Blender, stage by stage. Run in bpy's environment with a private BLENDER_USER_RESOURCES."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
import time
from pathlib import Path

import bpy
import numpy as np

SIZES = ((512, 512), (1920, 1080))
FRAMES = 40
WARM_UP = 5
STAGES = ("ours", "engine", "begin_result", "foreach_set", "end_result")


def make_scene(archive: Path, avatar: Path) -> None:
    """One avatar, a camera before it, and a jaw that moves all the time."""
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    bpy.ops.extensions.package_install_files(filepath=str(archive), repo="user_default", enable_on_install=True)
    bpy.ops.perse.import_avatar(filepath=str(avatar))
    rig = bpy.context.object
    for frame, value in ((1, 0.0), (FRAMES + WARM_UP, 1.0)):
        rig["expr_jawopen"] = value
        rig.keyframe_insert('["expr_jawopen"]', frame=frame)
    camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    camera.data.lens = 120
    camera.location, camera.rotation_euler = (0.0, -1.2, 0.1), (np.pi / 2, 0.0, 0.0)
    scene = bpy.context.scene
    scene.collection.objects.link(camera)
    scene.camera = camera
    scene.render.engine = "PERSE"
    scene.render.film_transparent = True
    scene.view_layers[0].use_pass_z = True
    scene.render.image_settings.file_format = "OPEN_EXR"


def measure(folder: Path) -> dict[str, list[float]]:
    """Milliseconds of every stage of every frame but the first few."""
    render_engine = importlib.import_module("bl_ext.user_default.perse.render_engine")
    scene = bpy.context.scene
    times: dict[str, list[float]] = {stage: [] for stage in (*STAGES, "save", "frame")}
    for frame in range(1, WARM_UP + FRAMES + 1):
        started = time.perf_counter()
        scene.frame_set(frame)
        bpy.ops.render.render()
        rendered = time.perf_counter()
        bpy.data.images["Render Result"].save_render(str(folder / "frame.exr"))
        saved = time.perf_counter()
        if frame > WARM_UP:
            for stage in STAGES:
                times[stage].append(getattr(render_engine.last, stage))
            times["save"].append((saved - rendered) * 1000)
            times["frame"].append((saved - started) * 1000)
    return times


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("--zip", "--avatar", "--out"):
        parser.add_argument(name, type=Path, required=True)
    parser.add_argument("--gaussians", type=int, required=True, help="how many the avatar has")
    options = parser.parse_args()
    make_scene(options.zip, options.avatar)
    rows = []
    for width, height in SIZES:
        bpy.context.scene.render.resolution_x, bpy.context.scene.render.resolution_y = width, height
        for stage, values in measure(options.out.parent).items():
            median, p95 = np.percentile(values, [50, 95])
            row = {"name": f"blender.{stage}", "gaussians": options.gaussians, "width": width, "height": height}
            rows.append({**row, "median_ms": round(float(median), 3), "p95_ms": round(float(p95), 3)})
    options.out.write_text(json.dumps(rows))


if __name__ == "__main__":
    status = 1
    try:
        main()
        status = 0
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        if status == 0:
            os._exit(0)  # Blender before 5.0 hangs at exit while a render engine is registered
