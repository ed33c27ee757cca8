"""The motion library: speech, moods, single units, blinks, gaze, the jaw and turns of the head, for as long as wanted.

A longer performance begins as a shorter one of the same seed does. Sparse moments and whole clips are taken from the
same performances, and how they are looked at from the same walks.
"""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from perse_engine.clips.expressions import MOODS, VISEMES, Coefficients, any_model, expand, unit
from perse_engine.clips.performance import RATE, Performance, ease
from perse_engine.heads.head import JAW, LEFT_EYE, NECK, RIGHT_EYE

MOST_YAW, MOST_PITCH, MOST_ROLL = 45.0, 25.0, 20.0
"""Degrees from straight ahead from which a face is seen."""
NECK_REACH = (13.0, 22.0, 9.0)
"""Degrees of pitch, yaw and roll that the neck itself turns; the camera brings the rest."""
EYE_REACH = (0.22, 0.38)
"""Radians by which the eyes look up or down, and aside."""

ACTS = ("speech", "unit", "mood", "unit", "open", "speech", "rest", "unit", "mood", "jaw", "speech", "unit", "own")
"""What follows what; "own" is the expression that the person brings along."""
SECONDS: Mapping[str, tuple[float, float]] = {
    "speech": (1.6, 3.2),
    "unit": (0.9, 1.5),
    "mood": (1.2, 2.2),
    "open": (0.8, 1.4),
    "rest": (0.4, 0.9),
    "jaw": (1.0, 1.6),
    "own": (0.8, 1.6),
    "model": (1.0, 2.0),
}
VISEME_SECONDS = (0.11, 0.24)

Curve = NDArray[np.float64]


@dataclasses.dataclass(frozen=True, eq=False)
class Walk:
    """How N frames are looked at; each is (N,).

    Attributes:
        yaw, pitch: degrees from which the face itself is seen.
        roll: degrees of the camera.
        distance: of the camera from the head, relative to the photo's.
        shift: (N, 2) of the head in the frame, as parts of its side.
        zoom: magnification.
    """

    yaw: Curve
    pitch: Curve
    roll: Curve
    distance: Curve
    shift: Curve
    zoom: Curve


def perform(names: Sequence[str], own: Mapping[str, float], count: int, seed: int) -> Performance:
    """The first `count` frames of the performance with this `seed`.

    Args:
        names: E expressions that the head has. A head without ARKit's units varies its leading coefficients instead.
        own: the photo's expression.
    """
    place = {name: k for k, name in enumerate(names)}
    expression = np.zeros((count, len(names)))
    pose = np.zeros((count, 5, 3))
    begin, units = 0, 0
    acts = ACTS if "jawopen" in place else ("model", "rest", "model", "jaw")
    for number, kind in enumerate(_cycle(acts)):
        if begin >= count:
            break
        rng = stream(seed, "act", number)
        frames = max(6, round(rng.uniform(*SECONDS[kind]) * RATE))
        here = slice(begin, min(begin + frames, count))
        for name, curve in _act(kind, units, frames, rng, names, own).items():
            expression[here, place[name]] += curve[: here.stop - here.start]
        if kind == "jaw":
            pose[here, JAW, :2] = _jaw(frames, rng)[: here.stop - here.start]
        begin, units = begin + frames, units + (kind == "unit")
    _gaze(expression, pose, place, count, seed)
    _blinks(expression, place, count, seed)
    for axis, reach in enumerate(NECK_REACH):
        pose[:, NECK, axis] = np.radians(_wander(count, stream(seed, "neck", axis), reach, (0.2, 1.6), (0.7, 1.6)))
    arkit = "jawopen" in place
    return Performance(
        tuple(names),
        (np.clip(expression, 0.0, 1.0) if arkit else expression).astype(np.float32),
        pose.astype(np.float32),
    )


