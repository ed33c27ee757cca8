"""Real footage that was held out, against the avatar driven by its tracked coefficients alone.

A still can meet such a hold-out (a talking head against its own last frame: 32 dB), so mouth, eyes and face are scored
apart, and beside the avatar stand what costs nothing: the training frame nearest in tracked coefficients, and the same
avatar held without expression, at rest or in the mean of what it learnt, whichever is nearer.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from perse_engine.avatars.correctives import expression_features
from perse_engine.avatars.state import AvatarState
from perse_engine.clips.frames import RECORDED, ClipFrame, Dataset
from perse_engine.evaluation.metrics import Mask, dilated, over, psnr
from perse_engine.evaluation.rows import Row, at_least, not_run, shown
from perse_engine.evaluation.subject import Subject
from perse_engine.heads.head import JAW
from perse_engine.portraits.gaps import eye_gap, lip_gap
from perse_engine.portraits.landmarks import LEFT_LIDS, OUTER_LIPS, OVAL, RIGHT_LIDS, Face, Tracker
from perse_engine.portraits.parts import polygon
from perse_engine.progress import Progress

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]

SECTION = "footage"
REGIONS = ("mouth", "eyes", "face")
LEAST_GAIN = 1.5
"""dB in the mouth over the nearest training frame and over an avatar without expressions."""
LEAST_LIPS, LEAST_LIDS = 0.9, 0.8
"""Correlation of the gaps, re-detected on renders, with those of the footage."""
REACH = 0.06
"""Of the eyes' distance, by which regions are larger than what the landmarks outline."""
SHOWN = 6
_GREY = 0.5


@dataclasses.dataclass(frozen=True, eq=False)
class Seen:
    """One held-out frame: what was filmed and what stands for it, (H, W, 3) before grey, by name."""

    clip: str
    pictures: Mapping[str, Floats]
    regions: Mapping[str, Mask]
    gaps: Mapping[str, tuple[float, float]]


def recorded_rows(subject: Subject, dataset: Dataset, progress: Progress) -> tuple[list[Row], dict[str, Bytes]]:
    """Measure `subject` on the held-out footage of `dataset`; rows, and strips of what was compared."""
    frames = dataset.of("footage")
    taught = [frame for frame in dataset.of("train") if frame.clip == RECORDED]
    if not taught:
        return [], {}
    if not frames:
        return [not_run(SECTION, "held-out footage", "no frames were held out; build with --hold-out")], {}
    tracker = Tracker()
    names = subject.figure.expression_names
    features = np.stack([expression_features(names, frame.state) for frame in taught])
    mean = _held(features.mean(0), names)
    seen = []
    for number, frame in enumerate(frames):
        progress(SECTION, number, len(frames))
        near = taught[int(((features - expression_features(names, frame.state)) ** 2).sum(1).argmin())]
        found = _compare(subject, frame, near, mean, tracker)
        if found is not None:
            seen.append(found)
    progress(SECTION, len(frames), len(frames))
    if not seen:
        return [not_run(SECTION, "held-out footage", "no face is detected in it")], {}
    return _rows(seen, len(frames)), _strips(seen)


def _held(mean: Floats, names: tuple[str, ...]) -> AvatarState:
    """The mean expression, and the mean jaw."""
    pose = np.zeros((5, 3), np.float32)
    pose[JAW] = mean[len(names) :]
    return AvatarState({f"expr_{name}": float(value) for name, value in zip(names, mean, strict=False)}, pose)


def _compare(subject: Subject, frame: ClipFrame, near: ClipFrame, mean: AvatarState, tracker: Tracker) -> Seen | None:
    filmed = _before_grey(frame)
    face = _face(tracker, filmed)
    if face is None:
        return None
    rest = AvatarState({}, _with_jaw(frame.state.pose, 0))
    still = AvatarState(mean.sliders, _with_jaw(frame.state.pose, mean.pose[JAW]))
    pictures = {
        "filmed": filmed,
        "avatar": _drawn(subject, frame.state, frame),
        "nearest": _before_grey(near),
        "at rest": _drawn(subject, rest, frame),
        "held": _drawn(subject, still, frame),
    }
    again = _face(tracker, pictures["avatar"])
    gaps = {
        name: (float(gap(face.landmarks)), math.nan if again is None else float(gap(again.landmarks)))
        for name, gap in (("lips", lip_gap), ("lids", eye_gap))
    }
    return Seen(frame.clip, pictures, regions_of(face, frame), gaps)


