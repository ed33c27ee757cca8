"""Counts what happens to the open file, so that redrawing a viewport reads the scene only when it may have changed."""

from __future__ import annotations

import bpy


class _Count:
    value = 0


def count() -> int:
    """A number that grows whenever an evaluated object may be another than before."""
    return _Count.value


@bpy.app.handlers.persistent
def note(*_arguments: object) -> None:
    """Something may have changed."""
    _Count.value += 1


CLASSES = ()
_EVENTS = ("depsgraph_update_post", "frame_change_post", "undo_post", "redo_post", "load_post")


def register() -> None:
    """Listen."""
    for event in _EVENTS:
        getattr(bpy.app.handlers, event).append(note)


def unregister() -> None:
    """Stop listening."""
    for event in _EVENTS:
        handlers = getattr(bpy.app.handlers, event)
        if note in handlers:
            handlers.remove(note)
