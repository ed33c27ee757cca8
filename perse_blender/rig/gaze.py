"""What the eyes look at: constraints on hidden bones beneath the controls, so that posing the eyes adds on top.

`MCH-eye.L` turns to the target, no further than eyes turn, and the lids follow it; `eye.L` above it is free. The
property `gaze_follow` of the armature says how far they follow; it drives the constraints, and nothing drives it.
"""

from __future__ import annotations

import math

import bpy
from mathutils import Vector

from ..avatars.avatars import active_rig, proxy_of
from ..avatars.on_avatar import OnLocalAvatar
from ..avatars.proxy import expression_keys
from .drivers import drive
from .lids import drive_expression, is_lid

FOLLOW = "gaze_follow"
"""The property that says how far the eyes follow their target, 0 to 1."""
EYES = ("eye.L", "eye.R")
TRACK = "Gaze"
LIMIT = "Gaze limit"
_OWN = "perse_gaze"
"""Marks the targets that we make."""
_ACROSS, _UP, _DOWN = (math.radians(angle) for angle in (25, 15, 20))  # a little beyond what the units of gaze do
_DISTANCE = 0.6  # metres before the eyes
_SIZE = 0.02


def add_gaze(rig: bpy.types.Object) -> None:
    """Let the eyes of `rig` follow a target, as yet none; what is already there stays."""
    if FOLLOW not in rig:
        rig[FOLLOW] = 1.0
        rig.id_properties_ui(FOLLOW).update(
            min=0.0, max=1.0, default=1.0, step=1.0, precision=2, description="How far the eyes follow their target"
        )
        rig.property_overridable_library_set(f'["{FOLLOW}"]', True)
    if all(TRACK in rig.pose.bones[f"MCH-{eye}"].constraints for eye in EYES):
        return
    for eye in EYES:
        constraints = rig.pose.bones[f"MCH-{eye}"].constraints
        track = constraints.new("DAMPED_TRACK")
        track.name = TRACK
        track.track_axis = "TRACK_Y"
        drive(track.driver_add("influence"), "clamp(a)", [(rig, f'["{FOLLOW}"]')])
        limit = constraints.new("LIMIT_ROTATION")
        limit.name = LIMIT
        limit.owner_space = "LOCAL"
        limit.use_limit_x, limit.min_x, limit.max_x = True, -_DOWN, _UP
        limit.use_limit_z, limit.min_z, limit.max_z = True, -_ACROSS, _ACROSS
    proxy = proxy_of(rig)
    for key, slider in expression_keys(proxy, rig) if proxy is not None else ():
        if is_lid(slider):
            drive_expression(key, slider, rig)


def gaze_target(rig: bpy.types.Object) -> bpy.types.Object | None:
    """What the eyes of `rig` look at."""
    for eye in EYES:
        track = rig.pose.bones[f"MCH-{eye}"].constraints.get(TRACK)
        if track is not None and track.target is not None:
            return track.target
    return None


def look_at(rig: bpy.types.Object, target: bpy.types.Object | None) -> None:
    """Have the eyes of `rig` follow `target`, or nothing."""
    add_gaze(rig)
    for eye in EYES:
        rig.pose.bones[f"MCH-{eye}"].constraints[TRACK].target = target
    rig.update_tag()


def new_target(rig: bpy.types.Object) -> bpy.types.Object:
    """An empty before the eyes of `rig`, not yet in a scene, that goes where the armature goes."""
    target = bpy.data.objects.new(f"{rig.name} gaze", None)
    target[_OWN] = True
    target.empty_display_type = "SPHERE"
    target.empty_display_size = _SIZE
    target.parent = rig
    heads = [rig.data.bones[eye].head_local for eye in EYES]
    target.location = (heads[0] + heads[1]) / 2 + Vector((0, -_DISTANCE, 0))
    return target


class PERSE_OT_add_gaze_target(OnLocalAvatar, bpy.types.Operator):
    """Add an empty before the eyes that they look at from now on. Move it, key it, or parent it to anything"""

    bl_idname = "perse.add_gaze_target"
    bl_label = "Add Gaze Target"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not super().poll(context):
            return False
        if gaze_target(active_rig(context)) is not None:
            cls.poll_message_set("The eyes already follow a target")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        rig = active_rig(context)
        target = new_target(rig)
        homes = [home for home in rig.users_collection if home.library is None and home.override_library is None]
        (homes[0] if homes else context.scene.collection).objects.link(target)
        target.select_set(False)
        look_at(rig, target)
        self.report({"INFO"}, f"The eyes of {rig.name} follow {target.name}")
        return {"FINISHED"}


class PERSE_OT_remove_gaze_target(OnLocalAvatar, bpy.types.Operator):
    """Let the eyes follow nothing again. Their target goes, if Add Gaze Target has made it and nothing else uses it"""

    bl_idname = "perse.remove_gaze_target"
    bl_label = "Remove Gaze Target"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not super().poll(context):
            return False
        if gaze_target(active_rig(context)) is None:
            cls.poll_message_set("The eyes follow no target")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        rig = active_rig(context)
        target = gaze_target(rig)
        look_at(rig, None)
        if _OWN in target and target.library is None and not _looked_at(target):
            bpy.data.objects.remove(target)
        return {"FINISHED"}


def _looked_at(target: bpy.types.Object) -> bool:
    """Whether another avatar, say a duplicate, follows `target`."""
    return any(
        constraint.target == target
        for thing in bpy.data.objects
        if thing.type == "ARMATURE" and thing.pose is not None
        for bone in thing.pose.bones
        for constraint in bone.constraints
        if constraint.type == "DAMPED_TRACK"
    )


CLASSES = (PERSE_OT_add_gaze_target, PERSE_OT_remove_gaze_target)
