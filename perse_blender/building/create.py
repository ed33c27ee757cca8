"""Create: from a photo to an avatar without leaving Blender, and the list of jobs."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import bpy
import bpy.utils.previews

from ..avatars.importing import import_avatar, welcome
from ..perse_protocol import EngineFailure
from . import install, jobs
from .following import engine_command, follow, keep_looking, look_again, snapshot
from .job_folder import DONE, RUNNING, STAGES, Progress, newest_preview
from .photo_check import begin_check, draw_check

PRESETS = (
    ("draft", "Draft", "About two minutes on two cores: to see whether the photo will do"),
    ("standard", "Standard", "About six minutes on two cores"),
    ("high", "High", "More Gaussians and more clips; about half an hour on two cores"),
    ("paper", "Paper", "The protocol of the PERSE paper, for machines with a large GPU; hours, and tens of gigabytes"),
)
_TIMES = {
    "draft": "About 2 min on two cores",
    "standard": "About 6 min on two cores",
    "high": "About half an hour on two cores",
    "paper": "Hours; for a large GPU",
}
"""What people may expect."""
CATEGORIES = (
    ("hair", "Hair", "Styles, lengths and colours"),
    ("beard", "Beard", "Beards and moustaches"),
    ("eyebrows", "Eyebrows", "Shapes and colours"),
    ("eyes", "Eyes", "Shapes and colours"),
    ("nose", "Nose", "Shapes"),
    ("mouth", "Mouth", "Shapes and lipstick"),
    ("face", "Face", "Shapes of the head"),
    ("skin", "Skin", "Age, freckles, make-up"),
    ("hat", "Hats", "Hats and caps"),
    ("glasses", "Glasses", "Glasses and shades"),
    ("earrings", "Earrings", "Earrings"),
    ("headphones", "Headphones", "Headphones and earbuds"),
    ("clothes", "Clothes", "Clothes"),
)
"""What the engine's catalogue has, as artists look for it: name, what people read, and what it is."""
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
_KINDS = {jobs.BUILD: "USER", jobs.ADD_STYLE: "ADD", jobs.REMOVE_STYLE: "TRASH", jobs.RENAME_STYLE: "GREASEPENCIL"}

_pictures: list[bpy.utils.previews.ImagePreviewCollection] = []


def _checked(_self: Any, _context: bpy.types.Context) -> None:
    begin_check()


class PerseCreate(bpy.types.PropertyGroup):
    """What the next build is made from. It belongs to the window, not to the .blend."""

    photo: bpy.props.StringProperty(
        name="Portrait",
        description="One photograph of one face, seen from the front or nearly so; or a video of the person, "
        "5 to 20 seconds, whose best frame becomes the portrait",
        subtype="FILE_PATH",
        update=_checked,
    )
    preset: bpy.props.EnumProperty(name="Preset", items=PRESETS, default="standard")
    categories: bpy.props.EnumProperty(
        name="Attributes",
        description="What the avatar learns to change into. Fewer are learnt sooner, and in a smaller file",
        items=CATEGORIES,
        options={"ENUM_FLAG"},
        default={name for name, _, _ in CATEGORIES},
    )
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
        named = bpy.path.abspath(wanted.out)
        out = Path(named or photo.parent)
        if out.is_dir():
            out = out / f"{photo.stem}.perse"
        try:
            if not photo.is_file():
                raise EngineFailure("file-missing", f"there is no photo or video at {photo}", "choose one")
            command = engine_command()
            if not install.can_build(install.look()):
                raise EngineFailure(
                    "no-builder",
                    "this engine plays avatars, and building them needs PyTorch too",
                    "press Install Builder, here or in the add-on's preferences",
                )
            if not wanted.categories:
                raise EngineFailure(
                    "unknown-category", "no attribute is chosen", "choose some, with Shift for more than one"
                )
            some = tuple(name for name, _, _ in CATEGORIES if name in wanted.categories)
            job = jobs.build_job(
                photo,
                out.with_suffix(".perse").absolute(),
                wanted.preset,
                wanted.keeps,
                categories=some if len(some) < len(CATEGORIES) else (),
            )
            jobs.start(command, job)
        except EngineFailure as failure:
            self.report({"ERROR"}, str(failure))
            return {"CANCELLED"}
        look_again()
        self.report({"INFO"}, f"{out.stem} is being built")
        return {"FINISHED"}


class _OnJob:
    job: bpy.props.StringProperty(options={"HIDDEN"})

    def execute(self, context: bpy.types.Context) -> set[str]:
        chosen = next((job for job in jobs.jobs() if job.id == self.job), None)
        if chosen is None:
            self.report({"WARNING"}, "That job is not in the list any more")
            return {"CANCELLED"}
        try:
            self.act(context, chosen)
        except EngineFailure as failure:
            self.report({"ERROR"}, str(failure))
            return {"CANCELLED"}
        look_again()
        return {"FINISHED"}


class PERSE_OT_cancel_job(_OnJob, bpy.types.Operator):  # type: ignore[misc]
    """Stop this job within a second. What is done of a build is kept, and Resume goes on from there"""

    bl_idname = "perse.cancel_job"
    bl_label = "Cancel Job"

    def act(self, context: bpy.types.Context, job: jobs.Job) -> None:
        jobs.cancel(job)


