"""Collect for a Farm in the interface: the copy is looked at in a fresh Blender while this one stays free."""

from __future__ import annotations

from pathlib import Path

import bpy

from ..avatars.avatars import rigs
from ..perse_protocol import EngineFailure
from .collecting import collect, start_check, summary


class PERSE_OT_collect(bpy.types.Operator):
    """Copy this shot, its avatars and its libraries into one folder for other machines to render, and check it there"""

    bl_idname = "perse.collect"
    bl_label = "Collect for a Farm"
    bl_options = {"REGISTER"}

    directory: bpy.props.StringProperty(subtype="DIR_PATH", options={"SKIP_SAVE"})
    filter_folder: bpy.props.BoolProperty(default=True, options={"HIDDEN"})

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not bpy.data.filepath:
            cls.poll_message_set("Save the file first")
            return False
        if next(rigs(), None) is None:
            cls.poll_message_set("There is no avatar in this file")
            return False
        return True

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        self.directory = str(Path(bpy.data.filepath).with_suffix("")) + "_farm"
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        try:
            self._collected = collect(Path(bpy.path.abspath(self.directory)))
        except EngineFailure as failure:
            self.report({"ERROR"}, str(failure))
            return {"CANCELLED"}
        self._check = start_check(self._collected)
        if bpy.app.background:
            return self._finish()
        self._timer = context.window_manager.event_timer_add(0.3, window=context.window)
        context.window_manager.modal_handler_add(self)
        self.report({"INFO"}, "Collected; looking at it in a fresh Blender …")
        return {"RUNNING_MODAL"}

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        if event.type != "TIMER" or self._check.child.poll() is None:
            return {"PASS_THROUGH"}
        context.window_manager.event_timer_remove(self._timer)
        return self._finish()

    def cancel(self, context: bpy.types.Context) -> None:
        """The window is closed meanwhile."""
        with self._check:
            context.window_manager.event_timer_remove(self._timer)

    def _finish(self) -> set[str]:
        try:
            with self._check:
                self._check.finish()
        except EngineFailure as failure:
            self.report({"ERROR"}, str(failure))
            return {"CANCELLED"}
        self.report({"WARNING" if self._collected.left else "INFO"}, summary(self._collected))
        return {"FINISHED"}


def _menu(self: bpy.types.Menu, _context: bpy.types.Context) -> None:
    self.layout.separator()
    self.layout.operator(PERSE_OT_collect.bl_idname, text="Collect PERSE Shot for a Farm...", icon="PACKAGE")


CLASSES = (PERSE_OT_collect,)


def register() -> None:
    """Add the entry of File ▸ External Data."""
    bpy.types.TOPBAR_MT_file_external_data.append(_menu)


def unregister() -> None:
    """Take the entry away."""
    bpy.types.TOPBAR_MT_file_external_data.remove(_menu)
