"""The Avatar panel: which avatar the sliders belong to, where its file is, and what is done to it as a whole."""

from __future__ import annotations

import bpy

from ..avatars.avatars import PATH, active_rig, avatar_path
from ..avatars.packed import packed_image
from ..avatars.thumbnails import icon
from ..perse_protocol import EngineFailure
from .panels import Panel

_PICTURE = 4.0


class PERSE_PT_avatar(Panel, bpy.types.Panel):
    """Which avatar the sliders below belong to."""

    bl_label = "Avatar"
    bl_order = 1

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        rig = active_rig(context)
        if rig is None:
            column = layout.column(align=True)
            column.operator("perse.import_avatar", icon="IMPORT")
            column.operator("perse.library", text="Library", icon="ASSET_MANAGER")
            layout.label(text="Or select an avatar, or create one", icon="INFO")
            return
        try:
            path = avatar_path(rig)
        except EngineFailure as failure:
            path, trouble = None, failure.message
        row = layout.row()
        picture = icon(path) if path is not None else 0
        if picture:
            row.template_icon(icon_value=picture, scale=_PICTURE)
        column = row.column(align=True)
        line = column.row(align=True)
        line.prop(rig, "name", text="", icon="USER")
        line.operator("perse.import_avatar", text="", icon="IMPORT")
        line = column.row(align=True)
        line.operator("perse.library", text="Library", icon="ASSET_MANAGER")
        line.operator("perse.add_to_library", text="", icon="ADD")
        line = column.row(align=True)
        if packed_image(rig) is not None:
            line.label(text="Packed in this .blend", icon="PACKAGE")
            line.operator("perse.unpack", text="", icon="EXPORT")
        elif path is not None:
            line.label(text=bpy.path.basename(str(rig[PATH])), icon="FILE_TICK", translate=False)
            line.operator("perse.pack", text="", icon="PACKAGE")
        else:
            line.alert = True
            line.label(text="Its file is missing", icon="ERROR")
        line.operator("perse.relink", text="", icon="FILE_REFRESH")
        if path is None:
            layout.label(text=trouble, icon="BLANK1", translate=False)
        row = layout.row(align=True)
        row.operator("perse.match_photo", text="Photo Pose", icon="IMAGE_DATA")
        row.operator("perse.add_photo_camera", icon="CAMERA_DATA")
        row = layout.row(align=True)
        row.operator("perse.reset", text="Reset All", icon="LOOP_BACK").kind = "all"
        row.operator("perse.duplicate", text="Duplicate", icon="DUPLICATE")
        row.operator("perse.avatar_info", text="", icon="INFO")
        row.menu("PERSE_MT_avatar", text="", icon="DOWNARROW_HLT")


class PERSE_MT_avatar(bpy.types.Menu):
    """What else can be done to an avatar."""

    bl_label = "Avatar"

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        layout.operator("perse.mark_asset", icon="ASSET_MANAGER")
        layout.operator("perse.sync_sliders", icon="FILE_REFRESH")
        layout.operator("perse.report_missing", icon="VIEWZOOM")


CLASSES = (PERSE_MT_avatar, PERSE_PT_avatar)
