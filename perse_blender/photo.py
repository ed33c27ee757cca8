"""The photograph an avatar was made from: its camera, and the expression and pose it was taken in."""

from __future__ import annotations

import bpy
import numpy as np
from mathutils import Matrix, Quaternion, Vector

from .avatar_file import PhotoView, read_avatar
from .avatars import active_rig, avatar_path
from .axes import BLENDER_FROM_HEAD
from .operators import OnAvatar
from .perse_protocol import EngineFailure
from .rig import CONTROLS
from .sliders import names

_FLIP = Matrix.Diagonal((1, -1, -1, 1))
_LARGEST_SIDE = 1920


def match_photo(rig: bpy.types.Object, photo: PhotoView) -> None:
    """Set sliders and control bones of `rig` to what the photo shows; every other slider to 0."""
    for name in names(rig):
        rig[name] = photo.sliders.get(name, 0.0)
    for name, turn in zip(CONTROLS, photo.pose, strict=True):
        axis = BLENDER_FROM_HEAD.to_3x3() @ Vector(turn.tolist())
        spin = Quaternion(axis.normalized(), axis.length).to_matrix() if axis.length > 0 else Matrix.Identity(3)
        rest = rig.data.bones[name].matrix_local.to_3x3()
        control = rig.pose.bones[name]
        control.matrix_basis = (rest.inverted() @ spin @ rest).to_4x4()
    rig.update_tag()


def photo_camera(rig: bpy.types.Object, photo: PhotoView) -> bpy.types.Object:
    """A camera object, not yet in a scene, that sees `rig` as the photo's camera saw the person."""
    data = bpy.data.cameras.new(f"{rig.name} portrait")
    data.sensor_fit = "HORIZONTAL"
    data.sensor_width = 36.0
    data.lens = photo.fx / photo.width * data.sensor_width
    data.shift_x = 0.5 - photo.cx / photo.width
    data.shift_y = (photo.cy - photo.height / 2) / photo.width
    data.clip_start = 0.01
    camera = bpy.data.objects.new(data.name, data)
    to_camera = Matrix(photo.view.tolist())
    camera.matrix_world = rig.matrix_world @ BLENDER_FROM_HEAD @ to_camera.inverted() @ _FLIP
    return camera


class PERSE_OT_match_photo(OnAvatar, bpy.types.Operator):
    """Set expression and pose to those of the photograph, and every attribute back to the person's own"""

    bl_idname = "perse.match_photo"
    bl_label = "Photo Expression"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        rig = active_rig(context)
        try:
            match_photo(rig, read_avatar(avatar_path(rig)).photo)
        except EngineFailure as failure:
            self.report({"ERROR"}, str(failure))
            return {"CANCELLED"}
        return {"FINISHED"}


class PERSE_OT_add_photo_camera(OnAvatar, bpy.types.Operator):
    """Add the camera that the photograph was taken with, and give the render the photograph's shape"""

    bl_idname = "perse.add_photo_camera"
    bl_label = "Photo Camera"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        rig = active_rig(context)
        try:
            photo = read_avatar(avatar_path(rig)).photo
        except EngineFailure as failure:
            self.report({"ERROR"}, str(failure))
            return {"CANCELLED"}
        camera = photo_camera(rig, photo)
        context.collection.objects.link(camera)
        context.scene.camera = camera
        scale = min(1.0, _LARGEST_SIDE / max(photo.width, photo.height))
        render = context.scene.render
        render.resolution_x = int(np.ceil(photo.width * scale))
        render.resolution_y = int(np.ceil(photo.height * scale))
        return {"FINISHED"}


CLASSES = (PERSE_OT_match_photo, PERSE_OT_add_photo_camera)
