"""Keeping avatars found when a .blend is saved, or saved elsewhere: Blender does not do it for custom properties."""

from __future__ import annotations

import bpy

from ..handlers import unwatch, watch
from ..perse_protocol import EngineFailure
from .avatars import LAST_SEEN, PATH, file_path, relative_to, rigs

_paths_before: dict[int, str] = {}
"""What avatars of the open file named before it was saved elsewhere, by session id of the armature."""

_blend_before = [""]
"""The file that was open then, where it is another one than is written."""


@bpy.app.handlers.persistent
def _save_pre(filepath: str, *_arguments: object) -> None:
    """Make the paths of this file's own avatars relative to the file that is about to be written."""
    target = bpy.path.abspath(filepath) if filepath else bpy.data.filepath
    _paths_before.clear()
    for rig in rigs():
        if rig.library is not None or rig.override_library is not None:
            continue
        try:
            absolute = str(file_path(rig))
        except EngineFailure:
            continue  # what is not found keeps the path under which it was known
        _paths_before[rig.session_uid] = rig[PATH]
        rig[PATH] = relative_to(absolute, target)
        rig[LAST_SEEN] = absolute
    _blend_before[0] = bpy.data.filepath if target != bpy.data.filepath else ""


@bpy.app.handlers.persistent
def _save_post(*_arguments: object) -> None:
    """After Save Copy the open file is still the old one, and its paths must be too."""
    if _blend_before[0] and bpy.data.filepath == _blend_before[0]:
        for rig in rigs():
            rig[PATH] = _paths_before.get(rig.session_uid, rig[PATH])
    _paths_before.clear()


CLASSES = ()
_HANDLERS = (("save_pre", _save_pre), ("save_post", _save_post))


def register() -> None:
    """Watch saving."""
    watch(_HANDLERS)


def unregister() -> None:
    """Stop watching."""
    unwatch(_HANDLERS)
