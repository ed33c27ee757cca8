"""What an avatar is, in a popup: who it is of, how it was made, what it holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import bpy

from ..perse_protocol import EngineFailure
from .avatar_file import read_document
from .avatars import active_rig, avatar_path
from .on_avatar import OnAvatar
from .thumbnails import icon


def info_rows(document: Mapping[str, Any], size: int) -> tuple[tuple[str, str], ...]:
    """What people are told of the avatar whose avatar.json is `document`: heading and text of each row.

    Args:
        size: of the file, bytes.
    """
    made = document.get("provenance") or {}
    photo = made.get("photo") or {}
    labels = {entry["name"]: entry["label"] for entry in document["categories"]}
    counts = Counter(entry["category"] for entry in document["styles"])
    rows = [
        ("Name", str(document["name"])),
        ("Made from", str(photo.get("file", ""))),
        ("Preset", str(made.get("preset", ""))),
        ("Seed", str(made.get("seed", ""))),
        ("Engine", str(made.get("engine", ""))),
        ("Head", str(document.get("head", ""))),
        ("Gaussians", f"{int(document['count']):,}"),
        ("Size", f"{size / 1e6:.1f} MB, version {document['version']} of the format"),
        ("Expressions", str(len(document["expressions"]))),
        ("Styles", str(len(document["styles"]))),
        *((f"    {labels[name]}", str(count)) for name, count in counts.items() if name in labels),
        ("Licences", ", ".join(map(str, made.get("licences", ())))),
        *(("Changed", str(line)) for line in made.get("restyled", ())),
    ]
    return tuple((heading, text) for heading, text in rows if text)


class PERSE_OT_avatar_info(OnAvatar, bpy.types.Operator):
    """Show what the avatar's file holds, and how it was made"""

    bl_idname = "perse.avatar_info"
    bl_label = "Avatar Info"

    def execute(self, context: bpy.types.Context) -> set[str]:
        try:
            for heading, text in _rows(avatar_path(active_rig(context))):
                self.report({"INFO"}, f"{heading.strip()}: {text}")
        except EngineFailure as failure:
            self.report({"ERROR"}, str(failure))
            return {"CANCELLED"}
        return {"FINISHED"}

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[Any]:
        try:
            self._path = avatar_path(active_rig(context))
            self._shown = _rows(self._path)
        except EngineFailure as failure:
            self.report({"ERROR"}, str(failure))
            return {"CANCELLED"}
        return context.window_manager.invoke_popup(self, width=380)

    def draw(self, context: bpy.types.Context) -> None:
        self.layout.template_icon(icon_value=icon(self._path), scale=8.0)
        split = self.layout.split(factor=0.3)
        headings, texts = split.column(align=True), split.column(align=True)
        for heading, text in self._shown:
            headings.label(text=heading)
            texts.label(text=text, translate=False)


def _rows(path: Path) -> tuple[tuple[str, str], ...]:
    return info_rows(read_document(path), path.stat().st_size)


CLASSES = (PERSE_OT_avatar_info,)