class PERSE_OT_resume_job(_OnJob, bpy.types.Operator):  # type: ignore[misc]
    """Go on with this build where it stopped, or begin another job anew"""

    bl_idname = "perse.resume_job"
    bl_label = "Resume Job"

    def act(self, context: bpy.types.Context, job: jobs.Job) -> None:
        jobs.resume(engine_command(), job)
        if job.kind != jobs.BUILD:
            follow(job)


class PERSE_OT_delete_job(_OnJob, bpy.types.Operator):  # type: ignore[misc]
    """Forget this job and delete its folder. The avatar that it has written stays"""

    bl_idname = "perse.delete_job"
    bl_label = "Delete Job"

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
        welcome(self, import_avatar(job.out, context), context)


class PERSE_OT_show_job_log(_OnJob, bpy.types.Operator):  # type: ignore[misc]
    """Open what the engine has said of this job as a text of Blender's text editor"""

    bl_idname = "perse.show_job_log"
    bl_label = "Show Log"

    def act(self, context: bpy.types.Context, job: jobs.Job) -> None:
        try:
            content = job.log.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            raise EngineFailure("file-missing", "this job has no log any more", "run it again") from error
        name = f"{job.out.stem} {job.kind} log"
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
        row = column.row(align=True)
        row.prop(wanted, "photo", text="", placeholder="Portrait photograph, or a video")
        row.operator("perse.check_photo", text="", icon="VIEWZOOM")
        column.prop(wanted, "out", text="", placeholder="Save as: beside the photo")
        row = layout.row(align=True)
        row.prop(wanted, "preset", text="")
        row.operator("perse.build_avatar", icon="PLAY")
        columns = (
            round(context.region.width / (_LETTER_PX * context.preferences.system.ui_scale)) if context.region else 40
        )
        draw_check(layout, columns)
        layout.label(text=_TIMES[wanted.preset], icon="TIME")
        _draw_categories(layout, wanted)
        layout.prop(wanted, "keeps")
        _draw_jobs(layout, columns)
        if any(progress.state == RUNNING for _, progress in snapshot()):
            keep_looking()


def _draw_categories(layout: bpy.types.UILayout, wanted: PerseCreate) -> None:
    """What is learnt, in a drawer that says how much of it."""
    header, body = layout.panel("perse_categories", default_closed=True)
    count = len(wanted.categories)
    header.label(text="Attributes  •  " + ("all" if count == len(CATEGORIES) else str(count)))
    if body is not None:
        grid = body.grid_flow(columns=3, even_columns=True, align=True)
        for name, _, _ in CATEGORIES:
            grid.prop_enum(wanted, "categories", name)


def _draw_jobs(layout: bpy.types.UILayout, columns: int) -> None:
    """The newest job and those that run; the others lie in a drawer."""
    found = snapshot()
    shown = [each for number, each in enumerate(found) if number == 0 or each[1].state == RUNNING]
    earlier = [each for each in found if each not in shown]
    for job, progress in shown:
        _draw_job(layout.box(), job, progress, columns)
    if earlier:
        header, body = layout.panel("perse_earlier_jobs", default_closed=True)
        header.label(text=f"Earlier jobs  •  {len(earlier)}")
        if body is not None:
            for job, progress in earlier:
                _draw_job(body.box(), job, progress, columns)


def _draw_job(box: bpy.types.UILayout, job: jobs.Job, progress: Progress, columns: int) -> None:
    row = box.row(align=True)
    row.label(text=f"{job.out.stem}  •  {job.title}", icon=_KINDS[job.kind])
    if progress.state == RUNNING:
        row.operator("perse.cancel_job", text="", icon="X").job = job.id
        picture = newest_preview(job.work)
        if picture is not None:
            box.template_icon(icon_value=_icon(job, picture), scale=_ICON_SCALE)
        box.progress(factor=progress.fraction, text=progress_text(progress))
        return
    if progress.state != DONE:
        row.operator("perse.resume_job", text="", icon="PLAY").job = job.id
    row.operator("perse.show_job_log", text="", icon="TEXT").job = job.id
    row.operator("perse.delete_job", text="", icon="TRASH").job = job.id
    text, icon = _STATES[progress.state]
    if progress.error:
        column = box.column(align=True)
        for part in progress.error.split("; ", 1):  # what was wrong, then what to do
            for words in textwrap.wrap(part[:1].upper() + part[1:], max(columns, 12)):
                column.label(text=words, icon=icon)
                icon = "BLANK1"
        return
    line = box.row()
    line.label(text=text, icon=icon)
    if progress.state == DONE and job.kind == jobs.BUILD and job.out.is_file():
        line.operator("perse.open_job", icon="IMPORT").job = job.id


def progress_text(progress: Progress) -> str:
    """What stands in the bar of a job that runs."""
    stage = STAGES.get(progress.stage, "Starting")
    if progress.seconds_left is None:
        return stage
    minutes, seconds = divmod(max(0, round(progress.seconds_left)), 60)
    left = f"{minutes} min" if minutes >= 2 else f"{60 * minutes + seconds} s"
    return f"{stage}  •  {round(100 * progress.fraction)} %, {left} left"


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
    while _pictures:
        bpy.utils.previews.remove(_pictures.pop())
