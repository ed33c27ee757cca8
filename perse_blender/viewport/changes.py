"""Counts what happens to the open file, so that redrawing a viewport reads the scene only when it may have changed."""

from __future__ import annotations

import bpy

from ..handlers import unwatch, watch


class _Seen:
    count = 0
    everything = 0
    geometry: dict[int, int] = {}


def count() -> int:
    """A number that grows whenever an evaluated object may be another than before."""
    return _Seen.count


def geometry_of(uid: int) -> int:
    """What `count` was when the geometry of the object with this session id was last seen to change."""
    return max(_Seen.everything, _Seen.geometry.get(uid, 0))


@bpy.app.handlers.persistent
def note(_scene: object = None, depsgraph: bpy.types.Depsgraph | None = None) -> None:
    """Something may have changed: what `depsgraph` says, or anything."""
    _Seen.count += 1
    if depsgraph is None:
        _Seen.everything = _Seen.count
        _Seen.geometry.clear()
        return
    for update in depsgraph.updates:
        if update.is_updated_geometry and isinstance(update.id, bpy.types.Object):
            _Seen.geometry[update.id.original.session_uid] = _Seen.count


CLASSES = ()
_EVENTS = ("depsgraph_update_post", "frame_change_post", "undo_post", "redo_post", "load_post")
_HANDLERS = tuple((event, note) for event in _EVENTS)


def register() -> None:
    """Listen."""
    watch(_HANDLERS)


def unregister() -> None:
    """Stop listening."""
    unwatch(_HANDLERS)
