"""One face followed through a video: where it is in every frame, across short gaps, whoever else comes by."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from perse_engine.errors import InputError
from perse_engine.portraits.landmarks import FACE_SURE, SMALLEST_FACE, Face, Tracker
from perse_engine.portraits.video import MOST_FRAMES, Video, count_frames, video_frames
from perse_engine.progress import Progress

Bytes = NDArray[np.uint8]
Recogniser = Callable[[Bytes], NDArray[np.float64] | None]
"""A picture to numbers that lie close for one person: see `evaluation.identity`."""

STAGE = "follow"
LEAST_FRAMES = 12
GAP_S = 0.4
"""Seconds that a face may be away within one shot."""
LOOK_AROUND = 15
"""Frames between looks for faces that came in."""
MOST_TRACKS = 4
CUT = 0.10
"""Mean change of a small, blurred picture of the frame, of 1, between two shots."""
JUMP, GROWTH = 0.6, 1.4
"""The most a face moves between frames, in its eyes' distances, and grows."""
SAME_PERSON = 0.55
"""Distance of descriptors below which two shots show one person."""
DARK = 0.06
"""Mean of a face in [0, 1] below which nothing can be learnt from it."""
BLURRED = 0.2
"""Sharpness, relative to the clip's median, below which a frame is not learnt from."""


@dataclasses.dataclass(frozen=True, eq=False)
class Sighting:
    """The face in one frame.

    Attributes:
        frame: number in the video, from 0.
        face: its landmarks.
        sharpness: mean square of the Laplacian over the face, relative to its contrast.
        light: mean of the face in [0, 1].
    """

    frame: int
    face: Face
    sharpness: float
    light: float


@dataclasses.dataclass(frozen=True, eq=False)
class Followed:
    """The face that a video is about.

    Attributes:
        sightings: in order; frames in which it was not seen are missing.
        total: frames of the video.
        notes: what a person should know about the video, each a sentence without a full stop.
    """

    sightings: tuple[Sighting, ...]
    total: int
    notes: tuple[str, ...]

    def usable(self) -> NDArray[np.bool_]:
        """(F,) whether each sighting is sharp enough to learn from."""
        sharpness = np.array([sighting.sharpness for sighting in self.sightings])
        return np.asarray(sharpness >= BLURRED * np.median(sharpness))


@dataclasses.dataclass(eq=False)
class _Track:
    """A face while it is followed."""

    shot: int
    sightings: list[Sighting]
    picture: Bytes
    lost: int = 0

    @property
    def face(self) -> Face:
        return self.sightings[-1].face

    def weight(self, video: Video) -> float:
        """How much the video is about this face: its time, its size, and how near to the middle it is."""
        total = 0.0
        for sighting in self.sightings:
            x, y = sighting.face.landmarks[:, :2].mean(0)
            away = math.hypot(x / video.width - 0.5, y / video.height - 0.5)
            total += sighting.face.eye_distance * (1 - min(away, 0.9))
        return total


def follow_face(video: Video, tracker: Tracker, recogniser: Recogniser | None, progress: Progress) -> Followed:
    """Find the person whom `video` is about.

    Args:
        recogniser: tells whether two shots show one person; without it only the longest shot is used.

    Raises:
        InputError: "no-face", "video-too-short", "video-too-dark", "face-too-small".
        Cancelled: by `progress`.
    """
    total = count_frames(video)
    every: list[_Track] = []
    live: list[_Track] = []
    before: NDArray[np.float32] | None = None
    shot, number, patience = 0, -1, max(2, round(GAP_S * video.rate))
    for number, pixels in enumerate(video_frames(video)):
        progress(STAGE, min(number, total - 1), total)
        small = _thumbnail(pixels)
        if before is not None and np.abs(small - before).mean() > CUT:
            shot, live = shot + 1, []
        before = small
        missing = _follow_all(live, tracker, pixels, number)
        if missing or not live or number % LOOK_AROUND == 0:
            _look_around(live, every, tracker, pixels, number, shot)
        live = [track for track in live if track.lost <= patience]
    progress(STAGE, total, total)
    frames = number + 1
    if not every:
        raise InputError("no-face", f"no face was found in {video.path.name}", "use a video of one face, upright")
    return _chosen(video, every, frames, shot, recogniser)


def _follow_all(live: list[_Track], tracker: Tracker, pixels: Bytes, number: int) -> bool:
    """Follow every track that was seen in the frame before; says whether any was lost."""
    missing = False
    for track in live:
        face = tracker.follow(pixels, track.face) if not track.lost else None
        taken = face is not None and any(
            other is not track and other.sightings[-1].frame == number and _is_near(other.face, face) for other in live
        )
        if face is None or taken or face.score < FACE_SURE or not _continues(track.face, face):
            track.lost += 1
            missing = True
        else:
            track.sightings.append(_sighting(number, face, pixels))
    return missing


def _look_around(
    live: list[_Track], every: list[_Track], tracker: Tracker, pixels: Bytes, number: int, shot: int
) -> None:
    """Take up lost tracks again, and begin one for each face that is new."""
    for face in tracker.track_all(pixels):
        if any(track.sightings[-1].frame == number and _is_near(track.face, face) for track in live):
            continue
        lost = [track for track in live if track.lost and _is_near(track.face, face)]
        if lost:
            lost[0].sightings.append(_sighting(number, face, pixels))
            lost[0].lost = 0
        elif len(live) < MOST_TRACKS:
            track = _Track(shot, [_sighting(number, face, pixels)], _portrait(pixels, face))
            live.append(track)
            every.append(track)


