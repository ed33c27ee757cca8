"""How new keys are made: as the preferences and the scene say."""

from __future__ import annotations

from collections.abc import Iterable

import bpy
import numpy as np

from .. import compat
from .curves import key_times

Place = tuple[bpy.types.bpy_struct, str, int, str]
"""What is keyed: its owner (the armature or a pose bone), the path from there, index (-1 for all), and the group."""


def insert_keys(rig: bpy.types.Object, places: Iterable[Place], context: bpy.types.Context) -> int:
    """Key `places` of `rig` at the current frame; how many were keyed. Keys that are replaced keep their kind."""
    edit, tools = context.preferences.edit, context.scene.tool_settings
    options = set()
    if edit.use_keyframe_insert_needed:
        options.add("INSERTKEY_NEEDED")
    if edit.use_visual_keying:
        options.add("INSERTKEY_VISUAL")
    if tools.use_keyframe_cycle_aware:
        options.add("INSERTKEY_CYCLE_AWARE")
    frame = context.scene.frame_current_final
    before = {(curve.data_path, curve.array_index) for curve, _ in _keys_at(rig, frame)}
    count = sum(
        owner.keyframe_insert(path, index=index, group=group, frame=frame, options=options, keytype=tools.keyframe_type)
        for owner, path, index, group in places
    )
    for curve, index in _keys_at(rig, frame):
        if (curve.data_path, curve.array_index) not in before:  # which Blender makes without the preferences
            point = curve.keyframe_points[index]
            point.interpolation = edit.keyframe_new_interpolation_type
            point.handle_left_type = point.handle_right_type = edit.keyframe_new_handle_type
            curve.update()
    return count


def _keys_at(rig: bpy.types.Object, frame: float) -> list[tuple[bpy.types.FCurve, int]]:
    """The curves of `rig` that have a key at `frame`, each with that key's index."""
    found = []
    for curve in compat.fcurves(rig):
        near = np.flatnonzero(np.abs(key_times(curve) - frame) < 1e-3)
        if len(near):
            found.append((curve, int(near[0])))
    return found
