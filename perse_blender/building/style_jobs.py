"""Styles from a picture or from words, other names for them, and none of them: jobs on the avatar's file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import bpy
from bpy_extras.io_utils import ImportHelper

from ..avatars.avatars import active_rig, file_path
from ..avatars.on_avatar import OnAvatar
from ..avatars.packed import packed_image
from ..avatars.styling import style_groups, worn
from ..perse_protocol import EngineFailure
from . import jobs
from .following import engine_command, follow

CATEGORIES = (
    ("hair", "Hair", ""),
    ("beard", "Beard", ""),
    ("eyebrows", "Eyebrows", ""),
    ("eyes", "Eyes", ""),
    ("nose", "Nose", ""),
    ("mouth", "Mouth", ""),
    ("face", "Face shape", ""),
    ("skin", "Skin", ""),
    ("clothes", "Clothes", ""),
    ("hat", "Hat", ""),
    ("glasses", "Glasses", ""),
    ("earrings", "Earrings", ""),
    ("headphones", "Headphones", ""),
)
"""What the engine can add styles to."""
_MASKED = ("hat", "glasses", "earrings", "headphones")

_kept: list[tuple[str, str, str]] = []


class _OnFile(OnAvatar):
    """Needs an active avatar whose file can be changed."""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not super().poll(context):
            return False
        if packed_image(active_rig(context)) is not None:
            cls.poll_message_set("The avatar's file is packed: unpack it first")
            return False
        return True

    def begin(self, context: bpy.types.Context, kind: str, arguments: Sequence[str], title: str, old: str = "") -> bool:
        """Start the job, and follow it; whether that could be done."""
        try:
            job = jobs.style_job(kind, file_path(active_rig(context)).absolute(), arguments, title, old)
            jobs.start(engine_command(), job)
        except EngineFailure as failure:
            self.report({"ERROR"}, str(failure))
            return False
        follow(job)
        self.report({"INFO"}, f"{job.out.stem} is being changed: see Create")
        return True


class PERSE_OT_add_style_image(_OnFile, bpy.types.Operator, ImportHelper):  # type: ignore[misc]
    """Make a new slider from somebody else's portrait: their hair, beard, nose … on this avatar"""

    bl_idname = "perse.add_style_image"
    bl_label = "Add Style from Image"
    bl_options = {"REGISTER"}

    filename_ext = ""
    filter_image: bpy.props.BoolProperty(default=True, options={"HIDDEN", "SKIP_SAVE"})
    filter_folder: bpy.props.BoolProperty(default=True, options={"HIDDEN", "SKIP_SAVE"})
    category: bpy.props.EnumProperty(name="Category", description="What is taken of the picture", items=CATEGORIES)
    label: bpy.props.StringProperty(name="Name", description="What the slider is called; the picture's name if empty")
    mask: bpy.props.StringProperty(
        name="Mask",
        description="A picture of the same shape, white where the hat, glasses, earrings or headphones are",
        subtype="FILE_PATH",
    )

    def draw(self, context: bpy.types.Context) -> None:
        column = self.layout.column()
        column.prop(self, "category")
        column.prop(self, "label")
        if self.category in _MASKED:
            column.prop(self, "mask")

    def execute(self, context: bpy.types.Context) -> set[str]:
        image = Path(bpy.path.abspath(self.filepath))
        if not image.is_file():
            self.report({"ERROR"}, f"file-missing: there is no picture at {image}; choose one")
            return {"CANCELLED"}
        arguments = ["--category", self.category, "--image", str(image)]
        if self.label:
            arguments += ["--name", self.label]
        if self.mask and self.category in _MASKED:
            arguments += ["--mask", bpy.path.abspath(self.mask)]
        begun = self.begin(context, jobs.ADD_STYLE, arguments, f"+ {self.label or image.stem}")
        return {"FINISHED"} if begun else {"CANCELLED"}


