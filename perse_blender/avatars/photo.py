"""The photograph an avatar was made from: its camera, and the expression and pose it was taken in."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path

import bpy
import numpy as np
from mathutils import Matrix, Quaternion, Vector

from ..axes import BLENDER_FROM_HEAD
from ..building import jobs
from ..perse_protocol import EngineFailure
from ..rig.rig import CONTROLS
from .avatar_file import AvatarFile, PhotoView, read_avatar
from .avatars import active_rig, avatar_path, content_hash
from .on_avatar import OnAvatar
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
    data.display_size = 0.1  # metres: it stands before a head
    camera = bpy.data.objects.new(data.name, data)
    to_camera = Matrix(photo.view.tolist())
    camera.matrix_world = rig.matrix_world @ BLENDER_FROM_HEAD @ to_camera.inverted() @ _FLIP
    return camera


def find_photo(avatar: AvatarFile, path: Path) -> Path | None:
    """The photograph that `avatar`, whose file is at `path`, was made from: beside it, or where a build here had it.

    An avatar file names its photo and has its hash, but does not hold it. None where it is not found, or was changed.
    """
    made = avatar.provenance.get("photo")
    known = made if isinstance(made, Mapping) else {}
    name = Path(str(known.get("file", ""))).name
    beside = (path.parent / name,) if name else ()
    built = [jobs.source(job) for job in jobs.jobs() if job.kind == jobs.BUILD and job.out == path]
    for candidate in (*beside, *built):
        with contextlib.suppress(OSError):
            if candidate.is_file() and content_hash(candidate) == known.get("sha256"):
                return candidate
    return None


def show_behind(camera: bpy.types.Object, photo: Path, view: PhotoView) -> bool:
    """Let `camera` show the picture `photo` half transparent before the scene; whether Blender reads it as it is.

    A picture that is turned when it is shown (EXIF) has another shape in Blender, and is left out.
    """
    try:
        image = bpy.data.images.load(str(photo), check_existing=True)
    except RuntimeError:
        return False
    width, height = image.size[0], image.size[1]
    if width == 0 or abs(width * view.height - height * view.width) > 0.02 * width * view.height:
        if image.users == 0:
            bpy.data.images.remove(image)
        return False
    background = camera.data.background_images.new()
    background.image = image
    background.alpha = 0.5
    background.display_depth = "FRONT"
    background.frame_method = "STRETCH"
    camera.data.show_background_images = True
    return True


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
    """Add the camera that the photograph was taken with, and give the render the photograph's shape. Where the
    photograph is still beside the avatar's file, the camera shows it"""

    bl_idname = "perse.add_photo_camera"
    bl_label = "Photo Camera"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        rig = active_rig(context)
        try:
            path = avatar_path(rig)
            avatar = read_avatar(path)
        except EngineFailure as failure:
            self.report({"ERROR"}, str(failure))
            return {"CANCELLED"}
        photo = avatar.photo
        camera = photo_camera(rig, photo)
        context.collection.objects.link(camera)
        picture = find_photo(avatar, path)
        if picture is None or not show_behind(camera, picture, photo):
            self.report({"INFO"}, "The photograph is not at hand, so the camera shows no picture")
        context.scene.camera = camera
        scale = min(1.0, _LARGEST_SIDE / max(photo.width, photo.height))
        render = context.scene.render
        render.resolution_x = int(np.ceil(photo.width * scale))
        render.resolution_y = int(np.ceil(photo.height * scale))
        return {"FINISHED"}


CLASSES = (PERSE_OT_match_photo, PERSE_OT_add_photo_camera)
