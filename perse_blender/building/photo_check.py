"""What the engine says of a photo before it is built from: `perse check`, in a short process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

import bpy

from ..perse_protocol import EngineFailure
from .following import engine_command

_TICK_S = 0.2
_WINDOWS = sys.platform == "win32"


@dataclass
class _Check:
    """The newest check: of which state of which file, the process, and what came of it."""

    stamp: tuple[str, int, int] = ("", 0, 0)
    process: subprocess.Popen[bytes] | None = None
    refused: str = ""
    advice: tuple[str, ...] = ()
    said: bool = False


_check = _Check()


def begin_check() -> None:
    """Let the engine look at the photo that is chosen, if it has not yet. What goes wrong is said where it is drawn."""
    stamp = _stamp()
    if stamp is None or stamp == _check.stamp:
        return
    _stop()
    _check.stamp, _check.said, _check.refused, _check.advice = stamp, False, "", ()
    try:
        command = [str(engine_command()), "check", stamp[0], "--json"]
        flags = subprocess.CREATE_NO_WINDOW if _WINDOWS else 0  # type: ignore[attr-defined,unused-ignore]
        _check.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            creationflags=flags,
        )
    except (EngineFailure, OSError):
        _check.stamp = ("", 0, 0)  # without an engine there is nothing to say; the build says what is wrong
        return
    if not bpy.app.background and not bpy.app.timers.is_registered(_tick):
        bpy.app.timers.register(_tick, first_interval=_TICK_S, persistent=True)


def checked() -> tuple[str, tuple[str, ...]] | None:
    """Why the chosen photo cannot be used, or else what would make a better one; None while nothing is known of it."""
    _collect()
    if not _check.said or _check.stamp != _stamp():
        return None
    return _check.refused, _check.advice


def is_checking() -> bool:
    """Whether the engine looks at the chosen photo."""
    _collect()
    return _check.process is not None


def draw_check(layout: bpy.types.UILayout, columns: int) -> None:
    """Say under the field what is known of the photo, in lines of `columns` letters."""
    if is_checking():
        layout.label(text="Looking at the photo…", icon="VIEWZOOM")
        return
    found = checked()
    if found is None:
        return
    refused, advice = found
    if not refused and not advice:
        layout.label(text="This photo will do", icon="CHECKMARK")
        return
    column = layout.column(align=True)
    column.alert = bool(refused)
    for sentence in (refused,) if refused else advice:
        icon = "ERROR" if refused else "INFO"
        for part in sentence.split("; " if refused else ": ", 1):
            for line in textwrap.wrap(part[:1].upper() + part[1:], max(columns, 12)):
                column.label(text=line, icon=icon, translate=False)
                icon = "BLANK1"


class PERSE_OT_check_photo(bpy.types.Operator):
    """Let the engine look at the photo, and say what would make a better portrait"""

    bl_idname = "perse.check_photo"
    bl_label = "Check Photo"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not context.window_manager.perse_create.photo:
            cls.poll_message_set("Choose a portrait first")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        if _stamp() is None:
            self.report({"ERROR"}, "file-missing: there is no such photo; choose one")
            return {"CANCELLED"}
        try:
            engine_command()
        except EngineFailure as failure:
            self.report({"ERROR"}, str(failure))
            return {"CANCELLED"}
        _stop()
        _check.stamp = ("", 0, 0)
        begin_check()
        return {"FINISHED"}


def _stamp() -> tuple[str, int, int] | None:
    named = bpy.context.window_manager.perse_create.photo
    path = Path(bpy.path.abspath(named)) if named else None
    try:
        found = path.stat() if path is not None and path.is_file() else None
    except OSError:
        return None
    return (str(path), found.st_mtime_ns, found.st_size) if found is not None else None


def _collect() -> None:
    process = _check.process
    if process is None or process.poll() is None:
        return
    out, err = process.communicate()
    _check.process = None
    try:
        _check.advice = tuple(map(str, json.loads(out)["advice"]))
        _check.said = True
    except (ValueError, KeyError, TypeError):
        words = err.decode("utf-8", "replace").strip().splitlines()
        complaint = words[-1] if words and words[-1].startswith("perse: ") else ""
        _check.refused = complaint.removeprefix("perse: ").partition(": ")[2]
        _check.said = bool(_check.refused) and not complaint.startswith("perse: usage")  # an engine of before


def _stop() -> None:
    if _check.process is not None:
        _check.process.kill()
        _check.process.communicate()
        _check.process = None


def _tick() -> float | None:
    if not is_checking():
        for window in bpy.context.window_manager.windows:
            for area in window.screen.areas:
                if area.type == "VIEW_3D":
                    area.tag_redraw()
        return None
    return _TICK_S


CLASSES = (PERSE_OT_check_photo,)


def unregister() -> None:
    """End a check that runs."""
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)
    _stop()
    _check.stamp, _check.said = ("", 0, 0), False
