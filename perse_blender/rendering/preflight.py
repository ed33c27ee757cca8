"""What is looked at before the first frame where nobody watches: engine, versions, avatars' files, memory.

Every problem is found at once, before a frame is rendered; a farm's job that would fail at frame 200 fails here.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator

import bpy

from .. import compat, session
from ..avatars.avatar_file import read_avatar
from ..avatars.avatars import avatar_path, is_proxy, rig_of
from ..avatars.versions import refuse_older_addon, refuse_other_engine
from ..perse_protocol import EngineFailure
from .free_memory import free_memory

ENGINE_BYTES = 400 << 20
"""What the engine takes with one avatar, measured; see docs/farm.md."""
PIXEL_BYTES = 120
"""What a pixel takes in Blender and the engine together: colour and depth, in both, and what they are drawn with."""
MASK_BYTES = 12
"""What a pixel of a mask takes likewise: Blender's, the engine's, and the average where there is blur."""
MOST_MASKS = 16
"""Categories of attributes that avatars have, a few more."""


def problems(scene: bpy.types.Scene) -> list[EngineFailure]:
    """Everything that would keep `scene` from being rendered; empty where nothing would."""
    checks: list[Callable[[], object]] = [_engine, lambda: _memory(scene)]
    for rig in rendered_rigs(scene):
        checks += [functools.partial(refuse_older_addon, rig), functools.partial(_avatar, rig)]
    found = []
    for check in checks:
        try:
            check()
        except EngineFailure as failure:
            found.append(failure)
    return found


def refuse(scene: bpy.types.Scene) -> None:
    """Raise all `problems` of `scene` as one failure.

    Raises:
        EngineFailure: with the code of the first.
    """
    found = problems(scene)
    if len(found) == 1:
        raise found[0]
    if found:
        sentences = "; ".join(f"{failure.message} ({failure.hint})" for failure in found)
        raise EngineFailure(found[0].code, sentences, "correct them all and render again")


def rendered_rigs(scene: bpy.types.Scene) -> list[bpy.types.Object]:
    """The avatars that `scene` may show in a render, those of instanced collections too."""
    found = {}
    for thing in _objects(scene.objects, set()):
        if is_proxy(thing) and (not thing.hide_render or _hiding_changes(thing)):
            rig = rig_of(thing)
            assert rig is not None
            found[rig.session_uid] = rig
    return list(found.values())


def _hiding_changes(thing: bpy.types.Object) -> bool:
    """Whether keys or a driver say when `thing` is hidden in renders."""
    drivers = thing.animation_data.drivers if thing.animation_data else ()
    return any(curve.data_path == "hide_render" for curve in (*compat.fcurves(thing), *drivers))


def _objects(things: Iterator[bpy.types.Object], seen: set[int]) -> Iterator[bpy.types.Object]:
    for thing in things:
        yield thing
        instanced = thing.instance_collection if thing.instance_type == "COLLECTION" else None
        if instanced is not None and instanced.session_uid not in seen:
            seen.add(instanced.session_uid)
            yield from _objects(instanced.all_objects, seen)


def _avatar(rig: bpy.types.Object) -> None:
    read_avatar(avatar_path(rig))


def _engine() -> None:
    session.client()
    refuse_other_engine(session.engine_version())


def _memory(scene: bpy.types.Scene) -> None:
    render = scene.render
    pixels = render.resolution_x * render.resolution_y * (render.resolution_percentage / 100) ** 2
    layers = [layer for layer in scene.view_layers if layer.use]
    masks = MOST_MASKS * len([layer for layer in layers if layer.perse.category_masks])
    needed, free = ENGINE_BYTES + (PIXEL_BYTES + MASK_BYTES * masks) * pixels, free_memory()
    if free is not None and free < needed:
        raise EngineFailure(
            "low-memory",
            f"{free / 1e9:.1f} GB of memory are free, and {needed / 1e9:.1f} GB are needed",
            "end other programs, or render smaller pictures",
        )
