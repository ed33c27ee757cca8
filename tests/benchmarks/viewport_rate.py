"""How fast viewports are redrawn, and how soon a slider shows. Run in a Blender with a window and the extension:

blender --window-geometry 0 0 1280 720 --python viewport_rate.py -- --avatar AVATAR.perse --out rows.json

What PERSE does is compared with an engine that only uploads a constant picture of the viewport's size, in the same run.
"""

from __future__ import annotations

import argparse
import importlib
import json
import math
import sys
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import bpy
import gpu
import numpy as np
from gpu_extras.presets import draw_texture_2d
from mathutils import Euler

PACKAGE = "bl_ext.user_default.perse"
WARM_UP = 5
ORBIT_STEPS = 40
SLIDER_STEPS = 30
RATE_BAR = 0.7  # of the null engine's redraws
LATENCY_BAR = (2, 100.0)  # redraws of the null engine, and milliseconds
CALLBACK_BARS = (5.0, 20.0)  # milliseconds, p99 and most
SLIDER = "expr_jawopen"


class NullEngine(bpy.types.RenderEngine):
    """Uploads and shows a constant picture, and does nothing else."""

    bl_idname = "PERSE_NULL"
    bl_label = "Constant Picture"

    def view_update(self, context: bpy.types.Context, depsgraph: bpy.types.Depsgraph) -> None:
        """Nothing to do."""

    def view_draw(self, context: bpy.types.Context, depsgraph: bpy.types.Depsgraph) -> None:
        """Upload and show."""
        width, height = context.region.width, context.region.height
        pixels = gpu.types.Buffer("FLOAT", width * height * 4, np.full(width * height * 4, 0.5, np.float32))
        texture = gpu.types.GPUTexture((width, height), format="RGBA16F", data=pixels)
        draw_texture_2d(texture, (0, 0), width, height)


def part(name: str) -> Any:
    """A module of the extension."""
    return importlib.import_module(f"{PACKAGE}.{name}")


