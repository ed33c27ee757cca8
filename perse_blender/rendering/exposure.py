"""When and from where a frame is looked at: moments of the shutter's time, points of the lens.

A frame with motion blur or depth of field is the average of pictures, each of one moment through one point of the lens.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import bpy
from mathutils import Vector

from ..perse_protocol import Camera

_GOLDEN_ANGLE = math.pi * (3 - math.sqrt(5))
_GOLDEN = (math.sqrt(5) - 1) / 2


@dataclass(frozen=True)
class Exposure:
    """One picture of those that are averaged.

    Attributes:
        time: frames from the rendered one.
        lens: x and y of the point of the lens, in radii of its opening.
    """

    time: float
    lens: tuple[float, float]


@dataclass(frozen=True)
class Lens:
    """An opening and what it is focused on, both in world units."""

    radius: float
    focus: float


def exposures(scene: bpy.types.Scene, camera: bpy.types.Object) -> tuple[Exposure, ...]:
    """The pictures that a frame is the average of, in order of time; one where nothing blurs."""
    render, settings = scene.render, scene.perse
    moves, blurs = render.use_motion_blur and render.motion_blur_shutter > 0, lens_of(camera) is not None
    if not moves and not blurs:
        return (middle(scene),)
    count = max(settings.motion_samples if moves else 1, settings.lens_samples if blurs else 1)
    start, shutter = (_opens(render), render.motion_blur_shutter) if moves else (0.0, 0.0)
    points = _points(count) if blurs else [(0.0, 0.0)] * count
    return tuple(Exposure(start + shutter * (k + 0.5) / count, points[k]) for k in range(count))


def middle(scene: bpy.types.Scene) -> Exposure:
    """The middle of the shutter's time through the middle of the lens: what depth and normals are of."""
    render = scene.render
    moves = render.use_motion_blur
    return Exposure(_opens(render) + render.motion_blur_shutter / 2 if moves else 0.0, (0.0, 0.0))


def lens_of(camera: bpy.types.Object) -> Lens | None:
    """The opening of the evaluated `camera`; None where it has no depth of field."""
    data = camera.data
    dof = data.dof
    if not dof.use_dof or data.type != "PERSP":
        return None
    distance = dof.focus_distance
    if dof.focus_object is not None:
        distance = abs((camera.matrix_world.normalized().inverted() @ _focused(dof)).z)
    if not distance > 0:
        return None
    return Lens(data.lens * 1e-3 / (2 * dof.aperture_fstop), distance)


def _focused(dof: bpy.types.CameraDOFSettings) -> Vector:
    """The place in the world that is in focus: an object, or a bone of it."""
    target = dof.focus_object
    bone = target.pose.bones.get(dof.focus_subtarget) if target.pose is not None else None
    place: Vector = target.matrix_world @ bone.head if bone is not None else target.matrix_world.translation
    return place


def through(camera: Camera, lens: Lens | None, point: tuple[float, float]) -> Camera:
    """`camera` moved to a point of its lens and shifted, so that what is in focus stays where it is."""
    if lens is None or point == (0.0, 0.0):
        return camera
    x, y = point[0] * lens.radius, point[1] * lens.radius
    view = list(camera.view)
    view[3] -= x
    view[7] -= y
    cx, cy = camera.cx + camera.fx * x / lens.focus, camera.cy + camera.fy * y / lens.focus
    return replace(camera, view=tuple(view), cx=cx, cy=cy)


def _opens(render: bpy.types.RenderSettings) -> float:
    """When the shutter opens, in frames from the rendered one."""
    shutter: float = render.motion_blur_shutter
    return {"START": 0.0, "CENTER": -shutter / 2, "END": -shutter}[render.motion_blur_position]


def _points(count: int) -> list[tuple[float, float]]:
    """Points that fill a disc evenly (Vogel's spiral), in an order in which neighbours in time are far apart."""
    step = next(step for step in range(max(1, round(count * _GOLDEN)), count + 1) if math.gcd(step, count) == 1)
    found = []
    for k in range(count):
        n = k * step % count
        radius, angle = math.sqrt((n + 0.5) / count), n * _GOLDEN_ANGLE
        found.append((radius * math.cos(angle), radius * math.sin(angle)))
    return found
