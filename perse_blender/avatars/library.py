"""The avatar library: a folder of .perse files, shown as pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy

from ..perse_protocol import EngineFailure
from ..preferences import library_folder
from ..whole_files import write_whole
from .avatars import active_rig, avatar_path, content_hash
from .on_avatar import OnAvatar
from .thumbnails import icon

_COLUMNS, _WIDTH, _SCALE = 4, 480, 5.0


def library_avatars() -> tuple[Path, ...]:
    """The avatar files of the library, by name; a folder that is not there yet is empty."""
    try:
        return tuple(sorted(library_folder().glob("*.perse"), key=lambda path: path.name.lower()))
    except OSError:
        return ()


def add_to_library(path: Path, name: str) -> Path:
    """Copy the avatar file at `path` into the library; where it is then. What is there already is not copied again.

    Args:
        name: of the copy, without ending; a number is put behind it where another avatar has it.

    Raises:
        EngineFailure: "system", it cannot be copied.
    """
    folder, number = library_folder(), 1
    plain = "".join("_" if letter in '<>:"/\\|?*' else letter for letter in name).strip(" .") or "avatar"
    try:
        digest = content_hash(path)
        target = folder / f"{plain}.perse"
        while target.exists():
            if content_hash(target) == digest:
                return target
            number += 1
            target = folder / f"{plain} {number}.perse"
        write_whole(target, path.read_bytes())
    except OSError as error:
        raise EngineFailure(
            "system", f"{path.name} cannot be copied to {folder} ({error.strerror})", "choose another library folder"
        ) from error
    return target


class PERSE_OT_library(bpy.types.Operator):
    """Show the avatars of the library; a click brings one into this file"""

    bl_idname = "perse.library"
    bl_label = "Avatar Library"

    def execute(self, context: bpy.types.Context) -> set[str]:
        return {"FINISHED"}

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[Any]:
        return context.window_manager.invoke_popup(self, width=_WIDTH)

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        row = layout.row()
        row.label(text="Avatar Library", icon="ASSET_MANAGER")
        found = library_avatars()
        if library_folder().is_dir():
            row.operator("wm.path_open", text="", icon="FILE_FOLDER").filepath = str(library_folder())
        if not found:
            layout.label(text="It is empty: select an avatar and press Add to Library", icon="INFO")
            return
        grid = layout.grid_flow(row_major=True, columns=_COLUMNS, even_columns=True, even_rows=True)
        for path in found:
            cell = grid.column(align=True)
            cell.template_icon(icon_value=icon(path), scale=_SCALE)
            cell.operator("perse.import_avatar", text=path.stem, translate=False).filepath = str(path)
        for _ in range(-len(found) % _COLUMNS):
            grid.column()


class PERSE_OT_add_to_library(OnAvatar, bpy.types.Operator):
    """Copy the file of the active avatar into the avatar library"""

    bl_idname = "perse.add_to_library"
    bl_label = "Add to Library"

    def execute(self, context: bpy.types.Context) -> set[str]:
        rig = active_rig(context)
        try:
            copy = add_to_library(avatar_path(rig), rig.name)
        except EngineFailure as failure:
            self.report({"ERROR"}, str(failure))
            return {"CANCELLED"}
        self.report({"INFO"}, f"{copy.stem} is in the library")
        return {"FINISHED"}


CLASSES = (PERSE_OT_library, PERSE_OT_add_to_library)
