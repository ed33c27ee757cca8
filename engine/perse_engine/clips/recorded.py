"""Real footage as clips: what the video shows, cut out, with the labels and the state of the tracked head.

clips/recorded                 frames that are learnt from
clips/held_out_<frame>         one clip for each block that is not, named by its first frame in the video
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
import shutil
from collections.abc import Collection, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from perse_engine.avatars.state import AvatarState
from perse_engine.cameras import Camera
from perse_engine.clips.animator import look_of, render_frame
from perse_engine.clips.dataset import clear_errors
from perse_engine.clips.frames import CLIPS, HELD_OUT, INDEX, RECORDED, Dataset, clip_to_json, load_dataset
from perse_engine.clips.labels import UNKNOWN
from perse_engine.clips.pictures import write_frame
from perse_engine.clips.planned import Split
from perse_engine.clips.wardrobe import Wardrobe
from perse_engine.errors import InputError
from perse_engine.files import write_json
from perse_engine.portraits.landmarks import OVAL
from perse_engine.portraits.matting import Matter
from perse_engine.portraits.portrait import Portrait
from perse_engine.portraits.recording import Recording
from perse_engine.portraits.video import video_frames
from perse_engine.progress import Progress

STAGE = "footage"
MOST = 240
"""Frames that are learnt from, spread over the video: more repeat each other and cost memory."""
LARGEST = 512
"""Side in pixels to which a cut-out is reduced."""


@dataclasses.dataclass(frozen=True)
class _Shot:
    """A clip to write: its name, what it may be used for, and the recording's moments in it."""

    name: str
    split: Split
    moments: tuple[int, ...]


def add_recording(
    recording: Recording, portrait: Portrait, folder: Path, held_out: Collection[int], progress: Progress
) -> Dataset:
    """Add the frames of `recording` to the finished dataset in `folder`.

    Args:
        held_out: frames of the video that must not be learnt from; they become clips of the split "footage".

    Raises:
        Cancelled: `progress` said so.
        InputError: "other-dataset" where the folder holds other footage, "video-too-short" where nothing is left,
            "not-a-video" where the video has changed or vanished.
        PerseError: disk-full.
    """
    wardrobe = load_dataset(folder).wardrobe
    shots = _shots(recording, held_out)
    fingerprint = _fingerprint(recording, held_out)
    with clear_errors(folder):
        index = json.loads((folder / INDEX).read_bytes())
        if index.get("footage", {}).get("fingerprint", fingerprint) != fingerprint:
            raise InputError(
                "other-dataset", f"{folder} holds other footage", "choose another folder, or delete this one"
            )
        if any(not (folder / CLIPS / f"{shot.name}.json").exists() for shot in shots):
            _write(recording, portrait, wardrobe, shots, folder, progress)
        own = {shot.name for shot in shots}
        index["clips"] = [name for name in index["clips"] if name not in own] + [shot.name for shot in shots]
        index["footage"] = {"fingerprint": fingerprint, "video": recording.video.source, "notes": list(recording.notes)}
        write_json(folder / INDEX, index)
    return load_dataset(folder)


def _shots(recording: Recording, held_out: Collection[int]) -> list[_Shot]:
    """The clip that is learnt from, and one for each block of consecutive frames that are held out."""
    kept = np.array([number not in held_out for number in recording.numbers])
    taught = np.flatnonzero(recording.usable & recording.seen & kept)
    if not len(taught):
        raise InputError("video-too-short", "no frame of the video is left to learn from", "hold out fewer frames")
    chosen = taught[np.unique(np.linspace(0, len(taught) - 1, min(MOST, len(taught))).round().astype(int))]
    shots = [_Shot(RECORDED, "train", tuple(int(k) for k in chosen))]
    left = [int(k) for k in np.flatnonzero(recording.seen & ~kept)]
    for _, group in itertools.groupby(enumerate(left), lambda pair: pair[1] - pair[0]):
        moments = tuple(k for _, k in group)
        shots.append(_Shot(f"{HELD_OUT}{recording.numbers[moments[0]]:05d}", "footage", moments))
    return shots


