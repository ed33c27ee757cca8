"""States that another program hands over for export, as a file of JSON: Blender's frames, or a script's.

{"frames": [{"sliders": {"expr_jawopen": 0.5}, "frame": 12, "pose": [15 numbers], "model": [16 numbers]}]}
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from perse_engine.avatars.state import AvatarState
from perse_engine.errors import InputError
from perse_protocol.decoding import decode
from perse_protocol.errors import ProtocolError
from perse_protocol.messages import Numbers

LARGEST = 1 << 30
"""Bytes of a file."""
MOST_FRAMES = 100_000
LAST_FRAME = 1_048_574
"""As in Blender."""
FURTHEST = 1e6
"""Of a matrix or an angle: metres and radians beyond it are a mistake, and overflow what is computed from them."""


@dataclasses.dataclass(frozen=True)
class FrameEntry:
    """One state of the file.

    Attributes:
        sliders: value by name; absent ones are 0.
        frame: its number, which its file is named by; None for a single state.
        pose: 15 numbers, axis-angle of each joint in radians; or None.
        transforms: 5 x 16 numbers, the skinning transform of each joint in head space; or None. They replace `pose`.
        model: 16 numbers, head space to a world with y up; or None.
    """

    sliders: Mapping[str, float]
    frame: int | None = None
    pose: Numbers | None = None
    transforms: Numbers | None = None
    model: Numbers | None = None


@dataclasses.dataclass(frozen=True)
class StatesFile:
    """The whole file."""

    frames: tuple[FrameEntry, ...]


@dataclasses.dataclass(frozen=True, eq=False)
class Moment:
    """What is exported into one file.

    Attributes:
        state: of the avatar.
        number: of its file among others, or None where it is the only one.
        model: (4, 4) where the avatar stands, or None for the origin.
    """

    state: AvatarState
    number: int | None = None
    model: NDArray[np.float64] | None = None


def read_states(path: Path) -> list[Moment]:
    """Read the states at `path`.

    Raises:
        InputError: no-states where it cannot be read, bad-states where it holds none.
    """
    try:
        if path.stat().st_size > LARGEST:
            raise _bad(path, f"it is larger than {LARGEST >> 20} MiB")
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise InputError("no-states", f"{path} cannot be read ({error.strerror or error})", "check the path") from error
    except (ValueError, RecursionError) as error:
        raise _bad(path, "it is no JSON") from error
    if not isinstance(content, dict):
        raise _bad(path, "it is no JSON object")
    try:
        frames = decode(StatesFile, content, "states").frames
    except ProtocolError as error:
        raise _bad(path, str(error)) from error
    if not 0 < len(frames) <= MOST_FRAMES:
        raise _bad(path, f"it has {len(frames)} frames, not 1 to {MOST_FRAMES}")
    numbers = [frame.frame for frame in frames]
    if any(number is not None and abs(number) > LAST_FRAME for number in numbers):
        raise _bad(path, f"a frame's number lies beyond {LAST_FRAME}")
    if len(set(numbers)) < len(numbers):
        raise _bad(path, "two of its frames have the same number")
    return [_moment(path, frame) for frame in frames]


def _moment(path: Path, entry: FrameEntry) -> Moment:
    state = AvatarState(entry.sliders)
    if entry.pose is not None:
        state = dataclasses.replace(state, pose=_shaped(path, "pose", entry.pose, (5, 3)).astype(np.float32))
    if entry.transforms is not None:
        transforms = _shaped(path, "transforms", entry.transforms, (5, 4, 4)).astype(np.float32)
        state = dataclasses.replace(state, transforms=transforms)
    model = None if entry.model is None else _shaped(path, "model", entry.model, (4, 4))
    return Moment(state, entry.frame, model)


def _shaped(path: Path, name: str, numbers: Numbers, shape: tuple[int, ...]) -> NDArray[np.float64]:
    if len(numbers) != np.prod(shape):
        raise _bad(path, f"{name} has {len(numbers)} numbers, not {np.prod(shape)}")
    array = np.reshape(np.array(numbers, np.float64), shape)
    if np.abs(array).max() > FURTHEST:
        raise _bad(path, f"{name} has numbers beyond {FURTHEST:g}")
    return array


def _bad(path: Path, reason: str) -> InputError:
    return InputError("bad-states", f"{path.name}: {reason}", "see docs/exporting.md")
