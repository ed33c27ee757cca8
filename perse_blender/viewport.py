"""The 3D viewport in Rendered mode: never waits, always asks for the newest state, sharpens when nothing moves."""

from __future__ import annotations

import itertools
import logging
from dataclasses import dataclass, field, replace

import bpy
import gpu
from gpu_extras.presets import draw_texture_2d

from . import session
from .camera import from_projection
from .color import to_working_space, world_color
from .frame import Shown, shown_avatars
from .perse_protocol import EngineFailure, Picture, ProtocolError, RenderRequest, RequestSuperseded, Ticket

log = logging.getLogger(__name__)

_POLL = 0.01  # seconds between two looks for a finished picture
_PATIENCE = 60.0  # milliseconds: a full picture that takes longer is preceded by a coarse one
_COARSE = 2  # how many times fewer pixels a side
_views = itertools.count(1)


@dataclass
class View:
    """What one viewport shows and waits for.

    Attributes:
        name: of the view, for the engine.
        shown: the request whose picture is on screen.
        texture: that picture.
        asked: the request that is on its way, with its `ticket`.
        full_ms: what the last full picture took.
        message: what people should know instead of a picture.
        watched: whether a timer looks for the end of what the view waits for.
    """

    name: str = field(default_factory=lambda: f"viewport {next(_views)}")
    shown: RenderRequest | None = None
    texture: gpu.types.GPUTexture | None = None
    asked: RenderRequest | None = None
    ticket: Ticket | None = None
    full_ms: float = 0.0
    message: str = ""
    watched: bool = False

    def update(self, context: bpy.types.Context, depsgraph: bpy.types.Depsgraph) -> bool:
        """Take a finished picture and ask for the next; whether there is something to wait for."""
        try:
            avatars = shown_avatars(depsgraph)
            if not session.prepare(avatars):
                self.message = "Starting the engine"
                return True
            self._take()
            self._ask(view_request(self.name, context, depsgraph, avatars))
            self.message = ""
        except (EngineFailure, ProtocolError) as failure:
            self.message = str(failure)
            self.ticket = None
        return self.ticket is not None

    def draw(self, context: bpy.types.Context) -> None:
        """Put the newest picture on the screen."""
        if self.texture is not None:
            gpu.state.blend_set("ALPHA_PREMULT")
            draw_texture_2d(self.texture, (0, 0), context.region.width, context.region.height)
            gpu.state.blend_set("NONE")

    def _ask(self, wanted: RenderRequest) -> None:
        if self.ticket is not None:
            return
        coarse = reduced(wanted, _COARSE) if self.full_ms > _PATIENCE else wanted
        if self.shown in (wanted, coarse):
            coarse = wanted
        if self.shown != coarse:
            self.asked = coarse
            self.ticket = session.client().render(coarse)

    def _take(self) -> None:
        if self.ticket is None or not self.ticket.done:
            return
        ticket, self.ticket = self.ticket, None
        try:
            picture = session.client().wait(ticket)
        except RequestSuperseded:
            return
        self.texture = to_texture(picture)
        if self.shown is None or self.asked is None or self.asked.camera.width >= self.shown.camera.width:
            self.full_ms = float(picture.timings["total"])
        self.shown = self.asked


def to_texture(picture: Picture) -> gpu.types.GPUTexture:
    """A copy of `picture` in the graphics card's memory."""
    height, width = picture.color.shape[:2]
    pixels = gpu.types.Buffer("FLOAT", width * height * 4, picture.color.reshape(-1))
    return gpu.types.GPUTexture((width, height), format="RGBA16F", data=pixels)


def view_request(
    name: str, context: bpy.types.Context, depsgraph: bpy.types.Depsgraph, avatars: tuple[Shown, ...]
) -> RenderRequest:
    """What the viewport of `context` looks at.

    Raises:
        EngineFailure: an avatar's file cannot be used.
    """
    scene = depsgraph.scene_eval
    region, view = context.region, context.region_data
    return RenderRequest(
        view=name,
        priority="viewport",
        instances=session.instances(avatars),
        camera=from_projection(
            view.window_matrix, view.view_matrix.inverted(), region.width, region.height, context.space_data.clip_start
        ),
        matrix=to_working_space(),
        background=None if scene.render.film_transparent else (*world_color(scene), 1.0),
    )


def reduced(request: RenderRequest, times: int) -> RenderRequest:
    """The same picture with `times` fewer pixels a side."""
    camera = request.camera
    width, height = max(1, camera.width // times), max(1, camera.height // times)
    across, down = width / camera.width, height / camera.height
    smaller = replace(
        camera,
        fx=camera.fx * across,
        fy=camera.fy * down,
        cx=camera.cx * across,
        cy=camera.cy * down,
        width=width,
        height=height,
    )
    return replace(request, camera=smaller)


def redraw_when_done(engine: bpy.types.RenderEngine, view: View) -> None:
    """Redraw the viewport of `engine` once what `view` waits for may be there."""

    def look() -> float | None:
        ready = view.ticket.done if view.ticket is not None else not session.is_preparing()
        if not ready:
            return _POLL
        view.watched = False
        try:
            engine.tag_redraw()
        except ReferenceError:
            log.debug("a viewport has left Rendered mode")
        return None

    if not view.watched:
        view.watched = True
        bpy.app.timers.register(look, first_interval=_POLL)
