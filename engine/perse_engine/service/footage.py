"""The first stage of a build with a video: its best frame, or a photo, becomes the portrait; every frame is tracked."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Collection
from pathlib import Path

import cv2
import numpy as np

from perse_engine.evaluation.identity import FaceReader, missing
from perse_engine.files import atomic_write
from perse_engine.heads.head import Head
from perse_engine.portraits.fitting import fit_portrait
from perse_engine.portraits.following import follow_face
from perse_engine.portraits.landmarks import Tracker
from perse_engine.portraits.parsing import Parser
from perse_engine.portraits.portrait import Portrait
from perse_engine.portraits.recording import Recording, save_recording
from perse_engine.portraits.tracking import survey, track_head
from perse_engine.portraits.video import Video, open_video, video_frames
from perse_engine.progress import Progress

logger = logging.getLogger(__name__)

RECORDING, FRAME = "recording", "frame.png"


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
    recogniser = None if missing() else FaceReader().descriptor
    followed = follow_face(opened, tracker, recogniser, progress)
    for note in followed.notes:
        logger.warning("%s: %s", video.name, note)
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


def _write_frame(video: Video, number: int, path: Path) -> None:
    pixels = next(frame for k, frame in enumerate(video_frames(video)) if k == number)
    _, content = cv2.imencode(".png", np.ascontiguousarray(pixels[..., ::-1]))
    with atomic_write(path) as stream:
        stream.write(content.tobytes())
