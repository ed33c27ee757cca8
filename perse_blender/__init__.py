"""PERSE for Blender: one portrait becomes a head to pose, re-style and render.

Nothing happens when the add-on registers: the engine starts when the first picture is asked for.
"""

from __future__ import annotations

import atexit

import bpy

from . import (
    compat,
    create,
    diagnostics,
    exporting,
    importing,
    jobs,
    operators,
    panels,
    paths,
    photo,
    preferences,
    render_engine,
    session,
)

_PARTS = (preferences, importing, exporting, create, operators, diagnostics, photo, panels, paths, render_engine)


def register() -> None:
    """Register everything; what an earlier attempt left behind is taken away first."""
    unregister()
    try:
        for part in _PARTS:
            for cls in part.CLASSES:
                bpy.utils.register_class(cls)
            if hasattr(part, "register"):
                part.register()
    except BaseException:
        unregister()
        raise
    compat.on_exit(_quit)
    atexit.register(_quit)


def unregister() -> None:
    """Take everything away, the engine too."""
    for part in reversed(_PARTS):
        if hasattr(part, "unregister"):
            part.unregister()
        for cls in reversed(part.CLASSES):
            if cls.is_registered:
                bpy.utils.unregister_class(cls)
    compat.forget_on_exit(_quit)
    atexit.unregister(_quit)
    session.stop()


@bpy.app.handlers.persistent
def _quit(*_arguments: object) -> None:
    jobs.stop_all()
    session.stop()
