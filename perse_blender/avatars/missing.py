"""Which avatars' files are not found."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy

from ..perse_protocol import EngineFailure
from ..preferences import library_folder
from .avatars import avatar_path, candidates, rigs


@dataclass(frozen=True)
class Missing:
    """An avatar without a file: the name of its armature, and where the file was looked for."""

    name: str
    places: tuple[Path, ...]


def missing_avatars() -> tuple[Missing, ...]:
    """Every avatar of the open .blend whose file is not found."""
    found = []
    for rig in rigs():
        try:
            avatar_path(rig)
        except EngineFailure:
            places = candidates(rig)
            found.append(Missing(rig.name, (*places, library_folder() / places[-1].name)))
    return tuple(found)


class PERSE_OT_report_missing(bpy.types.Operator):
    """List every avatar of this .blend whose file is not found, and where it was looked for"""

    bl_idname = "perse.report_missing"
    bl_label = "Report Missing"

    def execute(self, context: bpy.types.Context) -> set[str]:
        for gone in missing_avatars():
            self.report({"WARNING"}, f"{gone.name}: not at {', '.join(map(str, gone.places))}")
        return {"FINISHED"}

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[Any]:
        self.execute(context)
        return context.window_manager.invoke_popup(self, width=520)

    def draw(self, context: bpy.types.Context) -> None:
        found = missing_avatars()
        if not found:
            self.layout.label(text="The file of every avatar is found", icon="CHECKMARK")
        for gone in found:
            self.layout.label(text=f"The file of {gone.name} is not at", icon="ERROR", translate=False)
            for place in gone.places:
                self.layout.label(text=str(place), icon="BLANK1", translate=False)


CLASSES = (PERSE_OT_report_missing,)
