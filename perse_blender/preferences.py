"""The add-on's preferences."""

from __future__ import annotations

from pathlib import Path

import bpy

from . import compat
from .building import installing
from .perse_protocol.environments import data_folder
from .perse_protocol.lookup import Place, find_engine, places


class PersePreferences(bpy.types.AddonPreferences):
    """The engine: what is installed, and where else it may be."""

    bl_idname = __package__

    engine_path: bpy.props.StringProperty(
        name="Engine",
        description="An engine of your own: the folder of its Python environment, or the command perse in it. "
        "The environment variable PERSE_ENGINE goes before it; empty means the installed engine",
        subtype="FILE_PATH",
    )
    python_path: bpy.props.StringProperty(
        name="Python",
        description="The Python 3.11 to 3.13 that the engine is installed with; empty means the best that is found",
        subtype="FILE_PATH",
    )

    library_path: bpy.props.StringProperty(
        name="Library",
        description="Folder of the avatar library; empty means a folder of your own user data",
        subtype="DIR_PATH",
    )
    idle_minutes: bpy.props.IntProperty(
        name="Minutes until Memory Is Freed",
        description="End the engine, and so free its memory, when nothing was asked of it for so many minutes. "
        "The next picture starts it again. 0 keeps it until Blender quits",
        default=10,
        min=0,
        soft_max=120,
    )

    def draw(self, context: bpy.types.Context) -> None:
        from .building.install import draw_card  # which imports this

        layout = self.layout
        if compat.notice():
            layout.label(text=compat.notice(), icon="INFO")
        draw_card(layout)
        layout.prop(self, "library_path", placeholder=str(library_folder()))
        layout.prop(self, "idle_minutes")
        header, body = layout.panel("perse_own_engine", default_closed=True)
        header.label(text="An engine or a Python of your own")
        if body is not None:
            body.prop(self, "engine_path")
            body.prop(self, "python_path")
            column = body.column(align=True)
            for place in places(engine_preference(), key=installing.key()):
                icon = "CHECKMARK" if place.command else "BLANK1"
                column.label(text=f"{place.source}: {place.why}", icon=icon)


def preferences() -> PersePreferences | None:
    """The add-on's preferences; None where it runs without them."""
    addon = bpy.context.preferences.addons.get(__package__)
    return addon.preferences if addon else None


def engine_preference() -> str:
    """The engine that the preferences name; empty where the add-on runs without them."""
    own = preferences()
    return bpy.path.abspath(own.engine_path) if own else ""


def engine_place() -> Place:
    """Where the engine is.

    Raises:
        EngineFailure: no-engine.
    """
    return find_engine(engine_preference(), key=installing.key())


def library_folder() -> Path:
    """The folder of the avatar library, which need not exist yet."""
    own = preferences()
    named = bpy.path.abspath(own.library_path) if own else ""
    return Path(named) if named else data_folder() / "library"


def idle_minutes() -> int:
    """After how many idle minutes the engine ends; 0 for never."""
    own = preferences()
    return int(own.idle_minutes) if own else 0


CLASSES = (PersePreferences,)
