"""The viewport in Rendered mode: the world behind, other meshes in matte, avatars among them."""

from __future__ import annotations

import bpy
import gpu
from gpu_extras.presets import draw_texture_2d

from .card import draw_card
from .color import to_working_space, world_color
from .matte import Mattes
from .viewport import view_of, watch

_offscreens: dict[int, gpu.types.GPUOffScreen] = {}
_mattes: dict[int, Mattes] = {}


def draw_rendered(engine: bpy.types.RenderEngine, context: bpy.types.Context, depsgraph: bpy.types.Depsgraph) -> str:
    """Draw the viewport of `context`; what people should know, or nothing."""
    region = context.region
    view = view_of(region)
    if view.update(context, depsgraph, to_working_space()):
        watch()
    scene = depsgraph.scene_eval
    offscreen = _offscreen(region)
    with offscreen.bind():
        framebuffer = gpu.state.active_framebuffer_get()
        background = (0.0, 0.0, 0.0, 0.0) if scene.render.film_transparent else (*world_color(scene), 1.0)
        framebuffer.clear(color=background, depth=1.0)
        _mattes.setdefault(region.as_pointer(), Mattes()).draw(context, depsgraph)
        if view.card is not None:
            draw_card(view.card, context.region_data.perspective_matrix)
    gpu.state.blend_set("ALPHA_PREMULT")
    draw_texture_2d(offscreen.texture_color, (0, 0), region.width, region.height)
    gpu.state.blend_set("NONE")
    return view.message


def _offscreen(region: bpy.types.Region) -> gpu.types.GPUOffScreen:
    pointer = region.as_pointer()
    found = _offscreens.get(pointer)
    if found is None or (found.width, found.height) != (region.width, region.height):
        _offscreens[pointer] = found = gpu.types.GPUOffScreen(region.width, region.height, format="RGBA16F")
    return found
