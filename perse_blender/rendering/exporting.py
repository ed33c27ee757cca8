"""Export Avatar: what the scene shows of an avatar, written by the engine for other programs, frame by frame if wanted.

Blender only looks: it notes sliders, bones and place of each frame into a small file. The engine, a process of its own,
reads that and the avatar and writes; so nothing waits, and what is written is what PERSE would draw.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from bpy_extras.io_utils import ExportHelper

from ..avatars.avatars import active_rig, avatar_path, rigs
from ..avatars.on_avatar import OnAvatar
from ..axes import HEAD_FROM_BLENDER
from ..perse_protocol import EngineFailure
from ..perse_protocol.client import numbers
from ..preferences import engine_place
from .frame import Shown, shown_avatars

_TICK_S = 0.05
_TO_HEAD = np.array(HEAD_FROM_BLENDER)

CONTENTS = (
    ("PLY", "Gaussians (.ply)", "As 3D Gaussian Splatting has them: what most viewers and programs read"),
    ("SPZ", "Compressed Gaussians (.spz)", "A quarter of the size, as good as the same to the eye"),
    ("GLB", "Gaussians in glTF (.glb)", "With the extension KHR_gaussian_splatting"),
    (
        "MESH",
        "Mesh (.glb)",
        "The proxy: a shape key for every expression, and bones; for game engines and other programs",
    ),
    (
        "BLENDSHAPES",
        "Gaussian Blendshapes (.npz)",
        "Every expression and style of the avatar, to be mixed without PERSE",
    ),
)
_ENDINGS = {"PLY": ".ply", "SPZ": ".spz", "GLB": ".glb", "MESH": ".glb", "BLENDSHAPES": ".npz"}
_OF_FRAMES = ("PLY", "SPZ", "GLB")
"""What a sequence can be made of."""
UPS = (
    ("y-down", "Y Down", "As captured scenes have it; viewers of splats expect it"),
    ("y", "Y Up", "As glTF and OpenGL have it"),
    ("z", "Z Up", "Blender's own axes"),
)


@dataclass
class Export:
    """An export on its way: frames that are still to be looked at, and then the engine at work.

    Attributes:
        rig: session id of the armature.
        content: of `CONTENTS`.
        up: of `UPS`.
        out: the file, or what the names of the frames' files are made from.
        frames: still to be looked at, or [None] for the scene as it is now.
    """

    rig: int
    content: str
    up: str
    out: Path
    frames: list[int | None]
    total: int = 0
    began_at: float | None = None
    states: list[dict[str, Any]] = field(default_factory=list)
    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="perse-export-")))
    process: subprocess.Popen[bytes] | None = None

    def step(self, context: bpy.types.Context) -> bool:
        """Do the next small piece; whether all is done.

        Raises:
            EngineFailure: it cannot go on.
        """
        if self.process is not None:
            return self._written()
        rig = next((rig for rig in rigs() if rig.session_uid == self.rig), None)
        if rig is None:
            raise EngineFailure(
                "missing-avatar", "the avatar is not in the scene any more", "undo, and export it again"
            )
        if self.frames:
            self._look(context, rig, self.frames.pop(0))
        if not self.frames:
            self._return(context.scene)
            self._start(avatar_path(rig))
        return False

    def text(self) -> str:
        """How far it is, for the status bar."""
        if self.process is None and self.total > 1:
            return f"Export: frame {self.total - len(self.frames)} of {self.total}  •  Esc stops"
        return f"Export: writing {self.out.name}  •  Esc stops"

    def files(self) -> list[Path]:
        """What the engine has written."""
        return [Path(file) for file in json.loads(self._said("out"))["files"]]

    def end(self, scene: bpy.types.Scene | None) -> None:
        """Stop whatever still runs, and tidy up."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(2.0)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if scene is not None:
            self._return(scene)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _look(self, context: bpy.types.Context, rig: bpy.types.Object, frame: int | None) -> None:
        scene = context.scene
        if frame is not None:
            if self.began_at is None:
                self.began_at = scene.frame_current_final
            scene.frame_set(frame)
        if self.content == "BLENDSHAPES":
            return
        state = state_of(shown_avatar(rig, context.evaluated_depsgraph_get()))
        self.states.append(state if frame is None else {**state, "frame": frame})

    def _return(self, scene: bpy.types.Scene) -> None:
        """Set the scene back to the frame at which the export began."""
        if self.began_at is not None:
            frame, self.began_at = self.began_at, None
            scene.frame_set(int(frame // 1), subframe=frame % 1)

    def _start(self, avatar: Path) -> None:
        command = engine_place().command
        arguments = [str(command), "export", str(avatar), "--out", str(self.out), "--json"]
        if self.content == "MESH":
            arguments += ["--what", "mesh"]
        if self.content == "PLY":
            arguments += ["--up", self.up]
        if self.states:
            states = self.folder / "states.json"
            states.write_text(json.dumps({"frames": self.states}), encoding="utf-8")
            arguments += ["--states", str(states)]
        flags = getattr(subprocess, "CREATE_NO_WINDOW", 0) if sys.platform == "win32" else 0
        try:
            with (self.folder / "out").open("wb") as out, (self.folder / "log").open("wb") as log:
                self.process = subprocess.Popen(
                    arguments, stdin=subprocess.DEVNULL, stdout=out, stderr=log, creationflags=flags
                )
        except OSError as error:
            raise EngineFailure(
                "no-engine", f"{command} cannot be started ({error.strerror})", "check the engine in the preferences"
            ) from error

    def _written(self) -> bool:
        assert self.process is not None
        status = self.process.poll()
        if status is None:
            return False
        if status != 0:
            raise complaint(self._said("log"), status)
        return True

    def _said(self, name: str) -> str:
        return (self.folder / name).read_text(encoding="utf-8", errors="replace")


def begin(context: bpy.types.Context, content: str, up: str, out: Path, *, animation: bool) -> Export:
    """Prepare the export of the active avatar, of every frame of the scene's range or as it is now."""
    rig, scene = active_rig(context), context.scene
    assert rig is not None
    wanted: list[int | None] = [None]
    if animation and content in _OF_FRAMES:
        wanted = list(range(scene.frame_start, scene.frame_end + 1, scene.frame_step))
    return Export(rig.session_uid, content, up, out, wanted, total=len(wanted))


def shown_avatar(rig: bpy.types.Object, depsgraph: bpy.types.Depsgraph) -> Shown:
    """What `depsgraph` shows of `rig`.

    Raises:
        EngineFailure: "not-shown", or as `shown_avatars`.
    """
    path = avatar_path(rig)
    for shown in shown_avatars(depsgraph):
        if shown.name == rig.name and shown.path == path:
            return shown
    raise EngineFailure(
        "not-shown", f"{rig.name} does not show in the viewport", "show its proxy mesh, then export again"
    )


def state_of(shown: Shown) -> dict[str, Any]:
    """The same as the engine reads it, in a world whose y is up."""
    return {
        "sliders": dict(shown.sliders),
        "transforms": numbers(shown.transforms),
        "model": numbers(_TO_HEAD @ shown.model),
    }


def complaint(log: str, status: int) -> EngineFailure:
    """What the engine says went wrong, at the end of its `log`."""
    last = next((line for line in reversed(log.splitlines()) if line.strip()), "")
    code, _, rest = last.removeprefix("perse: ").partition(": ")
    message, _, hint = rest.partition("; ")
    if last.startswith("perse: ") and message:
        return EngineFailure(code, message, hint)
    return EngineFailure("engine-died", f"the engine ended with status {status}", last[:200] or "try again")


def summary(files: Sequence[Path]) -> str:
    """One sentence on what was written."""
    size = sum(file.stat().st_size for file in files) / 1e6
    if len(files) == 1:
        return f"{files[0].name}: {size:.1f} MB"
    return f"{len(files)} files, {files[0].name} to {files[-1].name}: {size:.1f} MB"


class PERSE_OT_export_avatar(OnAvatar, bpy.types.Operator, ExportHelper):
    """Write the active avatar, as the scene shows it, to a file for other programs"""

    bl_idname = "perse.export_avatar"
    bl_label = "Export Avatar"
    bl_options = {"REGISTER"}

    filepath: bpy.props.StringProperty(subtype="FILE_PATH", options={"SKIP_SAVE"})
    content: bpy.props.EnumProperty(name="Format", items=CONTENTS)
    up: bpy.props.EnumProperty(name="Up", description="Which way is up in the file", items=UPS)
    animation: bpy.props.BoolProperty(
        name="Frame Range", description="A numbered file for every frame of the scene's range, instead of this frame"
    )
    filter_glob: bpy.props.StringProperty(default="*.ply;*.spz;*.glb;*.npz", options={"HIDDEN"})

    @property
    def filename_ext(self) -> str:
        """The ending that goes with the format."""
        return _ENDINGS[self.content]

    def check(self, context: bpy.types.Context) -> bool:
        """Keep the file's ending that of the format."""
        path = Path(self.filepath)
        if not path.name or path.suffix.lower() == self.filename_ext:
            return False
        known = path.suffix.lower() in _ENDINGS.values()
        self.filepath = str(path.with_suffix(self.filename_ext) if known else f"{self.filepath}{self.filename_ext}")
        return True

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[Any]:
        if not self.filepath:
            folder = Path(bpy.data.filepath).parent if bpy.data.filepath else avatar_folder(context)
            name = bpy.path.clean_name(active_rig(context).name)
            self.filepath = str(folder / f"{name}{self.filename_ext}")
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        layout.use_property_split = True
        layout.prop(self, "content")
        if self.content == "PLY":
            layout.prop(self, "up")
        if self.content in _OF_FRAMES:
            layout.prop(self, "animation")

    def execute(self, context: bpy.types.Context) -> set[Any]:
        self.check(context)
        out = Path(bpy.path.abspath(self.filepath))
        self._export = begin(context, self.content, self.up, out, animation=self.animation)
        if bpy.app.background or context.window is None:
            return self._wait(context)
        self._timer = context.window_manager.event_timer_add(_TICK_S, window=context.window)
        context.window_manager.modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[Any]:
        if event.type == "ESC" and event.value == "PRESS":
            self.cancel(context)
            self.report({"WARNING"}, "The export was stopped; what was finished stays")
            return {"CANCELLED"}
        if event.type != "TIMER":
            return {"PASS_THROUGH"}
        result = self._step(context)
        if result is None:
            context.workspace.status_text_set(self._export.text())
            return {"PASS_THROUGH"}
        self.cancel(context)
        return result

    def cancel(self, context: bpy.types.Context) -> None:
        """End the engine, the timer and the line in the status bar; also when another file is opened."""
        self._export.end(context.scene)
        context.window_manager.event_timer_remove(self._timer)
        if context.workspace is not None:
            context.workspace.status_text_set(None)

    def _wait(self, context: bpy.types.Context) -> set[str]:
        try:
            while (result := self._step(context)) is None:
                if self._export.process is not None:
                    time.sleep(_TICK_S)
            return result
        finally:
            self._export.end(context.scene)

    def _step(self, context: bpy.types.Context) -> set[str] | None:
        """The operator's result once there is one."""
        try:
            if not self._export.step(context):
                return None
            self.report({"INFO"}, summary(self._export.files()))
        except EngineFailure as failure:
            self.report({"ERROR"}, str(failure))
            return {"CANCELLED"}
        return {"FINISHED"}


def avatar_folder(context: bpy.types.Context) -> Path:
    """The folder of the active avatar's file, or the home folder where that is not found."""
    try:
        return avatar_path(active_rig(context)).parent
    except EngineFailure:
        return Path.home()


def _menu(self: bpy.types.Menu, _context: bpy.types.Context) -> None:
    self.layout.operator_context = "INVOKE_DEFAULT"
    self.layout.operator(PERSE_OT_export_avatar.bl_idname, text="PERSE Avatar (.ply/.spz/.glb/.npz)")


CLASSES = (PERSE_OT_export_avatar,)


def register() -> None:
    """Add the entry of File ▸ Export."""
    bpy.types.TOPBAR_MT_file_export.append(_menu)


def unregister() -> None:
    """Take the entry away."""
    bpy.types.TOPBAR_MT_file_export.remove(_menu)
