"""The Light panel: how much of the scene's lamps and world falls on the avatar, and what that leaves out."""

from __future__ import annotations

import bpy

from ..avatars.avatars import active_rig
from ..avatars.sliders import LIGHT, add_light
from ..rendering.light import has_plain_world
from .operators import OnAvatar
from .panels import AvatarPanel


class PERSE_OT_add_light(OnAvatar, bpy.types.Operator):
    """Give this avatar, which was imported with an earlier PERSE, the slider of its light"""

    bl_idname = "perse.add_light"
    bl_label = "Add Light Slider"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        rig = active_rig(context)
        if not rig.is_editable:
            self.report({"ERROR"}, f"{rig.name} is linked; make a library override of it first")
            return {"CANCELLED"}
        add_light(rig)
        return {"FINISHED"}


class PERSE_PT_light(AvatarPanel, bpy.types.Panel):
    """In which light the avatar is seen."""

    bl_label = "Light"
    bl_parent_id = "PERSE_PT_render"

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        rig = active_rig(context)
        if LIGHT not in rig:
            layout.operator("perse.add_light", icon="LIGHT")
            return
        layout.prop(rig, f'["{LIGHT}"]', text="Scene Light", slider=True)
        if rig[LIGHT] > 0:
            column = layout.column(align=True)
            column.label(text="No shadows fall on it", icon="INFO")
            column.label(text="Highlights stay the photo's", icon="BLANK1")
            if not has_plain_world(context.scene):
                column.label(text="World: its plain colour only", icon="BLANK1")


CLASSES = (PERSE_OT_add_light, PERSE_PT_light)