class PERSE_OT_add_style_words(_OnFile, bpy.types.Operator):
    """Make a new slider from words such as “short curly red hair”"""

    bl_idname = "perse.add_style_words"
    bl_label = "Add Style from Words"
    bl_options = {"REGISTER"}

    category: bpy.props.EnumProperty(name="Category", description="What the words describe", items=CATEGORIES)
    words: bpy.props.StringProperty(name="Words", description="Length, shape, fringe, texture, colour …")
    label: bpy.props.StringProperty(name="Name", description="What the slider is called; the words if empty")

    def execute(self, context: bpy.types.Context) -> set[str]:
        if not self.words.strip():
            self.report({"ERROR"}, "bad-wish: no words were given; write what the style is like")
            return {"CANCELLED"}
        arguments = ["--category", self.category, "--text", self.words]
        if self.label:
            arguments += ["--name", self.label]
        begun = self.begin(context, jobs.ADD_STYLE, arguments, f"+ {self.label or self.words}")
        return {"FINISHED"} if begun else {"CANCELLED"}

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[Any]:
        return context.window_manager.invoke_props_dialog(self, width=340)


def _all_styles(self: Any, context: bpy.types.Context) -> list[tuple[str, str, str]]:
    _kept[:] = [
        (name, f"{group.label}: {label}", "")
        for group in style_groups(active_rig(context))
        for name, label in group.sliders
    ]
    return _kept


def _chosen_first(context: bpy.types.Context) -> str:
    rig = active_rig(context)
    return next((style for style in (worn(rig, group) for group in style_groups(rig)) if style), "")


class PERSE_OT_rename_style(_OnFile, bpy.types.Operator):
    """Give a style of the avatar's file another name; its slider is named likewise, and keeps its keyframes"""

    bl_idname = "perse.rename_style"
    bl_label = "Rename Style"
    bl_options = {"REGISTER"}

    slider: bpy.props.StringProperty(options={"HIDDEN", "SKIP_SAVE"}, description="The style's slider")
    style: bpy.props.EnumProperty(name="Style", description="Which style", items=_all_styles, options={"SKIP_SAVE"})
    label: bpy.props.StringProperty(name="Name", description="What it is called from now on", options={"SKIP_SAVE"})

    def execute(self, context: bpy.types.Context) -> set[str]:
        slider = self.slider or self.style
        if not slider or not self.label.strip():
            self.report({"ERROR"}, "bad-name: no name was given; write one")
            return {"CANCELLED"}
        begun = self.begin(context, jobs.RENAME_STYLE, [slider, "--name", self.label], f"→ {self.label}", slider)
        return {"FINISHED"} if begun else {"CANCELLED"}

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[Any]:
        _choose(self, context)
        return context.window_manager.invoke_props_dialog(self)

    def draw(self, context: bpy.types.Context) -> None:
        self.layout.prop(self, "style")
        self.layout.prop(self, "label")


class PERSE_OT_remove_style(_OnFile, bpy.types.Operator):
    """Take a style out of the avatar's file, for every .blend that uses it. This cannot be undone"""

    bl_idname = "perse.remove_style"
    bl_label = "Remove Style"
    bl_options = {"REGISTER"}

    slider: bpy.props.StringProperty(options={"HIDDEN", "SKIP_SAVE"}, description="The style's slider")
    style: bpy.props.EnumProperty(name="Style", description="Which style", items=_all_styles, options={"SKIP_SAVE"})

    def execute(self, context: bpy.types.Context) -> set[str]:
        slider = self.slider or self.style
        if not slider:
            self.report({"ERROR"}, "unknown-slider: no style was named; choose one")
            return {"CANCELLED"}
        labels = dict(item for group in style_groups(active_rig(context)) for item in group.sliders)
        begun = self.begin(context, jobs.REMOVE_STYLE, [slider], f"- {labels.get(slider, slider)}")
        return {"FINISHED"} if begun else {"CANCELLED"}

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[Any]:
        _choose(self, context)
        return context.window_manager.invoke_props_dialog(self, confirm_text="Remove")

    def draw(self, context: bpy.types.Context) -> None:
        self.layout.prop(self, "style")
        self.layout.label(text="It is taken out of the avatar's file, and cannot be undone", icon="ERROR")


def _choose(operator: Any, context: bpy.types.Context) -> None:
    """Start the dialog from the style that was clicked, or that is worn; what people then choose in it counts."""
    first = operator.slider or _chosen_first(context)
    if first:
        operator.style = first
    operator.slider = ""


CLASSES = (PERSE_OT_add_style_image, PERSE_OT_add_style_words, PERSE_OT_rename_style, PERSE_OT_remove_style)
