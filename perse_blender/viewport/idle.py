"""Give the engine's memory back once nobody has asked it for anything for a while; the next picture starts it again."""

from __future__ import annotations

import bpy

from .. import session
from ..preferences import idle_minutes

_TICK = 20.0  # seconds


def release_if_idle() -> bool:
    """End the engine if it has been idle for as long as the preferences say; whether it was ended."""
    minutes = idle_minutes()
    if minutes == 0 or session.idle_seconds() < 60 * minutes:
        return False
    session.stop()
    return True


def _tick() -> float:
    release_if_idle()
    return _TICK


CLASSES = ()


def register() -> None:
    """Look now and then."""
    if not bpy.app.background:
        bpy.app.timers.register(_tick, first_interval=_TICK, persistent=True)


def unregister() -> None:
    """Stop looking."""
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)
