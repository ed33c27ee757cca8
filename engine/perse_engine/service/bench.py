"""`perse bench`: what people wait for, timed on this machine."""

from __future__ import annotations

import dataclasses
import functools
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perse_engine.avatars.avatar import Avatar
from perse_engine.avatars.decoding import decode
from perse_engine.avatars.file import save_avatar
from perse_engine.avatars.initial import bare_figure, initial_avatar, neutral_camera
from perse_engine.avatars.state import AvatarState
from perse_engine.cameras import Camera as Pinhole
from perse_engine.heads.open_head import load_open_head
from perse_engine.progress import Progress
from perse_engine.service.doctor import memory_gigabytes
from perse_engine.service.drawing import BACKEND
from perse_engine.service.hand_over import hand_over_linear
from perse_engine.service.threads import apply_thread_budget
from perse_engine.service.writing import REC709
from perse_engine.splatting.rasterize import rasterize
from perse_protocol.client import EngineClient, RenderRequest, numbers
from perse_protocol.messages import Camera, Instance, Occluder, Pass

SIZES = ((256, 256), (512, 512), (1920, 1080))
COUNTS = (20_000, 50_000, 100_000)
AVATAR_GAUSSIANS = 30_000
CLIP_SIZES = (256, 512)
REPEATS, WARMING = 15, 2
SEED = 7
SERVE = (sys.executable, "-c", "from perse_engine.cli import main; main()", "serve")


@dataclasses.dataclass(frozen=True)
class Timing:
    """One row: the median and the 95th percentile of repeated runs, milliseconds."""

    name: str
    gaussians: int
    width: int
    height: int
    median_ms: float
    p95_ms: float


def measure(progress: Progress) -> list[Timing]:
    """Every row of the benchmark, in about a minute."""
    apply_thread_budget()
    steps = [*_rasterizer(), *_avatar(), _clips]
    rows = []
    for index, step in enumerate(steps):
        progress("bench", index, len(steps))
        rows += step()
    progress("bench", len(steps), len(steps))
    return rows


def machine() -> dict[str, Any]:
    """What the numbers were measured on."""
    return {
        "system": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": apply_thread_budget(),
        "memory_gb": memory_gigabytes(),
        "python": platform.python_version(),
        "numpy": np.__version__,
    }


def timed(name: str, gaussians: int, width: int, height: int, action: Callable[[int], object]) -> Timing:
    """Run `action` with 0, 1, 2, …; the first two runs, which compile and warm, do not count."""
    times = []
    for index in range(WARMING + REPEATS):
        begin = time.perf_counter()
        action(index)
        times.append(1000 * (time.perf_counter() - begin))
    return timing(name, gaussians, width, height, times[WARMING:])


def timing(name: str, gaussians: int, width: int, height: int, times: list[float]) -> Timing:
    """The row of these `times`, milliseconds."""
    median, slow = float(np.median(times)), float(np.quantile(times, 0.95))
    return Timing(name, gaussians, width, height, round(median, 3), round(slow, 3))


def _rasterizer() -> Iterator[Callable[[], list[Timing]]]:
    from perse_engine.splatting.benchmark_scene import benchmark_scene
    from perse_engine.splatting.cpu import draw, draw_backward

    def both(count: int, width: int, height: int) -> list[Timing]:
        gaussians, camera = benchmark_scene(count, width, height)
        drawing = draw(gaussians, camera)
        color, alpha = np.ones_like(drawing.color), np.ones_like(drawing.alpha)
        return [
            timed("rasterize.forward", count, width, height, lambda _: draw(gaussians, camera)),
            timed(
                "rasterize.backward",
                count,
                width,
                height,
                lambda _: draw_backward(gaussians, camera, drawing, color, alpha),
            ),
        ]

    for count in COUNTS:
        for width, height in SIZES:
            yield functools.partial(both, count, width, height)