class Trace:
    """Milliseconds that our callbacks hold Blender's main thread, uploads apart: passed, and of its processor.

    Software OpenGL draws on every core, so a call is often interrupted; on a machine with a graphics card it is not.
    """

    def __init__(self) -> None:
        self.times: dict[str, list[float]] = {}
        self.busy: dict[str, list[float]] = {}
        self.uploaded = self.uploading = 0.0
        self.drawn = 0.0

    def around(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """`function`, timed as `name`."""

        def timed(*arguments: Any, **options: Any) -> Any:
            before, busy = time.perf_counter(), time.thread_time()
            self.uploaded = self.uploading = 0.0
            try:
                return function(*arguments, **options)
            finally:
                passed = time.perf_counter() - before - self.uploaded
                self.times.setdefault(name, []).append(1000 * passed)
                worked = time.thread_time() - busy - self.uploading
                self.busy.setdefault(name, []).append(1000 * worked)

        return timed

    def upload(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """`function`, whose time does not count."""

        def timed(*arguments: Any) -> Any:
            before, busy = time.perf_counter(), time.thread_time()
            try:
                return function(*arguments)
            finally:
                self.uploaded += time.perf_counter() - before
                self.uploading += time.thread_time() - busy
                self.times.setdefault("upload", []).append(1000 * (time.perf_counter() - before))

        return timed

    def note_drawn(self) -> None:
        """A viewport has been drawn."""
        self.drawn = time.perf_counter()

    def start(self) -> None:
        """Time all that runs on the main thread."""
        viewport, overlay, changes, engine = (
            part("viewport.viewport"),
            part("viewport.overlay"),
            part("viewport.changes"),
            part("render_engine"),
        )
        viewport.to_card = self.upload(viewport.to_card)
        viewport.View.update = self.around("state and request", viewport.View.update)
        viewport._look = self.around("timer", viewport._look)
        view_draw = self.around("view_draw", engine.PerseRenderEngine.view_draw)
        # Blender counts the arguments that a method names
        engine.PerseRenderEngine.view_draw = lambda self, context, depsgraph: view_draw(self, context, depsgraph)
        for panel in (cls for cls in part("panels.panels").CLASSES if issubclass(cls, bpy.types.Panel)):
            panel.draw = _as_draw(self.around("panel", panel.draw))
        for event in changes._EVENTS:
            handlers = getattr(bpy.app.handlers, event)
            handlers[handlers.index(changes.note)] = self.around("handler", changes.note)
        for event, function in overlay._CHANGES:
            handlers = getattr(bpy.app.handlers, event)
            handlers[handlers.index(function)] = self.around("asking ahead", function)
        space = bpy.types.SpaceView3D
        space.draw_handler_remove(overlay._handles[0], "WINDOW")
        overlay._handles[0] = space.draw_handler_add(self.around("card", overlay._draw), (), "WINDOW", "POST_VIEW")
        space.draw_handler_add(self.note_drawn, (), "WINDOW", "POST_PIXEL")


def _as_draw(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda self, context: function(self, context)


def area() -> bpy.types.Area:
    """The 3D viewport."""
    return next(area for area in bpy.context.window_manager.windows[0].screen.areas if area.type == "VIEW_3D")


def look(yaw: float) -> None:
    """Turn the viewport about the head, degrees."""
    view = area().spaces.active.region_3d
    view.view_rotation = Euler((math.radians(80), 0, math.radians(yaw))).to_quaternion()
    view.view_location, view.view_distance, view.view_perspective = (0, 0, 0.03), 0.9, "PERSP"


def orbit(trace: Trace) -> Generator[float, None, list[float]]:
    """Milliseconds from redraw to redraw while the view turns."""
    times = []
    for step in range(WARM_UP + ORBIT_STEPS):
        before = trace.drawn
        look(-30 + 60 * step / ORBIT_STEPS)
        area().tag_redraw()
        while trace.drawn == before:
            yield 0.001
        times.append(1000 * (trace.drawn - before))
    return times[WARM_UP:]


def region() -> bpy.types.Region:
    """What the viewport is drawn in."""
    return next(region for region in area().regions if region.type == "WINDOW")


def at_rest() -> bool:
    """Whether the viewport's picture is there, in full."""
    view = part("viewport.viewport").view_of(region())
    return view.shown is not None and view.ticket is None and view.shown.camera.width == region().width


def settle() -> Iterator[float]:
    """Wait until the picture is there."""
    end = time.monotonic() + 120
    area().tag_redraw()
    while not at_rest():
        if time.monotonic() > end:
            raise RuntimeError(f"no picture: {part('viewport.viewport').view_of(region()).message}")
        yield 0.05


def slide(rig: bpy.types.Object, trace: Trace) -> Generator[float, None, list[float]]:
    """Milliseconds from every change of a slider to the end of the redraw that shows it."""
    times = []
    view = part("viewport.viewport").view_of(region())
    for step in range(SLIDER_STEPS):
        yield from settle()
        before_look = view.shown
        rig[SLIDER] = (step % 10 + 1) / 10
        rig.update_tag()
        area().tag_redraw()
        begin = time.perf_counter()
        while view.shown is before_look or trace.drawn < begin:
            yield 0.001
        times.append(1000 * (trace.drawn - begin))
    return times


def measure(rig: bpy.types.Object, trace: Trace, out: Path) -> Iterator[float]:
    """All rows, written to `out`; yields seconds to leave to Blender."""
    scene, space = bpy.context.scene, area().spaces.active
    space.show_region_ui = True
    yield 1.0
    for ui in area().regions:
        if ui.type == "UI":
            ui.active_panel_category = "PERSE"
    rates, delays = {}, {}
    for name, engine, shading in (
        ("null", NullEngine.bl_idname, "RENDERED"),
        ("rendered", "PERSE", "RENDERED"),
        ("solid", "PERSE", "SOLID"),
        ("null again", NullEngine.bl_idname, "RENDERED"),
    ):
        scene.render.engine, space.shading.type = engine, shading
        look(0)
        area().tag_redraw()
        yield 1.0
        if engine == "PERSE":
            yield from settle()
            delays[name] = yield from slide(rig, trace)
        rates[name] = yield from orbit(trace)
    report(rates, delays, trace, out)


def report(rates: dict[str, list[float]], delays: dict[str, list[float]], trace: Trace, out: Path) -> None:
    """Print all numbers beside their bars, and write them."""
    null = float(np.median(rates["null"] + rates["null again"]))
    size = f"{region().width} x {region().height}"
    rows = []

    def row(name: str, values: list[float], note: str) -> None:
        median, p95, p99 = np.percentile(values, [50, 95, 99])
        rows.append({"name": name, "median_ms": median, "p95_ms": p95, "p99_ms": p99, "most_ms": max(values)})
        print(f"{name:<32} {median:>9.2f} {p95:>9.2f} {p99:>9.2f} {max(values):>9.2f}  {note}")

    print(f"\nviewport of {size}, Blender {bpy.app.version_string}, {gpu.platform.renderer_get()}")
    print(f"{'ms':<32} {'median':>9} {'p95':>9} {'p99':>9} {'most':>9}")
    for name, values in rates.items():
        share = null / float(np.median(values))
        row(f"redraw, {name}", values, f"{share:.0%} of null's rate (bar {RATE_BAR:.0%})" if "null" not in name else "")
    most = LATENCY_BAR[0] * null + LATENCY_BAR[1]
    for name, values in delays.items():
        row(f"slider, {name}", values, f"bar p95 {most:.0f}")
    for name, values in trace.times.items():
        row(f"main thread, {name}", values, "")
    for name, values in trace.busy.items():
        row(f"processor, {name}", values, "bars p99 {:.0f}, most {:.0f}".format(*CALLBACK_BARS))
    out.write_text(json.dumps({"viewport": size, "rows": rows}, indent=1))


def main() -> None:
    """Read what follows "--" on Blender's command line, and measure while Blender runs."""
    parser = argparse.ArgumentParser(prog="viewport_rate.py")
    parser.add_argument("--avatar", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(sys.argv[sys.argv.index("--") + 1 :])
    bpy.utils.register_class(NullEngine)
    bpy.context.preferences.view.show_splash = False
    for thing in [thing for thing in bpy.context.scene.objects if thing.type == "MESH"]:
        bpy.data.objects.remove(thing)
    bpy.ops.perse.import_avatar(filepath=str(options.avatar))
    trace = Trace()
    trace.start()
    steps = measure(bpy.context.object, trace, options.out)

    def go_on() -> float | None:
        try:
            return next(steps)
        except StopIteration:
            print("done", flush=True)
        except RuntimeError as error:
            print(f"failed: {error}", flush=True)
        bpy.ops.wm.quit_blender()
        return None

    bpy.app.timers.register(go_on, first_interval=2.0)


if __name__ == "__main__":
    main()
