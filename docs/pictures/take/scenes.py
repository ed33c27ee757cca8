"""Run by take.py inside Blender: brings about what each picture of the guide shows, and takes it."""

from __future__ import annotations

import importlib
import json
import logging
import math
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from mathutils import Euler

PACKAGE = "bl_ext.user_default.perse"
WANTED = json.loads(os.environ["PERSE_PICTURES"])
OUT = Path(WANTED["out"])
HOME = Path(tempfile.mkdtemp(prefix="perse-walk-"))
Steps = Iterator[float]
logging.basicConfig(level=logging.INFO, format="%(message)s")
log = logging.getLogger("pictures")


def part(name: str) -> Any:
    """A module of the extension."""
    return importlib.import_module(f"{PACKAGE}.{name}")


def area() -> bpy.types.Area:
    """The 3D viewport."""
    return next(area for area in bpy.context.window_manager.windows[0].screen.areas if area.type == "VIEW_3D")


def region(kind: str) -> bpy.types.Region:
    """A region of the 3D viewport."""
    return next(region for region in area().regions if region.type == kind)


def sidebar(*panels: str) -> Steps:
    """Show the PERSE tab with these panels only, or with all, on a plain background."""
    for cls in bpy.types.Panel.__subclasses__():
        if cls.__name__.startswith("PERSE_PT"):
            shown = not panels or cls.__name__.removeprefix("PERSE_PT_") in panels
            if cls.is_registered != shown:
                (bpy.utils.register_class if shown else bpy.utils.unregister_class)(cls)
    area().spaces.active.show_region_ui = True
    area().spaces.active.overlay.show_overlays = not panels
    yield 1.5
    region("UI").active_panel_category = "PERSE"
    region("UI").tag_redraw()
    yield 2.0


def at_rest(seconds: float = 120.0) -> Steps:
    """Wait until the viewport's picture is there in full."""
    end = time.monotonic() + seconds
    area().tag_redraw()
    yield 0.5
    while time.monotonic() < end:
        view = part("viewport.viewport").view_of(region("WINDOW"))
        if view.shown is not None and view.ticket is None and view.shown.camera.width == region("WINDOW").width:
            break
        yield 0.2
    area().tag_redraw()
    yield 1.0


def screen(window: bpy.types.Window) -> np.ndarray:
    """What the display shows of `window`: (H, W, 4), the top row first, as it is stored."""
    file = HOME / "screen.png"
    if WANTED["grab"]:
        subprocess.run([each.replace("{}", str(file)) for each in shlex.split(WANTED["grab"])], check=True)
    else:
        with bpy.context.temp_override(window=window, screen=window.screen):
            bpy.ops.screen.screenshot(filepath=str(file), check_existing=False)
    image = bpy.data.images.load(str(file))
    width, height = image.size
    pixels = np.empty(width * height * 4, np.float32)
    image.pixels.foreach_get(pixels)
    bpy.data.images.remove(image)
    picture = pixels.reshape(height, width, 4)[::-1]
    if not WANTED["grab"]:
        return picture
    top = height - window.y - window.height
    return picture[top : top + window.height, window.x : window.x + window.width]


def keep(name: str, picture: np.ndarray, quality: int = 88) -> None:
    """Write a picture of the guide."""
    height, width = picture.shape[:2]
    image = bpy.data.images.new(name, width, height, alpha=False)
    image.pixels.foreach_set(np.ascontiguousarray(picture[::-1]).ravel())
    image.file_format = "JPEG" if name.endswith(".jpg") else "PNG"
    image.save(filepath=str(OUT / name), quality=quality)
    bpy.data.images.remove(image)
    log.info("%s, %d bytes", OUT / name, (OUT / name).stat().st_size)


def main_window() -> np.ndarray:
    """The whole of Blender's window."""
    return screen(bpy.context.window_manager.windows[0])


def cut(shown: np.ndarray, kind: str) -> np.ndarray:
    """What a region of the viewport shows, of the whole window."""
    place = region(kind)
    top = len(shown) - place.y - place.height
    return shown[top : top + place.height, place.x : place.x + place.width]


def panels() -> np.ndarray:
    """The sidebar as far down as there is something in it."""
    shown = cut(main_window(), "UI")
    shown = shown[:, : shown.shape[1] - 24]  # the tabs
    differs = (np.abs(shown[:-40] - shown[-40, 4]) > 0.03).any((1, 2))
    return shown[: int(np.flatnonzero(differs).max()) + 12] if differs.any() else shown


def side_by_side(*pictures: np.ndarray) -> np.ndarray:
    """Pictures in a row, on dark."""
    height, gap = max(map(len, pictures)), 10
    row = np.full((height, sum(p.shape[1] + gap for p in pictures) - gap, 4), 0.1, np.float32)
    row[..., 3] = 1.0
    left = 0
    for picture in pictures:
        row[: len(picture), left : left + picture.shape[1]] = picture
        left += picture.shape[1] + gap
    return row


