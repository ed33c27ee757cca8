"""Create: from a photo to an avatar without leaving Blender, and the list of builds."""

from __future__ import annotations

import textwrap
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy
import bpy.utils.previews

from . import install, jobs
from .importing import import_avatar
from .job_folder import DONE, RUNNING, STAGES, Progress, newest_preview
from .perse_protocol import EngineFailure
from .preferences import engine_place

PRESETS = (
    ("draft", "Draft", "About two minutes on two cores: to see whether the photo will do"),
    ("standard", "Standard", "Six to seven minutes on two cores"),
    ("high", "High", "More Gaussians and more clips; about half an hour on two cores"),
    ("paper", "Paper", "The protocol of the PERSE paper, for machines with a large GPU; hours, and tens of gigabytes"),
)
_TICK_S = 0.3
_MOST_PICTURES = 24
_ICON_SCALE = 6.0
_LETTER_PX = 8.0
"""Of the sidebar's width, that a letter takes with its share of icons and margins."""
_STATES = {
    "done": ("Done", "CHECKMARK"),
    "cancelled": ("Cancelled", "PAUSE"),
    "failed": ("Failed", "ERROR"),
    "stopped": ("Stopped before it was done", "PAUSE"),
}

_pictures: list[bpy.utils.previews.ImagePreviewCollection] = []


@dataclass
class _Seen:
    """All jobs, newest first, and when they were looked at."""

    at: float = 0.0
    jobs: tuple[tuple[jobs.Job, Progress], ...] = ()


_seen = _Seen()


class PerseCreate(bpy.types.PropertyGroup):
    """What the next build is made from. It belongs to the window, not to the .blend."""

    photo: bpy.props.StringProperty(
        name="Portrait", description="One photograph of one face, seen from the front or nearly so", subtype="FILE_PATH"
    )
    preset: bpy.props.EnumProperty(name="Preset", items=PRESETS, default="standard")
    out: bpy.props.StringProperty(
        name="Save as", description="The avatar file; beside the photo where this is empty", subtype="FILE_PATH"
    )
    keeps: bpy.props.BoolProperty(
        name="Keep running after quit",
        description="Go on building when Blender quits; otherwise the build ends, and can be resumed later",
    )


class PERSE_OT_build_avatar(bpy.types.Operator):
    """Build an avatar from the portrait, in the background: Blender stays free, and may open another file"""

    bl_idname = "perse.build_avatar"
    bl_label = "Build Avatar"
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not context.window_manager.perse_create.photo:
            cls.poll_message_set("Choose a portrait first")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        wanted = context.window_manager.perse_create
        photo = Path(bpy.path.abspath(wanted.photo))
        out = Path(bpy.path.abspath(wanted.out)) if wanted.out else photo.with_suffix(".perse")
        try:
            command = _engine()
            if not install.can_build(install.look()):
                raise EngineFailure(
                    "no-builder",
                    "this engine plays avatars, and building them needs PyTorch too",
                    "press Install Builder, here or in the add-on's preferences",
                )
            jobs.start(command, photo, out.with_suffix(".perse").absolute(), wanted.preset, wanted.keeps)
        except EngineFailure as failure:
            self.report({"ERROR"}, str(failure))
            return {"CANCELLED"}
        _look_again()
        self.report({"INFO"}, f"{out.stem} is being built")
        return {"FINISHED"}


class _OnJob:
    job: bpy.props.StringProperty(options={"HIDDEN"})

    def execute(self, context: bpy.types.Context) -> set[str]:
        chosen = next((job for job in jobs.jobs() if job.id == self.job), None)
        if chosen is None:
            self.report({"WARNING"}, "That build is not in the list any more")
            return {"CANCELLED"}
        try:
            self.act(context, chosen)
        except EngineFailure as failure:
            self.report({"ERROR"}, str(failure))
            return {"CANCELLED"}
        _look_again()
        return {"FINISHED"}


class PERSE_OT_cancel_job(_OnJob, bpy.types.Operator):  # type: ignore[misc]
    """Stop this build within a second. What is done is kept, and Resume goes on from there"""

    bl_idname = "perse.cancel_job"
    bl_label = "Cancel Build"

    def act(self, context: bpy.types.Context, job: jobs.Job) -> None:
        jobs.cancel(job)


class PERSE_OT_resume_job(_OnJob, bpy.types.Operator):  # type: ignore[misc]
    """Go on with this build where it stopped"""

    bl_idname = "perse.resume_job"
    bl_label = "Resume Build"

    def act(self, context: bpy.types.Context, job: jobs.Job) -> None:
        jobs.resume(_engine(), job)


class PERSE_OT_delete_job(_OnJob, bpy.types.Operator):  # type: ignore[misc]
    """Forget this build and delete its folder. The avatar that it has written stays"""

    bl_idname = "perse.delete_job"
    bl_label = "Delete Build"

    def act(self, context: bpy.types.Context, job: jobs.Job) -> None:
        jobs.delete(job)

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[Any]:
        return context.window_manager.invoke_confirm(self, event)


class PERSE_OT_open_job(_OnJob, bpy.types.Operator):  # type: ignore[misc]
    """Bring the avatar that was built into this file"""

    bl_idname = "perse.open_job"
    bl_label = "Import"
    bl_options = {"REGISTER", "UNDO"}

    def act(self, context: bpy.types.Context, job: jobs.Job) -> None:
        import_avatar(job.out, context)