def _write(
    recording: Recording,
    portrait: Portrait,
    wardrobe: Wardrobe,
    shots: Sequence[_Shot],
    folder: Path,
    progress: Progress,
) -> None:
    """Read the video once and write every clip's frames as they come by."""
    place: dict[int, tuple[_Shot, int, int]] = {}
    for shot in shots:
        (folder / CLIPS / f"{shot.name}.json").unlink(missing_ok=True)
        shutil.rmtree(folder / CLIPS / shot.name, ignore_errors=True)
        (folder / CLIPS / shot.name).mkdir(parents=True)
        place |= {int(recording.numbers[k]): (shot, number, k) for number, k in enumerate(shot.moments)}
    matter, look = Matter(), look_of(wardrobe, AvatarState())
    described: dict[str, list[tuple[AvatarState, Camera]]] = {shot.name: [] for shot in shots}
    written: list[Future[None]] = []
    usual = usual_width(recording)
    with ThreadPoolExecutor(2) as writers:
        for at, pixels in enumerate(video_frames(recording.video)):
            if at not in place:
                continue
            progress(STAGE, len(written), len(place))
            shot, number, k = place[at]
            state = AvatarState(recording.sliders(k), recording.poses[k])
            window = face_window(recording, portrait, k, usual)
            rgba, inside = cut_out(pixels, matter.matte(pixels, recording.landmarks[k]), window)
            camera = recording.camera(k).cropped(*window, window[2]).resized(rgba.shape[1], rgba.shape[0])
            labels = render_frame(wardrobe, state, camera, look=look, samples=1).parts
            labels[~inside] = wardrobe.labels.index(UNKNOWN)
            written.append(writers.submit(write_frame, folder / CLIPS / shot.name, number, rgba, labels))
            described[shot.name].append((state, camera))
    for future in written:
        future.result()
    if len(written) < len(place):
        video = recording.video.path.name
        raise InputError("not-a-video", f"{video} has fewer frames than were tracked", "put the same file back")
    for shot in shots:
        write_json(folder / CLIPS / f"{shot.name}.json", clip_to_json(shot.split, described[shot.name]))
    progress(STAGE, len(place), len(place))


def usual_width(recording: Recording) -> float:
    """The face's width in the video, pixels: the median, so that all windows have one size."""
    return float(np.median([_middle(landmarks)[1] for landmarks in recording.landmarks]))


def face_window(recording: Recording, portrait: Portrait, k: int, usual: float) -> tuple[int, int, int]:
    """X, y and side in whole pixels: what the portrait's crop is to its face, to the face of the k-th moment.

    Args:
        usual: see `usual_width`.
    """
    middle, size = _middle(portrait.landmarks)
    here, _ = _middle(recording.landmarks[k])
    scale = usual / size
    x, y, side = portrait.crop
    corner = here + (np.array([x, y]) - middle) * scale
    return round(float(corner[0])), round(float(corner[1])), round(side * scale)


def _middle(landmarks: NDArray[np.floating]) -> tuple[NDArray[np.float64], float]:
    """The middle of the face without its jaw, which moves, and its width."""
    upper = OVAL[:10] + OVAL[27:]
    points = landmarks[[*upper, 168, 6, 1], :2].astype(np.float64)
    return points.mean(0), float(np.ptp(points[:, 0]))


def cut_out(
    pixels: NDArray[np.uint8], matte: NDArray[np.float32], window: tuple[int, int, int]
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """(n, n, 4) sRGB with the matte as straight alpha, and (n, n) what lies inside the frame."""
    x, y, side = window
    height, width = matte.shape
    rows, columns = np.clip(np.arange(y, y + side), 0, height - 1), np.clip(np.arange(x, x + side), 0, width - 1)
    area = np.dstack([pixels, np.round(matte * 255).astype(np.uint8)])[rows[:, None], columns[None]]
    inside = (np.arange(y, y + side) == rows)[:, None] & (np.arange(x, x + side) == columns)[None]
    area[~inside, 3] = 0
    if side > LARGEST:
        size = (LARGEST, LARGEST)
        area = np.asarray(cv2.resize(area, size, interpolation=cv2.INTER_AREA), np.uint8)
        inside = cv2.resize(inside.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0.999
    return np.ascontiguousarray(area), np.asarray(inside)


def _fingerprint(recording: Recording, held_out: Collection[int]) -> str:
    digest = hashlib.sha256(json.dumps([recording.video.source, sorted(held_out)], default=str).encode())
    for array in (recording.numbers, recording.views, recording.expressions, recording.poses, recording.usable):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
