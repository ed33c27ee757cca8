"""Blender's camera as the pinhole that the engine draws with."""

from __future__ import annotations

from dataclasses import replace

import bpy
import numpy as np
from mathutils import Matrix

from ..perse_protocol import Camera, EngineFailure, Region
from ..perse_protocol.client import numbers

_FLIP = Matrix.Diagonal((1, -1, -1, 1))  # Blender looks along -z with y up, the engine along z with y down

_FAR = 200.0  # an orthographic view is drawn from this many times its width away


def pinhole(
    camera: bpy.types.Object, depsgraph: bpy.types.Depsgraph, width: int, height: int, matrix: Matrix | None = None
) -> Camera:
    """The engine's camera for the evaluated `camera`; Blender's own projection says lens, shift and sensor fit.

    Args:
        camera: evaluated object.
        depsgraph: the frame's.
        width, height: of the whole picture, pixels.
        matrix: camera to world, where it is not the object's own (stereo).

    Raises:
        EngineFailure: "camera-type" for what is neither a perspective nor an orthographic camera.
    """
    if camera.type != "CAMERA" or camera.data.type not in ("PERSP", "ORTHO"):
        kind = "panoramic" if camera.type == "CAMERA" else f"no camera but of type {camera.type}"
        raise EngineFailure(
            "camera-type",
            f"the camera {camera.name} is {kind}, which PERSE does not render",
            "set its Lens Type to Perspective or Orthographic",
        )
    render = depsgraph.scene.render
    projection = camera.calc_matrix_camera(
        depsgraph, x=width, y=height, scale_x=render.pixel_aspect_x, scale_y=render.pixel_aspect_y
    )
    to_world = camera.matrix_world if matrix is None else matrix
    if camera.data.type == "ORTHO":
        return _parallel(projection, to_world, width, height, camera.data.clip_start)
    return from_projection(projection, to_world, width, height, camera.data.clip_start)


def from_projection(projection: Matrix, to_world: Matrix, width: int, height: int, near: float) -> Camera:
    """The pinhole of an OpenGL `projection` and a camera-to-world matrix, whose scale does not count.

    An orthographic projection is approached from far away with a long lens.
    """
    location, rotation, _ = to_world.decompose()
    view = _FLIP @ Matrix.LocRotScale(location, rotation, None).inverted()
    if projection[3][3] == 1:
        distance = _FAR * 2 / projection[0][0]
        view[2][3] += distance
        projection = Matrix(
            (
                (projection[0][0] * distance, 0, -projection[0][3], 0),
                (0, projection[1][1] * distance, -projection[1][3], 0),
                (0, 0, -1, 0),
                (0, 0, -1, 0),
            )
        )
    return Camera(
        view=numbers(np.array(view)),
        fx=projection[0][0] * width / 2,
        fy=projection[1][1] * height / 2,
        cx=(1 - projection[0][2]) * width / 2,
        cy=(1 + projection[1][2]) * height / 2,
        width=width,
        height=height,
        near=max(near, 1e-4),
    )


def _parallel(projection: Matrix, to_world: Matrix, width: int, height: int, near: float) -> Camera:
    """The camera of an OpenGL orthographic `projection`."""
    location, rotation, _ = to_world.decompose()
    view = _FLIP @ Matrix.LocRotScale(location, rotation, None).inverted()
    return Camera(
        view=numbers(np.array(view)),
        fx=projection[0][0] * width / 2,
        fy=projection[1][1] * height / 2,
        cx=(1 + projection[0][3]) * width / 2,
        cy=(1 - projection[1][3]) * height / 2,
        width=width,
        height=height,
        near=max(near, 1e-4),
        orthographic=True,
    )


def stereo_matrix(blender: bpy.types.RenderEngine, camera: bpy.types.Object) -> Matrix:
    """Where the active stereo view's camera is, camera to world."""
    rows = np.reshape(np.array(blender.camera_model_matrix(camera), np.float64), (4, 4))
    matrix: Matrix = Matrix(rows.tolist())
    return matrix


def stereo_shift(seen: Camera, camera: bpy.types.Object, shift: float) -> Camera:
    """`seen` with the horizontal `shift` of a stereo view, in Blender's unit, in place of the evaluated `camera`'s."""
    data = camera.data
    sensor = data.sensor_height if data.sensor_fit == "VERTICAL" else data.sensor_width
    widest = seen.fx * (data.ortho_scale if data.type == "ORTHO" else sensor / data.lens)
    return replace(seen, cx=seen.cx - (shift - data.shift_x) * widest)


def border(render: bpy.types.RenderSettings, width: int, height: int) -> Region | None:
    """The part of the picture that the render border leaves, or None; rounded as Blender does."""
    if not render.use_border:
        return None
    scale = np.float32
    left, right = int(scale(render.border_min_x) * scale(width)), int(scale(render.border_max_x) * scale(width))
    bottom, top = int(scale(render.border_min_y) * scale(height)), int(scale(render.border_max_y) * scale(height))
    if right <= left or top <= bottom:
        raise EngineFailure("empty-border", "the render border holds no pixel", "draw it larger or turn it off")
    return Region(left, height - top, right - left, top - bottom)


def border_in_view(context: bpy.types.Context, scene: bpy.types.Scene) -> tuple[int, int, int, int] | None:
    """The part of the viewport of `context` that a render border leaves: left, bottom, width, height; or None.

    Seen through the camera it is the output's border, in other views the viewport's own (Ctrl B).
    """
    space, view, region = context.space_data, context.region_data, context.region
    if view.view_perspective == "CAMERA":
        camera = space.camera if space.use_local_camera else scene.camera
        if not scene.render.use_border or camera is None or camera.type != "CAMERA":
            return None
        render = scene.render
        limits = (render.border_min_x, render.border_max_x, render.border_min_y, render.border_max_y)
        to_world = camera.matrix_world.normalized()
        corners = [
            view.perspective_matrix @ (to_world @ corner).to_4d() for corner in camera.data.view_frame(scene=scene)
        ]
        across = [(corner.x / corner.w + 1) / 2 for corner in corners]
        upwards = [(corner.y / corner.w + 1) / 2 for corner in corners]
    elif space.use_render_border:
        limits = (
            space.render_border_min_x,
            space.render_border_max_x,
            space.render_border_min_y,
            space.render_border_max_y,
        )
        across = upwards = [0.0, 1.0]
    else:
        return None
    left, right = _between(across, limits[0], limits[1], region.width)
    bottom, top = _between(upwards, limits[2], limits[3], region.height)
    return left, bottom, right - left, top - bottom


def _between(ends: list[float], low: float, high: float, pixels: int) -> tuple[int, int]:
    """From `low` to `high` of the way between the ends, in whole pixels of `pixels`."""
    start, size = min(ends), max(ends) - min(ends)
    first, last = (min(max(round((start + share * size) * pixels), 0), pixels) for share in (low, high))
    return first, max(first, last)
