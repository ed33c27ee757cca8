"""One render request: avatars and a camera in, a picture in the client's memory out."""

from __future__ import annotations

import dataclasses
import mmap
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from perse_engine.avatars.decoding import decode_visible
from perse_engine.avatars.fineness import Window, extent, fineness, finer
from perse_engine.avatars.relighting import Light
from perse_engine.avatars.rendering import joined, seen_from, transformed
from perse_engine.avatars.state import AvatarState
from perse_engine.cameras import Camera
from perse_engine.service.channels import channels_of
from perse_engine.service.inbox import Work
from perse_engine.service.library import Library
from perse_engine.service.memory import most_memory
from perse_engine.service.writing import write_picture
from perse_engine.splatting.channels import rasterize_channels
from perse_engine.splatting.gaussians import Gaussians
from perse_engine.splatting.occluded import rasterize_before
from perse_engine.splatting.rasterize import Image, rasterize
from perse_engine.surfaces.barrier import Mesh, barrier_depths
from perse_protocol import messages
from perse_protocol.frames import Planes, open_frame, split_planes
from perse_protocol.meshes import BUDGET, read_mesh, size_of
from perse_protocol.messages import FrameFile, Instance, MeshFile, Render, Rendered

BACKEND = "numba"
"""A session stays free of torch, which the others need."""
LARGEST_BAND = 2_100_000
"""Pixels drawn at once, a little more than 1920 x 1080: a cancel waits for no more than this."""


class FrameFiles:
    """The client's frame files, mapped: one for each view, the newest generation."""

    def __init__(self) -> None:
        self._maps: dict[str, tuple[FrameFile, mmap.mmap]] = {}

    def open(self, view: str, target: FrameFile) -> mmap.mmap:
        """Map `target`, once.

        Raises:
            EngineFailure: "frame-file".
        """
        known = self._maps.get(view)
        if known is None or known[0] != target:
            self._maps[view] = (target, open_frame(Path(target.path)))
        return self._maps[view][1]

    def remove(self) -> None:
        """Delete the files, and their folder when nothing else is in it: a client that was killed could not."""
        for target, _ in list(self._maps.values()):
            path = Path(target.path)
            try:
                path.unlink(missing_ok=True)
                path.parent.rmdir()
            except OSError:
                continue  # another view's file is still there, or the client was faster


class MeshFiles:
    """The client's meshes, read: those of the newest picture, and of older ones what fits the budget."""

    def __init__(self) -> None:
        self._meshes: dict[MeshFile, Mesh] = {}

    def placed(self, render: Render) -> list[Mesh]:
        """The occluders of `render` in the world.

        Raises:
            EngineFailure: "mesh-file".
        """
        needed = {occluder.mesh for occluder in render.occluders}
        for mesh in needed:
            self._meshes[mesh] = self._meshes.pop(mesh) if mesh in self._meshes else read_mesh(mesh)  # the newest last
        size = sum(map(size_of, self._meshes))
        for mesh in tuple(self._meshes):
            if size <= BUDGET or mesh in needed:
                break
            size -= size_of(mesh)
            del self._meshes[mesh]
        return [_placed(*self._meshes[occluder.mesh], occluder.model) for occluder in render.occluders]


