"""Captures become actions on the armature: keys of the sliders, and of the bones that people pose."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from bpy_extras.io_utils import ImportHelper
from mathutils import Matrix
from numpy.typing import NDArray

from .. import compat
from ..avatars.avatars import active_rig
from ..avatars.on_avatar import OnLocalAvatar
from ..avatars.sliders import names
from ..axes import BLENDER_FROM_HEAD
from ..perse_protocol import EngineFailure
from ..rig.rig import CONTROLS, rotation_channel
from .captures import Capture, mirrored_capture, read_capture
from .curves import Channel, key_range, retime, write_channels

_GROUP = "PERSE"


def write_capture(
    rig: bpy.types.Object, capture: Capture, name: str, start: float, fps: float, strength: float
) -> tuple[bpy.types.Action, int]:
    """Make `capture` the action of `rig`; the action that it has had is kept in the file.

    Args:
        name: of the action.
        start: the frame of the first moment; the others follow at their times, whole frames or not.
        fps: frames for each second of the capture.
        strength: sliders are multiplied by it, and kept in their limits.

    Returns:
        The action, and how many sliders of the capture the avatar has.

    Raises:
        EngineFailure: "other-head" where the avatar has nothing that the capture moves.
    """
    own = set(names(rig))
    channels: dict[Channel, NDArray[np.float64]] = {}
    groups: dict[Channel, str] = {}
    for slider, values in capture.sliders.items():
        if slider in own:
            limits = rig.id_properties_ui(slider).as_dict()
            channels[f'["{slider}"]', 0] = np.clip(values * strength, limits["min"], limits["max"])
    fitting = len(channels)
    groups.update(dict.fromkeys(channels, _GROUP))
    turns = dict(capture.rotations)
    if "expr_eyelookinleft" not in own:
        turns |= capture.own_eyes
    for joint, rotations in turns.items():
        for channel, values in bone_channels(rig.pose.bones[CONTROLS[joint]], rotations).items():
            channels[channel], groups[channel] = values, CONTROLS[joint]
    if not channels:
        raise EngineFailure(
            "other-head",
            f"the motion moves {next(iter(capture.sliders))}, which {rig.name} does not have",
            "bring an ARKit capture for an open head, a FLAME sequence for a FLAME head",
        )
    action = compat.new_action(rig, name)
    write_channels(rig, start + capture.times * fps, channels, groups)
    return action, fitting


def bone_channels(bone: bpy.types.PoseBone, rotations: NDArray[np.float64]) -> Mapping[Channel, NDArray[np.float64]]:
    """`rotations` (N, 3, 3), head space, relative to the parent, as channels of `bone` in its own rotation mode."""
    to_blender = np.asarray(BLENDER_FROM_HEAD.to_3x3())
    rest = np.asarray(bone.bone.matrix_local.to_3x3())
    change = rest.T @ to_blender
    matrices = [Matrix(matrix.tolist()) for matrix in change @ rotations @ change.T]
    mode = bone.rotation_mode
    if mode in ("QUATERNION", "AXIS_ANGLE"):
        quaternions = [matrix.to_quaternion() for matrix in matrices]
        for before, now in itertools.pairwise(quaternions):
            now.make_compatible(before)
        if mode == "QUATERNION":
            rows = np.array(quaternions)
        else:
            rows = np.array([(turn.angle, *turn.axis[:]) for turn in quaternions])
    else:
        eulers = [matrices[0].to_euler(mode)]
        for matrix in matrices[1:]:
            eulers.append(matrix.to_euler(mode, eulers[-1]))
        rows = np.array(eulers)
    path = bone.path_from_id(rotation_channel(bone))
    return {(path, axis): rows[:, axis] for axis in range(rows.shape[1])}


class PERSE_OT_import_capture(OnLocalAvatar, bpy.types.Operator, ImportHelper):
    """Bring a captured performance in as a new action: a .csv of Live Link Face, or a FLAME sequence (.npz, .json)"""

    bl_idname = "perse.import_capture"
    bl_label = "Import Capture"
    bl_options = {"REGISTER", "UNDO"}

    filename_ext = ".csv"
    filter_glob: bpy.props.StringProperty(default="*.csv;*.npz;*.json", options={"HIDDEN"})
    filepath: bpy.props.StringProperty(subtype="FILE_PATH", options={"SKIP_SAVE"})
    start: bpy.props.FloatProperty(name="First Frame", description="Where the performance begins", default=1.0)
    speed: bpy.props.FloatProperty(
        name="Speed",
        description="2 is twice as fast; 1 keeps real time at the scene's frame rate",
        default=1.0,
        min=0.01,
    )
    strength: bpy.props.FloatProperty(
        name="Strength",
        description="How strong the expression is, 1 as captured; turns of the head stay",
        default=1.0,
        min=0.0,
        soft_max=2.0,
    )
    mirror: bpy.props.BoolProperty(name="Mirror", description="Swap left and right")

    def execute(self, context: bpy.types.Context) -> set[str]:
        rig, path = active_rig(context), Path(bpy.path.abspath(self.filepath))
        fps = context.scene.render.fps / context.scene.render.fps_base
        try:
            capture = read_capture(path)
            shown = mirrored_capture(capture) if self.mirror else capture
            action, fitting = write_capture(rig, shown, path.stem, self.start, fps / self.speed, self.strength)
        except EngineFailure as failure:
            self.report({"ERROR"}, str(failure))
            return {"CANCELLED"}
        last = self.start + capture.times[-1] * fps / self.speed
        if capture.sliders and not fitting:
            kind = "FLAME" if "expr_flame_000" in capture.sliders else "ARKit"
            self.report(
                {"WARNING"}, f"{rig.name} has none of {kind}'s expressions: only turns of head, jaw and eyes are in"
            )
        self.report({"INFO"}, f"{action.name}: frames {self.start:g} to {last:.5g}")
        return {"FINISHED"}

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[Any]:
        self.start = float(context.scene.frame_start)
        return super().invoke(context, event)


class PERSE_OT_retime(OnLocalAvatar, bpy.types.Operator):
    """Stretch the avatar's action so that its first and last keys are at the frames given"""

    bl_idname = "perse.retime"
    bl_label = "Retime"
    bl_options = {"REGISTER", "UNDO"}

    start: bpy.props.FloatProperty(name="First Frame", description="Where the first key goes", default=1.0)
    end: bpy.props.FloatProperty(name="Last Frame", description="Where the last key goes", default=250.0)

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not super().poll(context):
            return False
        first, last = key_range(compat.fcurves(active_rig(context)))
        if last <= first:
            cls.poll_message_set("The avatar's action has no two keys")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        rig = active_rig(context)
        try:
            retime(compat.fcurves(rig), self.start, self.end)
        except ValueError:
            self.report({"ERROR"}, "The last frame must be after the first")
            return {"CANCELLED"}
        rig.update_tag()
        return {"FINISHED"}

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[Any]:
        self.start, self.end = key_range(compat.fcurves(active_rig(context)))
        return context.window_manager.invoke_props_dialog(self)


CLASSES = (PERSE_OT_import_capture, PERSE_OT_retime)
