"""Avatars in viewports that Blender draws: Solid, Material Preview, and Rendered with another engine than PERSE."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import bpy

from ..avatars.avatars import is_proxy, is_rig
from ..avatars.proxy import proxy_display
from ..handlers import unwatch, watch

_MARGIN, _LINE = 20, 11  # of the message in the corner: distance and size, pixels at normal scale

_handles: list[Any] = []


def shows_card(scene: bpy.types.Scene, shading: bpy.types.View3DShading) -> bool:
    """Whether a viewport with this `shading` shows avatars on cards: not in Wireframe, nor where PERSE itself draws."""
    if not scene.perse_viewport or shading.type == "WIREFRAME":
        return False
    return shading.type != "RENDERED" or str(scene.render.engine) != "PERSE"


def _show_proxies(scene: bpy.types.Scene, _context: object) -> None:
    for thing in scene.objects:
        if is_proxy(thing):
            thing.display_type = proxy_display(scene)


def _draw() -> None:
    context = bpy.context
    if not shows_card(context.scene, context.space_data.shading):
        return
    import gpu  # background mode may lack it, and what follows needs it

    from .card import draw_card
    from .matte import draw_meshes
    from .viewport import redraw_when_ready, view_of

    view, depsgraph = view_of(context.region), context.evaluated_depsgraph_get()
    if view.update(context, depsgraph):
        redraw_when_ready()
    if view.card is None:
        return
    if not _has_depth(context.space_data):
        gpu.state.active_framebuffer_get().clear(depth=1.0)
        draw_meshes(view, context, depsgraph, into_depth_only=True)
    draw_card(view.card, context.region_data.perspective_matrix)


def _has_depth(space: bpy.types.SpaceView3D) -> bool:
    """Whether Blender has left the scene's depth: without overlays only opaque Solid does."""
    return space.overlay.show_overlays or (space.shading.type == "SOLID" and not space.shading.show_xray)


def _write() -> None:
    """Say what is wrong in the corner of the viewport."""
    context = bpy.context
    if not shows_card(context.scene, context.space_data.shading):
        return
    import blf

    from .viewport import view_of

    message = view_of(context.region).message
    if message:
        scale = context.preferences.system.ui_scale
        blf.size(0, _LINE * scale)
        blf.color(0, 1.0, 1.0, 1.0, 0.8)
        blf.position(0, _MARGIN * scale, _MARGIN * scale, 0)
        blf.draw(0, f"PERSE: {message}")


@bpy.app.handlers.persistent
def _redraw(scene: bpy.types.Scene, depsgraph: bpy.types.Depsgraph) -> None:
    """Draw viewports again when an avatar has changed: what sets sliders otherwise than by hand does not see to it."""
    if threading.current_thread() is not threading.main_thread():  # a render's own
        return
    if any(isinstance(update.id, bpy.types.Object) and is_rig(update.id.original) for update in depsgraph.updates):
        for area in _areas():
            area.tag_redraw()
        _ask_ahead(scene, depsgraph)


@bpy.app.handlers.persistent
def _ask_ahead(scene: bpy.types.Scene, depsgraph: bpy.types.Depsgraph) -> None:
    """The engine draws while Blender does; renders ask for themselves."""
    if threading.current_thread() is not threading.main_thread() or depsgraph.mode != "VIEWPORT":
        return
    from .viewport import ask_ahead

    for area in _areas():
        space = area.spaces.active
        if shows_card(scene, space.shading):
            ask_ahead(space, (region for region in area.regions if region.type == "WINDOW"), depsgraph)


def _areas() -> Iterator[bpy.types.Area]:
    """Every 3D view."""
    for window in bpy.context.window_manager.windows:
        yield from (area for area in window.screen.areas if area.type == "VIEW_3D")


@bpy.app.handlers.persistent
def _forget(*_arguments: object) -> None:
    if not bpy.app.background:
        from .viewport import forget_views

        forget_views()


CLASSES = ()
_CHANGES = (("depsgraph_update_post", _redraw), ("frame_change_post", _ask_ahead))


def register() -> None:
    """Draw after what Blender draws."""
    bpy.types.Scene.perse_viewport = bpy.props.BoolProperty(
        name="Show Avatar in Viewport",
        description="Show the avatar itself among other objects, in every shading but Wireframe; "
        "otherwise the mesh that stands for it",
        default=True,
        update=_show_proxies,
    )
    if not bpy.app.background:
        for draw, phase in ((_draw, "POST_VIEW"), (_write, "POST_PIXEL")):
            _handles.append(bpy.types.SpaceView3D.draw_handler_add(draw, (), "WINDOW", phase))
        watch(_CHANGES)
    watch([("load_pre", _forget)])


def unregister() -> None:
    """Take everything away again."""
    while _handles:
        bpy.types.SpaceView3D.draw_handler_remove(_handles.pop(), "WINDOW")
    unwatch([*_CHANGES, ("load_pre", _forget)])
    if hasattr(bpy.types.Scene, "perse_viewport"):
        _forget()
        del bpy.types.Scene.perse_viewport
