"""The avatar by itself: does it change with resolution, how long does a frame take, how large is the file."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from perse_engine.avatars.avatar import Avatar
from perse_engine.avatars.decoding import decode
from perse_engine.avatars.rendering import render_avatar
from perse_engine.avatars.state import AvatarState
from perse_engine.evaluation.metrics import area_reduced, over, psnr
from perse_engine.evaluation.rows import Row, at_least, shown
from perse_engine.evaluation.subject import Subject
from perse_engine.splatting.rasterize import rasterize

REFERENCE_SIDE = 256
SIDES = (128, 192, 384, 512, 720, 1024, 1080)
SMALL = (64, 128)
TIMES_FINER = 8
"""Of the teacher's picture, from which a small one is averaged: the teacher takes one sample a pixel."""
LEAST_PSNR = 36.0
LEAST_RATE = 30.0
TIMED_SIDE = 512
_GREY = 0.5


def scale_rows(avatar: Avatar) -> list[Row]:
    """One row for each size: the avatar drawn so, averaged over areas, against its 256 x 256 picture, in dB.

    A smaller picture is compared with the 256 x 256 one averaged down to it, as which it may be drawn: see
    `small_rows`.
    """
    reference = _at(avatar, REFERENCE_SIDE)
    rows = []
    for side in SIDES:
        picture = _at(avatar, side)
        small = min(side, REFERENCE_SIDE)
        first, second = area_reduced(picture, small, small), area_reduced(reference, small, small)
        value = psnr(over(first, _GREY), over(second, _GREY), second[..., 3] > 0.5)
        rows.append(at_least("scale", f"{side}² against {REFERENCE_SIDE}²", value, LEAST_PSNR, "dB"))
    return rows


def small_rows(avatar: Avatar, teacher: Subject) -> list[Row]:
    """One row for each small size: the avatar drawn so against the teacher, averaged down, in dB."""
    rows = []
    for side in SMALL:
        fine = avatar.neutral_camera.fitted(TIMES_FINER * side, TIMES_FINER * side)
        taught = area_reduced(teacher.draw(AvatarState(), fine), side, side)
        value = psnr(over(_at(avatar, side), _GREY), over(taught, _GREY), taught[..., 3] > 0.5)
        rows.append(at_least("scale", f"{side}² against the teacher", value, LEAST_PSNR, "dB"))
    return rows


def speed_rows(avatar: Avatar, path: Path, *, repeats: int = 30) -> list[Row]:
    """Median times of decoding and drawing 512 x 512 with changing sliders, and the file's size."""
    camera = avatar.neutral_camera.fitted(TIMED_SIDE, TIMED_SIDE)
    slider = f"expr_{avatar.figure.expression_names[0]}"
    states = [AvatarState({slider: i / repeats}) for i in range(repeats)]
    gaussians = [decode(avatar, state) for state in states[:1]]
    rasterize(gaussians[0], camera)
    decoding = _median([functools.partial(decode, avatar, state, camera.position()) for state in states])
    drawing = _median([lambda: rasterize(gaussians[0], camera)] * repeats)
    rate = 1000 / (decoding + drawing)
    note = f"{avatar.count} Gaussians, {TIMED_SIDE}²"
    return [
        shown("speed", "decode", decoding, "ms", note),
        shown("speed", "rasterize", drawing, "ms", note),
        at_least("speed", "decode and rasterize", rate, LEAST_RATE, "frames/s", note),
        shown("speed", "avatar file", path.stat().st_size / 1e6, "MB"),
    ]


def _at(avatar: Avatar, side: int) -> np.ndarray:
    return render_avatar(avatar, AvatarState(), avatar.neutral_camera.fitted(side, side))


def _median(actions: list[Callable[[], object]]) -> float:
    """Milliseconds."""
    times = []
    for action in actions:
        begin = time.perf_counter()
        action()
        times.append(time.perf_counter() - begin)
    return 1000 * float(np.median(times))