def walk(count: int, seed: int) -> Walk:
    """How the first `count` frames of a performance are looked at: all views are visited, evenly."""
    yaw, pitch = _views(count, seed)
    slow = ((0.4, 2.0), (1.0, 2.5))
    return Walk(
        yaw,
        pitch,
        MOST_ROLL * (_wander(count, stream(seed, "roll", 0), 1.0, *slow) ** 3),
        1.075 + _wander(count, stream(seed, "distance", 0), 0.175, *slow),
        np.stack([_wander(count, stream(seed, "shift", k), 0.025, *slow) for k in range(2)], -1),
        0.99 + _wander(count, stream(seed, "zoom", 0), 0.09, *slow),
    )


def stream(seed: int, name: str, number: int) -> np.random.Generator:
    """A source of random numbers of its own for each thing that happens."""
    return np.random.default_rng([seed & 0xFFFFFFFF, zlib.crc32(name.encode()), number])


def _cycle(acts: Sequence[str]) -> Iterator[str]:
    while True:
        yield from acts


def _act(
    kind: str, units: int, frames: int, rng: np.random.Generator, names: Sequence[str], own: Mapping[str, float]
) -> dict[str, Curve]:
    """What an act of so many `frames` adds; it begins and ends at nothing. `units` were shown before."""
    if kind == "speech":
        return _speech(frames, rng, names)
    if kind == "unit":
        sides = unit(rng, names, units)
        return _one_after_another(sides, frames, rng)
    if kind == "mood":
        chosen = expand(MOODS[rng.integers(len(MOODS))], rng.uniform(0.55, 1.0), names)
    elif kind == "open":
        chosen = expand({"jawopen": 1.0}, rng.uniform(0.5, 1.0), names)
    elif kind == "own":
        chosen = {name: value for name, value in own.items() if name in names}
    elif kind == "model":
        chosen = any_model(rng, names)
    else:
        return {}
    return _one_after_another([chosen], frames, rng)


