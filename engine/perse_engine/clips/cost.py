"""What a dataset will cost, before it is made: by drawing a few of its frames."""

from __future__ import annotations

import dataclasses
import shutil
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from perse_engine.clips.animator import changed_spans, look_of
from perse_engine.clips.catalogue import Catalogue
from perse_engine.clips.editor import dress
from perse_engine.clips.motion import camera_of
from perse_engine.clips.performance import Performance
from perse_engine.clips.pictures import draw_box, draw_over, encoded
from perse_engine.clips.plan import plan
from perse_engine.clips.planned import PlannedClip, PlannedFrame
from perse_engine.clips.presets import ClipsPreset
from perse_engine.clips.wardrobe import Wardrobe
from perse_engine.errors import PerseError
from perse_engine.portraits.portrait import Portrait

STYLES = 6
"""Styles that are made ready for the estimate."""
DRAWN = 12
"""Frames of each kind that are drawn for it; the first two, which compile and warm, do not count."""
WARMING = 2
DESCRIBED_BYTES = {"whole": 3600, "box": 130}
"""What a frame's description takes."""


@dataclasses.dataclass(frozen=True)
class Cost:
    """Of a whole dataset.

    Attributes:
        clips: folders of frames.
        frames: in all.
        boxes: of these, how many are drawn only where they differ from another.
        seconds: on this machine, as busy as it is now.
        bytes: on disk.
    """

    clips: int
    frames: int
    boxes: int
    seconds: float
    bytes: int


def estimate(
    portrait: Portrait,
    catalogue: Catalogue,
    preset: ClipsPreset,
    seed: int,
    performance: Performance | None = None,
) -> Cost:
    """The cost of what `synthesize` would write."""
    clips = plan(portrait, catalogue, preset, seed, performance)
    few = _few(catalogue, STYLES)
    begin = time.perf_counter()
    wardrobe = dress(portrait, few)
    every = len(catalogue.styles) / max(len(few.styles), 1)
    seconds, size = every * (time.perf_counter() - begin), every * _bytes(wardrobe)
    whole, boxes = ([clip for clip in clips if bool(clip.frames[0].below) is over] for over in (False, True))
    for kind, chosen in (("whole", whole), ("box", boxes)):
        count = sum(len(clip.frames) for clip in chosen)
        if not count:
            continue
        looks = sum(_looks(clip) for clip in chosen)
        look, frame, content = _measure(portrait, wardrobe, chosen)
        seconds += looks * look + count * frame
        size += count * (content + DESCRIBED_BYTES[kind])
    frames = sum(len(clip.frames) for clip in clips)
    return Cost(len(clips), frames, sum(len(clip.frames) for clip in boxes), seconds, int(size))


def refuse_without_room(cost: Cost, folder: Path) -> None:
    """Say beforehand that the disk of `folder` is too small.

    Raises:
        PerseError: disk-full.
    """
    place = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    free = shutil.disk_usage(place).free
    if free < cost.bytes:
        raise PerseError(
            "disk-full",
            f"the clips need about {cost.bytes / 1e9:.1f} GB, and {folder} has {free / 1e9:.1f} GB left",
            "free some space or choose another folder",
        )


def _few(catalogue: Catalogue, count: int) -> Catalogue:
    """The catalogue with `count` of its styles, spread over it."""
    spread = np.linspace(0, len(catalogue.styles) - 1, count).round().astype(int)
    kept = np.unique(spread[: len(catalogue.styles)])
    styles = tuple(catalogue.styles[k] for k in kept)
    names = {style.category for style in styles}
    categories = tuple(category for category in catalogue.categories if category.name in names)
    return Catalogue(categories, styles, tuple(catalogue.parameters[k] for k in kept))


def _looks(clip: PlannedClip) -> int:
    """How often what is worn changes from frame to frame."""
    first, second, last = clip.frames[0], clip.frames[min(1, len(clip.frames) - 1)], clip.frames[-1]
    return 1 if first.attributes == second.attributes == last.attributes else len(clip.frames)


def _measure(portrait: Portrait, wardrobe: Wardrobe, clips: Sequence[PlannedClip]) -> tuple[float, float, float]:
    """Seconds that a look takes, seconds and bytes that a frame takes, from frames spread over `clips`."""
    chosen = [_spread(clips, k) for k in range(DRAWN)]
    with ThreadPoolExecutor(2) as writers:
        waiting, looks, begin = [], 0.0, time.perf_counter()
        for number, planned in enumerate(chosen):
            if number == WARMING:
                looks, begin = 0.0, time.perf_counter()
            start = time.perf_counter()
            state = planned.moment.state(_worn(wardrobe, planned, number))
            look = look_of(wardrobe, state)
            looks += time.perf_counter() - start
            camera = camera_of(portrait, planned.moment, planned.size)
            if planned.below is None:
                rgba, parts, _ = draw_over(wardrobe, look, state, camera, None)
            else:
                rgba, parts, _ = draw_box(wardrobe, look, state, camera, changed_spans(wardrobe, look, state, camera))
            waiting.append(writers.submit(encoded, rgba, parts))
        sizes = [sum(map(len, future.result())) for future in waiting]
        frames = time.perf_counter() - begin - looks
    return looks / (DRAWN - WARMING), frames / (DRAWN - WARMING), float(np.mean(sizes))


def _spread(clips: Sequence[PlannedClip], number: int) -> PlannedFrame:
    clip = clips[number * len(clips) // DRAWN]
    return clip.frames[(number * 7) % len(clip.frames)]


def _worn(wardrobe: Wardrobe, planned: PlannedFrame, number: int) -> dict[str, float]:
    """As many sliders as the planned frame has, of the styles at hand."""
    sliders = [style.slider for style in wardrobe.styles]
    weights = list(planned.attributes.values())[: len(sliders)]
    return {sliders[(number + k) % len(sliders)]: weight for k, weight in enumerate(weights)}


def _bytes(wardrobe: Wardrobe) -> int:
    """What the styles of a wardrobe take on disk."""
    layers = sum(layer.texels.nbytes + layer.target.nbytes + 2 * layer.strength.nbytes for layer in wardrobe.layers)
    return layers + wardrobe.figure.style_directions.nbytes
