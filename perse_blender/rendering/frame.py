"""What a frame shows, read from evaluated objects: avatars, their sliders and bones, the camera.

Originals are stale while an animation renders. Expressions are the shape keys' values, so whoever drives those counts;
joints are the deforming bones' matrices, so constraints and drivers count; attributes are the properties.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np
from mathutils import Matrix
from numpy.typing import NDArray

from ..avatars.avatars import avatar_path, is_proxy, rig_of
from ..avatars.sliders import names
from ..axes import BLENDER_FROM_HEAD, HEAD_FROM_BLENDER
from ..perse_protocol import EngineFailure, Light
from ..rig.arkit import slider_name
from ..rig.rig import joint_transforms
from .light import light_amount, light_on

_TO_BLENDER = np.array(BLENDER_FROM_HEAD)
_TO_HEAD = np.array(HEAD_FROM_BLENDER)
_SMALLEST_VOLUME = 1e-15
SEEN = "perse_seen_by_camera"
"""Says, on the proxy of an avatar that is composited over another engine's picture, whether the camera is to see it:
the other engine's must not."""


@dataclass(frozen=True, eq=False)
class Shown:
    """One avatar in one frame.

    Attributes:
        name: of the armature object.
        path: its avatar file.
        model: (4, 4) head space to world.
        sliders: value by name.
        transforms: (5, 4, 4) skinning transforms, head space.
        holdout: whether the picture has a hole where it is.
        light: of the scene, where it falls on the avatar.
    """

    name: str
    path: Path
    model: NDArray[np.float64]
    sliders: Mapping[str, float]
    transforms: NDArray[np.float64]
    holdout: bool = False
    light: Light | None = None

    @property
    def state(self) -> Hashable:
        """What its picture depends on, to be compared."""
        where = (self.model.tobytes(), self.transforms.tobytes())
        return (str(self.path), *where, tuple(self.sliders.items()), self.light)


def shown_avatars(depsgraph: bpy.types.Depsgraph, viewport: bpy.types.SpaceView3D | None = None) -> tuple[Shown, ...]:
    """Every avatar that `depsgraph` shows, instances included.

    Args:
        viewport: leaves out what its local view, local collections and object types hide.

    Raises:
        EngineFailure: "not-a-number", "missing-avatar".
    """
    states: dict[int, Shown] = {}
    found = []
    for proxy, world, holdout in _proxies(depsgraph, viewport):
        key = proxy.as_pointer()
        if key not in states:
            states[key] = _state(proxy, depsgraph)
        state = states[key]
        model = np.array(world) @ _TO_BLENDER
        if abs(np.linalg.det(model[:3, :3])) > _SMALLEST_VOLUME:
            found.append((state, model, holdout, light_amount(proxy, depsgraph)))
    return tuple(  # lamps are looked for when the walk above is over: Blender allows one at a time
        Shown(
            state.name, state.path, model, state.sliders, state.transforms, holdout, light_on(model, amount, depsgraph)
        )
        for state, model, holdout, amount in found
    )


def _proxies(
    depsgraph: bpy.types.Depsgraph, viewport: bpy.types.SpaceView3D | None
) -> Iterator[tuple[bpy.types.Object, Matrix, bool]]:
    """Each proxy that is seen, its space to world, and whether it is a holdout."""
    layer = depsgraph.view_layer
    for instance in depsgraph.object_instances:
        thing = instance.object
        if thing is None or not is_proxy(thing) or not (instance.is_instance or instance.show_self):
            continue
        owner = ((instance.parent if instance.is_instance else None) or thing).original
        if viewport is not None:
            if owner.visible_in_viewport_get(viewport):
                yield thing, instance.matrix_world.copy(), False
            continue
        listed = owner.name in layer.objects
        if thing.get(SEEN, thing.visible_camera) and not (listed and owner.indirect_only_get(view_layer=layer)):
            held = thing.is_holdout or (listed and owner.holdout_get(view_layer=layer))
            yield thing, instance.matrix_world.copy(), held


def _state(proxy: bpy.types.Object, depsgraph: bpy.types.Depsgraph) -> Shown:
    rig = rig_of(proxy)
    assert rig is not None
    evaluated = rig.evaluated_get(depsgraph)
    sliders = slider_values(evaluated, proxy, depsgraph)
    for name, value in sliders.items():
        if math.isnan(value):
            frame = depsgraph.scene.frame_current
            raise EngineFailure(
                "not-a-number", f"{name} of {rig.name} is not a number at frame {frame}", "remove that key or driver"
            )
    to_proxy = np.array(proxy.matrix_world.inverted_safe() @ evaluated.matrix_world)
    change = _TO_HEAD @ to_proxy
    transforms = change @ joint_transforms(evaluated) @ np.linalg.pinv(change)
    return Shown(rig.name, avatar_path(evaluated.original), np.eye(4), sliders, transforms)


def slider_values(rig: bpy.types.Object, proxy: bpy.types.Object, depsgraph: bpy.types.Depsgraph) -> dict[str, float]:
    """Every slider's value: attributes of the evaluated `rig`, expressions of the evaluated `proxy`'s shape keys."""
    values = {name: float(rig[name]) for name in names(rig) if name in rig}
    shape = proxy.original.data.shape_keys
    if shape is not None:
        blocks = shape.evaluated_get(depsgraph).key_blocks
        heights = np.empty(len(blocks), np.float32)
        blocks.foreach_get("value", heights)
        for name, value in zip(map(slider_name, blocks.keys()), heights.tolist()):
            if name.startswith("expr_") and name in values and not math.isnan(values[name]):
                values[name] = value
    return values
