"""Motion that people bring: an ARKit capture of the Live Link Face app, or a FLAME sequence.

Live Link Face (.csv): `Timecode` (HH:MM:SS:FF.fff), `BlendShapeCount`, the 52 ARKit units by name, and `HeadYaw`,
`HeadPitch`, `HeadRoll` in radians, about ARKit's axes: y up, z out of the face. The columns of the eyeballs repeat what
the units of gaze say and are passed over. A row without a face has no values: what lies around it is interpolated.

FLAME (.npz, or .json with the same names): for N frames `expression` (N, E), and any of `neck_pose`, `jaw_pose` (N, 3)
and `eyes_pose` (N, 6), left first, as axis-angle in radians or in twice as many numbers as 6D (Zhou et al. 2019: the
first two rows of the rotation matrix, as pytorch3d writes them); or all five joints as `pose` (N, 15) or (N, 30).
`fps` is a number, 25 by default.
"""

from __future__ import annotations

import csv
import json
import re
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perse_engine.clips.performance import RATE, Performance
from perse_engine.errors import InputError
from perse_engine.heads.head import JAW, LEFT_EYE, NECK, RIGHT_EYE

UNITS = 52
HEAD_ANGLES = ("headyaw", "headpitch", "headroll")
LONGEST = 1_000_000
"""Frames."""
FASTEST = 240.0
"""Frames a second."""
LARGEST = 10.0
"""Of a coefficient; FLAME's are standard deviations."""
JOINT_ARRAYS: Mapping[str, tuple[int, ...]] = {
    "neck_pose": (NECK,),
    "jaw_pose": (JAW,),
    "eyes_pose": (LEFT_EYE, RIGHT_EYE),
    "pose": (0, 1, 2, 3, 4),
}


def load_performance(path: Path) -> Performance:
    """Read a capture or a sequence; its kind follows from how its name ends.

    Raises:
        InputError: no-motion where it cannot be read, bad-motion where it is no motion, naming line and column.
    """
    readers = {".csv": _live_link, ".npz": _flame_npz, ".json": _flame_json}
    if path.suffix.lower() not in readers:
        raise InputError(
            "bad-motion",
            f"{path.name} is no motion",
            "give a .csv of Live Link Face, or a FLAME sequence as .npz or .json",
        )
    try:
        return readers[path.suffix.lower()](path)
    except OSError as error:
        raise InputError("no-motion", f"{path} cannot be read ({error.strerror or error})", "check the path") from error
    except (_Wrong, ValueError, EOFError, zipfile.BadZipFile, csv.Error, RecursionError) as error:
        hint = "export it again" if path.suffix.lower() == ".csv" else "the user's guide says what such a file holds"
        raise InputError("bad-motion", f"{path.name}: {error}", hint) from error


def fitting(performance: Performance, names: Sequence[str]) -> Performance:
    """`performance`, if a head that has the expressions `names` can do it.

    Raises:
        InputError: other-head.
    """
    used = [name for name, column in zip(performance.names, performance.expression.T, strict=True) if column.any()]
    if used and not set(used) & set(names):
        wanted = "your own FLAME file with --head" if used[0].startswith("flame_") else "--head open"
        raise InputError("other-head", f"the motion moves {used[0]}, which this head does not have", f"use {wanted}")
    return performance


class _Wrong(ValueError):
    """What is wrong with the file."""


def _live_link(path: Path) -> Performance:
    with path.open(newline="", encoding="utf-8-sig", errors="strict") as stream:
        rows = list(csv.reader(stream))
    if not rows:
        raise _Wrong("it is empty")
    columns = [name.strip().lower() for name in rows[0]]
    missing = [name for name in ("timecode", "eyeblinkleft", "jawopen", *HEAD_ANGLES) if name not in columns]
    if missing:
        raise _Wrong(f"its first line does not name the column {missing[0]!r}")
    first = columns.index("eyeblinkleft")
    names = columns[first : first + UNITS]
    if len(names) < UNITS or len(set(names)) < UNITS or set(names) & set(HEAD_ANGLES):
        raise _Wrong(f"there are not {UNITS} expression columns from EyeBlinkLeft on")
    wanted = [columns.index(name) for name in (*names, *HEAD_ANGLES)]
    codes: list[tuple[int, str]] = []
    values: list[list[float]] = []
    for number, row in enumerate(rows[1:], 2):
        if not any(cell.strip() for cell in row[2:]):
            continue  # no face was seen, or an empty line
        if len(row) != len(columns):
            raise _Wrong(f"line {number} has {len(row)} columns instead of {len(columns)}")
        codes.append((number, row[columns.index("timecode")]))
        values.append([_number(row[column], number, columns[column]) for column in wanted])
    if not values:
        raise _Wrong("no line of it has a face")
    times, rate = _times(codes)
    return _performance(tuple(names), *_even(np.array(values), times, rate), rate)


