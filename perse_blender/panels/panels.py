"""The PERSE tab of the 3D viewport's sidebar. It follows the active object."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import bpy

from .. import session
from ..animation.release import free_keys
from ..avatars.avatars import active_rig
from ..avatars.sliders import Group, groups
from ..rendering.color import view_keeps_colors
from ..rendering.compositing import draw_compositing
from ..rendering.render_settings import draw_passes
from ..rendering.second_scene import second_of

LABEL_SHARE = 0.36
"""Of a line of sliders, for the label that two of them share."""
_FILTERS = ("perse_filter", "perse_expression_filter")


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
    """Which sliders a panel shows. It belongs to the window, not to the .blend."""

    search: bpy.props.StringProperty(
        name="Search", description="Only sliders or groups whose name has this in it", options={"TEXTEDIT_UPDATE"}
    )
    changed: bpy.props.BoolProperty(name="Only Changed", description="Only sliders that are not 0")


class PERSE_PT_expression(AvatarPanel, bpy.types.Panel):
    """What the face does."""

    bl_label = "Expression"
    bl_order = 3

    def draw_header_preset(self, context: bpy.types.Context) -> None:
        self.layout.operator("perse.reset", text="", icon="LOOP_BACK", emboss=False).kind = "expression"

    def draw(self, context: bpy.types.Context) -> None:
        rig, wanted = active_rig(context), context.window_manager.perse_expression_filter
        if free_keys(rig):
            self.layout.label(text="Sliders rest during capture", icon="UNLOCKED")
            self.layout.operator("perse.bake", icon="REC")
            return
        row = self.layout.row(align=True)
        row.operator("perse.mirror", text="L to R", icon="FORWARD").direction = "LEFT"
        row.operator("perse.mirror", text="R to L", icon="BACK").direction = "RIGHT"
        row.operator("perse.mirror", text="Swap", icon="ARROW_LEFTRIGHT").direction = "SWAP"
        row.menu("PERSE_MT_mirror_group", text="", icon="DOWNARROW_HLT")
        row = self.layout.row(align=True)
        row.prop(wanted, "search", text="", icon="VIEWZOOM")
        row.prop(wanted, "changed", text="", icon="FILTER")
        own = [group for group in groups(rig) if group.kind == "expression"]
        shown = [group for group in (filtered(rig, g, wanted.search, wanted.changed) for g in own) if group.sliders]
        sought = bool(wanted.search) or wanted.changed
        for number, group in enumerate(shown):
            self._draw_group(rig, group, opened=number == 0, sought=sought)
        if own and not shown:
            self.layout.label(text="No slider is like that", icon="INFO")

    def _draw_group(self, rig: bpy.types.Object, group: Group, *, opened: bool, sought: bool) -> None:
        header, body = group_panel(self.layout, rig, group, opened=opened, sought=sought)
        if is_changed(rig, group):
            reset = header.operator("perse.reset", text="", icon="LOOP_BACK", emboss=False)
            reset.kind, reset.group = "expression", group.label
        if body is not None:
            column = body.column(align=True)
            for row in slider_rows(group):
                split = column.split(factor=LABEL_SHARE, align=True)
                split.label(text=row.label)
                cells = split.row(align=True)
                for name, text in row.cells:
                    if name in rig:
                        cells.prop(rig, f'["{name}"]', text=text, slider=True)


class PERSE_PT_render(Panel, bpy.types.Panel):
    """What stands between the avatar and the picture."""

    bl_label = "Render"
    bl_order = 5

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
        row = layout.row()
        row.label(text="Anti-Aliasing")
        row.prop(scene.perse, "supersampling", text="")
        row = layout.row()
        row.prop(scene.render, "use_motion_blur", text="Motion Blur")
        samples = row.row()
        samples.active = scene.render.use_motion_blur
        samples.prop(scene.perse, "motion_samples", text="Samples")
        if scene.camera is not None and scene.camera.type == "CAMERA":
            row = layout.row()
            row.prop(scene.camera.data.dof, "use_dof", text="Depth of Field")
            samples = row.row()
            samples.active = scene.camera.data.dof.use_dof
            samples.prop(scene.perse, "lens_samples", text="Samples")
        draw_passes(layout, context.view_layer)


class PERSE_PT_engine(Panel, bpy.types.Panel):
    """The process that draws."""

    bl_label = "Engine"
    bl_order = 6
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        layout.label(text=session.status())
        row = layout.row(align=True)
        row.operator("perse.restart_engine", text="Restart", icon="FILE_REFRESH")
        row.operator("perse.copy_diagnostics", text="Copy Diagnostics", icon="COPYDOWN")


def group_panel(
    layout: bpy.types.UILayout, rig: bpy.types.Object, group: Group, *, opened: bool, sought: bool
) -> tuple[bpy.types.UILayout, bpy.types.UILayout | None]:
    """The heading of `group`, which says how many of its sliders are not 0, and what is below it where it is open.

    Args:
        opened: whether it is so until somebody folds or unfolds it.
        sought: whether people look for sliders, which a fold must not hide from them.
    """
    header: bpy.types.UILayout
    body: bpy.types.UILayout | None
    if sought:
        body = layout.column()
        header = body.row()
    else:
        header, body = layout.panel(f"perse_{group.kind}_{group.label}", default_closed=not opened)
    changed = sum(1 for name, _ in group.sliders if rig.get(name, 0.0) != 0.0)
    header.label(text=f"{group.label}  •  {changed}" if changed else group.label)
    return header, body


def is_changed(rig: bpy.types.Object, group: Group) -> bool:
    """Whether a slider of `group` is not 0."""
    return any(rig.get(name, 0.0) != 0.0 for name, _ in group.sliders)


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
    """ "Eye blink" under "Eyes" is "Blink"; "Long hair" under "Hair" is "Long"; "Wide face", "Face shape", "Wide"."""
    said = {form for word in heading.lower().split() for form in (word, word.removesuffix("s"))}
    words = [word for word in label.split() if word.lower() not in said]
    return " ".join(words).capitalize() if words else label


CLASSES = (PerseFilter, PERSE_PT_expression, PERSE_PT_render, PERSE_PT_engine)


def register() -> None:
    """Give the window a filter for each of the panels with sliders."""
    for name in _FILTERS:
        setattr(bpy.types.WindowManager, name, bpy.props.PointerProperty(type=PerseFilter))


def unregister() -> None:
    """Take them away."""
    for name in _FILTERS:
        if hasattr(bpy.types.WindowManager, name):
            delattr(bpy.types.WindowManager, name)
