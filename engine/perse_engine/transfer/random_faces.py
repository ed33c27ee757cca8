"""Random people in the space of one avatar: a code for each category from its prior."""

from __future__ import annotations

import contextlib

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from perse_engine.avatars.avatar import Avatar
from perse_engine.avatars.rendering import render_avatar
from perse_engine.avatars.state import AvatarState
from perse_engine.errors import InputError
from perse_engine.progress import Progress
from perse_engine.transfer.codes import CodeSpace, code_space
from perse_engine.transfer.encoders import Encoder

CHANGED = 0.4
"""Chance that a category is anything but the person's own."""
CELL, COLUMNS = 192, 6
STAGE = "faces"


def random_faces(
    avatar: Avatar, count: int, seed: int, encoder: Encoder, progress: Progress
) -> tuple[Image.Image, list[dict[str, float]]]:
    """A sheet of `count` random faces, and the slider values of each; the same ones for the same seed.

    Raises:
        InputError: too-few-styles, where no category has two styles that look different.
        Cancelled: by `progress`.
    """
    spaces = _spaces(avatar, encoder)
    if not spaces:
        raise InputError("too-few-styles", "no category of the avatar has two styles that look different", "add some")
    generator = np.random.default_rng(seed)
    camera = avatar.neutral_camera.fitted(CELL, CELL)
    rows = -(-count // COLUMNS)
    sheet = np.full((rows * CELL, min(count, COLUMNS) * CELL, 3), 255, np.uint8)
    states = []
    for number in range(count):
        progress(STAGE, number, count)
        state: dict[str, float] = {}
        for space in spaces:
            if generator.random() < CHANGED:
                state |= space.sample(generator)
        picture = render_avatar(avatar, AvatarState(state), camera, (1, 1, 1))[..., :3]
        row, column = divmod(number, COLUMNS)
        sheet[row * CELL : (row + 1) * CELL, column * CELL : (column + 1) * CELL] = _bytes(picture)
        states.append(state)
    progress(STAGE, count, count)
    return Image.fromarray(sheet), states


def _spaces(avatar: Avatar, encoder: Encoder) -> list[CodeSpace]:
    spaces = []
    for category in avatar.categories:
        with contextlib.suppress(InputError):  # of one style, or of several that look alike from here
            spaces.append(code_space(avatar, category.name, encoder))
    return spaces


def _bytes(picture: NDArray[np.float32]) -> NDArray[np.uint8]:
    rounded: NDArray[np.uint8] = (picture.clip(0, 1) * 255 + 0.5).astype(np.uint8)
    return rounded
