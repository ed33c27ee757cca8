"""Wearing styles: one alone, two mixed, and which sliders are favourites."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import bpy

from .. import compat
from ..perse_protocol import EngineFailure
from .avatar_file import THUMBNAIL
from .avatars import active_rig, avatar_path
from .on_avatar import OnAvatar
from .sliders import FAVOURITES, INDEX, Group, groups
from .thumbnails import icon, icons_state, style_icon

MOST_GROUPS = 64
"""Groups of styles that can be chosen from by their pictures."""
_ITSELF = "AS_PHOTOGRAPHED"

Item = tuple[str, str, str, int, int]


def set_values(rig: bpy.types.Object, values: Mapping[str, float], context: bpy.types.Context) -> None:
    """Set sliders of `rig` that are not driven; where auto-keying is on, those that are animated are keyed."""
    driven = {curve.data_path for curve in rig.animation_data.drivers} if rig.animation_data else set()
    animated = {curve.data_path for curve in compat.fcurves(rig)}
    keying = context.scene.tool_settings.use_keyframe_insert_auto
    for name, value in values.items():
        path = f'["{name}"]'
        if name not in rig or path in driven:
            continue
        rig[name] = float(value)
        if keying and path in animated:
            rig.keyframe_insert(path, frame=context.scene.frame_current_final, group="PERSE")
    rig.update_tag()


def style_groups(rig: bpy.types.Object | None) -> tuple[Group, ...]:
    """The groups of styles of `rig`."""
    return tuple(group for group in groups(rig) if group.kind == "attribute") if rig is not None else ()


def worn(rig: bpy.types.Object, group: Group) -> str:
    """The style of `group` that `rig` shows most of; empty where that is none."""
    name = max((name for name, _ in group.sliders), key=lambda name: float(rig.get(name, 0.0)))
    return name if float(rig.get(name, 0.0)) > 0 else ""


def favourites(rig: bpy.types.Object) -> Group:
    """The favourite sliders of `rig` that it has, in the order of its groups."""
    try:
        chosen = set(json.loads(str(rig.get(FAVOURITES, "[]"))))
    except (ValueError, TypeError):
        chosen = set()
    sliders = tuple((name, label) for group in groups(rig) for name, label in group.sliders if name in chosen)
    return Group("favourite", "Favourites", sliders)


def file_of(rig: bpy.types.Object) -> Path | None:
    """The file that pictures of `rig` are read from; None where it is missing."""
    try:
        return avatar_path(rig)
    except EngineFailure:
        return None


class PERSE_OT_wear(OnAvatar, bpy.types.Operator):
    """Wear this style alone: its slider goes to 1, the others of its group to 0"""

    bl_idname = "perse.wear"
    bl_label = "Wear Style"
    bl_options = {"REGISTER", "UNDO"}

    slider: bpy.props.StringProperty(
        name="Slider", description="The style's slider; empty: the person as photographed", options={"SKIP_SAVE"}
    )
    group: bpy.props.StringProperty(
        name="Group", description="The label of the group, where no slider is named", options={"SKIP_SAVE"}
    )

    def execute(self, context: bpy.types.Context) -> set[str]:
        rig = active_rig(context)
        for group in style_groups(rig):
            if self.slider in dict(group.sliders) or (not self.slider and self.group == group.label):
                set_values(rig, {name: float(name == self.slider) for name, _ in group.sliders}, context)
                return {"FINISHED"}
        self.report({"ERROR"}, f"unknown-slider: {rig.name} has no style {self.slider or self.group}; sync its sliders")
        return {"CANCELLED"}


def _styles_to_mix(self: Any, context: bpy.types.Context) -> list[tuple[str, str, str]]:
    rig = active_rig(context)
    items = [
        (name, label, f"{group.label}: {label}")
        for group in style_groups(rig)
        if self.group == group.label
        for name, label in group.sliders
    ]
    _kept["mix"] = items  # Blender does not hold the strings of items
    return items


class PERSE_OT_mix_styles(OnAvatar, bpy.types.Operator):
    """Mix two styles of one group: 0 is the first, 1 the second, between them lies a mixture"""

    bl_idname = "perse.mix_styles"
    bl_label = "Mix Styles"
    bl_options = {"REGISTER", "UNDO"}

    group: bpy.props.StringProperty(options={"HIDDEN", "SKIP_SAVE"}, description="The label of the group")
    first: bpy.props.EnumProperty(name="First", description="At 0", items=_styles_to_mix, options={"SKIP_SAVE"})
    second: bpy.props.EnumProperty(name="Second", description="At 1", items=_styles_to_mix, options={"SKIP_SAVE"})
    factor: bpy.props.FloatProperty(
        name="Mix", description="How much of the second", min=0, max=1, default=0.5, subtype="FACTOR"
    )

    def execute(self, context: bpy.types.Context) -> set[str]:
        rig = active_rig(context)
        group = next((group for group in style_groups(rig) if group.label == self.group), None)
        if group is None or not self.first or not self.second:
            self.report({"ERROR"}, f"unknown-group: {rig.name} has no group {self.group}; sync its sliders")
            return {"CANCELLED"}
        values = {name: 0.0 for name, _ in group.sliders}
        values[self.first] += 1 - self.factor
        values[self.second] += self.factor
        set_values(rig, values, context)
        return {"FINISHED"}

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[Any]:
        """Open with what is worn most; nothing changes before people change something."""
        rig = active_rig(context)
        group = next((group for group in style_groups(rig) if group.label == self.group), None)
        if group is None:
            return {"CANCELLED"}
        most = sorted((name for name, _ in group.sliders), key=lambda name: -float(rig.get(name, 0.0)))
        if not self.properties.is_property_set("first"):
            self.first, self.second = most[0], most[min(1, len(most) - 1)]
            total = float(rig.get(self.first, 0.0)) + float(rig.get(self.second, 0.0))
            self.factor = float(rig.get(self.second, 0.0)) / total if total > 0 else 0.5
        return context.window_manager.invoke_props_popup(self, event)

    def draw(self, context: bpy.types.Context) -> None:
        column = self.layout.column()
        column.prop(self, "first")
        column.prop(self, "second")
        column.prop(self, "factor", slider=True)


class PERSE_OT_favourite(OnAvatar, bpy.types.Operator):
    """Show this slider in Favourites, on top, or take it out of there. It is remembered with the avatar"""

    bl_idname = "perse.favourite"
    bl_label = "Favourite"
    bl_options = {"REGISTER", "UNDO"}

    slider: bpy.props.StringProperty(options={"HIDDEN"})

    def execute(self, context: bpy.types.Context) -> set[str]:
        rig = active_rig(context)
        chosen = [name for name, _ in favourites(rig).sliders]
        chosen = [name for name in chosen if name != self.slider] if self.slider in chosen else [*chosen, self.slider]
        rig[FAVOURITES] = json.dumps(chosen)
        return {"FINISHED"}


_kept: dict[str, list[Any]] = {}
_states: dict[int, object] = {}


def _made(group: Group, path: Path | None) -> list[Item]:
    return [
        (_ITSELF, "As photographed", "None of these", icon(path, THUMBNAIL) if path else 0, 0),
        *(
            (name, label, f"{group.label}: {label}", style_icon(path, name) if path else 0, k)
            for k, (name, label) in enumerate(group.sliders, 1)
        ),
    ]


def _items(number: int) -> Callable[[Any, bpy.types.Context], list[Item]]:
    def items(_self: Any, context: bpy.types.Context) -> list[Item]:
        rig = active_rig(context)
        own = style_groups(rig)
        if rig is None or number >= len(own):
            return []
        path = file_of(rig)
        # asked for at every move of the mouse, several times
        state = (str(rig.get(INDEX, "")), icons_state(path) if path is not None else None)
        if _states.get(number) != state:
            _kept[f"slot {number}"] = _made(own[number], path)
            _states[number] = state
        return _kept[f"slot {number}"]

    return items


def _get(number: int) -> Callable[[Any], int]:
    def get(_self: Any) -> int:
        rig = active_rig(bpy.context)
        own = style_groups(rig)
        if rig is None or number >= len(own):
            return 0
        names = [name for name, _ in own[number].sliders]
        shown = worn(rig, own[number])
        return names.index(shown) + 1 if shown else 0

    return get


def _set(number: int) -> Callable[[Any, int], None]:
    def choose(_self: Any, value: int) -> None:
        own = style_groups(active_rig(bpy.context))
        if number >= len(own):
            return
        slider = own[number].sliders[value - 1][0] if 0 < value <= len(own[number].sliders) else ""
        # True: the operator's undo step, which a property of the window would not make
        bpy.ops.perse.wear("EXEC_DEFAULT", True, slider=slider, group=own[number].label)

    return choose


class PerseWorn(bpy.types.PropertyGroup):
    """What is worn of each group of styles, to be chosen by pictures. It holds nothing: it reads and sets sliders."""

    __annotations__ = {
        f"slot_{number}": bpy.props.EnumProperty(
            name="Style",
            description="Which style of this group is worn. Click to choose another by its picture",
            items=_items(number),
            get=_get(number),
            set=_set(number),
        )
        for number in range(MOST_GROUPS)
    }


CLASSES = (PERSE_OT_wear, PERSE_OT_mix_styles, PERSE_OT_favourite, PerseWorn)


def register() -> None:
    """Give the window its pictures to choose from."""
    bpy.types.WindowManager.perse_worn = bpy.props.PointerProperty(type=PerseWorn)


def unregister() -> None:
    """Take them away."""
    if hasattr(bpy.types.WindowManager, "perse_worn"):
        del bpy.types.WindowManager.perse_worn
    _kept.clear()
    _states.clear()
