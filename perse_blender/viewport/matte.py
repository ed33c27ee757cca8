"""Other meshes in Rendered mode: flat, matte, lit from where one looks, so that one sees how avatars stand among them.

What is in the graphics card's memory stays there until the object's geometry changes: orbiting costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import bpy
import gpu
import numpy as np
from mathutils import Matrix

from ..rendering.meshes import Solid, solids, triangles_of
from . import changes
from .viewport import View, reading

_AMBIENT = 0.35

_VERTEX = """
void main()
{
  vec4 place = to_view * vec4(position, 1.0);
  seen = place.xyz;
  gl_Position = to_clip * place;
}
"""

_FRAGMENT = """
void main()
{
  vec3 normal = normalize(cross(dFdx(seen), dFdy(seen)));
  float facing = abs(dot(normal, normalize(mix(-normalize(seen), vec3(0.0, 0.0, 1.0), straight))));
  color = vec4(tint.rgb * mix(AMBIENT, 1.0, facing), 1.0);
}
"""


@dataclass(frozen=True, eq=False)
class _Batch:
    """Triangles in the graphics card's memory, as they were at `changes.count() == since`; None without triangles."""

    batch: gpu.types.GPUBatch | None
    since: int


@dataclass(frozen=True, eq=False)
class _Placed:
    batch: gpu.types.GPUBatch
    model: Matrix
    color: tuple[float, ...]


def draw_meshes(
    view: View, context: bpy.types.Context, depsgraph: bpy.types.Depsgraph, into_depth_only: bool = False
) -> None:
    """Draw all that is no avatar in the viewport of `context` into depth, and into colour if wanted."""
    if view.mattes is None:
        view.mattes = _Mattes()
    gpu.state.color_mask_set(*[not into_depth_only] * 4)
    gpu.state.depth_test_set("LESS_EQUAL")
    gpu.state.depth_mask_set(True)
    view.mattes.draw(context, depsgraph)
    gpu.state.depth_mask_set(False)
    gpu.state.depth_test_set("NONE")
    gpu.state.color_mask_set(True, True, True, True)


class _Mattes:
    """What one viewport shows beside avatars."""

    def __init__(self) -> None:
        self._batches: dict[tuple[int, int], _Batch] = {}
        self._placed: list[_Placed] = []
        self._read: object = None

    def draw(self, context: bpy.types.Context, depsgraph: bpy.types.Depsgraph) -> None:
        """Draw all that is there, each in its colour."""
        read = reading(context.space_data, depsgraph)
        if read != self._read:
            self._collect(depsgraph, context.space_data)
            self._read = read
        if not self._placed:
            return
        shader, view = _shader(), context.region_data
        shader.bind()
        shader.uniform_float("to_clip", view.window_matrix)
        shader.uniform_float("straight", 0.0 if view.is_perspective else 1.0)
        for placed in self._placed:
            shader.uniform_float("to_view", view.view_matrix @ placed.model)
            shader.uniform_float("tint", placed.color)
            placed.batch.draw(shader)

    def _collect(self, depsgraph: bpy.types.Depsgraph, space: bpy.types.SpaceView3D) -> None:
        """Look at the scene again; only geometry that has changed is sent to the graphics card again."""
        known, self._batches, self._placed = self._batches, {}, []
        for solid in solids(depsgraph, space):
            content = solid.content
            if content not in self._batches:
                before = known.get(content)
                fresh = before is not None and before.since >= changes.geometry_of(content[0])
                self._batches[content] = before if before is not None and fresh else _batch_of(solid)
            batch = self._batches[content].batch
            if batch is not None:
                self._placed.append(_Placed(batch, Matrix(solid.model.tolist()), _color_of(solid.thing)))


def _batch_of(solid: Solid) -> _Batch:
    corners, triangles = triangles_of(solid.thing)
    if not len(triangles):
        return _Batch(None, changes.count())
    layout = gpu.types.GPUVertFormat()
    layout.attr_add(id="position", comp_type="F32", len=3, fetch_mode="FLOAT")
    vertices = gpu.types.GPUVertBuf(layout, len(corners))
    vertices.attr_fill("position", corners)
    order = gpu.types.GPUIndexBuf(type="TRIS", seq=np.ascontiguousarray(triangles))
    return _Batch(gpu.types.GPUBatch(type="TRIS", buf=vertices, elem=order), changes.count())


def _color_of(thing: bpy.types.Object) -> tuple[float, ...]:
    """Scene-linear viewport colour of the first material, Blender's own grey without one."""
    material = thing.material_slots[0].material if thing.material_slots else None
    return tuple(material.diffuse_color) if material is not None else (0.8, 0.8, 0.8, 1.0)


_made: list[gpu.types.GPUShader] = []


def _shader() -> gpu.types.GPUShader:
    if not _made:
        between = gpu.types.GPUStageInterfaceInfo("perse_matte")
        between.smooth("VEC3", "seen")
        info = gpu.types.GPUShaderCreateInfo()
        info.define("AMBIENT", f"{_AMBIENT}")
        info.push_constant("MAT4", "to_clip")
        info.push_constant("MAT4", "to_view")
        info.push_constant("VEC4", "tint")
        info.push_constant("FLOAT", "straight")
        info.vertex_in(0, "VEC3", "position")
        info.vertex_out(between)
        info.fragment_out(0, "VEC4", "color")
        info.vertex_source(_VERTEX)
        info.fragment_source(_FRAGMENT)
        _made.append(gpu.shader.create_from_info(info))
    return _made[0]