def _chosen(video: Video, every: list[_Track], frames: int, cuts: int, recogniser: Recogniser | None) -> Followed:
    best = max(every, key=lambda track: track.weight(video))
    group = [best]
    own = recogniser(best.picture) if recogniser is not None and cuts else None
    for track in every:
        apart = all(track.shot != other.shot or not _overlap(track, other) for other in group)
        if track is best or recogniser is None or own is None or not apart:
            continue
        theirs = recogniser(track.picture)
        if theirs is not None and np.linalg.norm(theirs - own) < SAME_PERSON:
            group.append(track)
    found = sorted((s for track in group for s in track.sightings), key=lambda sighting: sighting.frame)
    light = [sighting for sighting in found if sighting.light >= DARK]
    notes = list(_notes(every, group, frames, cuts, recogniser is not None))
    name = video.path.name
    if len(light) < min(LEAST_FRAMES, len(found)):
        raise InputError("video-too-dark", f"the face in {name} is too dark to be read", "record it in more light")
    if len(light) < LEAST_FRAMES:
        raise InputError(
            "video-too-short",
            f"{name} shows a face in only {len(light)} frames",
            f"use a video with {LEAST_FRAMES} frames or more of one face",
        )
    size = float(np.median([sighting.face.eye_distance for sighting in light]))
    if size < SMALLEST_FACE:
        raise InputError(
            "face-too-small", f"the eyes in {name} are only {size:.0f} pixels apart", "record the face from closer by"
        )
    if len(light) < len(found):
        notes.append(f"{len(found) - len(light)} frames are too dark and are left out")
    if frames >= MOST_FRAMES:
        notes.append(f"only the first {MOST_FRAMES} frames are used")
    followed = Followed(tuple(light), frames, ())
    dull = int((~followed.usable()).sum())
    if dull:
        notes.append(f"{dull} frames are blurred: they are tracked, and not learnt from")
    return dataclasses.replace(followed, notes=tuple(notes))


def _notes(every: Sequence[_Track], group: Sequence[_Track], frames: int, cuts: int, recognised: bool) -> list[str]:
    notes = []
    used = [s.frame for track in group for s in track.sightings]
    others = [track for track in every if track not in group and len(track.sightings) >= LEAST_FRAMES]
    beside = [t for t in others if any(t.shot == own.shot and _overlap(t, own) for own in group)]
    if beside:
        notes.append("more than one person is in the picture; the largest face nearest to the middle is followed")
    if cuts:
        how = "those that show the same person" if recognised else "the longest"
        notes.append(f"the video has {cuts + 1} shots; {how} are used, {len(used)} of {frames} frames")
    first, last = min(used), max(used)
    away = last - first + 1 - len(used)
    if (away or first or last < frames - 1) and not cuts:
        notes.append(f"the face is not seen in {frames - len(used)} of {frames} frames; these are left out")
    return notes


def _overlap(first: _Track, second: _Track) -> bool:
    a, b = first.sightings, second.sightings
    return a[0].frame <= b[-1].frame and b[0].frame <= a[-1].frame


def _is_near(first: Face, second: Face) -> bool:
    apart = float(np.linalg.norm(first.landmarks[:, :2].mean(0) - second.landmarks[:, :2].mean(0)))
    return apart < 0.9 * max(first.eye_distance, second.eye_distance)


def _continues(before: Face, face: Face) -> bool:
    """Whether `face` can be what `before` was a frame ago."""
    moved = float(np.linalg.norm(before.landmarks[:, :2].mean(0) - face.landmarks[:, :2].mean(0)))
    grown = face.eye_distance / max(before.eye_distance, 1e-6)
    return moved < JUMP * before.eye_distance and 1 / GROWTH < grown < GROWTH


def _sighting(number: int, face: Face, pixels: Bytes) -> Sighting:
    area = _portrait(pixels, face, margin=0.0)
    side = min(96, *area.shape[:2])  # never enlarged: that would be sharp nowhere
    grey = cv2.resize(cv2.cvtColor(area, cv2.COLOR_RGB2GRAY), (side, side), interpolation=cv2.INTER_AREA)
    values = grey.astype(np.float32) / np.float32(255)
    edges = cv2.Laplacian(values, cv2.CV_32F)
    return Sighting(number, face, float((edges**2).mean() / max(float(values.var()), 1e-5)), float(values.mean()))


def _portrait(pixels: Bytes, face: Face, margin: float = 0.5) -> Bytes:
    """The part of the frame that holds the face, with a margin in its own size."""
    low, high = face.landmarks[:, :2].min(0), face.landmarks[:, :2].max(0)
    reach = margin * float((high - low).max())
    x0, y0 = np.maximum((low - reach).astype(int), 0)
    x1, y1 = np.maximum((high + reach).astype(int) + 1, [x0 + 2, y0 + 2])
    area = pixels[y0:y1, x0:x1]
    return np.ascontiguousarray(area if area.size else pixels)


def _thumbnail(pixels: Bytes) -> NDArray[np.float32]:
    small = cv2.resize(pixels, (24, 24), interpolation=cv2.INTER_AREA)
    return np.asarray(small.astype(np.float32) / np.float32(255), np.float32)
