"""The Attributes panel: favourites, and for each group of styles its pictures, its sliders and what can be done."""

from __future__ import annotations

import bpy

from ..avatars.avatars import active_rig, has_changed
from ..avatars.sliders import Group
from ..avatars.styling import MOST_GROUPS, favourites, file_of, style_groups, worn
from ..avatars.syncing import gone_sliders
from ..avatars.thumbnails import icon
from .panels import AvatarPanel, filtered, group_panel, is_changed, slider_rows

_PICTURE, _POPUP = 3.8, 5.5
_SHARE = 0.3
"""Of the panel's width, for a picture; what stands beside it must not squeeze it."""


class PERSE_PT_attributes(AvatarPanel, bpy.types.Panel):
    """Hair, beard, hat …: styles of the avatar, from 0 (the person as photographed) to 1."""

    bl_label = "Attributes"
    bl_order = 2

    def draw_header_preset(self, context: bpy.types.Context) -> None:
        row = self.layout.row(align=True)
        row.operator("perse.randomize", text="", icon="FORCE_TURBULENCE", emboss=False)
        row.operator("perse.reset", text="", icon="LOOP_BACK", emboss=False).kind = "attribute"
        row.menu("PERSE_MT_styles", text="", icon="DOWNARROW_HLT")

    def draw(self, context: bpy.types.Context) -> None:
        rig, wanted = active_rig(context), context.window_manager.perse_filter
        if has_changed(rig):
            row = self.layout.row(align=True)
            row.label(text="The avatar's file has changed", icon="INFO")
            row.operator("perse.sync_sliders", text="Sync", icon="FILE_REFRESH")
        row = self.layout.row(align=True)
        row.prop(wanted, "search", text="", icon="VIEWZOOM")
        row.prop(wanted, "changed", text="", icon="FILTER")
        chosen = favourites(rig)
        starred = {name for name, _ in chosen.sliders}
        if chosen.sliders and not wanted.search and not wanted.changed:
            self._draw_favourites(rig, chosen)
        path = file_of(rig)
        pictures = path is not None and icon(path) != 0
        nothing = True
        for number, group in enumerate(style_groups(rig)):
            shown = filtered(rig, group, wanted.search, wanted.changed)
            if shown.sliders:
                nothing = False
                plain = not wanted.search and not wanted.changed
                self._draw_group(context, rig, shown, number if pictures and plain else -1, starred)
        if nothing and style_groups(rig):
            self.layout.label(text="No slider is like that", icon="INFO")
        self._draw_gone(rig)

    def _draw_favourites(self, rig: bpy.types.Object, chosen: Group) -> None:
        header, body = self.layout.panel("perse_favourites", default_closed=False)
        header.label(text="Favourites", icon="SOLO_ON")
        if body is not None:
            self._draw_sliders(body.column(align=True), rig, chosen, {name for name, _ in chosen.sliders})

    def _draw_group(
        self, context: bpy.types.Context, rig: bpy.types.Object, group: Group, number: int, starred: set[str]
    ) -> None:
        wanted = context.window_manager.perse_filter
        sought = bool(wanted.search) or wanted.changed
        header, body = group_panel(self.layout, rig, group, opened=number == 0, sought=sought)
        header.operator("perse.randomize", text="", icon="FORCE_TURBULENCE", emboss=False).group = group.label
        if is_changed(rig, group):
            reset = header.operator("perse.reset", text="", icon="LOOP_BACK", emboss=False)
            reset.kind, reset.group = "attribute", group.label
        if body is None:
            return
        if 0 <= number < MOST_GROUPS:
            split = body.split(factor=_SHARE)
            split.template_icon_view(
                context.window_manager.perse_worn,
                f"slot_{number}",
                show_labels=True,
                scale=_PICTURE,
                scale_popup=_POPUP,
            )
            side = split.column(align=True)
            style = worn(rig, group)
            side.label(text=dict(group.sliders).get(style, "As photographed"), translate=False)
            if len(group.sliders) > 1:
                side.operator("perse.mix_styles", text="Mix…", icon="ARROW_LEFTRIGHT").group = group.label
            if style:
                line = side.row(align=True)
                line.operator("perse.rename_style", text="Rename…").slider = style
                line.operator("perse.remove_style", text="Remove…").slider = style
        self._draw_sliders(body.column(align=True), rig, group, starred)

    def _draw_sliders(self, column: bpy.types.UILayout, rig: bpy.types.Object, group: Group, starred: set[str]) -> None:
        for row in slider_rows(group):
            line = column.row(align=True)
            for name, side in row.cells:
                if name in rig:
                    line.prop(rig, f'["{name}"]', text=f"{row.label} {side}".rstrip(), slider=True)
            name = row.cells[0][0]
            star = "SOLO_ON" if name in starred else "SOLO_OFF"
            line.operator("perse.favourite", text="", icon=star, emboss=False).slider = name

    def _draw_gone(self, rig: bpy.types.Object) -> None:
        gone = gone_sliders(rig)
        if not gone:
            return
        header, body = self.layout.panel("perse_gone", default_closed=False)
        header.label(text="Gone from the file", icon="ERROR")
        if body is None:
            return
        column = body.column(align=True)
        for name, label in gone.items():
            if name in rig:
                line = column.row(align=True)
                line.prop(rig, f'["{name}"]', text=label, slider=True)
                line.operator("perse.delete_gone", text="", icon="TRASH").slider = name


class PERSE_MT_styles(bpy.types.Menu):
    """What can be done to the styles of an avatar."""

    bl_label = "Styles"

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        layout.operator("perse.add_style_image", icon="IMAGE_DATA")
        layout.operator("perse.add_style_words", icon="TEXT")
        layout.separator()
        layout.operator("perse.rename_style", icon="GREASEPENCIL")
        layout.operator("perse.remove_style", icon="TRASH")
        layout.separator()
        layout.operator("perse.sync_sliders", icon="FILE_REFRESH")


CLASSES = (PERSE_MT_styles, PERSE_PT_attributes)
