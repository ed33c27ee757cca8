"""Captured motion, read from files: the Live Link Face app's .csv, and FLAME sequences. The formats: docs/motion.md."""

from __future__ import annotations

import csv
import json
import re
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..perse_protocol import EngineFailure
from ..rig.arkit import UNITS, mirrored

ROOT, NECK, JAW, LEFT_EYE, RIGHT_EYE = range(5)
_HEAD, _EYES = ("Head",), ("LeftEye", "RightEye")
_ANGLES = ("Yaw", "Pitch", "Roll")
_JOINTS: Mapping[str, tuple[int, ...]] = {
    "neck_pose": (NECK,),
    "jaw_pose": (JAW,),
    "eyes_pose": (LEFT_EYE, RIGHT_EYE),
    "pose": (ROOT, NECK, JAW, LEFT_EYE, RIGHT_EYE),
}
_RATES = (24.0, 25.0, 30.0, 60.0, 120.0, 240.0)
_LARGEST = 10.0  # of a coefficient or an angle
_LONGEST = 1_000_000  # frames

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Capture:
    """What someone's face did.

    Attributes:
        times: (N,) seconds from the first moment, rising, not always in even steps.
        sliders: (N,) values by the slider's name.
        rotations: (N, 3, 3) by joint (`ROOT` … `RIGHT_EYE`): turn relative to the parent, head space.
        own_eyes: of an ARKit capture, the eyeballs' turns, which the units of gaze say too; for heads without those.
    """

    times: Floats
    sliders: Mapping[str, Floats]
    rotations: Mapping[int, Floats]
    own_eyes: Mapping[int, Floats] = field(default_factory=dict)


def read_capture(path: Path) -> Capture:
    """Read a capture; its kind follows from how its name ends.

    Raises:
        EngineFailure: "no-motion" where it cannot be read, "bad-motion" where it is no motion, naming line and column.
    """
    readers: dict[str, Callable[[Path], Capture]] = {".csv": _live_link, ".npz": _flame_npz, ".json": _flame_json}
    kind = path.suffix.lower()
    if kind not in readers:
        raise EngineFailure(
            "bad-motion",
            f"{path.name} is no motion",
            "choose a .csv of Live Link Face, or a FLAME sequence as .npz or .json",
        )
    try:
        return readers[kind](path)
    except OSError as error:
        raise EngineFailure(
            "no-motion", f"{path} cannot be read ({error.strerror or error})", "check the path"
        ) from error
    except (ValueError, EOFError, zipfile.BadZipFile, csv.Error, RecursionError) as error:
        hint = "export it again" if kind == ".csv" else "the guide's page on motion says what such a file holds"
        raise EngineFailure("bad-motion", f"{path.name}: {error}", hint) from error


def mirrored_capture(capture: Capture) -> Capture:
    """The same seen in a mirror: left is right; the numbered expressions of FLAME have no sides and stay."""
    return Capture(
        capture.times,
        {mirrored(name): values for name, values in capture.sliders.items()},
        _mirrored_turns(capture.rotations),
        _mirrored_turns(capture.own_eyes),
    )


def _mirrored_turns(rotations: Mapping[int, Floats]) -> dict[int, Floats]:
    other = {LEFT_EYE: RIGHT_EYE, RIGHT_EYE: LEFT_EYE}
    flip = np.diag([-1.0, 1.0, 1.0])
    return {other.get(joint, joint): flip @ turns @ flip for joint, turns in rotations.items()}


def _live_link(path: Path) -> Capture:
    with path.open(newline="", encoding="utf-8-sig") as stream:
        rows = list(csv.reader(stream))
    if not rows:
        raise ValueError("it is empty")
    columns = {name.strip().lower(): index for index, name in enumerate(rows[0])}
    wanted = ["timecode", *(unit.lower() for unit in UNITS), *(f"head{angle.lower()}" for angle in _ANGLES)]
    missing = [name for name in wanted if name not in columns]
    if missing:
        raise ValueError(f"its first line does not name the column {missing[0]!r}")
    eyes = [f"{eye}{angle}".lower() for eye in _EYES for angle in _ANGLES]
    has_eyes = all(name in columns for name in eyes)
    numbers = wanted[1:] + (eyes if has_eyes else [])
    codes: list[tuple[int, str]] = []
    values: list[list[float]] = []
    for line, row in enumerate(rows[1:], 2):
        if not any(cell.strip() for cell in row[2:]):
            continue  # no face was seen, or an empty line
        if len(row) != len(rows[0]):
            raise ValueError(f"line {line} has {len(row)} columns instead of {len(rows[0])}")
        codes.append((line, row[columns["timecode"]]))
        values.append([_number(row[columns[name]], line, rows[0][columns[name]]) for name in numbers])
    if not values:
        raise ValueError("no line of it has a face")
    times = _seconds(codes)
    table = dict(zip(numbers, np.array(values).T))
    rising = np.concatenate([[True], np.diff(times) > 0])  # the app repeats a timecode now and then
    turns = {
        name: _from_yaw_pitch_roll(*(table[f"{name}{angle}".lower()][rising] for angle in _ANGLES))
        for name in (*_HEAD, *(_EYES if has_eyes else ()))
    }
    return Capture(
        times[rising],
        {f"expr_{unit.lower()}": table[unit.lower()][rising] for unit in UNITS},
        {NECK: turns["Head"]},
        {LEFT_EYE: turns["LeftEye"], RIGHT_EYE: turns["RightEye"]} if has_eyes else {},
    )


def _number(text: str, line: int, column: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"line {line}, {column.strip()}: {text.strip()!r} is no number") from None
    if not abs(value) <= _LARGEST:
        raise ValueError(f"line {line}, {column.strip()}: {text.strip()} is out of range")
    return value


