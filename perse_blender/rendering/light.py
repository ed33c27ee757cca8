"""The scene's light as it falls on an avatar: lamps and world, as if from afar, in nine numbers a channel.

Every lamp counts as it shines at the head's middle. Nothing throws a shadow on the avatar, and there are no highlights.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import bpy
import numpy as np
from mathutils import Matrix, Vector
from numpy.typing import NDArray

from .. import compat
from ..avatars.avatars import rig_of
from ..avatars.sliders import LIGHT
from ..perse_protocol import Light
from ..perse_protocol.client import numbers
from ..perse_protocol.lights import light_from, light_from_everywhere
from .color import from_rec709, world_color

MIDDLE = (0.0, 0.06, 0.02)
"""The head's middle, metres, in head space."""
_NEAREST = 0.05
"""Metres within which a lamp shines no brighter."""
_BRIGHTEST = 1e8

Floats = NDArray[np.float64]


def light_amount(proxy: bpy.types.Object, depsgraph: bpy.types.Depsgraph) -> float:
    """How much of the scene's light falls on the avatar of the evaluated `proxy`."""
    rig = rig_of(proxy)
    return float(rig.evaluated_get(depsgraph).get(LIGHT, 0.0)) if rig is not None else 0.0


def light_on(model: Floats, amount: float, depsgraph: bpy.types.Depsgraph) -> Light | None:
    """The light of the scene on an avatar, or None where there is to be nothing of it.

    Args:
        model: (4, 4) the avatar's head space to world.
        amount: of it, from 0 to 1.
    """
    if not amount > 0:
        return None
    middle = Vector((Matrix(model.tolist()) @ Vector((*MIDDLE, 1.0))).xyz)
    lamps = list(_lamps(depsgraph, middle))
    to_head = np.linalg.inv(model[:3, :3])
    towards = np.array([way for way, _ in lamps]).reshape(-1, 3) @ to_head.T
    towards /= np.maximum(np.linalg.norm(towards, axis=1, keepdims=True), 1e-12)
    falls = light_from(towards, np.array([bright for _, bright in lamps]).reshape(-1, 3))
    falls = falls + light_from_everywhere(np.array(world_color(depsgraph.scene_eval)))
    in_rec709 = falls @ np.linalg.inv(from_rec709(compat.working_space())).T
    return Light(numbers(np.clip(in_rec709, -_BRIGHTEST, _BRIGHTEST)), min(amount, 1.0))


def has_plain_world(scene: bpy.types.Scene) -> bool:
    """Whether the world of `scene` is one colour, and so simulated; of textures it is the colour beside them."""
    tree = compat.shader_nodes(scene.world) if scene.world is not None else None
    backgrounds = [node for node in tree.nodes if node.type == "BACKGROUND"] if tree is not None else []
    return not any(node.inputs["Color"].is_linked for node in backgrounds)


def _lamps(depsgraph: bpy.types.Depsgraph, place: Vector) -> Iterator[tuple[Vector, Vector]]:
    """The way to each lamp that shines on `place` of the world, unit length, and what falls on a surface facing it."""
    for instance in depsgraph.object_instances:
        thing = instance.object
        if thing is None or thing.type != "LIGHT" or not (instance.is_instance or instance.show_self):
            continue
        lamp, matrix = thing.data, instance.matrix_world
        to_lamp = matrix.translation - place
        distance = max(to_lamp.length, _NEAREST)
        axis = -(matrix.to_3x3() @ Vector((0.0, 0.0, 1.0))).normalized()  # lamps shine along their -Z
        way = -axis if lamp.type == "SUN" else to_lamp.normalized()
        strength = _strength(lamp, matrix, axis.dot(-way), distance)
        if strength > 0:
            yield way, _tint(lamp) * strength * lamp.diffuse_factor


def _tint(lamp: bpy.types.Light) -> Vector:
    """The lamp's colour, with the temperature and the exposure that lamps have since 4.5."""
    color = Vector(lamp.color) * 2.0 ** getattr(lamp, "exposure", 0.0)
    if getattr(lamp, "use_temperature", False):
        color *= Vector(lamp.temperature_color)
    return color


def _strength(lamp: bpy.types.Light, matrix: Matrix, cosine: float, distance: float) -> float:
    """Watts on a square metre that faces the lamp, `cosine` off its axis; Blender's units of energy."""
    power = float(lamp.energy)
    if lamp.type == "SUN":
        return power
    if lamp.type == "AREA":
        return power * max(cosine, 0.0) / (math.pi * distance**2)
    strength = power / (4 * math.pi * distance**2)
    return strength * _in_cone(lamp, cosine) if lamp.type == "SPOT" else strength


def _in_cone(lamp: bpy.types.SpotLight, cosine: float) -> float:
    """The share of a spot's light at `cosine` off its axis: all within, nothing outside, softly between."""
    edge = math.cos(lamp.spot_size / 2)
    soft = (1 - edge) * lamp.spot_blend
    if cosine <= edge:
        return 0.0
    share = min((cosine - edge) / soft, 1.0) if soft > 0 else 1.0
    return share * share * (3 - 2 * share)