def avatar() -> bpy.types.Object:
    """The imported avatar, alone in the scene with its camera and a light; brought in where it is not there."""
    rigs = list(part("avatars.avatars").rigs())
    if rigs:
        return rigs[0]
    for thing in [thing for thing in bpy.data.objects if thing.type == "MESH"]:
        bpy.data.objects.remove(thing)
    with bpy.context.temp_override(window=bpy.context.window_manager.windows[0], area=area(), region=region("WINDOW")):
        bpy.ops.perse.import_avatar(filepath=WANTED["avatar"])
        bpy.ops.perse.use_engine()
        bpy.ops.perse.keep_colors()
    return bpy.context.object


def pose(**sliders: float) -> None:
    """Choose the avatar, reset it, and set these sliders."""
    rig = avatar()
    bpy.context.view_layer.objects.active = rig
    rig.select_set(True)
    bpy.ops.perse.reset(kind="all")
    for name, value in sliders.items():
        if name in rig:
            rig[name] = value
    rig.update_tag()


def look(yaw: float = 18.0, distance: float = 0.95) -> None:
    """Turn the viewport to the face."""
    view = area().spaces.active.region_3d
    view.view_perspective, view.view_distance = "PERSP", distance
    view.view_rotation = Euler((math.radians(86), 0, math.radians(yaw))).to_quaternion()


def shade(kind: str) -> None:
    """The viewport's shading."""
    area().spaces.active.shading.type = kind


def take_install() -> Steps:
    """The card of the preferences: before, and with the engine installed from a bundle."""
    module = PACKAGE
    bpy.ops.preferences.addon_show(module=module)
    window = bpy.context.window_manager.windows[-1]
    yield 3.0
    before = screen(window)
    if WANTED["bundle"]:
        bpy.ops.perse.install_bundle(filepath=WANTED["bundle"])
        while part("building.installing").is_installing():
            yield 0.5
        while part("building.installing").size_on_disk() is None:
            yield 0.5
    yield 3.0
    after = screen(window)
    keep("install.png", np.concatenate([_card(before)[:280], _card(after)]))
    with bpy.context.temp_override(window=window):
        bpy.ops.wm.window_close()
    yield 0.5


def _card(shown: np.ndarray) -> np.ndarray:
    """The right part of the preferences, from the add-on's own on."""
    return shown[205:570, 178 : shown.shape[1] - 4]


def take_blender() -> Steps:
    """The whole window: the sidebar, and the avatar among the default scene's things."""
    pose(attr_hair_bob=1.0, expr_mouthsmileleft=0.6, expr_mouthsmileright=0.6)
    avatar().select_set(True)
    yield from sidebar()
    shade("SOLID")
    look()
    yield from at_rest()
    keep("blender.jpg", main_window()[:1085])


def take_viewport() -> Steps:
    """The same moment in Solid, where the avatar stands among meshes, and in Rendered."""
    pose(expr_mouthsmileleft=0.5, expr_mouthsmileright=0.5, attr_glasses_round=1.0)
    for thing in bpy.context.selected_objects:
        thing.select_set(False)
    bpy.ops.mesh.primitive_torus_add(location=(0, 0, -0.02), major_radius=0.13, minor_radius=0.02)
    ring = bpy.context.object
    ring.select_set(False)
    taken = []
    look(25.0, 1.0)
    area().spaces.active.show_region_ui = False
    for kind in ("SOLID", "RENDERED"):
        shade(kind)
        yield from at_rest()
        shown = cut(main_window(), "WINDOW")
        middle = shown.shape[1] // 2
        taken.append(shown[180:940, middle - 330 : middle + 330])
    bpy.data.objects.remove(ring)
    shade("SOLID")
    keep("viewport.jpg", side_by_side(*taken))


def take_library() -> Steps:
    """The Avatar panel, and the library beside it."""
    pose()
    for file in WANTED["others"]:
        part("avatars.library").add_to_library(Path(file), Path(file).stem)
    bpy.ops.perse.add_to_library()
    yield from sidebar("avatar")
    yield 2.0
    window, place = bpy.context.window_manager.windows[0], region("WINDOW")
    x, y = place.x + 420, place.y + place.height // 2
    window.event_simulate("MOUSEMOVE", "NOTHING", x=x, y=y)
    yield 0.5
    with bpy.context.temp_override(window=window, area=area(), region=place):
        bpy.ops.perse.library("INVOKE_DEFAULT")
    yield 4.0
    top = window.height - y
    popup = main_window()[max(top - 60, 0) : top + 220, x - 20 : x + 560]
    window.event_simulate("ESC", "PRESS", x=x, y=y)
    yield 1.0
    keep("library.jpg", side_by_side(panels(), popup))


