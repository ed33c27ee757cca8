"""What control bones look like: rings that an animator can grab, instead of sticks inside the head."""

from __future__ import annotations

import math
from dataclasses import dataclass

import bpy

RING = "PERSE ring"
_POINTS = 32


@dataclass(frozen=True)
class Ring:
    """A ring about a bone: radius, and how far along the bone its middle is, metres; `tilt` in degrees."""

    radius: float
    along: float
    tilt: float = 0.0


RINGS = {
    "root": Ring(0.20, -0.06),
    "neck": Ring(0.105, -0.03),
    "jaw": Ring(0.022, 0.12, 25.0),
    "eye.L": Ring(0.014, 0.032),
    "eye.R": Ring(0.014, 0.032),
}
_THEMES = {"root": "THEME09", "neck": "THEME09", "jaw": "THEME04", "eye.L": "THEME01", "eye.R": "THEME01"}


def dress_controls(rig: bpy.types.Object) -> None:
    """Give the control bones of `rig` their rings and colours."""
    shape = _ring()
    for name, ring in RINGS.items():
        bone = rig.pose.bones[name]
        bone.custom_shape = shape
        bone.use_custom_shape_bone_size = False
        bone.custom_shape_scale_xyz = (ring.radius,) * 3
        bone.custom_shape_translation = (0, ring.along, 0)
        bone.custom_shape_rotation_euler = (math.radians(ring.tilt), 0, 0)
        rig.data.bones[name].show_wire = True
        bone.color.palette = _THEMES[name]


def _ring() -> bpy.types.Object:
    """A circle of radius one about the y axis, in no scene; all avatars of a file share it."""
    for thing in bpy.data.objects:
        if thing.name == RING and thing.library is None and thing.type == "MESH":
            return thing
    angles = [2 * math.pi * k / _POINTS for k in range(_POINTS)]
    mesh = bpy.data.meshes.new(RING)
    mesh.from_pydata(
        [(math.cos(angle), 0, math.sin(angle)) for angle in angles],
        [(k, (k + 1) % _POINTS) for k in range(_POINTS)],
        [],
    )
    return bpy.data.objects.new(RING, mesh)
