"""The armature of an avatar: five joints, each a chain of three bones.

`MCH-jaw` moves the pivot to where the styles put the joint, `jaw` is what people pose, and `DEF-jaw`, which deforms,
takes the pivot's move back: a pivot that moves must not drag the mesh along. Properties drive hidden bones only, and
nothing drives a property; a bone that fed a property would close a circle.
"""

from __future__ import annotations

from collections.abc import Sequence

import bpy
import numpy as np
from mathutils import Vector
from numpy.typing import NDArray

from ..axes import BLENDER_FROM_HEAD
from .drivers import drive, variables

CONTROLS = ("root", "neck", "jaw", "eye.L", "eye.R")
"""What people pose, in the order of the head's joints; a head's left eye is the person's left."""
DEFORMERS = tuple(f"DEF-{name}" for name in CONTROLS)
_PIVOTS = tuple(f"MCH-{name}" for name in CONTROLS)
_PARENTS = (-1, 0, 1, 1, 1)
_DIRECTIONS = ((0, 0, 1), (0, 0, 1), (0, -0.8, -0.6), (0, -1, 0), (0, -1, 0))  # where each bone points, Blender's axes
_LENGTHS = (0.05, 0.10, 0.06, 0.03, 0.03)
_SMALLEST_MOVE = 1e-5  # metres; joints that move less are not worth a driver


def new_armature(name: str) -> bpy.types.Object:
    """An armature object, not yet in a scene, whose bones `add_bones` makes."""
    armature = bpy.data.armatures.new(name)
    armature.display_type = "STICK"
    rig = bpy.data.objects.new(name, armature)
    rig.show_in_front = True
    return rig


def add_bones(rig: bpy.types.Object, joints: NDArray[np.float32]) -> None:
    """Make the bones of `rig`, which must be the active object of the view layer, in object mode.

    Args:
        rig: from `new_armature`, linked to the scene.
        joints: (5, 3) rest joints, head space, metres.
    """
    heads = joints @ np.asarray(BLENDER_FROM_HEAD.to_3x3()).T
    bpy.ops.object.mode_set(mode="EDIT")
    bones = rig.data.edit_bones
    for joint, parent in enumerate(_PARENTS):
        below = bones[DEFORMERS[parent]] if parent >= 0 else None
        for name in (_PIVOTS[joint], CONTROLS[joint], DEFORMERS[joint]):
            bone = bones.new(name)
            bone.head = Vector(heads[joint].tolist())
            bone.tail = bone.head + Vector(_DIRECTIONS[joint]) * _LENGTHS[joint]
            bone.align_roll(Vector((0, 0, 1)) if joint > 1 else Vector((0, -1, 0)))
            bone.parent = below
            bone.use_deform = name in DEFORMERS
            below = bone
    bpy.ops.object.mode_set(mode="OBJECT")
    for label, names, seen in (("Controls", CONTROLS, True), ("Mechanism", _PIVOTS + DEFORMERS, False)):
        collection = rig.data.collections.new(label)
        collection.is_visible = seen
        for name in names:
            collection.assign(rig.data.bones[name])
    for name in CONTROLS:
        control = rig.pose.bones[name]
        control.rotation_mode = "XYZ"
        control.lock_scale = (True, True, True)
        control.lock_location = (name.startswith("eye"),) * 3


def move_pivots(
    rig: bpy.types.Object, shape: bpy.types.Key, names: Sequence[str], directions: NDArray[np.float32]
) -> None:
    """Let the styles that move joints move the pivots.

    Args:
        rig: the armature object.
        shape: the proxy's shape keys; the value of the key of a style is its normalised weight.
        names: the K styles.
        directions: (5, 3, K) how each moves the joints, head space, metres.
    """
    to_blender = np.asarray(BLENDER_FROM_HEAD.to_3x3())
    for joint, name in enumerate(CONTROLS):
        to_bone = np.linalg.inv(np.asarray(rig.data.bones[name].matrix_local.to_3x3()))
        moves = to_bone @ to_blender @ directions[joint]  # (3, K), the bone's own axes
        movers = [k for k in range(len(names)) if np.abs(moves[:, k]).max() > _SMALLEST_MOVE]
        sources = [(shape, f'key_blocks["{names[k]}"].value') for k in movers]
        for axis in range(3 if movers else 0):
            terms = "+".join(f"{moves[axis, k]:.5f}*{name}" for k, name in zip(movers, variables(len(movers))))
            drive(rig.pose.bones[_PIVOTS[joint]].driver_add("location", axis), terms, sources)
            drive(rig.pose.bones[DEFORMERS[joint]].driver_add("location", axis), f"-({terms})", sources)


def rotation_channel(bone: bpy.types.PoseBone) -> str:
    """The property that turns `bone` in its rotation mode."""
    return {"QUATERNION": "rotation_quaternion", "AXIS_ANGLE": "rotation_axis_angle"}.get(
        bone.rotation_mode, "rotation_euler"
    )


def joint_transforms(rig: bpy.types.Object) -> NDArray[np.float64]:
    """The skinning transforms of the evaluated `rig`, (5, 4, 4): rest points to posed points, armature space."""
    bones = rig.pose.bones
    return np.array([bones[name].matrix @ bones[name].bone.matrix_local.inverted() for name in DEFORMERS])
