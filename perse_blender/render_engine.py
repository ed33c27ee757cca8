"""PERSE as a render engine: F12, animations, the command line."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator

import bpy
import numpy as np

from . import session
from .perse_protocol import EngineFailure, Picture, ProtocolError, RequestCancelled
from .rendering import headless
from .rendering.passes import COMBINED, DEPTH, NORMAL, MaskPass, mask_passes
from .rendering.shot import Clock, Shot, Timings

log = logging.getLogger(__name__)

_FOREIGN_PANELS = {"RENDER_PT_simplify", "VIEWLAYER_PT_filter", "VIEWLAYER_PT_layer_passes"}
"""Settings that PERSE does not honour."""


last = Timings()
"""Of the picture that was rendered last, for the benchmark."""


class PerseRenderEngine(bpy.types.RenderEngine):
    """Renders PERSE avatars."""

    bl_idname = "PERSE"
    bl_label = "PERSE"
    bl_use_preview = False
    bl_use_postprocess = True
    bl_use_eevee_viewport = True
    bl_use_shading_nodes_custom = False

    def update_render_passes(
        self, scene: bpy.types.Scene | None = None, renderlayer: bpy.types.ViewLayer | None = None
    ) -> None:
        """Announce Combined, and what else the view layer asks for."""
        if scene is None or renderlayer is None:
            return
        self.register_pass(scene, renderlayer, COMBINED, 4, "RGBA", "COLOR")
        if renderlayer.use_pass_z:
            self.register_pass(scene, renderlayer, DEPTH, 1, "Z", "VALUE")
        if renderlayer.use_pass_normal:
            self.register_pass(scene, renderlayer, NORMAL, 3, "XYZ", "VECTOR")
        for mask in mask_passes(scene, renderlayer):
            self.register_pass(scene, renderlayer, mask.name, 1, "X", "VALUE")

    def render(self, depsgraph: bpy.types.Depsgraph) -> None:
        """Render one view layer of one frame; what goes wrong is reported, so that an animation stops there."""
        try:
            self._render(depsgraph)
        except RequestCancelled:
            return
        except (EngineFailure, ProtocolError) as failure:
            self._fail(depsgraph, str(failure))
        except Exception as error:  # one that leaves this method has Blender write a blank frame and go on
            log.exception("a frame failed")
            sentence = f"the add-on failed ({type(error).__name__}: {error}); report this with Copy Diagnostics"
            self._fail(depsgraph, f"internal: {sentence}")

    def view_update(self, context: bpy.types.Context, depsgraph: bpy.types.Depsgraph) -> None:
        """Something in the scene has changed; `view_draw` follows and looks for itself."""

    def view_draw(self, context: bpy.types.Context, depsgraph: bpy.types.Depsgraph) -> None:
        """Show the newest picture of the viewport and ask for the next."""
        from .viewport.rendered import draw_rendered  # needs the gpu module, which background mode may lack

        self.update_stats("PERSE", draw_rendered(context, depsgraph))

    def _render(self, depsgraph: bpy.types.Depsgraph) -> None:
        headless.check_once(depsgraph.scene)
        last.reset()
        client = session.client(self.test_break)
        masks = mask_passes(depsgraph.scene, depsgraph.view_layer)
        for mask in masks:
            self.add_pass(mask.name, 1, "X", layer=depsgraph.view_layer.name)
        for view in _views(depsgraph.scene.render):
            if view:
                self.active_view_set(view)
            progress = Progress(self, view)
            picture = Shot(self, depsgraph, client, view, masks, last).picture(progress.tell)
            progress.done(picture)
            self._hand_over(picture, depsgraph.view_layer.name, view, masks)

    def _fail(self, depsgraph: bpy.types.Depsgraph, sentence: str) -> None:
        self.report({"ERROR"}, f"PERSE: {sentence}")
        headless.fail_composition(depsgraph.scene, sentence)

    def _hand_over(self, picture: Picture, layer: str, view: str, masks: tuple[MaskPass, ...]) -> None:
        clock = Clock()
        height, width = picture.color.shape[:2]
        result = self.begin_result(0, 0, width, height, layer=layer, view=view)
        last.begin_result += clock.lap()
        planes = {COMBINED: picture.color, DEPTH: picture.depth, NORMAL: picture.normal}
        if picture.normal is not None:
            planes[NORMAL] = np.ascontiguousarray(np.moveaxis(picture.normal, 0, -1))
        planes |= {mask.name: plane for mask, plane in zip(masks, picture.masks, strict=True)}
        for there in result.layers[0].passes:
            plane = planes.get(there.name)
            if plane is not None:
                there.rect.foreach_set(plane.reshape(-1))
        last.foreach_set += clock.lap()
        self.end_result(result)
        last.end_result += clock.lap()


class Progress:
    """What people see while a view is rendered: the bar, how long it will take, and the memory."""

    def __init__(self, blender: bpy.types.RenderEngine, view: str) -> None:
        self._blender, self._view, self._begun = blender, view, time.monotonic()
        self._say("Rendering")

    def tell(self, done: int, total: int, picture: Picture) -> None:
        """`done` of `total` pictures have been averaged."""
        left = (time.monotonic() - self._begun) / done * (total - done)
        self._say(f"Sample {done}/{total} | Remaining {int(left // 60):02d}:{left % 60:05.2f}")
        self._blender.update_progress(done / total)
        self._remember(picture)

    def done(self, picture: Picture) -> None:
        """The view is complete."""
        self._remember(picture)

    def _remember(self, picture: Picture) -> None:
        self._blender.update_memory_stats(memory_used=picture.memory, memory_peak=picture.memory)

    def _say(self, what: str) -> None:
        self._blender.update_stats("", " | ".join(part for part in ("PERSE", self._view, what) if part))


def _views(render: bpy.types.RenderSettings) -> tuple[str, ...]:
    """The names of the stereo views to render; one without a name where there are none."""
    if not render.use_multiview:
        return ("",)
    views = render.stereo_views if render.views_format == "STEREO_3D" else render.views
    return tuple(view.name for view in views if view.use)


CLASSES = (PerseRenderEngine,)


def register() -> None:
    """Show the settings that every engine shares: output, color management, camera, view layer."""
    for panel in _shared_panels():
        panel.COMPAT_ENGINES.add(PerseRenderEngine.bl_idname)


def unregister() -> None:
    """Undo `register`."""
    for panel in bpy.types.Panel.__subclasses__():
        getattr(panel, "COMPAT_ENGINES", set()).discard(PerseRenderEngine.bl_idname)


def _shared_panels() -> Iterator[type[bpy.types.Panel]]:
    for panel in bpy.types.Panel.__subclasses__():
        engines: set[str] = getattr(panel, "COMPAT_ENGINES", set())
        foreign = panel.__name__ in _FOREIGN_PANELS or "freestyle" in panel.__name__
        if "BLENDER_RENDER" in engines and not foreign:
            yield panel
