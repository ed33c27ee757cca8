"""Click on an avatar to select it: its proxy is not drawn where the avatar itself is, so Blender finds nothing."""

from __future__ import annotations

from typing import Any

import bpy
from bpy_extras.view3d_utils import region_2d_to_origin_3d, region_2d_to_vector_3d

from ..avatars.avatars import is_proxy, rig_of

_keys: list[tuple[bpy.types.KeyMap, bpy.types.KeyMapItem]] = []


class PERSE_OT_pick(bpy.types.Operator):
    """Select the avatar under the mouse, where the click has selected nothing else"""

    bl_idname = "perse.pick"
    bl_label = "Pick Avatar"
    bl_options = {"UNDO", "INTERNAL"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return context.mode == "OBJECT" and context.region_data is not None and not context.selected_objects

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[Any]:
        place = (event.mouse_region_x, event.mouse_region_y)
        origin = region_2d_to_origin_3d(context.region, context.region_data, place)
        direction = region_2d_to_vector_3d(context.region, context.region_data, place)
        hit, _, _, _, thing, _ = context.scene.ray_cast(context.evaluated_depsgraph_get(), origin, direction)
        rig = rig_of(thing.original) if hit and thing is not None and is_proxy(thing) else None
        if rig is None or rig.name not in context.view_layer.objects or rig.hide_select:
            return {"PASS_THROUGH"}
        rig.select_set(True)
        context.view_layer.objects.active = rig
        return {"FINISHED"}


CLASSES = (PERSE_OT_pick,)


def register() -> None:
    """Listen for clicks in 3D views."""
    configuration = bpy.context.window_manager.keyconfigs.addon
    if configuration is not None:  # background mode has none
        keymap = configuration.keymaps.new("3D View", space_type="VIEW_3D")
        _keys.append((keymap, keymap.keymap_items.new(PERSE_OT_pick.bl_idname, "LEFTMOUSE", "CLICK")))


def unregister() -> None:
    """Stop listening."""
    while _keys:
        keymap, item = _keys.pop()
        keymap.keymap_items.remove(item)
