"""How new keys are made: as the preferences and the scene say."""

from __future__ import annotations

from typing import Any

import bpy


def insert_settings(context: bpy.types.Context) -> dict[str, Any]:
    """Frame, options and type of a new key, for `keyframe_insert`; its interpolation Blender chooses itself."""
    edit, tools = context.preferences.edit, context.scene.tool_settings
    options = set()
    if edit.use_keyframe_insert_needed:
        options.add("INSERTKEY_NEEDED")
    if edit.use_visual_keying:
        options.add("INSERTKEY_VISUAL")
    if tools.use_keyframe_cycle_aware:
        options.add("INSERTKEY_CYCLE_AWARE")
    return {"frame": context.scene.frame_current_final, "options": options, "keytype": tools.keyframe_type}
