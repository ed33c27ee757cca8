"""One view of one view layer of one frame: every picture that it is the average of, and that average."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import bpy
import numpy as np

from .. import session
from ..perse_protocol import Camera, EngineClient, EngineFailure, Instance, Occluder, Picture, RenderRequest
from ..perse_protocol.messages import Pass
from .camera import border, pinhole, stereo_matrix, stereo_shift
from .color import to_working_space, world_color
from .exposure import Exposure, Lens, exposures, lens_of, middle, through
from .frame import Shown, shown_avatars
from .meshes import occluders
from .passes import MaskPass, wanted_passes


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

    def reset(self) -> None:
        """Begin with another picture."""
        self.__init__()  # type: ignore[misc]


class Clock:
    """Milliseconds between laps."""

    def __init__(self) -> None:
        self._mark = time.perf_counter()

    def lap(self) -> float:
        """Milliseconds since the last lap."""
        now = time.perf_counter()
        passed, self._mark = (now - self._mark) * 1000, now
        return passed


@dataclass(frozen=True, eq=False)
class Moment:
    """What the engine is told of the scene at one time."""

    avatars: tuple[Shown, ...]
    instances: tuple[Instance, ...]
    camera: Camera
    lens: Lens | None
    occluders: tuple[Occluder, ...]


class Shot:
    """Takes the pictures of one view.

    Args:
        blender: the engine as Blender knows it: it moves the scene in time, and says when to stop.
        depsgraph: of the view layer.
        client: of the engine that draws.
        view: the name of the stereo view, or nothing.
        masks: that are wanted.
        timings: where the time goes.
    """

    def __init__(
        self,
        blender: bpy.types.RenderEngine,
        depsgraph: bpy.types.Depsgraph,
        client: EngineClient,
        view: str,
        masks: tuple[MaskPass, ...],
        timings: Timings,
    ) -> None:
        self._blender, self._depsgraph, self._client = blender, depsgraph, client
        self._view, self._masks, self._timings = view, masks, timings
        scene = depsgraph.scene
        self._frame = (scene.frame_current, scene.frame_subframe)
        self._time = 0.0
        self._moment: Moment | None = None

    def picture(self, tell: Callable[[int, int, Picture], None]) -> Picture:
        """The whole of it: colour and masks averaged over what blurs, depth and normals of the middle.

        Args:
            tell: is told how many pictures are done, of how many, and the last one.

        Raises:
            EngineFailure, RequestCancelled
        """
        scene, wanted = self._depsgraph.scene_eval, wanted_passes(self._depsgraph.view_layer)
        plan = exposures(scene, self._camera())
        try:
            if len(plan) == 1:
                return self._take(plan[0], wanted)
            sharp = self._sharp(wanted)
            color = masks = np.zeros((), np.float32)
            for number, exposure in enumerate(plan):
                last = self._take(exposure, ("combined",))
                color, masks = color + last.color, masks + last.masks
                tell(number + 1, len(plan), last)
            share = np.float32(1 / len(plan))
            depth, normal = (sharp.depth, sharp.normal) if sharp else (None, None)
            return replace(last, color=color * share, masks=masks * share, depth=depth, normal=normal)
        finally:
            self._go_to(0.0)

    def _sharp(self, wanted: tuple[Pass, ...]) -> Picture | None:
        """Depth and normals of the middle of the shutter's time, where they are wanted."""
        if wanted == ("combined",):
            return None
        picture = self._take(middle(self._depsgraph.scene_eval), wanted)
        depth, normal = picture.depth, picture.normal
        return replace(
            picture,
            depth=None if depth is None else depth.copy(),
            normal=None if normal is None else normal.copy(),
        )

    def _take(self, exposure: Exposure, passes: tuple[Pass, ...]) -> Picture:
        clock = Clock()
        if self._moment is None or exposure.time != self._time:
            self._go_to(exposure.time)
            self._moment = self._look()
        moment, scene = self._moment, self._depsgraph.scene_eval
        self._timings.collect += clock.lap()
        request = RenderRequest(
            view="final",
            priority="final",
            instances=moment.instances,
            camera=through(moment.camera, moment.lens, exposure.lens),
            region=border(scene.render, moment.camera.width, moment.camera.height),
            passes=passes,
            matrix=to_working_space(),
            background=None if scene.render.film_transparent else (*world_color(scene), 1.0),
            occluders=moment.occluders,
            masks=tuple(mask.asked(moment.avatars) for mask in self._masks),
            supersampling=int(scene.perse.supersampling),
        )
        ticket = self._client.render(request, self._blender.test_break)
        self._timings.request += clock.lap()
        picture = self._client.wait(ticket, self._blender.test_break)
        self._timings.wait += clock.lap()
        self._timings.engine += float(picture.timings["total"])
        return picture

    def _look(self) -> Moment:
        blender, depsgraph = self._blender, self._depsgraph
        width, height = blender.resolution_x, blender.resolution_y
        source = self._camera()
        matrix = stereo_matrix(blender, source) if self._view else None
        seen = pinhole(source, depsgraph, width, height, matrix)
        if self._view:
            seen = stereo_shift(seen, source, blender.camera_shift_x(source))
        avatars = shown_avatars(depsgraph)
        return Moment(
            avatars,
            session.instances(avatars, blender.test_break),
            seen,
            lens_of(source),
            occluders(depsgraph, self._client) if avatars else (),
        )

    def _camera(self) -> bpy.types.Object:
        source = self._blender.camera_override or self._depsgraph.scene_eval.camera
        if source is None:
            raise EngineFailure("no-camera", "the scene has no camera", "add one")
        return source.evaluated_get(self._depsgraph)

    def _go_to(self, moment: float) -> None:
        """Have Blender evaluate the scene `moment` frames from the rendered one."""
        if moment != self._time:
            frame = sum(self._frame) + moment
            whole = math.floor(frame)
            self._blender.frame_set(*((whole, frame - whole) if moment else self._frame))
            self._time = moment
