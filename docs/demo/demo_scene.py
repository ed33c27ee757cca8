"""The demo's scene: an avatar that turns, speaks, smiles, changes its hair, grows a beard and puts on a hat.

`make` builds and saves it, `render` renders it to PNG and OpenEXR. Run by `build.py demo` with the bpy module. Where
the extension is installed, the same .blend renders with `blender -b demo.blend -E PERSE -a`.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import bpy
from mathutils import Vector

FRAMES = 120
SIZE = 512
WISHES = {
    "earrings": ("pearl", "hoop"),
    "hair": ("auburn", "curls", "bob", "blonde", "grey", "black"),
    "beard": ("full", "goatee", "stubble"),
    "clothes": ("suit", "turtleneck"),
    "hat": ("fedora", "cap", "beanie"),
}
"""The styles that show best, where the avatar has learned them."""

Keys = Mapping[int, float]


def install(archive: Path) -> None:
    """Install and enable the extension."""
    bpy.ops.extensions.package_install_files(
        filepath=str(archive), repo="user_default", enable_on_install=True, overwrite=True
    )


def make(avatar: Path, blend: Path, frames: Path) -> None:
    """Build the scene and save it; the avatar is named relative to the .blend."""
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    bpy.ops.perse.import_avatar(filepath=str(avatar))
    rig = bpy.context.object
    scene = bpy.context.scene
    scene.frame_start, scene.frame_end = 1, FRAMES
    scene.render.fps = 24
    set_film(scene)
    film(scene, rig)
    act(rig)
    dress(rig)
    scene.frame_set(1)
    scene.render.filepath = bpy.path.relpath(str(frames / "####"), start=str(blend.parent))
    bpy.ops.wm.save_as_mainfile(filepath=str(blend))


def set_film(scene: bpy.types.Scene) -> None:
    """A square picture in the photo's own colours before a plain wall."""
    render = scene.render
    render.engine = "PERSE"
    render.resolution_x = render.resolution_y = SIZE
    render.resolution_percentage = 100
    render.film_transparent = False
    choose_format(scene, "PNG")
    scene.view_settings.view_transform = "Standard"
    world = bpy.data.worlds.new("Wall")
    world.color = (0.55, 0.58, 0.6)
    if world.node_tree is not None:
        for node in world.node_tree.nodes:
            if node.type == "BACKGROUND":
                node.inputs["Color"].default_value = (*world.color, 1.0)
    scene.world = world


def film(scene: bpy.types.Scene, rig: bpy.types.Object) -> None:
    """A portrait lens that circles the head a little and comes closer."""
    eyes = [rig.data.bones[name].head_local for name in ("eye.L", "eye.R")]
    pivot = bpy.data.objects.new("Camera pivot", None)
    pivot.location = (eyes[0] + eyes[1]) / 2 + Vector((0, 0.06, -0.01))
    camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    for thing in (pivot, camera):
        scene.collection.objects.link(thing)
    camera.parent = pivot
    camera.rotation_euler = (math.pi / 2, 0, 0)
    camera.data.lens = 85
    scene.camera = camera
    for frame, distance in ((1, 1.0), (FRAMES, 0.86)):
        camera.location = (0, -distance, 0)
        camera.keyframe_insert("location", frame=frame)
    for frame, degrees in ((1, -14), (60, 10), (FRAMES, -4)):
        pivot.rotation_euler = (math.radians(-3), 0, math.radians(degrees))
        pivot.keyframe_insert("rotation_euler", frame=frame)


def act(rig: bpy.types.Object) -> None:
    """The head turns, the mouth speaks, the face smiles and blinks."""
    neck = rig.pose.bones["neck"]
    for frame, nod, turn, tilt in (
        (1, 0, 0, 0),
        (10, 2, 24, 3),
        (24, -2, -22, -3),
        (36, 0, 0, 0),
        (52, 4, 6, 4),
        (70, 0, -6, 0),
        (95, -3, 10, 0),
        (FRAMES, 0, 0, 0),
    ):
        neck.rotation_euler = tuple(math.radians(angle) for angle in (nod, turn, tilt))
        neck.keyframe_insert("rotation_euler", frame=frame)
    speech = {
        "jawopen": ((26, 0), (29, 0.45), (32, 0.1), (35, 0.35), (38, 0.08), (42, 0.5), (46, 0)),
        "mouthfunnel": ((31, 0), (34, 0.6), (37, 0)),
        "mouthpucker": ((36, 0), (39, 0.7), (42, 0)),
        "mouthsmileleft": ((46, 0), (54, 0.9), (66, 0.7), (74, 0.1), (104, 0.1), (112, 0.7)),
        "mouthsmileright": ((46, 0), (54, 0.9), (66, 0.7), (74, 0.1), (104, 0.1), (112, 0.7)),
        "cheeksquintleft": ((46, 0), (54, 0.5), (74, 0)),
        "cheeksquintright": ((46, 0), (54, 0.5), (74, 0)),
        "eyeblinkleft": blinks(12, 40, 58, 84, 108),
        "eyeblinkright": blinks(12, 40, 58, 84, 108),
        "browinnerup": ((26, 0), (32, 0.5), (46, 0), (96, 0), (104, 0.6), (114, 0)),
    }
    for name, keys in speech.items():
        key(rig, f"expr_{name}", dict(keys))