def _one_after_another(chosen: Sequence[Coefficients], frames: int, rng: np.random.Generator) -> dict[str, Curve]:
    """Expressions that swell and fade in turn, in so many `frames`."""
    curves: dict[str, Curve] = {}
    for number, expression in enumerate(chosen):
        part = slice(number * frames // len(chosen), (number + 1) * frames // len(chosen))
        swell = _swell(part.stop - part.start, rng)
        for name, value in expression.items():
            curves.setdefault(name, np.zeros(frames))[part] += value * swell
    return curves


def _swell(frames: int, rng: np.random.Generator) -> Curve:
    """Up, for a while, and down again."""
    rise, fall = rng.uniform(0.25, 0.4) * frames, rng.uniform(0.25, 0.4) * frames
    t = np.arange(frames, dtype=np.float64)
    return ease(t / rise) * ease((frames - 1 - t) / fall)


def _speech(frames: int, rng: np.random.Generator, names: Sequence[str]) -> dict[str, Curve]:
    """Mouth shapes that melt into each other (coarticulation), between closed lips."""
    t = np.arange(frames, dtype=np.float64) / RATE
    curves: dict[str, Curve] = {}
    at, previous = 0.0, -1
    while at < t[-1]:
        length = rng.uniform(*VISEME_SECONDS)
        chosen = int(rng.integers(len(VISEMES)))
        if chosen == previous:
            chosen = (chosen + 1) % len(VISEMES)
        # each shape comes while the one before goes, so that together they never fall to nothing
        weight = ease((t - at + length / 2) / length) * ease((at + 1.5 * length - t) / length)
        for name, value in expand(VISEMES[chosen], rng.uniform(0.7, 1.1), names).items():
            curves[name] = curves.get(name, np.zeros(frames)) + value * weight
        at, previous = at + length, chosen
    ends = ease(t / 0.2) * ease((t[-1] - t) / 0.2)
    return {name: curve * ends for name, curve in curves.items()}


def _jaw(frames: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """(frames, 2) the jaw's own turn: it drops and swings aside."""
    swell = _swell(frames, rng)
    return np.stack([swell * rng.uniform(0.05, 0.28), swell * rng.normal(0, 0.02)], -1)


def _blinks(expression: NDArray[np.float64], place: Mapping[str, int], count: int, seed: int) -> None:
    """Lids shut every few seconds; some stay half open, some stay shut for a moment, some are winks."""
    sides = [place[name] for name in ("eyeblinkleft", "eyeblinkright") if name in place]
    t = np.arange(count, dtype=np.float64) / RATE
    at, number = 0.0, 0
    while sides and at * RATE < count:
        rng = stream(seed, "blink", number)
        at += rng.uniform(0.8, 3.6)
        shut = float(rng.choice([1.0, 1.0, 1.0, 0.6, 0.35]))
        hold = rng.uniform(0.04, 0.12) if rng.random() < 0.75 else rng.uniform(0.4, 1.2)
        lids = sides if rng.random() < 0.8 else [sides[int(rng.integers(len(sides)))]]
        curve = shut * ease((t - at) / 0.16) * ease((at + 0.4 + hold - t) / 0.24)
        for lid in lids:
            expression[:, lid] = np.maximum(expression[:, lid], curve)
        at, number = at + 0.4 + hold, number + 1


def _gaze(
    expression: NDArray[np.float64], pose: NDArray[np.float64], place: Mapping[str, int], count: int, seed: int
) -> None:
    """The eyes jump and rest: by their joints, or where the head has the units, by turns with these."""
    up, aside = (
        _wander(count, stream(seed, "gaze", axis), EYE_REACH[axis], (0.3, 1.6), (0.16, 0.24)) for axis in range(2)
    )
    by_units = _wander(count, stream(seed, "gaze", 2), 1.0, (3.0, 6.0), (0.5, 0.8))
    share = ease(0.5 + 2.0 * by_units) if "eyelookupleft" in place else np.zeros(count)
    for joint in (LEFT_EYE, RIGHT_EYE):
        pose[:, joint, 0] = up * (1 - share)
        pose[:, joint, 1] = aside * (1 - share)
    # positive turns look down, and towards the person's left
    wide, high = aside / EYE_REACH[1] * share, up / EYE_REACH[0] * share
    for name, curve in (
        ("eyelookdown*", high),
        ("eyelookup*", -high),
        ("eyelookoutleft", wide),
        ("eyelookinright", wide),
        ("eyelookinleft", -wide),
        ("eyelookoutright", -wide),
    ):
        for side in expand({name: 1.0}, 1.0, tuple(place)):
            expression[:, place[side]] += np.maximum(curve, 0.0)


def _wander(
    count: int, rng: np.random.Generator, reach: float, hold: tuple[float, float], move: tuple[float, float]
) -> Curve:
    """(count,) moves between resting places within `reach`, a third of them in the middle; seconds of rest and move."""
    out = np.zeros(count)
    at, here = 0, 0.0
    while at < count:
        there = 0.0 if rng.random() < 0.33 else float(rng.uniform(-reach, reach))
        still, way = round(rng.uniform(*hold) * RATE), max(2, round(rng.uniform(*move) * RATE))
        out[at : at + still] = here
        t = np.arange(1, way + 1) / way
        rest = out[at + still : at + still + way]
        rest[:] = (here + (there - here) * ease(t))[: len(rest)]
        at, here = at + still + way, there
    return out


def _views(count: int, seed: int) -> tuple[Curve, Curve]:
    """Yaw and pitch, degrees. The R2 sequence (Roberts 2018) spreads the places that are visited evenly."""
    rng = stream(seed, "view", 0)
    start = rng.random(2)
    yaw, pitch = np.zeros(count), np.zeros(count)
    at, number, here = 0, 0, np.zeros(2)
    while at < count:
        place = (start + number * np.array([0.7548776662466927, 0.5698402909980532])) % 1.0
        there = np.array([MOST_YAW, MOST_PITCH]) * (2 * place - 1)
        there[1] *= 1 - 0.4 * abs(there[0]) / MOST_YAW
        still, way = round(rng.uniform(0.0, 0.4) * RATE), round((0.5 + np.abs(there - here).max() / 60) * RATE)
        t = np.concatenate([np.zeros(still), np.arange(1, way + 1) / way])
        for axis, curve in enumerate((yaw, pitch)):
            part = curve[at : at + len(t)]
            part[:] = (here[axis] + (there[axis] - here[axis]) * ease(t))[: len(part)]
        at, number, here = at + len(t), number + 1, there
    return yaw, pitch
