"""What a long animation costs where nobody watches: each frame's time by stage, and the memory of both processes.

    blender -b --factory-startup -P animation_soak.py -- --zip EXTENSION.zip --avatar X.perse

or with the interpreter of bpy instead of Blender; with a private BLENDER_USER_RESOURCES. Linux only: it reads /proc.
Prints a table; exit status 1 where memory grows by 20 MB or more, by medians of frames 21 to 40 and of the last 20, or
our own share of a frame is above 5 ms in the median.
"""

from __future__ import annotations

import argparse
import importlib
import json
import math
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import bpy

WARM = 20
MOST_GROWTH_MB, MOST_OURS_MS = 20, 5.0
STAGES = ("engine", "ours", "begin_result", "foreach_set", "end_result")


def make_scene(options: argparse.Namespace, folder: Path) -> None:
    """One avatar that turns, speaks and changes its hair before a camera; frames as half-float OpenEXR with depth."""
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    bpy.ops.extensions.package_install_files(
        filepath=str(options.zip.resolve()), repo="user_default", enable_on_install=True, overwrite=True
    )
    bpy.ops.perse.import_avatar(filepath=str(options.avatar.resolve()))
    rig, scene = bpy.context.object, bpy.context.scene
    styles = [name for name in dict(rig.items()) if name.startswith("attr_")][:4]
    for frame in range(1, options.frames + 1, 12):
        for count, name in enumerate(("expr_jawopen", "expr_mouthsmileleft", *styles)):
            rig[name] = (frame // 12 + count) % 3 / 2
            rig.keyframe_insert(f'["{name}"]', frame=frame)
        rig.pose.bones["neck"].rotation_euler.y = 0.4 * math.sin(frame / 9)
        rig.pose.bones["neck"].keyframe_insert("rotation_euler", frame=frame)
    camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    camera.data.lens = 120
    camera.location, camera.rotation_euler = (0.0, -1.2, 0.1), (math.pi / 2, 0.0, 0.0)
    scene.collection.objects.link(camera)
    scene.camera = camera
    scene.frame_start, scene.frame_end = 1, options.frames
    render = scene.render
    render.engine = "PERSE"
    render.film_transparent = True
    render.resolution_x, render.resolution_y = options.size
    scene.view_layers[0].use_pass_z = True
    if hasattr(render.image_settings, "media_type"):
        render.image_settings.media_type = "MULTI_LAYER_IMAGE"
    render.image_settings.file_format = "OPEN_EXR_MULTILAYER"
    render.image_settings.color_depth = "16"
    render.filepath = str(folder / "####")


def resident_mb(process: int) -> float:
    """Memory of a process that no other one shares, and its part of what is shared, in MB."""
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def measure() -> list[dict[str, float]]:
    """Render the animation; milliseconds by stage and megabytes of Blender and engine, for each frame."""
    package = "bl_ext.user_default.perse"
    session, render_engine = (importlib.import_module(f"{package}.{name}") for name in ("session", "render_engine"))
    rows: list[dict[str, float]] = []
    marks = {"begin": time.perf_counter(), "handed over": 0.0}
    hand_over = render_engine.PerseRenderEngine._hand_over

    def timed_hand_over(*arguments: object) -> None:
        hand_over(*arguments)
        marks["handed over"] = time.perf_counter()

    def written(*_: object) -> None:
        now = time.perf_counter()
        row = {stage: getattr(render_engine.last, stage) for stage in STAGES}
        row |= {"file": (now - marks["handed over"]) * 1000, "frame": (now - marks["begin"]) * 1000}
        row |= {"blender_mb": resident_mb(os.getpid()), "engine_mb": resident_mb(session.client().pid)}
        rows.append(row)
        for path in Path(bpy.context.scene.render.filepath).parent.iterdir():
            path.unlink()
        marks["begin"] = time.perf_counter()

    render_engine.PerseRenderEngine._hand_over = timed_hand_over
    bpy.app.handlers.render_write.append(written)
    bpy.ops.render.render(animation=True)
    return rows


def report(rows: list[dict[str, float]]) -> bool:
    """Print the table; whether it is within bounds."""
    warm = rows[WARM:]
    print(f"\n{len(rows)} frames, the first {WARM} left out{'best 5%':>14} {'median':>8} {'p95':>8} {'worst':>8}")
    for name in ("frame", *STAGES, "file"):
        values = sorted(row[name] for row in warm)
        best, median, p95 = (values[round(share * (len(values) - 1))] for share in (0.05, 0.5, 0.95))
        print(f"{name + ' ms':<35} {best:>8.2f} {median:>8.2f} {p95:>8.2f} {values[-1]:>8.2f}")
    good = statistics.median(row["ours"] for row in warm) <= MOST_OURS_MS
    for name in ("blender_mb", "engine_mb"):
        # Blender holds a picture or two more at one moment than at another
        first, last = (statistics.median(row[name] for row in part) for part in (warm[:WARM], warm[-WARM:]))
        print(f"{name:<35} {first:>8.1f} in the first {WARM} of them, {last:.1f} in the last: {last - first:+.1f}")
        good = good and last - first < MOST_GROWTH_MB
    return good


def main() -> int:
    """Read the command line; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--zip", type=Path, required=True)
    parser.add_argument("--avatar", type=Path, required=True)
    parser.add_argument("--frames", type=int, default=240)
    parser.add_argument("--size", type=lambda text: tuple(map(int, text.split("x"))), default=(1920, 1080))
    parser.add_argument("--out", type=Path, help="every frame's row, as JSON")
    given = sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else sys.argv[1:]
    options = parser.parse_args(given)
    with tempfile.TemporaryDirectory() as folder:
        make_scene(options, Path(folder) / "frames")
        rows = measure()
    if options.out is not None:
        options.out.write_text(json.dumps(rows))
    return 0 if report(rows) else 1


if __name__ == "__main__":
    status = 1
    try:
        status = main()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)  # Blender before 5.0 hangs at exit while a render engine is registered
