"""The Animate panel of the PERSE tab."""

from __future__ import annotations

import bpy

from ..animation.release import free_keys
from ..avatars.avatars import active_rig, proxy_of
from ..avatars.sliders import groups
from ..rig.gaze import FOLLOW, gaze_target
from ..rig.rig import CONTROLS, rotation_channel

_LABELS = {"root": "Body", "neck": "Head", "jaw": "Jaw", "eye.L": "Eye L", "eye.R": "Eye R"}
_TURNS = {"root": ("Nod", "Turn", "Tilt"), "neck": ("Nod", "Turn", "Tilt"), "jaw": ("Lift", "Roll", "Side")}
_EYE_TURNS = ("Up", "Roll", "Side")
"""What the axes of a control bone do."""


class PERSE_MT_key_group(bpy.types.Menu):
    """Key one group of sliders at this frame"""

    bl_idname = "PERSE_MT_key_group"
    bl_label = "Key Group"

    def draw(self, context: bpy.types.Context) -> None:
        last = ""
        for group in groups(active_rig(context)):
            if last not in ("", group.kind):
                self.layout.separator()
            last = group.kind
            self.layout.operator("perse.key", text=group.label).group = group.label


class PERSE_MT_mirror_group(bpy.types.Menu):
    """Carry one group of the expression over to the other side of the face"""

    bl_idname = "PERSE_MT_mirror_group"
    bl_label = "Mirror Group"

    def draw(self, context: bpy.types.Context) -> None:
        for group in groups(active_rig(context)):
            if group.kind == "expression":
                self.layout.label(text=group.label)
                for direction, text in (("LEFT", "Left to Right"), ("RIGHT", "Right to Left"), ("SWAP", "Swap")):
                    entry = self.layout.operator("perse.mirror", text=text)
                    entry.direction, entry.group = direction, group.label


class PERSE_PT_animate(bpy.types.Panel):
    """Keys, control bones, gaze, captured performances."""

    bl_label = "Animate"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "PERSE"
    bl_order = 4

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return active_rig(context) is not None

    def draw(self, context: bpy.types.Context) -> None:
        rig = active_rig(context)
        self._keys()
        self._controls(rig)
        self._gaze(rig)
        self._capture(rig)

    def _keys(self) -> None:
        column = self.layout.column(align=True)
        row = column.row(align=True)
        row.operator("perse.key", text="Key All", icon="KEYINGSET")
        row.operator("perse.key_changed", text="Key Changed", icon="KEY_HLT")
        row = column.row(align=True)
        row.menu("PERSE_MT_key_group")
        row.operator("perse.create_pose_asset", text="Pose Asset", icon="ASSET_MANAGER")

    def _controls(self, rig: bpy.types.Object) -> None:
        column = self.layout.column(align=True)
        active = rig.data.bones.active if rig.mode == "POSE" else None
        row = column.row(align=True)
        for name in CONTROLS:
            chosen = active is not None and active.name == name
            row.operator("perse.select_control", text=_LABELS[name], depress=chosen).bone = name
        if active is not None and active.name in CONTROLS:
            bone, channel = rig.pose.bones[active.name], rotation_channel(rig.pose.bones[active.name])
            if channel == "rotation_euler":
                for axis, text in enumerate(_TURNS.get(active.name, _EYE_TURNS)):
                    column.prop(bone, channel, index=axis, text=text)
            else:
                column.prop(bone, channel, text="")

    def _gaze(self, rig: bpy.types.Object) -> None:
        column = self.layout.column(align=True)
        target = gaze_target(rig)
        if target is None:
            column.operator("perse.add_gaze_target", icon="HIDE_OFF")
            return
        row = column.row(align=True)
        row.label(text=target.name, icon="HIDE_OFF")
        row.operator("perse.remove_gaze_target", text="", icon="X")
        column.prop(rig, f'["{FOLLOW}"]', text="Gaze Follows", slider=True)

    def _capture(self, rig: bpy.types.Object) -> None:
        column = self.layout.column(align=True)
        row = column.row(align=True)
        row.operator("perse.import_capture", icon="IMPORT")
        row.operator("perse.retime", icon="MOD_TIME")
        if free_keys(rig):
            column.operator("perse.bake", icon="REC")
            column.label(text=f"Free: {proxy_of(rig).name}", icon="UNLOCKED")
        else:
            column.operator("perse.release", icon="UNLOCKED")


CLASSES = (PERSE_MT_key_group, PERSE_MT_mirror_group, PERSE_PT_animate)
