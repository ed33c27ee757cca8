"""The other meshes of a frame, as triangles: they hide avatars behind them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import bpy
import numpy as np
from numpy.typing import NDArray

from ..avatars.avatars import is_proxy
from ..perse_protocol import EngineClient, MeshFile, Occluder
from ..perse_protocol.client import numbers

_WITH_SURFACE = {"MESH", "CURVE", "SURFACE", "FONT", "META"}
_ONLY_LINES = {"BOUNDS", "WIRE"}

Triangles = tuple[NDArray[np.float32], NDArray[np.int32]]
"""Corners (V, 3) in the object's space and triangles (T, 3) of their indices."""


@dataclass(frozen=True, eq=False)
class Solid:
    """A mesh, or what has a surface like one, that stands somewhere. Valid until the next one is looked at.

    Attributes:
        thing: the evaluated object.
        model: (4, 4) its space to world.
    """

    thing: bpy.types.Object
    model: NDArray[np.float64]

    @property
    def content(self) -> tuple[int, int]:
        """Where its geometry is: the object, and the address of its evaluated data, which instances share."""
        return (self.thing.original.session_uid, self.thing.data.as_pointer())


def solids(depsgraph: bpy.types.Depsgraph, viewport: bpy.types.SpaceView3D | None = None) -> Iterator[Solid]:
    """What has a surface and is no avatar, of all that `depsgraph` shows to its camera, instances included.

    Args:
        viewport: leaves out what its local view hides and what is displayed as lines.
    """
    layer = depsgraph.view_layer
    for instance in depsgraph.object_instances:
        thing = instance.object
        if thing is None or thing.type not in _WITH_SURFACE or thing.data is None or is_proxy(thing):
            continue
        if not thing.visible_camera or not (instance.is_instance or instance.show_self):
            continue
        owner = ((instance.parent if instance.is_instance else None) or thing).original
        if viewport is None:
            if owner.name in layer.objects and owner.indirect_only_get(view_layer=layer):
                continue
        elif thing.display_type in _ONLY_LINES or not owner.visible_in_viewport_get(viewport):
            continue
        yield Solid(thing, np.array(instance.matrix_world))


def triangles_of(thing: bpy.types.Object) -> Triangles:
    """The evaluated surface of `thing`."""
    is_mesh = thing.type == "MESH"
    mesh = thing.data if is_mesh else thing.to_mesh()
    if mesh is None:
        return np.empty((0, 3), np.float32), np.empty((0, 3), np.int32)
    corners = np.empty(len(mesh.vertices) * 3, np.float32)
    mesh.vertices.foreach_get("co", corners)
    mesh.calc_loop_triangles()
    triangles = np.empty(len(mesh.loop_triangles) * 3, np.int32)
    mesh.loop_triangles.foreach_get("vertices", triangles)
    if not is_mesh:
        thing.to_mesh_clear()
    return corners.reshape(-1, 3), triangles.reshape(-1, 3)


def occluders(depsgraph: bpy.types.Depsgraph, engine: EngineClient) -> tuple[Occluder, ...]:
    """What hides avatars in the frame of `depsgraph`; `engine` is given the meshes that it does not have.

    Raises:
        EngineFailure: there is no memory for a mesh.
    """
    kept: dict[tuple[int, int], MeshFile] = {}
    found = []
    for solid in solids(depsgraph):
        content = solid.content
        if content not in kept:
            kept[content] = engine.keep_mesh(*triangles_of(solid.thing))
        if kept[content].triangles:
            found.append(Occluder(kept[content], numbers(solid.model)))
    return tuple(found)
