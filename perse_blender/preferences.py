"""The add-on's preferences."""

from __future__ import annotations

import bpy

from .perse_protocol import EngineFailure
from .perse_protocol.lookup import find_engine, places


class PersePreferences(bpy.types.AddonPreferences):
    """Where the engine is."""

    bl_idname = __package__

    engine_path: bpy.props.StringProperty(
        name="Engine",
        description="Folder of the engine's Python environment, or the command perse in it. "
        "The environment variable PERSE_ENGINE goes before it; empty means the managed environment",
        subtype="FILE_PATH",
    )

    idle_minutes: bpy.props.IntProperty(
        name="Free Memory After",
        description="End the engine, and so free its memory, when nothing was asked of it for so many minutes. "
        "The next picture starts it again. 0 keeps it until Blender quits",
        default=10,
        min=0,
        soft_max=120,
    )

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        layout.prop(self, "engine_path")
        layout.prop(self, "idle_minutes")
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


def idle_minutes() -> int:
    """After how many idle minutes the engine ends; 0 for never."""
    addon = bpy.context.preferences.addons.get(__package__)
    return int(addon.preferences.idle_minutes) if addon and addon.preferences else 0


CLASSES = (PersePreferences,)
