"""PERSE for Blender: one portrait becomes a head to pose, re-style and render.

Nothing happens when the add-on registers: the engine starts when the first picture is asked for.
"""

from __future__ import annotations

import atexit

import bpy

from . import compat, diagnostics, preferences, render_engine, session
from .animation import keying, motion, poses, release
from .avatars import (
    avatar_info,
    importing,
    library,
    missing,
    paths,
    photo,
    styling,
    syncing,
    thumbnails,
    versions,
    whole_avatar,
)
from .building import create, following, install, installing, jobs, photo_check, style_jobs
from .commands import collect_operator, commands
from .panels import animate_panel, attributes_panel, avatar_panel, light_panel, operators, panels
from .rendering import compositing, exporting, headless, render_settings, second_scene
from .rig import gaze
from .viewport import changes, idle, overlay, picking

_PARTS = (
    preferences,
    install,
    thumbnails,
    importing,
    exporting,
    following,
    photo_check,
    create,
    operators,
    library,
    missing,
    avatar_info,
    whole_avatar,
    styling,
    syncing,
    style_jobs,
    gaze,
    keying,
    poses,
    motion,
    release,
    diagnostics,
    photo,
    compositing,
    second_scene,
    panels,
    light_panel,
    avatar_panel,
    attributes_panel,
    animate_panel,
    paths,
    changes,
    overlay,
    picking,
    idle,
    render_settings,
    render_engine,
    versions,
    headless,
    collect_operator,
    commands,
)


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
    installing.stop()
    session.stop()
