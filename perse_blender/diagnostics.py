"""What a person needs to tell when something does not work."""

from __future__ import annotations

import platform
import sys

import bpy

from . import compat, session
from .avatars.avatars import avatar_path, rigs
from .building import installing
from .perse_protocol import PROTOCOL_VERSION, EngineFailure
from .perse_protocol.lookup import places
from .preferences import engine_preference

_LOG_LINES = 40


def diagnostics() -> str:
    """Versions, where the engine was looked for, the avatars' files and the end of the engine's log, as text."""
    lines = [
        f"Blender {bpy.app.version_string}, Python {sys.version.split()[0]}",
        f"System {platform.platform()}",
        f"Add-on {__package__}, protocol {PROTOCOL_VERSION}, working space {compat.working_space()}",
        f"Engine: {session.status()}",
    ]
    lines += [
        f"  {place.source} {place.named!r}: {place.why}" for place in places(engine_preference(), key=installing.key())
    ]
    for rig in rigs():
        try:
            lines.append(f"Avatar {rig.name}: {avatar_path(rig)}")
        except EngineFailure as failure:
            lines.append(f"Avatar {rig.name}: {failure}")
    for environment in installing.own_environments() + installing.older():
        lines.append(
            f"Installed engine {environment.key}: {environment.tier}, Python {environment.python}, "
            f"PyTorch {environment.torch or 'none'}, {environment.device}, in {environment.folder}"
        )
    report = installing.report()
    if report is not None:
        lines.append(f"Last installation: {report.state}, {report.text or report.message}")
    log = session.log_file()
    if log is not None and log.exists():
        lines.append(f"Engine log {log}:")
        lines += log.read_text(errors="replace").splitlines()[-_LOG_LINES:]
    return "\n".join(lines)


class PERSE_OT_copy_diagnostics(bpy.types.Operator):
    """Copy versions, paths and the engine's log to the clipboard, for a report"""

    bl_idname = "perse.copy_diagnostics"
    bl_label = "Copy Diagnostics"

    def execute(self, context: bpy.types.Context) -> set[str]:
        context.window_manager.clipboard = diagnostics()
        self.report({"INFO"}, "Copied to the clipboard")
        return {"FINISHED"}


class PERSE_OT_restart_engine(bpy.types.Operator):
    """End the engine, which also frees its memory; the next picture starts it again"""

    bl_idname = "perse.restart_engine"
    bl_label = "Restart Engine"

    def execute(self, context: bpy.types.Context) -> set[str]:
        session.stop()
        return {"FINISHED"}


CLASSES = (PERSE_OT_copy_diagnostics, PERSE_OT_restart_engine)
