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
from perse_engine.cli.options import one_of, parse_background, parse_settings, parse_size
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
    json: bool,
) -> None:
    """Draw the avatar at `path` into the PNG `out`.

    Args:
        angles: yaw, pitch and roll of the camera about the head's centre, degrees.

    Raises:
        InputError: an option or the file cannot be used.
    """
    if out.suffix.lower() != ".png":
        raise InputError("image-format", f"{out.name} does not end in .png", "name a .png file")
    if out.is_dir():
        raise InputError("wrong-path", f"{out} is a folder", "name a .png file in it")
    if not all(map(math.isfinite, angles)):
        raise InputError("not-a-number", "yaw, pitch and roll must be numbers", "give degrees such as 30")
    pixels = parse_size(size) if size is not None else None
    color = parse_background(background)
    sliders = parse_settings(settings)
    one_of("state", state, STATES)
    one_of("camera", camera, CAMERAS)
    apply_thread_budget()
    avatar = load_avatar(path)
    view = view_of(avatar, camera, pixels, angles)
    picture = render_avatar(avatar, state_of(avatar, state, sliders), view, color, backend=BACKEND)
    with atomic_write(out) as stream:
        PillowImage.fromarray(to_straight_bytes(picture)).save(stream, "PNG")
    if json:
        typer.echo(json_text.dumps({"out": str(out), "width": view.width, "height": view.height}))


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