class PERSE_OT_show_job_log(_OnJob, bpy.types.Operator):  # type: ignore[misc]
    """Open what the engine has said of this build as a text of Blender's text editor"""

    bl_idname = "perse.show_job_log"
    bl_label = "Show Log"

    def act(self, context: bpy.types.Context, job: jobs.Job) -> None:
        try:
            content = job.log.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            raise EngineFailure("file-missing", "this build has no log any more", "run it again") from error
        name = f"{job.out.stem} build log"
        text = bpy.data.texts.get(name) or bpy.data.texts.new(name)
        text.from_string(content)
        self.report({"INFO"}, f"“{name}” is in the text editor")


class PERSE_PT_create(bpy.types.Panel):
    """From a photo to an avatar."""

    bl_label = "Create"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "PERSE"
    bl_order = 0

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        wanted = context.window_manager.perse_create
        install.draw_missing(layout)
        column = layout.column(align=True)
        column.prop(wanted, "photo", text="", placeholder="Portrait photograph")
        column.prop(wanted, "out", text="", placeholder="Save as: beside the photo")
        row = layout.row(align=True)
        row.prop(wanted, "preset", text="")
        row.operator("perse.build_avatar", icon="PLAY")
        layout.prop(wanted, "keeps")
        columns = (
            round(context.region.width / (_LETTER_PX * context.preferences.system.ui_scale)) if context.region else 40
        )
        for job, progress in _snapshot():
            _draw_job(layout.box(), job, progress, columns)
        if any(progress.state == RUNNING for _, progress in _snapshot()):
            _keep_looking()


def _draw_job(box: bpy.types.UILayout, job: jobs.Job, progress: Progress, columns: int) -> None:
    row = box.row(align=True)
    row.label(text=f"{job.out.stem}  •  {job.preset}", icon="USER")
    if progress.state == RUNNING:
        row.operator("perse.cancel_job", text="", icon="X").job = job.id
        picture = newest_preview(job.work)
        if picture is not None:
            box.template_icon(icon_value=_icon(job, picture), scale=_ICON_SCALE)
        box.progress(factor=progress.fraction, text=progress_text(progress))
        return
    if progress.state != DONE:
        row.operator("perse.resume_job", text="", icon="PLAY").job = job.id
    elif job.out.is_file():
        row.operator("perse.open_job", text="", icon="IMPORT").job = job.id
    row.operator("perse.show_job_log", text="", icon="TEXT").job = job.id
    row.operator("perse.delete_job", text="", icon="TRASH").job = job.id
    text, icon = _STATES[progress.state]
    if progress.error:
        column = box.column(align=True)
        for part in progress.error.split("; ", 1):  # what was wrong, then what to do
            for line in textwrap.wrap(part[:1].upper() + part[1:], max(columns, 12)):
                column.label(text=line, icon=icon)
                icon = "BLANK1"
    else:
        box.label(text=text, icon=icon)


def progress_text(progress: Progress) -> str:
    """What stands in the bar of a job that runs."""
    stage = STAGES.get(progress.stage, "Starting")
    if progress.seconds_left is None:
        return stage
    minutes, seconds = divmod(max(0, round(progress.seconds_left)), 60)
    left = f"{minutes} min" if minutes >= 2 else f"{60 * minutes + seconds} s"
    return f"{stage}  •  {round(100 * progress.fraction)} %, {left} left"


def _engine() -> Path:
    command = engine_place().command
    assert command is not None  # find_engine raises otherwise
    return command


def _snapshot() -> tuple[tuple[jobs.Job, Progress], ...]:
    """All jobs, newest first, as they were at most a tick ago: panels are drawn at every move of the mouse."""
    if time.monotonic() - _seen.at > 0.8 * _TICK_S:
        _seen.jobs = tuple((job, jobs.progress(job)) for job in reversed(jobs.jobs()))
        _seen.at = time.monotonic()
    return _seen.jobs


def _look_again() -> None:
    _seen.at = 0.0
    _keep_looking()


def _keep_looking() -> None:
    if not bpy.app.background and not bpy.app.timers.is_registered(_tick):
        bpy.app.timers.register(_tick, first_interval=_TICK_S, persistent=True)


def _tick() -> float | None:
    running = jobs.watch()
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "VIEW_3D":
                for region in area.regions:
                    if region.type == "UI":
                        region.tag_redraw()
    return _TICK_S if running else None


def _icon(job: jobs.Job, picture: Path) -> int:
    if not _pictures:
        _pictures.append(bpy.utils.previews.new())
    found = _pictures[0]
    name = f"{job.id} {picture.stat().st_mtime_ns}"
    if name not in found:
        if len(found) >= _MOST_PICTURES:
            found.clear()
        found.load(name, str(picture), "IMAGE")
    return int(found[name].icon_id)


CLASSES = (
    PerseCreate,
    PERSE_OT_build_avatar,
    PERSE_OT_cancel_job,
    PERSE_OT_resume_job,
    PERSE_OT_delete_job,
    PERSE_OT_open_job,
    PERSE_OT_show_job_log,
    PERSE_PT_create,
)


def register() -> None:
    """Give the window what the next build is made from."""
    bpy.types.WindowManager.perse_create = bpy.props.PointerProperty(type=PerseCreate)


def unregister() -> None:
    """Take everything away again; jobs end with Blender, not with the add-on."""
    if hasattr(bpy.types.WindowManager, "perse_create"):
        del bpy.types.WindowManager.perse_create
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)
    while _pictures:
        bpy.utils.previews.remove(_pictures.pop())
    _seen.at, _seen.jobs = 0.0, ()