def _number(text: str, line: int, column: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise _Wrong(f"line {line}, {column}: {text.strip()!r} is no number") from None
    if not np.isfinite(value) or abs(value) > LARGEST:
        raise _Wrong(f"line {line}, {column}: {text.strip()} is out of range")
    return value


def _times(codes: Sequence[tuple[int, str]]) -> tuple[NDArray[np.float64], float]:
    """Seconds of each timecode, and the frames a second that they count in."""
    parts = []
    for line, code in codes:
        match = re.fullmatch(r"(\d{1,2})[:;](\d{2})[:;](\d{2})[:;](\d{1,3}(?:\.\d+)?)", code.strip())
        if not match:
            raise _Wrong(f"line {line}: {code.strip()!r} is no timecode such as 15:22:41:22.533")
        parts.append([float(part) for part in match.groups()])
    table = np.array(parts)
    highest = table[:, 3].max()
    rate = next((rate for rate in (24.0, 25.0, 30.0, 60.0, 120.0) if highest < rate), FASTEST)
    if len(set(table[:, 2])) == 1 and rate < 60:
        rate = 60.0  # less than a second says too little; the app counts in sixtieths
    seconds = table[:, 0] * 3600 + table[:, 1] * 60 + table[:, 2] + table[:, 3] / rate
    seconds += 86400.0 * np.concatenate([[0], np.cumsum(np.diff(seconds) < -43200)])  # past midnight
    late = np.flatnonzero(np.diff(seconds) < 0)
    if len(late):
        raise _Wrong(f"line {codes[late[0] + 1][0]}: the timecode goes back")
    return seconds - seconds[0], rate


def _even(
    values: NDArray[np.float64], times: NDArray[np.float64], rate: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Expression (N, 52) and neck (N, 3) axis-angle in even steps of time."""
    count = round(float(times[-1]) * rate) + 1
    if count > LONGEST:
        raise _Wrong(f"it is longer than {LONGEST} frames")
    at = np.arange(count) / rate
    even = np.stack([np.interp(at, times, column) for column in values.T], -1)
    from scipy.spatial.transform import Rotation  # slow to load, and render imports this module

    neck = Rotation.from_euler("YXZ", even[:, UNITS:]).as_rotvec()
    return even[:, :UNITS], neck


def _performance(
    names: tuple[str, ...], expression: NDArray[np.floating], neck: NDArray[np.floating], rate: float
) -> Performance:
    pose = np.zeros((len(expression), 5, 3), np.float32)
    pose[:, NECK] = neck
    return Performance(names, np.clip(expression, 0, 1).astype(np.float32), pose, rate)


def _flame_npz(path: Path) -> Performance:
    with np.load(path, allow_pickle=False) as file:
        return _flame({name: file[name] for name in file.files})


def _flame_json(path: Path) -> Performance:
    content = json.loads(path.read_bytes())
    if not isinstance(content, dict):
        raise _Wrong("it holds no table of arrays")
    return _flame(content)


def _flame(content: Mapping[str, Any]) -> Performance:
    arrays = {name: _array(name, value) for name, value in content.items() if name in ("expression", *JOINT_ARRAYS)}
    if not arrays:
        raise _Wrong(f"it has none of expression, {', '.join(JOINT_ARRAYS)}")
    counts = {name: len(array) for name, array in arrays.items()}
    count = next(iter(counts.values()))
    if len(set(counts.values())) > 1 or not 0 < count <= LONGEST:
        raise _Wrong(f"its arrays have {' and '.join(f'{n} frames of {name}' for name, n in counts.items())}")
    expression = arrays.get("expression", np.zeros((count, 0)))
    pose = np.zeros((count, 5, 3), np.float32)
    for name, joints in JOINT_ARRAYS.items():
        if name in arrays:
            pose[:, joints] = _axis_angles(name, arrays[name], len(joints))
    rate = _array("fps", [[content.get("fps", RATE)]])[0, 0]
    if not 0 < rate <= FASTEST:
        raise _Wrong(f"fps is {rate:g}")
    names = tuple(f"flame_{k:03d}" for k in range(expression.shape[1]))
    return Performance(names, expression.astype(np.float32), pose, float(rate))


def _array(name: str, value: object) -> NDArray[np.float64]:
    try:
        array = np.asarray(value, np.float64)
    except (TypeError, ValueError):
        raise _Wrong(f"{name} is no array of numbers") from None
    if array.ndim < 2:
        raise _Wrong(f"{name} has no row for every frame")
    array = array.reshape(len(array), -1)
    if not np.isfinite(array).all() or np.abs(array).max(initial=0) > (FASTEST if name == "fps" else LARGEST):
        raise _Wrong(f"{name} has values that are out of range")
    return array


def _axis_angles(name: str, array: NDArray[np.float64], joints: int) -> NDArray[np.float32]:
    """(N, joints, 3) radians."""
    count, width = array.shape
    if width == 3 * joints:
        return array.reshape(count, joints, 3).astype(np.float32)
    if width != 6 * joints:
        raise _Wrong(f"{name} has {width} numbers a frame instead of {3 * joints} or {6 * joints}")
    first, second = array.reshape(-1, 2, 3)[:, 0], array.reshape(-1, 2, 3)[:, 1]
    x = _unit(name, first)
    y = _unit(name, second - (second * x).sum(1, keepdims=True) * x)
    from scipy.spatial.transform import Rotation

    rotations = Rotation.from_matrix(np.stack([x, y, np.cross(x, y)], 1))
    return rotations.as_rotvec().reshape(count, joints, 3).astype(np.float32)


def _unit(name: str, rows: NDArray[np.float64]) -> NDArray[np.float64]:
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    if (length < 1e-6).any():
        raise _Wrong(f"{name} has rows that are no rotation")
    return rows / length
