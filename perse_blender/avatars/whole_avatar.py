"""What is done to an avatar as one thing: all its objects duplicated, its file packed, the lot marked as an asset."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import bpy
from bpy_extras.io_utils import ExportHelper
from mathutils import Vector

from ..perse_protocol import EngineFailure
from ..whole_files import write_whole
from .avatars import PATH, active_rig, avatar_path, file_path, link_file
from .on_avatar import OnAvatar, OnOwnAvatar
from .packed import PACKED, new_packed_image, packed_bytes, packed_image
from .thumbnails import picture_file

_NUMBER = "perse_duplicating"
"""Says which copy is whose, while there is no other way to tell."""


def avatar_objects(rig: bpy.types.Object) -> tuple[bpy.types.Object, ...]:
    """The armature `rig`, and everything that hangs on it."""
    return (rig, *rig.children_recursive)


def duplicate_avatar(rig: bpy.types.Object, context: bpy.types.Context) -> bpy.types.Object:
    """An avatar of its own with everything that hangs on `rig`; its armature becomes the active object.

    Actions are copied or shared as Blender's preferences for duplicating say. Armature and mesh are always copied,
    for sliders drive them; whatever in the copies pointed into the one avatar points into the other.

    Raises:
        EngineFailure: "hidden-collection", a part of the avatar is not in the view layer.
    """
    originals = avatar_objects(rig)
    outside = [thing for thing in originals if thing.name not in context.view_layer.objects]
    if outside:
        raise EngineFailure(
            "hidden-collection", f"{outside[0].name} is in an excluded collection", "include it in the Outliner"
        )
    if context.mode != "OBJECT":
        bpy.ops.object.mode_set(mode="OBJECT")
    for thing in context.selected_objects:
        thing.select_set(False)
    with _shown(originals) as hiding, _copying_meshes(context.preferences.edit):
        for number, thing in enumerate(originals):
            thing[_NUMBER] = number
            thing.select_set(True)
        context.view_layer.objects.active = rig
        bpy.ops.object.duplicate(linked=False)
        copy = context.view_layer.objects.active
        for twin in avatar_objects(copy):
            hiding[twin] = hiding[originals[twin[_NUMBER]]]
        for thing in hiding:
            del thing[_NUMBER]
    copy.select_set(True)
    context.view_layer.objects.active = copy
    return copy


@contextlib.contextmanager
def _shown(things: Sequence[bpy.types.Object]) -> Iterator[dict[bpy.types.Object, tuple[bool, bool, bool]]]:
    """Show `things` while the block runs, for Blender duplicates only what can be selected."""
    hiding = {thing: (thing.hide_viewport, thing.hide_select, thing.hide_get()) for thing in things}
    for thing in things:
        thing.hide_viewport = thing.hide_select = False
        thing.hide_set(False)
    try:
        yield hiding
    finally:
        for thing, (viewport, select, here) in hiding.items():
            thing.hide_viewport, thing.hide_select = viewport, select
            thing.hide_set(here)


@contextlib.contextmanager
def _copying_meshes(preferences: bpy.types.PreferencesEdit) -> Iterator[None]:
    """Let Blender copy meshes and armatures when it duplicates, whatever the user prefers of other objects."""
    names = ("use_duplicate_mesh", "use_duplicate_armature")
    before = {name: getattr(preferences, name) for name in names}
    for name in names:
        if not before[name]:
            setattr(preferences, name, True)
    try:
        yield
    finally:
        for name in names:
            if not before[name]:
                setattr(preferences, name, False)


class PERSE_OT_pack(OnOwnAvatar, bpy.types.Operator):
    """Keep a copy of the avatar's file inside this .blend, which then needs no other file"""

    bl_idname = "perse.pack"
    bl_label = "Pack"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        rig = active_rig(context)
        try:
            path = file_path(rig)
            rig[PACKED] = new_packed_image(path)
        except EngineFailure as failure:
            self.report({"ERROR"}, str(failure))
            return {"CANCELLED"}
        except OSError as error:
            self.report({"ERROR"}, f"system: {path} cannot be read ({error.strerror}); choose it again with Relink")
            return {"CANCELLED"}
        size = rig[PACKED].packed_file.size / 1e6
        self.report({"INFO"}, f"{path.name} ({size:.0f} MB) is saved inside this .blend from now on")
        return {"FINISHED"}


class PERSE_OT_unpack(OnOwnAvatar, bpy.types.Operator, ExportHelper):
    """Write the avatar's file, which is inside this .blend, to a place of its own again"""

    bl_idname = "perse.unpack"
    bl_label = "Unpack"
    bl_options = {"REGISTER", "UNDO"}

    filename_ext = ".perse"
    filter_glob: bpy.props.StringProperty(default="*.perse", options={"HIDDEN"})

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not super().poll(context):
            return False
        if packed_image(active_rig(context)) is None:
            cls.poll_message_set("The avatar's file is not packed")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        rig = active_rig(context)
        image = packed_image(rig)
        path = Path(bpy.path.abspath(self.filepath))
        try:
            write_whole(path, packed_bytes(image))
        except OSError as error:
            self.report({"ERROR"}, f"system: {path} cannot be written ({error.strerror}); choose another place")
            return {"CANCELLED"}
        link_file(rig, path)
        if image.users == 0:
            bpy.data.images.remove(image)
        return {"FINISHED"}

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[Any]:
        rig = active_rig(context)
        if not self.properties.is_property_set("filepath"):
            self.filepath = bpy.path.abspath(str(rig[PATH]))
        return super().invoke(context, event)


class PERSE_OT_duplicate(OnAvatar, bpy.types.Operator):
    """Duplicate the avatar with its proxy and everything that hangs on it, as one independent avatar"""

    bl_idname = "perse.duplicate"
    bl_label = "Duplicate as One"
    bl_options = {"REGISTER", "UNDO"}

    aside: bpy.props.FloatVectorProperty(
        name="Aside", description="How far from the first one it stands", subtype="TRANSLATION", default=(0.5, 0, 0)
    )

    def execute(self, context: bpy.types.Context) -> set[str]:
        try:
            copy = duplicate_avatar(active_rig(context), context)
        except EngineFailure as failure:
            self.report({"ERROR"}, str(failure))
            return {"CANCELLED"}
        copy.location += Vector(self.aside)
        return {"FINISHED"}


class PERSE_OT_mark_asset(OnOwnAvatar, bpy.types.Operator):
    """Put the avatar into a collection of its own, an asset with its picture, for the asset browser"""

    bl_idname = "perse.mark_asset"
    bl_label = "Mark as Asset"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        rig = active_rig(context)
        collection = bpy.data.collections.new(rig.name)
        rig.users_collection[0].children.link(collection)
        for thing in avatar_objects(rig):
            for other in thing.users_collection:
                other.objects.unlink(thing)
            collection.objects.link(thing)
        collection.asset_mark()
        collection.asset_data.description = "PERSE avatar"
        with contextlib.suppress(EngineFailure):
            picture = picture_file(avatar_path(rig))
            if picture is not None:
                with context.temp_override(id=collection):
                    bpy.ops.ed.lib_id_load_custom_preview(filepath=str(picture))
        self.report({"INFO"}, f"The collection {collection.name} is an asset of this file")
        return {"FINISHED"}


CLASSES = (PERSE_OT_pack, PERSE_OT_unpack, PERSE_OT_duplicate, PERSE_OT_mark_asset)
