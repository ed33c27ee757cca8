"""From a followed face to a `Recording`: which frame is the portrait, and what the head does in every frame."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Collection

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation, Slerp

from perse_engine.cameras import Camera
from perse_engine.errors import InputError
from perse_engine.heads.head import JAW, LEFT_EYE, NECK, RIGHT_EYE, Head
from perse_engine.heads.posing import joint_transforms
from perse_engine.portraits.correspondence import find_correspondence
from perse_engine.portraits.details import gaze
from perse_engine.portraits.fit import photo_lens
from perse_engine.portraits.fitting import eyeball_radius
from perse_engine.portraits.following import GAP_S, Followed
from perse_engine.portraits.gaps import lid_gap
from perse_engine.portraits.habits import measured_units
from perse_engine.portraits.landmarks import LEFT_LIDS, RIGHT_LIDS, Tracker
from perse_engine.portraits.portrait import Portrait
from perse_engine.portraits.recording import Recording
from perse_engine.portraits.sequence import HeadSequence
from perse_engine.portraits.video import Video
from perse_engine.progress import Progress

Doubles = NDArray[np.float64]

STAGE = "track"
SURVEYED = 24
"""Frames in which identity is looked for, spread over the video."""
ROUNDS = 4
IDENTITY_PRIOR = 6.0
SWEEPS = 6
SHUT = 0.35
"""Opening of an eye, relative to its usual one, below which its iris says nothing."""
GAZE_SMOOTHING = 1.0  # standard deviation in frames


@dataclasses.dataclass(frozen=True, eq=False)
class Survey:
    """What a video tells about the person before any portrait is made.

    Attributes:
        identity: (S,) shape coefficients that suit all frames, standard deviations.
        frame: number in the video of the sharpest, most frontal, most neutral frame.
    """

    identity: NDArray[np.float32]
    frame: int


def survey(video: Video, followed: Followed, head: Head, tracker: Tracker, held_out: Collection[int]) -> Survey:
    """Find the identity that all frames share, alternating with the frames' own states, and the best frame.

    Args:
        held_out: frames that nothing may be learnt from.

    Raises:
        InputError: "video-too-short" where everything is held out or blurred.
    """
    usable = followed.usable()
    allowed = [k for k, s in enumerate(followed.sightings) if usable[k] and s.frame not in held_out]
    if not allowed:
        raise InputError("video-too-short", "no frame of the video is left to learn from", "hold out fewer frames")
    every = np.array(allowed)[np.unique(np.linspace(0, len(allowed) - 1, SURVEYED).round().astype(int))]
    sequence = _sequence(video, followed, head, tracker, every)
    identity = np.zeros(head.shape_directions.shape[2])
    for _ in range(ROUNDS):
        sequence.solve(2)
        identity = sequence.fit_identity(identity, IDENTITY_PRIOR)
    sequence.solve(2)
    sharpness = np.array([followed.sightings[k].sharpness for k in every])
    frontal = -sequence.motion.rotations[:, 2, 2]
    busy = np.abs(sequence.motion.units[:, :-1] - np.median(sequence.motion.units[:, :-1], 0)).sum(1)
    score = np.minimum(sharpness / np.median(sharpness), 1.3) + 6 * (frontal - 1) - 0.25 * busy
    return Survey(identity.astype(np.float32), followed.sightings[every[int(score.argmax())]].frame)


def track_head(
    video: Video,
    followed: Followed,
    portrait: Portrait,
    tracker: Tracker,
    progress: Progress,
    portrait_frame: int | None,
) -> Recording:
    """Track the portrait's personal head through the video: one identity, smooth poses and expressions, gaze.

    Args:
        portrait_frame: frame of the video that the portrait shows, or None where it is another photograph.

    Raises:
        Cancelled: by `progress`.
    """
    head, count = portrait.head, len(followed.sightings)
    progress(STAGE, 0, SWEEPS + 1)
    sequence = _sequence(video, followed, head, tracker, np.arange(count))
    sequence.answer(measured_units(portrait, tracker))
    numbers = np.array([sighting.frame for sighting in followed.sightings])
    if portrait_frame is not None and portrait_frame in numbers:
        _believe(sequence, portrait, int(np.flatnonzero(numbers == portrait_frame)[0]))
    for sweep in range(SWEEPS):
        sequence.solve(1, iterations=3 if sweep == 0 else 1)
        progress(STAGE, sweep + 1, SWEEPS + 1)
    motion = sequence.motion
    views, poses = _posed(head, motion.rotations, motion.translations, portrait.camera.view[:3, :3])
    poses[:, JAW, 0] = motion.units[:, -1]
    landmarks = np.stack([sighting.face.landmarks for sighting in followed.sightings])
    irises = np.stack([sighting.face.iris_centers for sighting in followed.sightings])
    poses[:, [LEFT_EYE, RIGHT_EYE]] = _gazes(head, sequence.lens, views, poses, irises, landmarks)
    progress(STAGE, SWEEPS + 1, SWEEPS + 1)
    recording = Recording(
        video=video,
        lens=sequence.lens,
        expression_names=head.expression_names,
        numbers=numbers.astype(np.int64),
        views=views,
        expressions=motion.units[:, :-1].astype(np.float32),
        poses=poses.astype(np.float32),
        landmarks=landmarks.astype(np.float32),
        seen=np.ones(count, bool),
        usable=followed.usable(),
        notes=followed.notes,
    )
    return _filled(recording, max(2, round(GAP_S * video.rate)))


def _sequence(
    video: Video, followed: Followed, head: Head, tracker: Tracker, chosen: NDArray[np.integer]
) -> HeadSequence:
    sightings = [followed.sightings[k] for k in chosen]
    return HeadSequence(
        head,
        find_correspondence(head, tracker),
        np.stack([s.face.landmarks[:, :2] for s in sightings]).astype(np.float64),
        np.array([s.face.eye_distance for s in sightings]),
        photo_lens(video.width, video.height, None),
        np.diff([s.frame for s in sightings]).astype(np.float64),
    )


def _believe(sequence: HeadSequence, portrait: Portrait, k: int) -> None:
    """Start frame `k` as the portrait has it, and let what its landmarks lack there be the person's."""
    state, motion = portrait.state, sequence.motion
    transform = portrait.camera.view @ joint_transforms(portrait.head.joints, state.pose)[NECK].astype(np.float64)
    motion.rotations[k] = transform[:3, :3]
    motion.translations[k] = transform[:3, 3] + portrait.camera.view[:3, :3] @ state.translation
    motion.units[k] = np.append(state.expression, state.pose[JAW, 0])
    sequence.absorb(k)


