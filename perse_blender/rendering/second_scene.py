"""The second scene of Setup Compositing: one that renders with PERSE what another renders with Cycles or EEVEE.

The engine is a scene's setting, so one scene cannot render with two. The second one shows the same collections through
the same camera, and follows the first in everything that a picture depends on.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import bpy

from .. import compat
from ..avatars.avatars import is_proxy
from ..avatars.syncing import proxies
from ..handlers import unwatch, watch
from .frame import SEEN
from .preflight import rendered_rigs

COMPOSITES = "perse_composites"
"""Names, on the second scene, the first."""
SUFFIX = ".PERSE"

_OWN = frozenset(
    {
        "engine", "film_transparent", "filepath", "use_compositing", "use_sequencer", "use_freestyle",
        "use_overwrite", "use_placeholder",
    }
)  # fmt: skip
"""Render settings in which the second scene does not follow: its own, and those of writing files."""
_SHARED = ("camera", "world", "frame_start", "frame_end", "frame_step")
_LAYER = ("exclude", "holdout", "indirect_only")
_following = [False]


def second_of(scene: bpy.types.Scene) -> bpy.types.Scene | None:
    """The scene that renders the avatars of `scene` for its compositor."""
    return next((second for second, first in pairs() if first == scene), None)


def pairs() -> Iterator[tuple[bpy.types.Scene, bpy.types.Scene]]:
    """Every second scene of the open file, and the first that it belongs to."""
    for second in bpy.data.scenes:
        first = second.get(COMPOSITES)
        if isinstance(first, bpy.types.Scene):
            yield second, first


def new_second(scene: bpy.types.Scene) -> bpy.types.Scene:
    """Make the second scene of `scene`."""
    second = bpy.data.scenes.new(scene.name + SUFFIX)
    second[COMPOSITES] = scene
    second.render.engine = "PERSE"  # type: ignore[assignment]
    second.render.film_transparent = True
    follow(second, scene)
    return second


def follow(second: bpy.types.Scene, scene: bpy.types.Scene) -> None:
    """Have `second` show what `scene` shows, and the proxies of `scene` be seen by shadows and mirrors alone."""
    _copy(scene.render, second.render)
    _copy(scene.view_settings, second.view_settings)
    for name in _SHARED:
        _assign(second, name, getattr(scene, name))
    _follow_members(second.collection.children, scene.collection.children)
    _follow_members(second.collection.objects, scene.collection.objects)
    shown = next((layer for layer in scene.view_layers if layer.use), scene.view_layers[0])
    _assign(second.view_layers[0], "use_pass_z", shown.use_pass_z)
    _follow_layer(compat.collections_of(second.view_layers[0]), compat.collections_of(shown))
    _follow_markers(second, scene)
    for proxy in _proxies(scene):
        if SEEN not in proxy and proxy.is_editable:
            proxy[SEEN] = proxy.visible_camera
            proxy.visible_camera = False


def release_proxies(scene: bpy.types.Scene) -> None:
    """Have the camera see the proxies of `scene` as before, except those that another such scene shows too."""
    kept = {proxy for _, first in pairs() if first != scene for proxy in _proxies(first)}
    for proxy in bpy.data.objects:
        if SEEN in proxy and proxy not in kept and is_proxy(proxy):
            proxy.visible_camera = bool(proxy[SEEN])
            del proxy[SEEN]


def locked_proxies(scene: bpy.types.Scene) -> list[bpy.types.Object]:
    """The proxies of `scene` that the camera sees, since they are linked and cannot be changed."""
    return [proxy for proxy in _proxies(scene) if not proxy.is_editable and proxy.visible_camera]


def _proxies(scene: bpy.types.Scene) -> list[bpy.types.Object]:
    return [proxy for rig in rendered_rigs(scene) for proxy in proxies(rig)]


def _copy(source: bpy.types.bpy_struct, target: bpy.types.bpy_struct) -> None:
    """Give `target` every plain setting of `source`, which is of the same kind."""
    for kind in source.bl_rna.properties:
        if not kind.is_readonly and kind.type not in ("POINTER", "COLLECTION") and kind.identifier not in _OWN:
            _assign(target, kind.identifier, getattr(source, kind.identifier))


def _assign(target: Any, name: str, value: Any) -> None:
    """Set what differs, and touch nothing else: each change has Blender evaluate anew."""
    now = getattr(target, name)
    plain = isinstance(value, str | int | float | bpy.types.ID) or value is None
    if (now != value) if plain else (tuple(now) != tuple(value)):
        setattr(target, name, value)


def _follow_members(own: Any, others: Any) -> None:
    wanted = list(others)
    for member in [member for member in own if member not in wanted]:
        own.unlink(member)
    for member in [member for member in wanted if member not in list(own)]:
        own.link(member)


def _follow_layer(own: bpy.types.LayerCollection, other: bpy.types.LayerCollection) -> None:
    for child in own.children:
        if child.name in other.children:
            wanted = other.children[child.name]
            for name in _LAYER:
                _assign(child, name, getattr(wanted, name))
            _follow_layer(child, wanted)


def _follow_markers(second: bpy.types.Scene, scene: bpy.types.Scene) -> None:
    """Markers switch cameras."""
    wanted = [(marker.name, marker.frame, marker.camera) for marker in scene.timeline_markers if marker.camera]
    if [(marker.name, marker.frame, marker.camera) for marker in second.timeline_markers] != wanted:
        second.timeline_markers.clear()
        for name, frame, camera in wanted:
            second.timeline_markers.new(name, frame=frame).camera = camera


@bpy.app.handlers.persistent
def _follow_all(*_arguments: object) -> None:
    if _following[0]:
        return
    _following[0] = True
    try:
        for second, scene in pairs():
            follow(second, scene)
    finally:
        _following[0] = False


@bpy.app.handlers.persistent
def _follow_changes(scene: bpy.types.Scene, depsgraph: bpy.types.Depsgraph) -> None:
    if depsgraph.id_type_updated("SCENE") or depsgraph.id_type_updated("COLLECTION"):
        _follow_all()


CLASSES = ()
_HANDLERS = (
    ("depsgraph_update_post", _follow_changes),
    ("save_pre", _follow_all),
    ("load_post", _follow_all),
    ("render_init", _follow_all),
)


def register() -> None:
    """Watch what happens to first scenes."""
    watch(_HANDLERS)


def unregister() -> None:
    """Stop watching."""
    unwatch(_HANDLERS)
