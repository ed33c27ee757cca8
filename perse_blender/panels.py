"""The PERSE tab of the 3D viewport's sidebar. It follows the active object."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import bpy

from . import session
from .avatars import active_rig
from .color import view_keeps_colors
from .compositing import draw_compositing
from .release import free_keys
from .second_scene import second_of
from .sliders import Group, groups

LABEL_SHARE = 0.36


class Panel:
    """A panel of the PERSE tab."""

    bl_space_type: Any = "VIEW_3D"
    bl_region_type: Any = "UI"
    bl_category = "PERSE"


class AvatarPanel(Panel):
    """A panel that needs an active avatar."""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return active_rig(context) is not None


class PerseFilter(bpy.types.PropertyGroup):
    """Which sliders the panels show. It belongs to the window, not to the .blend."""

    search: bpy.props.StringProperty(
        name="Search", description="Only sliders or groups whose name has this in it", options={"TEXTEDIT_UPDATE"}
    )
    changed: bpy.props.BoolProperty(name="Only Changed", description="Only sliders that are not 0")


class _SliderPanel(AvatarPanel):
    kind = ""

    def draw_header_preset(self, context: bpy.types.Context) -> None:
        self.layout.operator("perse.reset", text="", icon="LOOP_BACK", emboss=False).kind = self.kind

    def draw(self, context: bpy.types.Context) -> None:
        rig, wanted = active_rig(context), context.window_manager.perse_filter
        row = self.layout.row(align=True)
        row.prop(wanted, "search", text="", icon="VIEWZOOM")
        row.prop(wanted, "changed", text="", icon="FILTER")
        own = [group for group in groups(rig) if group.kind == self.kind]
        shown = [group for group in (filtered(rig, g, wanted.search, wanted.changed) for g in own) if group.sliders]
        for group in shown:
            self._draw_group(rig, group)
        if own and not shown:
            self.layout.label(text="No slider is like that", icon="INFO")

    def _draw_group(self, rig: bpy.types.Object, group: Group) -> None:
        header, body = self.layout.panel(f"perse_{self.kind}_{group.label}", default_closed=False)
        changed = sum(1 for name, _ in group.sliders if rig.get(name, 0.0) != 0.0)
        header.label(text=f"{group.label}  •  {changed}" if changed else group.label)
        if changed:
            reset = header.operator("perse.reset", text="", icon="LOOP_BACK", emboss=False)
            reset.kind, reset.group = self.kind, group.label
        if body is not None:
            column = body.column(align=True)
            for row in slider_rows(group):
                split = column.split(factor=LABEL_SHARE, align=True)
                split.label(text=row.label)
                cells = split.row(align=True)
                for name, text in row.cells:
                    if name in rig:
                        cells.prop(rig, f'["{name}"]', text=text, slider=True)


class PERSE_PT_expression(_SliderPanel, bpy.types.Panel):
    """What the face does."""

    bl_label = "Expression"
    bl_order = 3
    kind = "expression"

    def draw(self, context: bpy.types.Context) -> None:
        if free_keys(active_rig(context)):
            self.layout.label(text="Sliders rest during capture", icon="UNLOCKED")
            self.layout.operator("perse.bake", icon="REC")
            return
        row = self.layout.row(align=True)
        row.operator("perse.mirror", text="L to R", icon="FORWARD").direction = "LEFT"
        row.operator("perse.mirror", text="R to L", icon="BACK").direction = "RIGHT"
        row.operator("perse.mirror", text="Swap", icon="ARROW_LEFTRIGHT").direction = "SWAP"
        row.menu("PERSE_MT_mirror_group", text="", icon="DOWNARROW_HLT")
        super().draw(context)


class PERSE_PT_render(Panel, bpy.types.Panel):
    """What stands between the avatar and the picture."""

    bl_label = "Render"
    bl_order = 4

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        scene = context.scene
        layout.prop(scene, "perse_viewport")
        if scene.render.engine != "PERSE":
            if second_of(scene) is None:
                layout.operator("perse.use_engine", icon="RENDER_STILL")
            draw_compositing(layout, scene)
            return
        if scene.camera is None:
            layout.label(text="The scene has no camera", icon="ERROR")
        if not view_keeps_colors(scene):
            column = layout.column(align=True)
            column.label(text=f"{scene.view_settings.view_transform} changes the colours", icon="INFO")
            column.operator("perse.keep_colors", icon="COLOR")
        layout.prop(scene.render, "film_transparent")
        layout.prop(context.view_layer, "use_pass_z", text="Depth Pass")


class PERSE_PT_engine(Panel, bpy.types.Panel):
    """The process that draws."""

    bl_label = "Engine"
    bl_order = 5
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        layout.label(text=session.status())
        row = layout.row(align=True)
        row.operator("perse.restart_engine", text="Restart", icon="FILE_REFRESH")
        row.operator("perse.copy_diagnostics", text="Copy Diagnostics", icon="COPYDOWN")


def filtered(rig: bpy.types.Object, group: Group, search: str, changed: bool) -> Group:
    """`group` with the sliders whose label, or its own, has `search` in it, of `rig` only `changed` ones if wanted."""
    sought = search.strip().lower()
    return replace(
        group,
        sliders=tuple(
            (name, label)
            for name, label in group.sliders
            if (sought in label.lower() or sought in group.label.lower())
            and (not changed or float(rig.get(name, 0.0)) != 0.0)
        ),
    )


@dataclass(frozen=True)
class Row:
    """One line of sliders: its label, and the name and text of each slider."""

    label: str
    cells: tuple[tuple[str, str], ...]


def slider_rows(group: Group) -> tuple[Row, ...]:
    """The lines of a group: a left slider and its right one share one; words that the heading says are left out."""
    present = dict(group.sliders)
    rows = []
    for name, label in group.sliders:
        left, right = f"{name.removesuffix('right')}left", f"{name.removesuffix('left')}right"
        if name.endswith("right") and left in present:
            continue
        if name.endswith("left") and right in present:
            rows.append(Row(_short(label.rsplit(" ", 1)[0], group.label), ((name, "L"), (right, "R"))))
        else:
            rows.append(Row(_short(label, group.label), ((name, ""),)))
    return tuple(rows)


def _short(label: str, heading: str) -> str:
    """ "Eye blink" under "Eyes" is "Blink"; "Long hair" under "Hair" is "Long"."""
    said = {heading.lower(), heading.lower().removesuffix("s")}
    words = [word for word in label.split() if word.lower() not in said]
    return " ".join(words).capitalize() if words else label


CLASSES = (PerseFilter, PERSE_PT_expression, PERSE_PT_render, PERSE_PT_engine)


def register() -> None:
    """Give the window its filter."""
    bpy.types.WindowManager.perse_filter = bpy.props.PointerProperty(type=PerseFilter)


def unregister() -> None:
    """Take it away."""
    if hasattr(bpy.types.WindowManager, "perse_filter"):
        del bpy.types.WindowManager.perse_filter