def draw(work: Work, render: Render, library: Library, frames: FrameFiles, meshes: MeshFiles) -> Rendered:
    """Draw `render` into its frame file.

    Raises:
        PerseError: an avatar is not loaded, or a slider is unknown or not a number.
        EngineFailure: the frame file cannot be used.
        Cancelled: the client no longer wants it.
    """
    begin = time.perf_counter()
    window, camera = render.window, camera_of(render.camera)
    whole = camera.cropped(window.x, window.y, window.width, window.height)
    parts, channels, refined = [], [], []
    needs_channels = render.extra > 0 or any(instance.holdout for instance in render.instances)
    for number, instance in enumerate(render.instances):
        work.check()
        avatar, model = library[instance.avatar], np.reshape(instance.model, (4, 4))
        eye = seen_from(camera.position(), model)
        gaussians, visible, painted = decode_visible(avatar, state_of(instance), eye, light_of(instance))
        if needs_channels:
            channels.append(channels_of(render, number, avatar, gaussians, visible, painted))
        if instance.holdout:
            gaussians = dataclasses.replace(gaussians, colors=np.zeros_like(gaussians.colors))
        parts.append(transformed(gaussians, model))
        times = fineness(avatar, camera, model)
        if times > render.supersampling:
            refined.append((extent(parts[-1], whole), times))
    gaussians = joined(parts)
    occluders = meshes.placed(render)
    planes = split_planes(frames.open(render.view, render.target), window.width, window.height, render.extra)
    values = np.concatenate([np.zeros((0, render.extra + 1), np.float32), *channels]) if needs_channels else None
    decoded = time.perf_counter()
    rasterizing = writing = 0.0
    # all of it as it is asked for, then what is small once more, finer
    for part, times in ((Window(0, 0, window.width, window.height), render.supersampling), *refined):
        for band in _bands(part, times):
            work.check()
            start = time.perf_counter()
            seen = whole.cropped(band.x, band.y, band.width, band.height)
            image, extra = _rasterize(gaussians, values, occluders, finer(seen, times))
            middle = time.perf_counter()
            write_picture(image, extra, render, times, _within(planes, band))
            rasterizing += middle - start
            writing += time.perf_counter() - middle
    work.check()
    end = time.perf_counter()
    timings = {
        "wait": begin - work.arrived,
        "decode": decoded - begin,
        "rasterize": rasterizing,
        "write": writing,
        "total": end - work.arrived,
    }
    milliseconds = {name: 1000 * seconds for name, seconds in timings.items()}
    return Rendered(render.id, render.target.generation, window.width, window.height, milliseconds, most_memory() / 1e6)


def state_of(instance: Instance) -> AvatarState:
    """What the wire says of one avatar, as the engine's own noun."""
    if instance.transforms is not None:
        return AvatarState(instance.sliders, transforms=np.reshape(instance.transforms, (5, 4, 4)).astype(np.float32))
    if instance.pose is not None:
        return AvatarState(instance.sliders, pose=np.reshape(instance.pose, (5, 3)).astype(np.float32))
    return AvatarState(instance.sliders)


def light_of(instance: Instance) -> Light | None:
    """What the wire says of the light on one avatar, as the engine's own noun; None for its own light."""
    if instance.light is None:
        return None
    return Light(np.reshape(instance.light.coefficients, (9, 3)).astype(np.float32), instance.light.amount)


def camera_of(camera: messages.Camera) -> Camera:
    """What the wire says of the camera, as the engine's own noun."""
    return Camera(
        np.reshape(camera.view, (4, 4)).astype(np.float64),
        camera.fx,
        camera.fy,
        camera.cx,
        camera.cy,
        camera.width,
        camera.height,
        camera.near,
        camera.orthographic,
    )


def _rasterize(
    gaussians: Gaussians, channels: NDArray[np.float32] | None, occluders: list[Mesh], camera: Camera
) -> tuple[Image, NDArray[np.float32] | None]:
    barrier = (lambda window: barrier_depths(occluders, window)) if occluders else None
    if channels is not None:
        return rasterize_channels(gaussians, camera, channels, barrier)
    if barrier is not None:
        return rasterize_before(gaussians, camera, barrier), None
    return rasterize(gaussians, camera, backend=BACKEND), None


def _placed(corners: NDArray[np.floating], triangles: NDArray[np.integer], model: Sequence[float]) -> Mesh:
    matrix = np.reshape(model, (4, 4))
    return corners @ matrix[:3, :3].T + matrix[:3, 3], triangles


def _bands(part: Window, times: int) -> Iterator[Window]:
    """Horizontal bands that cover `part`, drawn `times` as wide and high."""
    if not part.width:
        return
    rows = max(1, min(part.height, LARGEST_BAND // (part.width * times * times)))
    for top in range(0, part.height, rows):
        yield Window(part.x, part.y + top, part.width, min(rows, part.height - top))


def _within(planes: Planes, part: Window) -> Planes:
    """What of `planes`, whose rows go from the bottom up, shows `part`."""
    height = planes.depth.shape[0]
    at = np.s_[height - part.y - part.height : height - part.y, part.x : part.x + part.width]
    return Planes(planes.color[at], planes.depth[at], planes.extra[(slice(None), *at)])
