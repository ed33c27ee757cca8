"""`perse render`."""

from __future__ import annotations

import dataclasses
import json as json_text
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import typer
from PIL import Image as PillowImage

from perse_engine.avatars.avatar import Avatar
from perse_engine.avatars.file import load_avatar
from perse_engine.avatars.initial import head_center
from perse_engine.avatars.rendering import render_avatar
from perse_engine.avatars.state import AvatarState
from perse_engine.cameras import Camera
from perse_engine.cli.options import one_of, parse_background, parse_settings, parse_size, refuse_other_pictures
from perse_engine.clips.captures import fitting, load_performance
from perse_engine.clips.performance import Performance
from perse_engine.errors import InputError
from perse_engine.files import atomic_write
from perse_engine.service.threads import apply_thread_budget

STATES = ("neutral", "photo")
CAMERAS = ("front", "portrait")
BACKEND = "numba"
"""Starts at once; a picture is drawn sooner than torch is loaded."""


def run_render(
    path: Path,
    out: Path,
    size: str | None,
    settings: Sequence[str],
    state: str,
    angles: tuple[float, float, float],
    camera: str,
    background: str,
    motion: Path | None,
    json: bool,
) -> None:
    """Draw the avatar at `path` into the PNG `out`, or every frame of a motion into the folder `out`.

    Args:
        angles: yaw, pitch and roll of the camera about the head's centre, degrees.
        motion: a capture or sequence, as `clips.captures` reads it.

    Raises:
        InputError: an option or the file cannot be used.
    """
    if motion is None:
        refuse_other_pictures(out)
    if motion is not None and out.exists() and not out.is_dir():
        raise InputError("wrong-path", f"{out} is no folder", "name a folder for the frames")
    if not all(map(math.isfinite, angles)):
        raise InputError("not-a-number", "yaw, pitch and roll must be numbers", "give degrees such as 30")
    pixels = parse_size(size) if size is not None else None
    color = parse_background(background)
    sliders = parse_settings(settings)
    one_of("state", state, STATES)
    one_of("camera", camera, CAMERAS)
    performance = load_performance(motion) if motion is not None else None
    apply_thread_budget()
    avatar = load_avatar(path)
    view = view_of(avatar, camera, pixels, angles)
    states = [state_of(avatar, state, sliders)]
    files = [out]
    if performance is not None:
        fitting(performance, avatar.figure.expression_names)
        states = [moved(avatar, performance, frame, sliders) for frame in range(len(performance))]
        files = [out / f"{frame:04d}.png" for frame in range(len(performance))]
        out.mkdir(parents=True, exist_ok=True)
    for now, file in zip(states, files, strict=True):
        picture = render_avatar(avatar, now, view, color, backend=BACKEND)
        with atomic_write(file) as stream:
            PillowImage.fromarray(to_straight_bytes(picture)).save(stream, "PNG")
    if json:
        rate = {} if performance is None else {"frames": len(performance), "fps": performance.rate}
        typer.echo(json_text.dumps({"out": str(out), "width": view.width, "height": view.height, **rate}))


def moved(avatar: Avatar, performance: Performance, frame: int, sliders: dict[str, float]) -> AvatarState:
    """The avatar in one frame of a performance, with `sliders` set over it."""
    expression = performance.coefficients(frame, avatar.figure.expression_names)
    worn = {f"expr_{name}": value for name, value in expression.items()}
    return AvatarState({**worn, **sliders}, performance.pose[frame])


def state_of(avatar: Avatar, state: str, sliders: dict[str, float]) -> AvatarState:
    """The avatar at rest or as in its photo, with `sliders` set over it."""
    start = avatar.photo_state if state == "photo" else AvatarState()
    return dataclasses.replace(start, sliders={**start.sliders, **sliders})


def view_of(avatar: Avatar, camera: str, size: tuple[int, int] | None, angles: tuple[float, float, float]) -> Camera:
    """The camera named `camera` ("front" or "portrait"), at `size`, turned about the head's centre."""
    start = avatar.photo_camera if camera == "portrait" else avatar.neutral_camera
    fitted = start.fitted(*size) if size is not None else start
    return fitted.orbited(head_center(avatar.figure), *angles) if any(angles) else fitted


def to_straight_bytes(picture: np.ndarray) -> np.ndarray:
    """Premultiplied (H, W, 4) floats to straight uint8 RGBA."""
    alpha = picture[..., 3:]
    straight = np.concatenate([picture[..., :3] / np.maximum(alpha, 1e-6), alpha], -1)
    bytes_: np.ndarray = (np.clip(straight, 0, 1) * 255 + 0.5).astype(np.uint8)
    return bytes_