def blinks(*frames: int) -> Sequence[tuple[int, float]]:
    """Keys of a lid that closes at each of `frames`."""
    return [pair for frame in frames for pair in ((frame - 3, 0.0), (frame, 1.0), (frame + 4, 0.0))]


def dress(rig: bpy.types.Object) -> None:
    """Earrings are put on; hair A comes, becomes hair B and goes; a beard grows; clothes change; a hat appears."""
    for earrings in styles(rig, "earrings")[:1]:
        key(rig, earrings, {18: 0, 24: 1, 74: 1, 80: 0})
    hair = styles(rig, "hair")[:2]
    if len(hair) == 2:
        key(rig, hair[0], {50: 0, 60: 1, 64: 1, 78: 0})
        key(rig, hair[1], {64: 0, 78: 1, 92: 1, 102: 0})
    for beard in styles(rig, "beard")[:1]:
        key(rig, beard, {76: 0, 98: 1})
    for clothes in styles(rig, "clothes")[:1]:
        key(rig, clothes, {88: 0, 98: 1})
    for hat in styles(rig, "hat")[:1]:
        key(rig, hat, {100: 0, 110: 1})


def styles(rig: bpy.types.Object, category: str) -> list[str]:
    """The avatar's sliders of a category, those of `WISHES` first."""
    present = [name for name in dict(rig.items()) if name.startswith(f"attr_{category}_")]
    wished = [f"attr_{category}_{style}" for style in WISHES[category]]
    return sorted(present, key=lambda name: wished.index(name) if name in wished else len(wished))


def key(rig: bpy.types.Object, slider: str, keys: Keys) -> None:
    """Keyframe a slider, where the avatar has it."""
    if slider not in rig:
        return
    for frame, value in keys.items():
        rig[slider] = float(value)
        rig.keyframe_insert(f'["{slider}"]', frame=frame, group="PERSE")


def choose_format(scene: bpy.types.Scene, file_format: str) -> None:
    """Write PNG, or OpenEXR of half precision."""
    settings = scene.render.image_settings
    if hasattr(settings, "media_type"):
        settings.media_type = "IMAGE"
    settings.file_format = file_format
    settings.color_mode = "RGB" if file_format == "PNG" else "RGBA"
    settings.color_depth = "8" if file_format == "PNG" else "16"


def render(blend: Path, frames: Path) -> None:
    """Render the animation twice: as people see it, and scene-linear in the folder exr beside the frames."""
    bpy.ops.wm.open_mainfile(filepath=str(blend))
    scene = bpy.context.scene
    for file_format, folder in (("PNG", frames), ("OPEN_EXR", frames.with_name("exr"))):
        choose_format(scene, file_format)
        scene.render.filepath = str(folder / "####")
        bpy.ops.render.render(animation=True)


def main(arguments: Iterable[str]) -> int:
    """Read the command line; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("step", choices=("make", "render"))
    parser.add_argument("--zip", type=Path, required=True, help="the extension")
    parser.add_argument("--avatar", type=Path, required=True)
    parser.add_argument("--blend", type=Path, required=True)
    parser.add_argument("--frames", type=Path, required=True, help="folder for the PNG frames")
    options = parser.parse_args(list(arguments))
    try:
        install(options.zip.resolve())
        if options.step == "make":
            make(options.avatar.resolve(), options.blend.resolve(), options.frames.resolve())
        else:
            render(options.blend.resolve(), options.frames.resolve())
    except RuntimeError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    status = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # Blender 4.5 crashes or hangs where a render engine is still registered at exit
