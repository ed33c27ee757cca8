"""Footage in a build: a video of the person is fitted and tracked, and so is every video that shows a style."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Collection
from pathlib import Path

import cv2
import numpy as np
from scipy.spatial.transform import Rotation

from perse_engine.clips.brought import Brought, Edits
from perse_engine.errors import InputError
from perse_engine.evaluation.identity import FaceReader, missing
from perse_engine.files import atomic_write
from perse_engine.heads.head import NECK, Head
from perse_engine.heads.posing import joint_transforms
from perse_engine.portraits.fitting import fit_portrait
from perse_engine.portraits.following import Followed, follow_face
from perse_engine.portraits.landmarks import Tracker
from perse_engine.portraits.parsing import Parser
from perse_engine.portraits.portrait import Portrait
from perse_engine.portraits.recording import Recording, load_recording, save_recording
from perse_engine.portraits.tracking import survey, track_head
from perse_engine.portraits.video import Video, open_video, video_frames
from perse_engine.progress import Progress

logger = logging.getLogger(__name__)

RECORDING, FRAME = "recording", "frame.png"
FILMS = "films"
UNLIKE = 0.15  # radians of turn that a unit of expression counts


def fit_video(
    video: Path,
    photo: Path | None,
    head: Head,
    held_out: Collection[int],
    folder: Path,
    *,
    seed: int,
    progress: Progress,
    parser: Parser | None = None,
) -> Portrait:
    """Fit the person in `video`, and write the recording into the job's `folder`.

    Args:
        photo: what the portrait is made from; the video's best frame where None.
        held_out: frames that nothing may be learnt from.
        parser: of the portrait's parts, as in `fit_portrait`.

    Raises:
        InputError: the video or the photo cannot be used; see `open_video`, `follow_face`, `survey`, `fit_portrait`.
        Cancelled: by `progress`.
    """
    opened, tracker = open_video(video), Tracker()
    followed = _followed(opened, tracker, progress)
    if photo is not None:
        portrait = fit_portrait(photo, head, seed=seed, progress=progress, parser=parser)
        number = None
    else:
        found = survey(opened, followed, head, tracker, held_out)
        number = found.frame
        _write_frame(opened, number, folder / FRAME)
        fitted = fit_portrait(
            folder / FRAME, head, seed=seed, progress=progress, parser=parser, expected=found.identity
        )
        portrait = dataclasses.replace(fitted, source={**opened.source, "frame": number})
    recording: Recording = track_head(opened, followed, portrait, tracker, progress, number)
    save_recording(recording, folder / RECORDING)
    return portrait


def film_styles(
    edits: Edits, portrait: Portrait, folder: Path, progress: Progress
) -> tuple[Edits, dict[str, Recording]]:
    """Track the person in every video of `edits`; what was tracked before is read from `folder`.

    Returns:
        edits whose styles all have a picture, the most portrait-like frame of a video; videos that cannot be used are
        passed over.
        recordings by slider.

    Raises:
        Cancelled: by `progress`.
    """
    styles: dict[str, Brought] = {}
    passed_over = list(edits.passed_over)
    recordings: dict[str, Recording] = {}
    tracker = Tracker()
    for slider, style in edits.styles.items():
        if not style.filmed:
            styles[slider] = style
            continue
        place = folder / slider
        try:
            recordings[slider] = _film(Path(style.path), portrait, tracker, place, progress)
        except InputError as error:
            passed_over.append(f"{Path(style.path).name}: {error.message}")
        else:
            styles[slider] = style.picked(place / FRAME)
    return Edits(styles, tuple(passed_over)), recordings


def _film(path: Path, portrait: Portrait, tracker: Tracker, place: Path, progress: Progress) -> Recording:
    if (place / FRAME).is_file():  # written last
        return load_recording(place)
    video = open_video(path)
    followed = _followed(video, tracker, progress)
    recording = track_head(video, followed, portrait, tracker, progress, None)
    save_recording(recording, place)
    _write_frame(video, int(recording.numbers[_likest(recording, portrait)]), place / FRAME)
    return recording


def _likest(recording: Recording, portrait: Portrait) -> int:
    """The moment that is most like the portrait in its turn and expression, of those sharp enough to learn from."""
    posed = portrait.camera.view @ joint_transforms(portrait.head.joints, portrait.state.pose)[NECK]
    turns = [
        recording.views[k] @ joint_transforms(portrait.head.joints, pose)[NECK]
        for k, pose in enumerate(recording.poses)
    ]
    apart = np.array(
        [np.linalg.norm(Rotation.from_matrix(turn[:3, :3] @ posed[:3, :3].T).as_rotvec()) for turn in turns]
    )
    unlike = np.abs(recording.expressions - portrait.state.expression).sum(1)
    return int((apart + UNLIKE * unlike + np.where(recording.usable & recording.seen, 0.0, np.inf)).argmin())


def _followed(video: Video, tracker: Tracker, progress: Progress) -> Followed:
    recogniser = None if missing() else FaceReader().descriptor
    followed = follow_face(video, tracker, recogniser, progress)
    for note in followed.notes:
        logger.warning("%s: %s", video.path.name, note)
    return followed


def _write_frame(video: Video, number: int, path: Path) -> None:
    pixels = next(frame for k, frame in enumerate(video_frames(video)) if k == number)
    _, content = cv2.imencode(".png", np.ascontiguousarray(pixels[..., ::-1]))
    with atomic_write(path) as stream:
        stream.write(content.tobytes())
