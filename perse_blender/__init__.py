"""PERSE for Blender: one portrait becomes a head to pose, re-style and render.

Nothing happens when the add-on registers: the engine starts when the first picture is asked for.
"""

from __future__ import annotations

import bpy

from . import importing

_PARTS = (importing,)


def register() -> None:
    """Register everything; what an earlier, failed attempt left behind is taken away first."""
    unregister()
    for part in _PARTS:
        for cls in part.CLASSES:
            bpy.utils.register_class(cls)
        if hasattr(part, "register"):
            part.register()


def unregister() -> None:
    """Take everything away, the engine too."""
    for part in reversed(_PARTS):
        registered = [cls for cls in part.CLASSES if getattr(cls, "is_registered", False)]
        if registered and hasattr(part, "unregister"):
            part.unregister()
        for cls in reversed(registered):
            bpy.utils.unregister_class(cls)
