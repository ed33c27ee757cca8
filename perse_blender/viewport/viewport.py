"""What each 3D viewport shows of the avatars: never waits, asks for the newest state, sharpens when nothing moves."""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import bpy
import numpy as np

from .. import session
from ..perse_protocol import (
    Camera,
    EngineClient,
    EngineFailure,
    ProtocolError,
    RenderRequest,
    RequestCancelled,
    RequestSuperseded,
    Ticket,
)
from ..perse_protocol.messages import Numbers
from ..rendering.camera import from_projection
from ..rendering.frame import Shown, shown_avatars
from . import changes
from .card import Card, to_card

_POLL = 0.01  # seconds between two looks for a finished picture
_PATIENCE = 60.0  # milliseconds: a full picture that takes longer is preceded by a coarse one
_COARSE = 2  # how many times fewer pixels a side
_STILL = 1e-5  # of a camera's matrix: it has not moved
_MOST_DEATHS = 2  # of the engine under one look; then what it said stands instead of a picture


@dataclass(frozen=True)
class Look:
    """Everything that a viewport's picture depends on.

    Attributes:
        avatars: their files and states.
        camera: of the viewport.
        matrix: from linear Rec.709 to the colours of the picture, or None.
    """

    avatars: Hashable
    camera: Camera
    matrix: Numbers | None

    def reduced(self, times: int) -> Look:
        """The same with `times` fewer pixels a side."""
        return replace(self, camera=reduced(self.camera, times))


@dataclass
class View:
    """What one viewport shows and waits for.

    Attributes:
        name: of the view, for the engine.
        wanted: the look that the viewport had when it was last updated.
        shown: the look whose picture is on screen.
        card: that picture.
        asked: the look that is on its way, with its `ticket` and the `client` who waits for it.
        full_ms: what the last full picture took.
        message: what people should know instead of a picture.
        waits: whether there is something to wait for.
        mattes: the other meshes; see `matte`.
        offscreen: where they and the avatars are put together; see `rendered`.
    """

    name: str
    wanted: Look | None = None
    shown: Look | None = None
    card: Card | None = None
    asked: Look | None = None
    ticket: Ticket | None = None
    client: EngineClient | None = None
    full_ms: float = 0.0
    message: str = ""
    waits: bool = False
    mattes: Any = None
    offscreen: Any = None
    _deaths: int = 0
    _read: Hashable = None
    _avatars: tuple[Shown, ...] = ()
    _states: Hashable = ()

    def update(self, context: bpy.types.Context, depsgraph: bpy.types.Depsgraph, matrix: Numbers | None = None) -> bool:
        """Take a finished picture and ask for the next; whether there is something to wait for.

        Args:
            matrix: nine numbers from linear Rec.709 to the colours that are wanted, or None.
        """
        try:
            self._take()
            self._follow(context.space_data, depsgraph, view_camera(context), matrix)
        except (EngineFailure, ProtocolError) as failure:
            self._say(failure)
        return self.waits

    def ask_ahead(self, space: bpy.types.SpaceView3D, depsgraph: bpy.types.Depsgraph) -> bool:
        """Ask for the scene as it is now, before Blender draws it; whether there is something to wait for.

        The viewport is taken to look from where it did. A picture that has come is left for `update`, which may draw.
        """
        if self.wanted is None or (self.ticket is not None and self.ticket.done):
            return self.waits
        try:
            self._follow(space, depsgraph, self.wanted.camera, self.wanted.matrix)
        except (EngineFailure, ProtocolError) as failure:
            self._say(failure)
        return self.waits

    def is_ready(self) -> bool:
        """Whether what the view waits for may be there."""
        return self.ticket.done if self.ticket is not None else not session.is_preparing()

    def close(self) -> None:
        """Give up what was asked for."""
        if self.ticket is not None and self.client is not None:
            self.client.cancel(self.ticket)
        self.ticket, self.waits = None, False

    def _follow(
        self, space: bpy.types.SpaceView3D, depsgraph: bpy.types.Depsgraph, camera: Camera, matrix: Numbers | None
    ) -> None:
        """Ask for what `space` shows of the scene, which is read again where it may have changed."""
        read = reading(space, depsgraph)
        if read != self._read:
            self._avatars = shown_avatars(depsgraph, space)
            self._states = tuple(avatar.state for avatar in self._avatars)
            self._read = read
        if self._avatars:
            self.wanted = Look((session.stamps(self._avatars), self._states), camera, matrix)
            self._approach(self.wanted)
        else:
            self._show_nothing()

    def _say(self, failure: EngineFailure | ProtocolError) -> None:
        self.message = str(failure)
        self.ticket, self._read, self.waits = None, None, False

    def _show_nothing(self) -> None:
        self.close()
        self.wanted = self.shown = self.card = None
        self.message = ""

    def _approach(self, look: Look) -> None:
        """Ask for `look`, unless it is shown or on its way."""
        if self.shown == look and self.ticket is None:
            self.message, self.waits = "", False
            return
        self.waits = True
        if self.ticket is not None:
            stale = self.asked != look and self.asked != look.reduced(_COARSE)
            if not (stale and self.full_ms > _PATIENCE and self.asked is not None):
                return
            if self.asked.camera.width < look.camera.width:
                return  # coarse pictures come soon enough
            self.close()
            self.waits = True
        if not session.prepare(self._avatars):
            self.message = "Starting the engine"
            return
        self.message = "" if self.shown else "Drawing the first picture"  # half a minute, the first time ever
        coarse = look.reduced(_COARSE)
        self.asked = coarse if self.full_ms > _PATIENCE and self.shown != coarse else look
        self.client = session.client()
        self.ticket = self.client.render(
            RenderRequest(
                view=self.name,
                priority="viewport",
                instances=session.instances(self._avatars),
                camera=self.asked.camera,
                passes=("combined", "depth"),
                matrix=look.matrix,
            )
        )

    def _take(self) -> None:
        if self.ticket is None or self.client is None or self.asked is None or not self.ticket.done:
            return
        ticket, self.ticket = self.ticket, None
        try:
            picture = self.client.finished(ticket)
        except (RequestSuperseded, RequestCancelled):
            return
        except EngineFailure as failure:
            self._deaths += 1
            if failure.code == "engine-died" and self._deaths < _MOST_DEATHS:
                return  # the next request starts another engine
            raise
        self._deaths = 0
        self.card = to_card(picture, self.asked.camera)
        if self.shown is None or self.asked.camera.width >= self.shown.camera.width:
            self.full_ms = float(picture.timings["total"])
        self.shown = self.asked


