"""Poses for Blender's pose library: actions that hold expression and control bones of one moment.

Blender's own Create Pose Asset keeps bones only. Whatever is in a pose asset, it applies, so ours holds sliders too.
"""

from __future__ import annotations

from typing import Any

import bpy
import numpy as np

from .. import compat
from ..avatars.avatars import active_rig
from ..avatars.on_avatar import OnLocalAvatar
from ..avatars.sliders import groups
from ..rig.rig import CONTROLS, rotation_channel


def pose_asset(rig: bpy.types.Object, name: str) -> bpy.types.Action:
    """A new pose asset with the expression sliders of `rig`, and what its control bones do."""
    action = bpy.data.actions.new(name)
    bag = compat.curves_of(action, rig)
    for group in groups(rig):
        if group.kind == "expression":
            for slider, _ in group.sliders:
                if slider in rig:
                    _hold(bag, f'["{slider}"]', 0, float(rig[slider]), "PERSE")
    for control in CONTROLS:
        bone = rig.pose.bones[control]
        for channel in ("location", rotation_channel(bone)):
            for axis, value in enumerate(getattr(bone, channel)):
                _hold(bag, bone.path_from_id(channel), axis, value, control)
    action.asset_mark()
    action.asset_data.description = f"Expression and pose of {rig.name}"
    action.asset_data.tags.new("PERSE", skip_if_exists=True)
    if not bpy.app.background:
        action.asset_generate_preview()
    return action


def _hold(bag: Any, path: str, axis: int, value: float, group: str) -> None:
    curve = bag.fcurves.new(path, index=axis)
    curve.group = bag.groups.get(group) or bag.groups.new(group)
    curve.keyframe_points.add(1)
    curve.keyframe_points.foreach_set("co", np.array([1.0, value], np.float32))
    curve.update()


class PERSE_OT_create_pose_asset(OnLocalAvatar, bpy.types.Operator):
    """Add expression and control bones to Blender's pose library, for this avatar and for others.
    Hair and other attributes stay out"""

    bl_idname = "perse.create_pose_asset"
    bl_label = "Create Pose Asset"
    bl_options = {"REGISTER", "UNDO"}

    name: bpy.props.StringProperty(name="Name", description="Of the pose in the library", default="Expression")

    def execute(self, context: bpy.types.Context) -> set[str]:
        action = pose_asset(active_rig(context), self.name)
        self.report({"INFO"}, f"{action.name} is in the pose library: Pose Mode, Asset Shelf")
        return {"FINISHED"}

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[Any]:
        return context.window_manager.invoke_props_dialog(self)


CLASSES = (PERSE_OT_create_pose_asset,)
