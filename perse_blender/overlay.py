"""Avatars in viewports that another engine draws: Solid, Material Preview, and Rendered with another engine than PERSE."""

from __future__ import annotations

from typing import Any

import bpy

from .avatars import is_proxy

_handles: list[Any] = []


def shows_card(scene: bpy.types.Scene, shading: bpy.types.View3DShading) -> bool:
    """Whether a viewport with this `shading` shows avatars on a card: not in Wireframe, nor where PERSE itself draws."""
    if not scene.perse_viewport or shading.type == "WIREFRAME":
        return False
    return shading.type != "RENDERED" or scene.render.engine != "PERSE"


def show_proxies(scene: bpy.types.Scene) -> None:
    """Show proxies as wires where the avatar itself is shown, which keeps them selectable, and as meshes otherwise."""
    for thing in scene.objects:
        if is_proxy(thing):
            thing.display_type = "BOUNDS" if scene.perse_viewport else "TEXTURED"


def _draw() -> None:
    context = bpy.context
    if not shows_card(context.scene, context.space_data.shading):
        return
    from .card import draw_card  # needs the gpu module, which background mode may lack
    from .viewport import view_of, watch

    view = view_of(context.region)
    if view.update(context, context.evaluated_depsgraph_get()):
        watch()
    if view.card is not None:
        draw_card(view.card, context.region_data.perspective_matrix)


CLASSES = ()


def register() -> None:
    """Draw after what Blender draws."""
    bpy.types.Scene.perse_viewport = bpy.props.BoolProperty(
        name="Show Avatar in Viewport",
        description="Show the avatar itself among other objects, in every shading but Wireframe; "
        "otherwise the mesh that stands for it",
        default=True,
        update=lambda scene, _context: show_proxies(scene),
    )
    if not bpy.app.background:
        _handles.append(bpy.types.SpaceView3D.draw_handler_add(_draw, (), "WINDOW", "POST_VIEW"))
    bpy.app.handlers.load_pre.append(_forget)


def unregister() -> None:
    """Take everything away again."""
    while _handles:
        bpy.types.SpaceView3D.draw_handler_remove(_handles.pop(), "WINDOW")
    if _forget in bpy.app.handlers.load_pre:
        bpy.app.handlers.load_pre.remove(_forget)
    if hasattr(bpy.types.Scene, "perse_viewport"):
        del bpy.types.Scene.perse_viewport


@bpy.app.handlers.persistent
def _forget(*_arguments: object) -> None:
    if not bpy.app.background:
        from .viewport import forget_views

        forget_views()