def _posed(head: Head, rotations: Doubles, translations: Doubles, body: Doubles) -> tuple[Doubles, Doubles]:
    """Views (F, 4, 4) with the body's rotation (3, 3) in every frame, and poses (F, 5, 3) with the neck's turn."""
    neck = head.joints[NECK].astype(np.float64)
    poses = np.zeros((len(rotations), 5, 3))
    poses[:, NECK] = Rotation.from_matrix(body.T @ rotations).as_rotvec()
    views = np.tile(np.eye(4), (len(rotations), 1, 1))
    views[:, :3, :3] = body
    views[:, :3, 3] = translations + (rotations - body) @ neck
    return views, poses


def _gazes(
    head: Head,
    lens: Camera,
    views: Doubles,
    poses: Doubles,
    irises: NDArray[np.float32],
    landmarks: NDArray[np.float32],
) -> Doubles:
    """(F, 2, 3) turns of the eyes; what shut lids hide is taken from the frames around."""
    centers = head.joints[[LEFT_EYE, RIGHT_EYE]].astype(np.float64)
    radius = eyeball_radius(head)
    turns = np.empty((len(views), 2, 3))
    for k, view in enumerate(views):
        neck = joint_transforms(head.joints, poses[k])[NECK].astype(np.float64)
        inner = dataclasses.replace(lens, view=view @ neck)
        turns[k] = gaze(centers, radius, irises[k].astype(np.float64), inner)
    opening = np.minimum(*(lid_gap(landmarks, lids) for lids in (LEFT_LIDS, RIGHT_LIDS)))
    trusted = (opening > SHUT * np.median(opening)).astype(np.float64)
    if not trusted.any():
        return turns
    flat = turns.reshape(len(turns), -1)
    size = 6 * max(1, round(GAZE_SMOOTHING)) + 1
    kernel = cv2.getGaussianKernel(size, GAZE_SMOOTHING)[:, 0]
    weight = np.convolve(trusted, kernel, "same")[:, None]
    mean = np.stack([np.convolve(column * trusted, kernel, "same") for column in flat.T], 1)
    known = weight[:, 0] > 0.2
    smooth = mean / np.maximum(weight, 1e-9)
    frames = np.arange(len(flat))
    filled = np.stack([np.interp(frames, frames[known], column[known]) for column in smooth.T], 1)
    return np.asarray(filled.reshape(turns.shape))


def _filled(recording: Recording, longest: int) -> Recording:
    """The recording with short gaps interpolated: poses on the shortest arc, the rest in a straight line."""
    numbers = recording.numbers
    inside = [np.arange(a + 1, b) for a, b in itertools.pairwise(numbers) if 1 < b - a <= longest + 1]
    if not inside:
        return recording
    missing = np.concatenate(inside)
    every = np.sort(np.concatenate([numbers, missing]))
    seen = np.isin(every, numbers)

    def straight(values: NDArray[np.generic]) -> NDArray[np.float64]:
        flat = np.asarray(values, np.float64).reshape(len(values), -1)
        columns = [np.interp(every, numbers, column) for column in flat.T]
        return np.stack(columns, 1).reshape(len(every), *values.shape[1:])

    poses = np.stack(
        [Slerp(numbers, Rotation.from_rotvec(recording.poses[:, j]))(every).as_rotvec() for j in range(5)], 1
    )
    usable = np.zeros(len(every), bool)
    usable[seen] = recording.usable
    return dataclasses.replace(
        recording,
        numbers=every,
        views=straight(recording.views),  # their rotations are all the body's
        expressions=straight(recording.expressions).astype(np.float32),
        poses=poses.astype(np.float32),
        landmarks=straight(recording.landmarks).astype(np.float32),
        seen=seen,
        usable=usable,
        notes=(*recording.notes, f"{len(missing)} frames between are interpolated"),
    )