def reading(space: bpy.types.SpaceView3D, depsgraph: bpy.types.Depsgraph) -> Hashable:
    """What `space` shows is the same as long as this is."""
    return (
        changes.count(),
        depsgraph.scene.session_uid,
        depsgraph.view_layer.name,
        bool(space.local_view),
        space.use_local_collections,
        space.show_object_viewport_mesh,
    )


def view_camera(context: bpy.types.Context) -> Camera:
    """The pinhole that the viewport of `context` looks through."""
    region, view = context.region, context.region_data
    return from_projection(
        view.window_matrix, view.view_matrix.inverted(), region.width, region.height, context.space_data.clip_start
    )


def reduced(camera: Camera, times: int) -> Camera:
    """The same picture with `times` fewer pixels a side."""
    width, height = max(1, camera.width // times), max(1, camera.height // times)
    across, down = width / camera.width, height / camera.height
    return replace(
        camera,
        fx=camera.fx * across,
        fy=camera.fy * down,
        cx=camera.cx * across,
        cy=camera.cy * down,
        width=width,
        height=height,
    )


_views: dict[int, View] = {}
"""By the address of the viewport's region."""


def view_of(region: bpy.types.Region) -> View:
    """What the viewport `region` shows; a name of the engine's is used again once its viewport is closed."""
    pointer = region.as_pointer()
    if pointer not in _views:
        open_now = {region.as_pointer() for region in _regions()}
        for gone in _views.keys() - open_now:
            _views.pop(gone).close()
        taken = {view.name for view in _views.values()}
        name = next(name for name in map("viewport {}".format, itertools.count(1)) if name not in taken)
        _views[pointer] = View(name)
    return _views[pointer]


def ask_ahead(
    space: bpy.types.SpaceView3D, regions: Iterable[bpy.types.Region], depsgraph: bpy.types.Depsgraph
) -> None:
    """Ask for what the viewports `regions` of `space` are about to show, so that it is there sooner.

    A camera that has moved is not looked through yet: then drawing asks.
    """
    seen = space.region_3d
    if seen.view_perspective == "CAMERA" and space.camera is not None:
        placed = space.camera.evaluated_get(depsgraph).matrix_world
        if not np.allclose(seen.view_matrix.inverted(), placed.normalized(), atol=_STILL):
            return
    for region in regions:
        view = _views.get(region.as_pointer())
        if view is not None and view.ask_ahead(space, depsgraph):
            redraw_when_ready()


def forget_views() -> None:
    """Give up all pictures, shown or on their way."""
    if bpy.app.timers.is_registered(_look):
        bpy.app.timers.unregister(_look)
    for view in _views.values():
        view.close()
    _views.clear()


def redraw_when_ready() -> None:
    """Redraw viewports once what they wait for may be there."""
    if not bpy.app.timers.is_registered(_look):
        bpy.app.timers.register(_look, first_interval=_POLL)


def _look() -> float | None:
    due = {pointer for pointer, view in _views.items() if view.waits and view.is_ready()}
    if due:
        for region in _regions():
            if region.as_pointer() in due:
                region.tag_redraw()
        for pointer in due:
            _views[pointer].waits = False
    return _POLL if any(view.waits for view in _views.values()) else None


def _regions() -> Iterator[bpy.types.Region]:
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "VIEW_3D":
                yield from (region for region in area.regions if region.type == "WINDOW")
