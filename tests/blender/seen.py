"""What tests look at beside pictures: what the engine is told, and where the proxy's lips are."""

from __future__ import annotations

import bpy
import numpy as np


def shown(part):
    """What the engine is told of the one avatar there is, at the current frame."""
    (only,) = part("rendering.frame").shown_avatars(bpy.context.evaluated_depsgraph_get())
    return only


def lips(avatar: bpy.types.Object) -> float:
    """How far the lips are apart: the mean way down of the vertices that an open jaw moves most."""
    proxy = avatar.children[0]
    keys = proxy.data.shape_keys.key_blocks
    count = len(proxy.data.vertices)
    rest, opened = (np.empty(3 * count, np.float32) for _ in range(2))
    keys["Basis"].data.foreach_get("co", rest)
    keys["jawOpen"].data.foreach_get("co", opened)
    chin = np.argsort((opened - rest).reshape(-1, 3)[:, 2])[:50]
    for modifier in proxy.modifiers:
        modifier.show_viewport = False
    bpy.context.view_layer.update()
    mesh = proxy.evaluated_get(bpy.context.evaluated_depsgraph_get()).data
    now = np.empty(3 * count, np.float32)
    mesh.vertices.foreach_get("co", now)
    return float((rest - now).reshape(-1, 3)[chin, 2].mean())
