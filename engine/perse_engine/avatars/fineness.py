"""How finely an avatar is drawn that is looked at from afar.

A pixel that spans many Gaussians is not their mean: each of them is widened to the pixel's filter, and a stack of thin
ones at an outline, or a pale one before a black one, covers more than it should. So what is small is drawn several
times as wide and high, at a distance from which the avatar has learnt to be seen, and averaged.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray

from perse_engine.avatars.avatar import Avatar
from perse_engine.avatars.initial import head_center
from perse_engine.cameras import Camera
from perse_engine.splatting.gaussians import Gaussians

COARSE = 5.6
"""Of the avatar's 3D filter, a standard deviation: a wider pixel is divided. In whole pictures that an avatar learns
from it is 5 as a rule."""
MOST_TIMES = 4
REACH = 3.4
"""Standard deviations beyond which nothing of a Gaussian is drawn: an opaque one is 1/255 there."""


def fineness(avatar: Avatar, camera: Camera, model: NDArray[np.floating] | None = None) -> int:
    """How many times as wide and high `avatar` is drawn before it is averaged down, from 1 to `MOST_TIMES`.

    Args:
        avatar: whom; one that has not learnt from pictures is not divided.
        camera: of the world.
        model: (4, 4) affine, from the avatar's head space to the world; None for the same space.
    """
    placed = np.eye(4) if model is None else np.asarray(model, np.float64)
    away = camera.project(placed[:3, :3] @ head_center(avatar.figure) + placed[:3, 3])[2]
    scale = abs(float(np.linalg.det(placed[:3, :3]))) ** (1 / 3)
    if avatar.low_pass <= 0 or scale == 0 or (away <= 0 and not camera.orthographic):
        return 1
    pixel = (1.0 if camera.orthographic else away) / (max(camera.fx, camera.fy) * scale)
    times = pixel / (COARSE * avatar.low_pass)
    return int(np.clip(math.ceil(times), 1, MOST_TIMES)) if math.isfinite(times) else 1


@dataclasses.dataclass(frozen=True)
class Window:
    """A part of a picture: columns from `x`, rows from `y` downwards, in pixels."""

    x: int
    y: int
    width: int
    height: int


def extent(gaussians: Gaussians, camera: Camera) -> Window:
    """Where in the picture of `camera` there are `gaussians` at all; of no size where there are none."""
    x, y, z = camera.project(gaussians.means).T
    before = (z > camera.near) & np.isfinite(x + y + z)
    away = np.ones_like(z) if camera.orthographic else np.maximum(z, camera.near)
    reach = REACH * gaussians.scales.max(1, initial=0)
    columns, rows = reach / away * camera.fx + 1, reach / away * camera.fy + 1
    # what begins behind the lens may reach anywhere
    if (before & (z - reach < camera.near)).any():
        return Window(0, 0, camera.width, camera.height)
    if not before.any():
        return Window(0, 0, 0, 0)
    if not np.isfinite(columns[before] + rows[before]).all():
        return Window(0, 0, camera.width, camera.height)
    left, right = _within((x - columns)[before].min(), (x + columns)[before].max(), camera.width)
    top, bottom = _within((y - rows)[before].min(), (y + rows)[before].max(), camera.height)
    return Window(left, top, right - left, bottom - top)


def _within(low: float, high: float, limit: int) -> tuple[int, int]:
    first = int(np.clip(math.floor(low), 0, limit))
    return first, int(np.clip(math.ceil(high), first, limit))


def finer(camera: Camera, times: int) -> Camera:
    """The same picture, `times` as wide and high."""
    return camera.resized(camera.width * times, camera.height * times) if times > 1 else camera


def averaged(planes: NDArray[np.float32], times: int) -> NDArray[np.float32]:
    """Means of squares of `times` pixels a side of (n, H, W)."""
    if times == 1:
        return planes
    sums = sum(planes[:, i::times, j::times] for i in range(times) for j in range(times))
    return np.asarray(sums, np.float32) * np.float32(1 / times**2)
