"""What differs between Blender 4.2 and 5.2, said once."""

from __future__ import annotations

from collections.abc import Callable

import bpy


def shader_nodes(owner: bpy.types.Material | bpy.types.World) -> bpy.types.NodeTree | None:
    """The node tree that `owner` is shaded with, or None; since 5.0 there always is one."""
    if bpy.app.version >= (5, 0, 0) or owner.use_nodes:
        return owner.node_tree
    return None


def give_shader_nodes(owner: bpy.types.Material | bpy.types.World) -> bpy.types.NodeTree:
    """Have `owner` shaded by nodes, as it is since 5.0."""
    if bpy.app.version < (5, 0, 0):
        owner.use_nodes = True
    assert owner.node_tree is not None
    return owner.node_tree


def fcurves(owner: bpy.types.ID) -> list[bpy.types.FCurve]:
    """The animation curves of `owner`'s own action; actions have slots and layers since 4.4."""
    animation = owner.animation_data
    action = animation.action if animation else None
    if action is None:
        return []
    if not hasattr(action, "layers"):
        return list(action.fcurves)
    slot = animation.action_slot
    if slot is None:
        return []
    return [
        curve
        for layer in action.layers
        for strip in layer.strips
        if strip.type == "KEYFRAME"
        for bag in strip.channelbags
        if bag.slot_handle == slot.handle
        for curve in bag.fcurves
    ]


def working_space() -> str:
    """The file's scene-linear colour space: "Linear Rec.709", "Linear Rec.2020" or "ACEScg"; fixed before 5.0."""
    colorspace = getattr(bpy.data, "colorspace", None)
    return colorspace.working_space if colorspace else "Linear Rec.709"


def on_exit(function: Callable[..., None]) -> None:
    """Call `function` when Blender quits, where Blender tells (5.1 and later)."""
    handlers = getattr(bpy.app.handlers, "exit_pre", None)
    if handlers is not None and function not in handlers:
        handlers.append(function)


def forget_on_exit(function: Callable[..., None]) -> None:
    """Undo `on_exit`."""
    handlers = getattr(bpy.app.handlers, "exit_pre", None)
    if handlers is not None and function in handlers:
        handlers.remove(function)
