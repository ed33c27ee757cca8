"""Bringing a new avatar before people's eyes: where the 3D view looks, and what would stand in its way."""

from __future__ import annotations

import math

import bpy
from mathutils import Euler, Vector

from .avatars import is_proxy, rigs

_DISTANCE = 0.95  # metres, as Blender counts it for its lens of 50 mm
_BELOW_EYES = 0.06  # metres
_FROM = Euler((math.radians(85), 0, math.radians(20)))
_LINES = {"BOUNDS", "WIRE"}


def frame_first(rig: bpy.types.Object, context: bpy.types.Context) -> None:
    """Let the largest 3D view see the face of `rig`, if it is the first avatar; where cameras look is left alone."""
    views = [area for area in context.screen.areas if area.type == "VIEW_3D"] if context.screen else []
    if bpy.app.background or not views or any(other != rig for other in rigs()):
        return
    space = max(views, key=lambda area: area.width * area.height).spaces.active
    view = space.region_3d
    if view.view_perspective == "CAMERA" or space.region_quadviews:
        return
    view.view_perspective = "PERSP"
    view.view_location = _eyes(rig) - Vector((0, 0, _BELOW_EYES))
    view.view_rotation = (rig.matrix_world.to_quaternion() @ _FROM.to_quaternion()).normalized()
    view.view_distance = _DISTANCE


def hiding(rig: bpy.types.Object, context: bpy.types.Context) -> str:
    """The name of a mesh whose box the eyes of `rig` are in, such as the cube of a new scene; empty without one."""
    eyes = _eyes(rig)
    for thing in context.view_layer.objects:
        if thing.type != "MESH" or is_proxy(thing) or thing.display_type in _LINES or not thing.visible_get():
            continue
        corners = [Vector(corner) for corner in thing.bound_box]
        place = thing.matrix_world.inverted_safe() @ eyes
        if all(min(c[axis] for c in corners) < place[axis] < max(c[axis] for c in corners) for axis in range(3)):
            return str(thing.name)
    return ""


def _eyes(rig: bpy.types.Object) -> Vector:
    left, right = (rig.data.bones[name].head_local for name in ("eye.L", "eye.R"))
    return rig.matrix_world @ ((left + right) / 2)