def regions_of(face: Face, frame: ClipFrame) -> dict[str, Mask]:
    """(H, W) where mouth, eyes and face of a frame are."""
    points = face.landmarks[:, :2]
    shape = (frame.camera.height, frame.camera.width)
    reach = max(1, round(REACH * face.eye_distance))
    eyes = sum(polygon(shape, points[[*lids[:9], *lids[:8:-1]]]) for lids in (LEFT_LIDS, RIGHT_LIDS))
    return {
        "mouth": dilated(polygon(shape, points[list(OUTER_LIPS)]) > 0.5, reach),
        "eyes": dilated(np.asarray(eyes) > 0.5, reach),
        "face": (polygon(shape, points[list(OVAL)]) > 0.5) & (frame.image()[..., 3] > 127),
    }


def _rows(seen: Sequence[Seen], asked: int) -> list[Row]:
    note = f"{len(seen)} of {asked} held-out frames, driven by tracked coefficients"
    rows = []
    for region in REGIONS:
        mean = {name: _mean(seen, name, region) for name in ("avatar", "nearest", "at rest", "held")}
        still = max(mean["at rest"], mean["held"])
        rows.append(shown(SECTION, f"{region}, PSNR", mean["avatar"], "dB", note))
        for name, other, words in (
            ("nearest training frame", mean["nearest"], f"that frame: {mean['nearest']:.1f} dB"),
            ("avatar without expressions", still, f"that avatar: {still:.1f} dB"),
        ):
            gain, title = mean["avatar"] - other, f"{region}, better than the {name}"
            if region == "mouth":
                rows.append(at_least(SECTION, title, gain, LEAST_GAIN, "dB", words))
            else:
                rows.append(shown(SECTION, title, gain, "dB", words))
    for clip in dict.fromkeys(one.clip for one in seen):
        block = [one for one in seen if one.clip == clip]
        gain = _mean(block, "avatar", "mouth") - _mean(block, "nearest", "mouth")
        rows.append(shown(SECTION, f"{clip}: mouth, better than the nearest training frame", gain, "dB"))
    for name, bar in (("lips", LEAST_LIPS), ("lids", LEAST_LIDS)):
        filmed, drawn = np.array([one.gaps[name] for one in seen]).T
        unseen = int(np.isnan(drawn).sum())
        title = f"{name}' gap, correlation with the footage"
        rows.append(at_least(SECTION, title, _correlation(filmed, drawn), bar, note=_undetected(unseen)))
    return rows


def _undetected(count: int) -> str:
    return f"no face is detected in {count} renders" if count else ""


def _mean(seen: Sequence[Seen], name: str, region: str) -> float:
    values = [psnr(one.pictures[name], one.pictures["filmed"], one.regions[region]) for one in seen]
    return float(np.mean(values))


def _correlation(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Pearson's; NaN where a value is missing or one of them does not vary."""
    if len(first) < 2 or not first.std() > 0 or not second.std() > 0:
        return math.nan
    return float(np.corrcoef(first, second)[0, 1])


def _strips(seen: Sequence[Seen]) -> dict[str, Bytes]:
    chosen = seen[:: max(1, math.ceil(len(seen) / SHOWN))]
    strips = {}
    for name in ("filmed", "avatar", "nearest", "held"):
        cells = [cv2.resize(one.pictures[name], (160, 160), interpolation=cv2.INTER_AREA) for one in chosen]
        strips[f"footage, {name}"] = _bytes(np.concatenate(cells, 1))
    return strips


def _before_grey(frame: ClipFrame) -> Floats:
    image = frame.image().astype(np.float32) / np.float32(255)
    return image[..., :3] * image[..., 3:] + np.float32(_GREY) * (1 - image[..., 3:])


def _drawn(subject: Subject, state: AvatarState, frame: ClipFrame) -> Floats:
    return np.clip(over(subject.draw(state, frame.camera), _GREY), 0, 1)


def _with_jaw(pose: Floats, jaw: Floats | float) -> Floats:
    changed = pose.copy()
    changed[JAW] = jaw
    return changed


def _face(tracker: Tracker, picture: Floats) -> Face | None:
    faces = tracker.track_all(_bytes(picture))
    return faces[0] if faces else None


def _bytes(picture: Floats) -> Bytes:
    converted: Bytes = (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)
    return converted
