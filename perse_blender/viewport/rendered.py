"""The viewport in Rendered mode: the world behind, other meshes in matte, avatars among them.

Blender gives an engine no depth to draw against, so all of it is drawn apart and put into the viewport as one picture.
"""

from __future__ import annotations

import bpy
import gpu
from gpu_extras.presets import draw_texture_2d

from ..rendering.camera import border_in_view
from ..rendering.color import to_working_space, world_color
from .card import draw_card
from .matte import draw_meshes
from .viewport import View, redraw_when_ready, view_of


def draw_rendered(context: bpy.types.Context, depsgraph: bpy.types.Depsgraph) -> str:
    """Draw the viewport of `context`; what people should know, or nothing."""
    region = context.region
    view = view_of(region)
    if view.update(context, depsgraph, to_working_space()):
        redraw_when_ready()
    scene = depsgraph.scene_eval
    offscreen = _put_together(view, context, depsgraph)
    kept = border_in_view(context, scene)
    if kept is not None:
        gpu.state.scissor_test_set(True)
        gpu.state.scissor_set(*kept)
    gpu.state.blend_set("ALPHA_PREMULT")
    draw_texture_2d(offscreen.texture_color, (0, 0), region.width, region.height)
    gpu.state.blend_set("NONE")
    if kept is not None:
        gpu.state.scissor_set(0, 0, region.width, region.height)
        gpu.state.scissor_test_set(False)
    return view.message


def _put_together(view: View, context: bpy.types.Context, depsgraph: bpy.types.Depsgraph) -> gpu.types.GPUOffScreen:
    scene = depsgraph.scene_eval
    offscreen = _offscreen(view, context.region)
    with offscreen.bind():
        background = (0.0, 0.0, 0.0, 0.0) if scene.render.film_transparent else (*world_color(scene), 1.0)
        gpu.state.active_framebuffer_get().clear(color=background, depth=1.0)
        draw_meshes(view, context, depsgraph)
        if view.card is not None:
            draw_card(view.card, context.region_data.perspective_matrix)
    return offscreen


def _offscreen(view: View, region: bpy.types.Region) -> gpu.types.GPUOffScreen:
    size = (region.width, region.height)
    if view.offscreen is None or (view.offscreen.width, view.offscreen.height) != size:
        view.offscreen = gpu.types.GPUOffScreen(*size, format="RGBA16F")
    offscreen: gpu.types.GPUOffScreen = view.offscreen
    return offscreen
