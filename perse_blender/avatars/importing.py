"""Import Avatar: from a .perse file to an armature with sliders and a proxy mesh."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
from bpy_extras.io_utils import ImportHelper

from ..perse_protocol import EngineFailure
from ..rig.gaze import add_gaze
from ..rig.rig import add_bones, move_pivots, new_armature
from ..rig.widgets import dress_controls
from .avatar_file import read_avatar
from .avatars import CONTENT, PROXY, content_hash, link_file
from .framing import frame_first, hiding
from .proxy import new_proxy, proxy_display, tie_to_rig
from .sliders import add_sliders


def import_avatar(path: Path, context: bpy.types.Context) -> bpy.types.Object:
    """Read the avatar at `path` into the active collection; the armature becomes the active object.

    Raises:
        EngineFailure: the file cannot be used, or the active collection is not in the view layer.
    """
    avatar = read_avatar(path)
    if context.mode != "OBJECT":
        bpy.ops.object.mode_set(mode="OBJECT")
    rig = new_armature(avatar.name)
    proxy = new_proxy(avatar, f"{avatar.name} proxy")
    for thing in (rig, proxy):
        context.collection.objects.link(thing)
    try:
        context.view_layer.objects.active = rig
    except RuntimeError as error:
        for thing in (rig, proxy):
            bpy.data.objects.remove(thing)
        raise EngineFailure(
            "hidden-collection", "the active collection is excluded", "choose another in the Outliner"
        ) from error
    for thing in context.selected_objects:
        thing.select_set(False)
    rig.select_set(True)

    add_bones(rig, avatar.joints)
    dress_controls(rig)
    add_sliders(rig, avatar)
    add_gaze(rig)
    link_file(rig, path)
    rig[CONTENT] = content_hash(path)
    proxy[PROXY] = True
    proxy.display_type = proxy_display(context.scene)
    tie_to_rig(proxy, rig, avatar)
    move_pivots(rig, proxy.data.shape_keys, [style.name for style in avatar.styles], avatar.joint_style_directions)
    return rig


class PERSE_OT_import_avatar(bpy.types.Operator, ImportHelper):
    """Bring a PERSE avatar in: an armature that carries its sliders, and a mesh that stands for it in the viewport"""

    bl_idname = "perse.import_avatar"
    bl_label = "Import Avatar"
    bl_options = {"REGISTER", "UNDO"}

    filename_ext = ".perse"
    filter_glob: bpy.props.StringProperty(default="*.perse", options={"HIDDEN"})
    filepath: bpy.props.StringProperty(subtype="FILE_PATH", options={"SKIP_SAVE"})

    def execute(self, context: bpy.types.Context) -> set[str]:
        try:
            rig = import_avatar(Path(bpy.path.abspath(self.filepath)), context)
        except EngineFailure as failure:
            self.report({"ERROR"}, str(failure))
            return {"CANCELLED"}
        welcome(self, rig, context)
        return {"FINISHED"}

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[Any]:
        if self.properties.is_property_set("filepath"):  # dropped into the viewport
            return self.execute(context)
        return super().invoke(context, event)


def welcome(operator: bpy.types.Operator, rig: bpy.types.Object, context: bpy.types.Context) -> None:
    """Let people see `rig`, which `operator` has brought in, and say where its sliders are, or what hides it."""
    _show_vertex_colors(context)
    frame_first(rig, context)
    box = hiding(rig, context)
    if box:
        operator.report({"WARNING"}, f"{rig.name} stands inside “{box}”, which hides it: move or delete one of them")
    else:
        operator.report({"INFO"}, f"{rig.name}: its sliders are in the PERSE tab of the sidebar")


def _show_vertex_colors(context: bpy.types.Context) -> None:
    """Let solid viewports that are still as Blender made them show the face on the proxy."""
    for area in context.screen.areas if context.screen else ():
        shading = area.spaces.active.shading if area.type == "VIEW_3D" else None
        if shading is not None and shading.type == "SOLID" and shading.color_type == "MATERIAL":
            shading.color_type = "VERTEX"


class PERSE_FH_avatar(bpy.types.FileHandler):
    """Drop a .perse file into the 3D viewport."""

    bl_idname = "PERSE_FH_avatar"
    bl_label = "PERSE avatar"
    bl_import_operator = "perse.import_avatar"
    bl_file_extensions = ".perse"

    @classmethod
    def poll_drop(cls, context: bpy.types.Context) -> bool:
        return context.area is not None and context.area.type in {"VIEW_3D", "OUTLINER"}


def _menu(self: bpy.types.Menu, _context: bpy.types.Context) -> None:
    self.layout.operator(PERSE_OT_import_avatar.bl_idname, text="PERSE Avatar (.perse)")


CLASSES = (PERSE_OT_import_avatar, PERSE_FH_avatar)


def register() -> None:
    """Add the entry of File ▸ Import."""
    bpy.types.TOPBAR_MT_file_import.append(_menu)


def unregister() -> None:
    """Take the entry away."""
    bpy.types.TOPBAR_MT_file_import.remove(_menu)
