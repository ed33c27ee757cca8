"""What Blender makes of properties over time, tracks, drivers and all, without evaluating the meshes they move."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import bpy
import numpy as np
from numpy.typing import NDArray

from ..rig.drivers import drive


def sampled(owner: bpy.types.ID, paths: Sequence[str], times: Iterable[float]) -> NDArray[np.float64]:
    """The values of the properties `paths` of `owner` at each frame of `times`, (P, N).

    An empty in a scene of its own reads them with drivers; Blender then evaluates what they depend on and no more.
    """
    scene = bpy.data.scenes.new("PERSE sampling")
    reader = bpy.data.objects.new("PERSE sampling", None)
    scene.collection.objects.link(reader)
    try:
        names = [f"v{k}" for k in range(len(paths))]
        for name, path in zip(names, paths, strict=True):
            reader[name] = 0.0
            drive(reader.driver_add(f'["{name}"]'), "a", [(owner, path)])
        layer = scene.view_layers[0]
        layer.update()
        rows = []
        for time in times:
            whole = int(np.floor(time))
            scene.frame_set(whole, subframe=float(time - whole))
            evaluated = reader.evaluated_get(layer.depsgraph)
            rows.append([float(evaluated[name]) for name in names])
        return np.array(rows).T
    finally:
        bpy.data.objects.remove(reader)
        bpy.data.scenes.remove(scene)
