"""The add-on's preferences."""

from __future__ import annotations

from pathlib import Path

import bpy

from .perse_protocol import EngineFailure
from .perse_protocol.lookup import find_engine, managed_environment, places


class PersePreferences(bpy.types.AddonPreferences):
    """Where the engine is."""

    bl_idname = __package__

    engine_path: bpy.props.StringProperty(
        name="Engine",
        description="Folder of the engine's Python environment, or the command perse in it. "
        "The environment variable PERSE_ENGINE goes before it; empty means the managed environment",
        subtype="FILE_PATH",
    )

    library_path: bpy.props.StringProperty(
        name="Library",
        description="Folder of the avatar library; empty means a folder of your own user data",
        subtype="DIR_PATH",
    )

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        layout.prop(self, "library_path", placeholder=str(library_folder()))
        layout.prop(self, "engine_path")
        column = layout.column(align=True)
        for place in places(self.engine_path):
            icon = "CHECKMARK" if place.command else "BLANK1"
            column.label(text=f"{place.source}: {place.why}", icon=icon)
        try:
            found = find_engine(self.engine_path)
            column.label(text=f"In use: {found.command}", icon="INFO")
        except EngineFailure as failure:
            column.label(text=f"{failure.message}; {failure.hint}", icon="ERROR")


def engine_preference() -> str:
    """The engine that the preferences name; empty where the add-on runs without them."""
    addon = bpy.context.preferences.addons.get(__package__)
    return bpy.path.abspath(addon.preferences.engine_path) if addon and addon.preferences else ""


def library_folder() -> Path:
    """The folder of the avatar library, which need not exist yet."""
    addon = bpy.context.preferences.addons.get(__package__)
    named = bpy.path.abspath(addon.preferences.library_path) if addon and addon.preferences else ""
    return Path(named) if named else managed_environment().parent / "library"


CLASSES = (PersePreferences,)
