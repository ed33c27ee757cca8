"""PERSE as a render engine: F12, animations, the command line."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass

import bpy

from . import headless, session
from .camera import border, pinhole
from .color import to_working_space, world_color
from .frame import shown_avatars
from .meshes import occluders
from .perse_protocol import EngineClient, EngineFailure, Picture, ProtocolError, RenderRequest, RequestCancelled

log = logging.getLogger(__name__)

DEPTH = "Depth"
_FOREIGN_PANELS = {"RENDER_PT_simplify", "RENDER_PT_freestyle", "VIEWLAYER_PT_filter", "VIEWLAYER_PT_layer_passes"}
"""Settings that PERSE does not honour."""


@dataclass
class Timings:
    """Milliseconds that the last picture took, by stage; `wait` holds what the engine itself reports as `engine`."""

    collect: float = 0.0
    request: float = 0.0
    wait: float = 0.0
    engine: float = 0.0
    begin_result: float = 0.0
    foreach_set: float = 0.0
    end_result: float = 0.0

    @property
    def ours(self) -> float:
        """Collecting state, asking, and the way there and back: neither Blender's share nor the drawing."""
        return self.collect + self.request + max(0.0, self.wait - self.engine)


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
        """Announce Combined, and Depth where the view layer asks for it."""
        if scene is None or renderlayer is None:
            return
        self.register_pass(scene, renderlayer, "Combined", 4, "RGBA", "COLOR")
        if renderlayer.use_pass_z:
            self.register_pass(scene, renderlayer, DEPTH, 1, "Z", "VALUE")

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
        from .rendered import draw_rendered  # needs the gpu module, which background mode may lack

        self.update_stats("PERSE", draw_rendered(context, depsgraph))

    def _render(self, depsgraph: bpy.types.Depsgraph) -> None:
        headless.check_once(depsgraph.scene)
        clock = Clock()
        engine = session.client(self.test_break)
        request = self._request(depsgraph, engine)
        last.collect = clock.lap()
        ticket = engine.render(request, self.test_break)
        last.request = clock.lap()
        self.update_stats("", f"PERSE | {len(request.instances)} avatars")
        picture = engine.wait(ticket, self.test_break)
        last.wait = clock.lap()
        last.engine = float(picture.timings["total"])
        self._hand_over(picture, depsgraph.view_layer.name)

    def _fail(self, depsgraph: bpy.types.Depsgraph, sentence: str) -> None:
        self.report({"ERROR"}, f"PERSE: {sentence}")
        headless.fail_composition(depsgraph.scene, sentence)

    def _request(self, depsgraph: bpy.types.Depsgraph, engine: EngineClient) -> RenderRequest:
        scene = depsgraph.scene_eval
        if scene.render.use_multiview:
            raise EngineFailure("stereo", "PERSE renders one view", "turn off Stereoscopy in the output properties")
        source = self.camera_override or scene.camera
        if source is None:
            raise EngineFailure("no-camera", "the scene has no camera", "add one")
        width, height = self.resolution_x, self.resolution_y
        avatars = shown_avatars(depsgraph)
        return RenderRequest(
            view="final",
            priority="final",
            instances=session.instances(avatars, self.test_break),
            camera=pinhole(source.evaluated_get(depsgraph), depsgraph, width, height),
            region=border(scene.render, width, height),
            passes=("combined", "depth") if depsgraph.view_layer.use_pass_z else ("combined",),
            matrix=to_working_space(),
            background=None if scene.render.film_transparent else (*world_color(scene), 1.0),
            occluders=occluders(depsgraph, engine) if avatars else (),
        )

    def _hand_over(self, picture: Picture, layer: str) -> None:
        clock = Clock()
        height, width = picture.color.shape[:2]
        result = self.begin_result(0, 0, width, height, layer=layer)
        last.begin_result = clock.lap()
        passes = result.layers[0].passes
        passes["Combined"].rect.foreach_set(picture.color.reshape(-1))
        if picture.depth is not None and DEPTH in passes:
            passes[DEPTH].rect.foreach_set(picture.depth.reshape(-1))
        last.foreach_set = clock.lap()
        self.end_result(result)
        last.end_result = clock.lap()


class Clock:
    """Milliseconds between laps."""

    def __init__(self) -> None:
        self._mark = time.perf_counter()

    def lap(self) -> float:
        """Milliseconds since the last lap."""
        now = time.perf_counter()
        passed, self._mark = (now - self._mark) * 1000, now
        return passed


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
        if "BLENDER_RENDER" in engines and panel.__name__ not in _FOREIGN_PANELS:
            yield panel
