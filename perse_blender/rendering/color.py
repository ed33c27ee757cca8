"""Colour: the file's working space, the world behind the avatars, and the view that would change their look."""

from __future__ import annotations

import functools

import bpy
import numpy as np
from numpy.typing import NDArray

from .. import compat
from ..perse_protocol.client import numbers
from ..perse_protocol.messages import Numbers

_XY = {  # chromaticities of red, green, blue and white
    "Linear Rec.709": ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06), (0.3127, 0.3290)),
    "Linear Rec.2020": ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), (0.3127, 0.3290)),
    "ACEScg": ((0.713, 0.293), (0.165, 0.830), (0.128, 0.044), (0.32168, 0.33767)),
}
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


def to_working_space() -> Numbers | None:
    """Nine numbers from linear Rec.709 to the open file's working space, or None where they are the same."""
    space = compat.working_space()
    return None if space == "Linear Rec.709" else numbers(from_rec709(space))


@functools.cache
def from_rec709(space: str) -> NDArray[np.float64]:
    """(3, 3) from linear Rec.709 to `space`, white to white (Bradford adaptation).

    Raises:
        KeyError: the space is unknown.
    """
    source, target = _to_xyz("Linear Rec.709"), _to_xyz(space)
    cones = (_BRADFORD @ target.sum(1)) / (_BRADFORD @ source.sum(1))
    adapted = np.linalg.inv(_BRADFORD) @ np.diag(cones) @ _BRADFORD
    return np.linalg.inv(target) @ adapted @ source


def _to_xyz(space: str) -> NDArray[np.float64]:
    *primaries, white = [np.array([x / y, 1.0, (1 - x - y) / y]) for x, y in _XY[space]]
    columns = np.stack(primaries, -1)
    return columns * np.linalg.solve(columns, white)


def world_color(scene: bpy.types.Scene) -> tuple[float, float, float]:
    """The plain colour of the evaluated `scene`'s world, scene-linear; of a node world, its Background's."""
    world = scene.world
    if world is None:
        return (0.0, 0.0, 0.0)
    tree = compat.shader_nodes(world)
    if tree is not None:
        for node in tree.nodes:
            if node.type == "BACKGROUND":
                strength = node.inputs["Strength"].default_value
                red, green, blue, _ = node.inputs["Color"].default_value
                return (red * strength, green * strength, blue * strength)
    return (world.color.r, world.color.g, world.color.b)


def view_keeps_colors(scene: bpy.types.Scene) -> bool:
    """Whether the view transform shows avatars as they were photographed."""
    settings = scene.view_settings
    return (
        settings.view_transform in ("Standard", "Raw")
        and settings.look == "None"
        and settings.exposure == 0
        and settings.gamma == 1
    )
