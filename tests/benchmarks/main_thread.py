"""How long PERSE holds Blender's main thread during a build. Run in a Blender with a window and the extension:

blender --python main_thread.py -- --photo PHOTO.png --out rows.json [--avatar AVATAR.perse]

Everything of ours that Blender calls is timed: timers, handlers, the draw of every panel, what is drawn into viewports.
Beside it a timer of ten a second says how late Blender's own loop is, first at rest and then with the build.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import bpy
import numpy as np

PACKAGE = "bl_ext.user_default.perse"
IDLE_S, MOST_S = 20.0, 240.0  # at rest; of the build, which is ended then
PERIOD = 0.1
MOVE_S = 0.5
BARS = (5.0, 20.0)  # milliseconds, p99 and most


def part(name: str) -> Any:
    """A module of the extension."""
    return importlib.import_module(f"{PACKAGE}.{name}")


class Trace:
    """Milliseconds of every call, by name, and how late the timer was."""

    def __init__(self) -> None:
        self.times: dict[str, list[float]] = {}
        self.busy: dict[str, list[float]] = {}
        self.late: list[float] = []
        self._due = 0.0

    def around(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """`function`, timed as `name`."""

        def timed(*arguments: Any, **options: Any) -> Any:
            before, busy = time.perf_counter(), time.thread_time()
            try:
                return function(*arguments, **options)
            finally:
                self.times.setdefault(name, []).append(1000 * (time.perf_counter() - before))
                self.busy.setdefault(name, []).append(1000 * (time.thread_time() - busy))

        return timed

    def start(self) -> None:
        """Time everything of ours that Blender calls."""
        for module in (
            part(name)
            for name in ("building.following", "building.install", "building.photo_check", "viewport.viewport")
        ):
            for name in ("_tick", "_look"):
                if hasattr(module, name):
                    setattr(module, name, self.around("timer", getattr(module, name)))
        for panel in bpy.types.Panel.__subclasses__():
            if panel.__name__.startswith("PERSE_PT") and hasattr(panel, "draw"):
                panel.draw = _as_draw(self.around(f"panel {panel.bl_label}", panel.draw))
        for event in dir(bpy.app.handlers):
            handlers = getattr(bpy.app.handlers, event)
            for number, handler in enumerate(handlers if isinstance(handlers, list) else ()):
                if getattr(handler, "__module__", "").startswith(PACKAGE):
                    handlers[number] = self.around("handler", handler)
        overlay, space = part("viewport.overlay"), bpy.types.SpaceView3D
        for number, (draw, phase) in enumerate(((overlay._draw, "POST_VIEW"), (overlay._write, "POST_PIXEL"))):
            space.draw_handler_remove(overlay._handles[number], "WINDOW")
            overlay._handles[number] = space.draw_handler_add(self.around("viewport", draw), (), "WINDOW", phase)
        self._due = time.perf_counter() + PERIOD
        bpy.app.timers.register(self._beat, first_interval=PERIOD)

    def _beat(self) -> float:
        now = time.perf_counter()
        self.late.append(1000 * (now - self._due))
        self._due = now + PERIOD
        return PERIOD

    def rows(self) -> dict[str, list[float]]:
        """Calls, median, p99 and most of everything so far, and p99 and most of its processor time; then forgotten."""
        found = {name: [*_row(times), *_row(self.busy[name])[2:]] for name, times in sorted(self.times.items())}
        found["timer's lateness"] = _row(self.late)
        self.times, self.busy, self.late = {}, {}, []
        return found


def _row(times: list[float]) -> list[float]:
    if not times:
        return [0, 0.0, 0.0, 0.0]
    return [len(times), *(round(float(v), 2) for v in (np.median(times), np.percentile(times, 99), max(times)))]


def _as_draw(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda self, context: function(self, context)  # Blender counts the arguments that a method names


def area() -> bpy.types.Area:
    """The 3D viewport."""
    return next(area for area in bpy.context.window_manager.windows[0].screen.areas if area.type == "VIEW_3D")


def wiggle(rig: bpy.types.Object | None, step: int) -> None:
    """Move a slider and let the sidebar be drawn, as somebody who goes on working does."""
    if rig is not None:
        rig["expr_jawopen"] = (step % 10) / 10
        rig.update_tag()
    for region in area().regions:
        region.tag_redraw()


def measure(photo: Path, avatar: Path | None) -> Iterator[float | dict[str, Any]]:
    """Yields seconds to leave to Blender, and at last all rows."""
    area().spaces.active.show_region_ui = True
    yield 1.5
    for region in area().regions:
        if region.type == "UI":
            region.active_panel_category = "PERSE"
    rig = None
    if avatar is not None:
        bpy.ops.perse.import_avatar(filepath=str(avatar))
        rig = bpy.context.object
    yield 5.0
    trace = Trace()
    trace.start()
    load = {"before": os.getloadavg()[0]}
    for step in range(round(IDLE_S / MOVE_S)):
        wiggle(rig, step)
        yield MOVE_S
    idle = trace.rows()
    wanted = bpy.context.window_manager.perse_create
    wanted.photo, wanted.preset = str(photo), "draft"
    wanted.out = str(Path(tempfile.mkdtemp()) / "traced.perse")
    bpy.ops.perse.build_avatar()
    following, begin, step = part("building.following"), time.monotonic(), 0
    while time.monotonic() - begin < MOST_S and following.snapshot()[0][1].state == "running":
        step += 1
        wiggle(rig, step)
        yield MOVE_S
    seconds = round(time.monotonic() - begin, 1)
    load["after"] = os.getloadavg()[0]
    yield {
        "idle": idle,
        "building": trace.rows(),
        "state": following.snapshot()[0][1].state,
        "seconds": seconds,
        "load": load,
    }


def main() -> None:
    """Measure, write and quit."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--photo", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--avatar", type=Path)
    wanted = parser.parse_args(sys.argv[sys.argv.index("--") + 1 :])
    steps = measure(wanted.photo, wanted.avatar)

    def go_on() -> float | None:
        found = next(steps)
        if isinstance(found, dict):
            wanted.out.write_text(json.dumps(found, indent=1))
            for name, (calls, median, p99, most, *_) in found["building"].items():
                mark = "" if p99 <= BARS[0] and most <= BARS[1] else "  over the bar"
                print(f"{name:24} {calls:6} calls  median {median} p99 {p99} most {most} ms{mark}", flush=True)
            part("building.jobs").stop_all()
            part("session").stop()
            os._exit(0)
        return found

    bpy.app.timers.register(go_on, first_interval=2.0)


if __name__ == "__main__":
    main()