def _avatar() -> Iterator[Callable[[], list[Timing]]]:
    avatar = initial_avatar(bare_figure(load_open_head()), (), (), count=AVATAR_GAUSSIANS, seed=SEED)
    slider = f"expr_{avatar.figure.expression_names[0]}"

    def state(index: int) -> AvatarState:
        return AvatarState({slider: index / (REPEATS + WARMING)})

    def frames() -> list[Timing]:
        camera = avatar.neutral_camera.fitted(512, 512)
        color, depth = np.empty((512, 512, 4), np.float32), np.empty((512, 512), np.float32)
        behind = np.zeros(4, np.float32)

        def frame(index: int) -> None:
            image = rasterize(decode(avatar, state(index), camera.position()), camera, backend=BACKEND)
            hand_over_linear(image.color, image.alpha, image.depth, REC709, behind, color, depth)

        return [
            timed("decode", avatar.count, 0, 0, lambda index: decode(avatar, state(index), camera.position())),
            timed("frame", avatar.count, 512, 512, frame),
        ]

    yield frames
    yield lambda: _service(avatar, slider)


def _clips() -> list[Timing]:
    """A frame of the teacher with its masks, encoded: whole, and only where a style changes it."""
    from perse_engine.clips.animator import changed_spans, look_of
    from perse_engine.clips.benchmark_wardrobe import STYLE, benchmark_wardrobe
    from perse_engine.clips.pictures import draw_box, draw_over, encoded

    wardrobe = benchmark_wardrobe()
    bare = look_of(wardrobe, AvatarState())
    rows = []
    for size in CLIP_SIZES:
        camera = neutral_camera(wardrobe.figure, size)

        def whole(index: int, camera: Pinhole = camera) -> None:
            state = AvatarState({"expr_jawopen": index / (REPEATS + WARMING)})
            rgba, parts, _ = draw_over(wardrobe, bare, state, camera, None)
            encoded(rgba, parts)

        def box(index: int, camera: Pinhole = camera) -> None:
            strength = (index + 1) / (REPEATS + WARMING)
            state = AvatarState({"expr_jawopen": strength, STYLE: strength})
            look = look_of(wardrobe, state)
            rgba, parts, _ = draw_box(wardrobe, look, state, camera, changed_spans(wardrobe, look, state, camera))
            encoded(rgba, parts)

        rows += [timed("clips.whole", 0, size, size, whole), timed("clips.box", 0, size, size, box)]
    return rows


def _service(avatar: Avatar, slider: str) -> list[Timing]:
    """The same frame asked of a session, and a message that does nothing."""
    with tempfile.TemporaryDirectory() as folder, EngineClient(SERVE, "bench") as client:
        path = Path(folder) / "bench.perse"
        save_avatar(avatar, path)
        identity = client.load(path).id
        rows = [timed("service.ping", 0, 0, 0, lambda _: client.ping())]
        for width, height in SIZES[1:]:
            camera = avatar.neutral_camera.fitted(width, height)
            wire = Camera(numbers(camera.view), camera.fx, camera.fy, camera.cx, camera.cy, width, height)
            outside: list[float] = []
            sheet = Occluder(client.keep_mesh(*_sheet()), numbers(np.eye(4)))

            def ask(
                index: int,
                wire: Camera = wire,
                outside: list[float] = outside,
                occluders: tuple[Occluder, ...] = (),
            ) -> None:
                instance = Instance(identity, numbers(np.eye(4)), {slider: index / (REPEATS + WARMING)})
                passes: tuple[Pass, ...] = ("combined", "depth")
                request = RenderRequest("bench", "final", (instance,), wire, passes=passes, occluders=occluders)
                begin = time.perf_counter()
                picture = client.wait(client.render(request))
                outside.append(1000 * (time.perf_counter() - begin) - picture.timings["total"])

            rows.append(timed("service.render", avatar.count, width, height, ask))
            rows.append(timing("service.overhead", avatar.count, width, height, outside[WARMING:]))
            before = functools.partial(ask, occluders=(sheet,))
            rows.append(timed("service.occluded", avatar.count, width, height, before))
    return rows


def _sheet() -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """A wavy sheet of 9800 triangles through the face: half of it hides, half of it is hidden."""
    side = 71
    across, up = np.meshgrid(np.linspace(-0.3, 0.3, side), np.linspace(-0.3, 0.3, side))
    corners = np.stack([across, up, 0.1 + 0.1 * np.sin(16 * across) * np.cos(13 * up)], -1).reshape(-1, 3)
    first = (np.arange(side - 1)[:, None] * side + np.arange(side - 1)).ravel()
    triangles = np.concatenate([first[:, None] + [0, side, side + 1], first[:, None] + [0, side + 1, 1]])
    return corners.astype(np.float32), triangles.astype(np.int32)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