def take_create() -> Steps:
    """A build that has its first pictures, beside the panel with what the engine says of the photo."""
    photo = HOME / Path(WANTED["photo"]).name
    shutil.copy(WANTED["photo"], photo)
    wanted = bpy.context.window_manager.perse_create
    yield from sidebar("create")
    wanted.photo, wanted.preset = str(photo), "draft"
    while part("building.photo_check").is_checking():
        yield 0.3
    yield 2.0
    first = panels()
    bpy.ops.perse.build_avatar()
    following, end = part("building.following"), time.monotonic() + 900
    while time.monotonic() < end:
        job, progress = following.snapshot()[0]
        if progress.state != "running" or (progress.stage == "train" and progress.fraction > 0.5):
            break
        yield 1.0
    yield 3.0
    second = panels()
    bpy.ops.perse.cancel_job(job=job.id)
    while following.snapshot()[0][1].state == "running":
        yield 0.5
    yield 2.0
    keep("create.png", side_by_side(first, second, panels()))
    bpy.ops.perse.delete_job(job=job.id)
    wanted.photo = ""


def take_attributes() -> Steps:
    """The panel as it opens, only what was changed, and what is called so."""
    filters = bpy.context.window_manager.perse_filter
    pose(attr_hair_auburn=0.8, attr_hair_curls=0.5, attr_face_narrow=0.4, attr_glasses_round=1.0)
    yield from sidebar("attributes")
    yield 4.0
    taken = [panels()]
    filters.changed = True
    yield 2.0
    taken.append(panels())
    filters.changed, filters.search = False, "lip"
    yield 2.0
    taken.append(panels())
    filters.search = ""
    yield 1.0
    keep("attributes.png", side_by_side(*taken))


def take_pictures() -> Steps:
    """All hair styles by their pictures; where to click is where the panel has them when nothing else is unfolded."""
    pose(attr_hair_auburn=1.0)
    yield from sidebar("attributes")
    yield 4.0
    yield from click(90, 471)
    yield from click(50, 545)
    yield 3.0
    left = region("UI").x - 860
    shown = main_window()[540:1065, max(left, 0) : region("UI").x + region("UI").width - 24]
    keep("attributes_pictures.jpg", shown)
    bpy.context.window_manager.windows[0].event_simulate("ESC", "PRESS")
    yield 1.0


def click(x: int, y: int) -> Steps:
    """Click on the sidebar, pixels from its top left corner."""
    window, place = bpy.context.window_manager.windows[0], region("UI")
    at = {"x": place.x + x, "y": place.y + place.height - y}
    window.event_simulate("MOUSEMOVE", "NOTHING", **at)
    yield 0.5
    for value in ("PRESS", "RELEASE"):
        window.event_simulate("LEFTMOUSE", value, **at)
        yield 0.3
    yield 1.0


def take_animate() -> Steps:
    """Expression, keys, control bones and gaze."""
    pose(expr_mouthsmileleft=0.7, expr_mouthsmileright=0.7)
    bpy.ops.perse.key_changed()
    bpy.ops.perse.select_control(bone="neck")
    bpy.context.object.pose.bones["neck"].rotation_mode = "XYZ"
    yield from sidebar("animate")
    one = panels()
    bpy.ops.object.mode_set(mode="OBJECT")
    bpy.ops.perse.add_gaze_target()
    yield from sidebar("animate")
    two = panels()
    yield from sidebar("expression")
    keep("animate.png", side_by_side(panels(), one, two))
    for target in [thing for thing in bpy.data.objects if thing.type == "EMPTY"]:
        bpy.data.objects.remove(target)
    bpy.context.view_layer.objects.active = avatar()


def take_render() -> Steps:
    """F12 through the photo's camera."""
    scene = bpy.context.scene
    pose(expr_mouthsmileleft=0.6, expr_mouthsmileright=0.6, attr_hair_auburn=1.0)
    bpy.context.view_layer.objects.active = avatar()
    bpy.ops.perse.add_photo_camera()
    scene.render.resolution_x = scene.render.resolution_y = 640
    scene.render.film_transparent = False
    scene.render.image_settings.file_format = "JPEG"
    scene.render.image_settings.quality = 88
    scene.render.filepath = str(OUT / "first_render.jpg")
    bpy.ops.render.render(write_still=True)
    log.info("%s", scene.render.filepath)
    yield 0.5


SCENES: dict[str, Callable[[], Steps]] = {
    name.removeprefix("take_"): value for name, value in globals().items() if name.startswith("take_")
}


def all_steps() -> Steps:
    """Every picture that is wanted, in order."""
    yield 1.0
    for name, take in SCENES.items():
        if not WANTED["only"] or name in WANTED["only"]:
            yield from take()


def main() -> None:
    """Go on from step to step, and quit."""
    bpy.context.preferences.view.show_splash = False
    bpy.context.preferences.view.show_tooltips = False
    steps = all_steps()

    def go_on() -> float | None:
        status = 0
        try:
            return next(steps)
        except StopIteration:
            pass
        except Exception:  # noqa: BLE001 - whatever it is, Blender must not stay open
            traceback.print_exc()
            status = 2
        shutil.rmtree(HOME, ignore_errors=True)
        part("building.jobs").stop_all()
        part("session").stop()
        sys.stdout.flush()
        os._exit(status)

    bpy.app.timers.register(go_on, first_interval=1.0, persistent=True)


if __name__ == "__main__":
    main()