def _seconds(codes: Sequence[tuple[int, str]]) -> Floats:
    """Seconds since the first timecode; the frames a second that they count in follow from the highest frame."""
    parts = []
    for line, code in codes:
        match = re.fullmatch(r"(\d{1,2})[:;](\d{2})[:;](\d{2})[:;](\d{1,3}(?:\.\d+)?)", code.strip())
        if not match:
            raise ValueError(f"line {line}: {code.strip()!r} is no timecode such as 15:22:41:22.533")
        parts.append([float(part) for part in match.groups()])
    table = np.array(parts)
    rate = next((rate for rate in _RATES if table[:, 3].max() < rate), _RATES[-1])
    if len(set(table[:, 2])) == 1:
        rate = max(rate, 60.0)  # less than a second says too little; the app counts in sixtieths
    seconds: Floats = table[:, 0] * 3600 + table[:, 1] * 60 + table[:, 2] + table[:, 3] / rate
    seconds += 86400.0 * np.concatenate([[0], np.cumsum(np.diff(seconds) < -43200)])  # past midnight
    late = np.flatnonzero(np.diff(seconds) < 0)
    if len(late):
        raise ValueError(f"line {codes[late[0] + 1][0]}: the timecode goes back")
    return seconds - seconds[0]


def _from_yaw_pitch_roll(yaw: Floats, pitch: Floats, roll: Floats) -> Floats:
    """(N, 3, 3) turns about y, then x, then z, each about the axes turned so far; head space has ARKit's axes."""
    return _about(1, yaw) @ _about(0, pitch) @ _about(2, roll)


def _about(axis: int, angles: Floats) -> Floats:
    turns = np.zeros((len(angles), 3))
    turns[:, axis] = angles
    return _from_axis_angles(turns)


def _from_axis_angles(turns: Floats) -> Floats:
    """(N, 3, 3) from (N, 3) radians, by Rodrigues' formula."""
    angles = np.linalg.norm(turns, axis=1)
    axes = turns / np.maximum(angles, 1e-12)[:, None]
    cross = np.zeros((len(turns), 3, 3))
    cross[:, 0, 1], cross[:, 0, 2], cross[:, 1, 2] = -axes[:, 2], axes[:, 1], -axes[:, 0]
    cross -= cross.transpose(0, 2, 1)
    sine, cosine = np.sin(angles)[:, None, None], np.cos(angles)[:, None, None]
    return np.eye(3) + sine * cross + (1 - cosine) * (cross @ cross)


def _flame_npz(path: Path) -> Capture:
    with np.load(path, allow_pickle=False) as file:
        return _flame({name: file[name] for name in file.files if name in ("expression", "fps", *_JOINTS)})


def _flame_json(path: Path) -> Capture:
    content = json.loads(path.read_bytes())
    if not isinstance(content, dict):
        raise ValueError("it holds no table of arrays")
    return _flame(content)


def _flame(content: Mapping[str, Any]) -> Capture:
    arrays = {name: _array(name, value) for name, value in content.items() if name in ("expression", *_JOINTS)}
    if not arrays:
        raise ValueError(f"it has none of expression, {', '.join(_JOINTS)}")
    counts = {name: len(array) for name, array in arrays.items()}
    count = next(iter(counts.values()))
    if len(set(counts.values())) > 1 or not 0 < count <= _LONGEST:
        raise ValueError(f"its arrays have {' and '.join(f'{n} frames of {name}' for name, n in counts.items())}")
    try:
        rate = float(np.asarray(content.get("fps", 25.0)).reshape(()))
    except (TypeError, ValueError):
        raise ValueError("its fps is no number") from None
    if not 0 < rate <= _RATES[-1]:
        raise ValueError(f"its fps is {rate:g}")
    rotations: dict[int, Floats] = {}
    for name in ("pose", "eyes_pose", "jaw_pose", "neck_pose"):  # what a joint's own array says goes before `pose`
        if name in arrays:
            turns = _rotations(name, arrays[name], len(_JOINTS[name]))
            rotations |= {joint: turns[:, k] for k, joint in enumerate(_JOINTS[name])}
    expression = arrays.get("expression", np.zeros((count, 0)))
    return Capture(
        np.arange(count) / rate,
        {f"expr_flame_{k:03d}": values for k, values in enumerate(expression.T)},
        rotations,
    )


def _array(name: str, value: object) -> Floats:
    try:
        array = np.asarray(value, np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{name} is no array of numbers") from None
    if array.ndim < 2:
        raise ValueError(f"{name} has no row for every frame")
    array = array.reshape(len(array), -1)
    wrong = np.flatnonzero(~(np.abs(array) <= _LARGEST).all(1))
    if len(wrong):
        raise ValueError(f"{name} has values that are out of range in frame {wrong[0]}")
    return array


def _rotations(name: str, array: Floats, joints: int) -> Floats:
    """(N, joints, 3, 3) from axis-angles or from the first two rows of the rotations, as pytorch3d writes them."""
    count, width = array.shape
    if width == 3 * joints:
        return _from_axis_angles(array.reshape(-1, 3)).reshape(count, joints, 3, 3)
    if width != 6 * joints:
        raise ValueError(f"{name} has {width} numbers a frame instead of {3 * joints} or {6 * joints}")
    first, second = array.reshape(-1, 2, 3)[:, 0], array.reshape(-1, 2, 3)[:, 1]
    x = _unit(name, first)
    y = _unit(name, second - (second * x).sum(1, keepdims=True) * x)
    return np.stack([x, y, np.cross(x, y)], 1).reshape(count, joints, 3, 3)


def _unit(name: str, rows: Floats) -> Floats:
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    if (length < 1e-6).any():
        raise ValueError(f"{name} has rows that are no rotation")
    return rows / length
