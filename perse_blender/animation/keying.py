"""Keying many sliders at once, and carrying an expression over to the face's other side."""

from __future__ import annotations

from collections.abc import Iterable

import bpy

from .. import compat
from ..avatars.avatars import active_rig
from ..avatars.on_avatar import OnLocalAvatar
from ..avatars.sliders import groups, names
from ..rig.arkit import mirrored
from ..rig.gaze import FOLLOW
from ..rig.rig import CONTROLS, rotation_channel
from .key_settings import Place, insert_keys

_GROUP = "PERSE"


def slider_places(rig: bpy.types.Object, sliders: Iterable[str]) -> list[Place]:
    """Where to key `sliders` of `rig`, driven ones excepted."""
    driven = {curve.data_path for curve in rig.animation_data.drivers} if rig.animation_data else set()
    paths = [path for path in (f'["{name}"]' for name in sliders if name in rig) if path not in driven]
    return [(rig, path, -1, _GROUP) for path in paths]


def control_places(rig: bpy.types.Object) -> list[Place]:
    """Where to key the control bones of `rig`: how they are turned, and where they are if that is not locked."""
    places: list[Place] = []
    for name in CONTROLS:
        bone = rig.pose.bones[name]
        places.append((bone, rotation_channel(bone), -1, name))
        places += [(bone, "location", axis, name) for axis, locked in enumerate(bone.lock_location) if not locked]
    return places


def mirror(rig: bpy.types.Object, sliders: Iterable[str], direction: str) -> None:
    """Carry the values of `sliders` of `rig` over to the other side.

    Args:
        direction: "LEFT", "RIGHT" (the side that is carried over), or "SWAP".
    """
    before = {name: float(rig[name]) for name in sliders if name in rig}
    for name in before:
        other = mirrored(name)
        if other != name and other in before and (direction == "SWAP" or other.endswith(direction.lower())):
            rig[name] = before[other]
    rig.update_tag()


class PERSE_OT_key(OnLocalAvatar, bpy.types.Operator):
    """Key sliders at this frame, wherever they are"""

    bl_idname = "perse.key"
    bl_label = "Key"
    bl_options = {"REGISTER", "UNDO"}

    group: bpy.props.StringProperty(
        options={"HIDDEN", "SKIP_SAVE"},
        description="Only this group, by its label; without it all sliders, the gaze and the control bones",
    )

    @classmethod
    def description(cls, context: bpy.types.Context, properties: bpy.types.OperatorProperties) -> str:
        if properties.group:
            return f"Key every slider of {properties.group} at this frame"
        return "Key every slider, the gaze and the control bones at this frame"

    def execute(self, context: bpy.types.Context) -> set[str]:
        rig = active_rig(context)
        wanted = [g for g in groups(rig) if self.group in ("", g.label)]
        sliders = [name for group in wanted for name, _ in group.sliders]
        if self.group:
            places = slider_places(rig, sliders)
        else:
            places = slider_places(rig, [*sliders, FOLLOW]) + control_places(rig)
        count = insert_keys(rig, places, context)
        self.report({"INFO"}, f"{count} channels keyed at frame {context.scene.frame_current_final:g}")
        return {"FINISHED"}


class PERSE_OT_mirror(OnLocalAvatar, bpy.types.Operator):
    """Carry the expression over to the other side of the face"""

    bl_idname = "perse.mirror"
    bl_label = "Mirror Expression"
    bl_options = {"REGISTER", "UNDO"}

    direction: bpy.props.EnumProperty(
        name="Direction",
        items=[
            ("LEFT", "Left to Right", "The person's right side does what the left does"),
            ("RIGHT", "Right to Left", "The person's left side does what the right does"),
            ("SWAP", "Swap", "The sides change places"),
        ],
    )
    group: bpy.props.StringProperty(options={"HIDDEN", "SKIP_SAVE"}, description="Only this group, by its label")

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not super().poll(context):
            return False
        if all(mirrored(name) == name for name in names(active_rig(context))):
            cls.poll_message_set("The expressions of this head have no sides")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        rig = active_rig(context)
        wanted = [g for g in groups(rig) if g.kind == "expression" and self.group in ("", g.label)]
        mirror(rig, [name for group in wanted for name, _ in group.sliders], self.direction)
        return {"FINISHED"}


class PERSE_OT_select_control(OnLocalAvatar, bpy.types.Operator):
    """Pose this control bone"""

    bl_idname = "perse.select_control"
    bl_label = "Select Control Bone"
    bl_options = {"REGISTER", "UNDO"}

    bone: bpy.props.EnumProperty(
        name="Bone", items=[(name, name, f"The control bone {name}", k) for k, name in enumerate(CONTROLS)]
    )

    def execute(self, context: bpy.types.Context) -> set[str]:
        rig = active_rig(context)
        if context.object is not rig:
            if context.mode != "OBJECT":
                bpy.ops.object.mode_set(mode="OBJECT")
            context.view_layer.objects.active = rig
        rig.select_set(True)
        if rig.mode != "POSE":
            bpy.ops.object.mode_set(mode="POSE")
        for bone in rig.pose.bones:
            compat.select_bone(bone, bone.name == self.bone)
        rig.data.bones.active = rig.data.bones[self.bone]
        return {"FINISHED"}


CLASSES = (PERSE_OT_key, PERSE_OT_mirror, PERSE_OT_select_control)
