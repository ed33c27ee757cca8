"""Videos as people have them: any container and codec that OpenCV's FFmpeg reads, upright, frame by frame."""

from __future__ import annotations

import dataclasses
import hashlib
import math
import os
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from perse_engine.errors import InputError
from perse_engine.portraits.images import input_file

SMALLEST = 64
WORKING_SIDE = 1280
"""Long side in pixels beyond which frames are reduced: more than clips and textures can hold."""
MOST_FRAMES = 1800
"""A minute at 30 frames a second; later frames are left out."""

Bytes = NDArray[np.uint8]


@dataclasses.dataclass(frozen=True, eq=False)
class Video:
    """A video that can be read.

    Attributes:
        path: of the file.
        width, height: of the first frame as it is worked with, pixels.
        rate: frames a second.
        source: file name, sha256 and original size (width, height), for provenance.
    """

    path: Path
    width: int
    height: int
    rate: float
    source: dict[str, object]


def open_video(path: Path) -> Video:
    """Look whether `path` is a video.

    Raises:
        InputError: "file-missing", "is-a-directory", "no-permission", "empty-file", "not-a-video" or "too-small".
    """
    digest = _hash(path)
    capture = _capture(path)
    try:
        ok, frame = capture.read()
        rate = float(capture.get(cv2.CAP_PROP_FPS))
    finally:
        capture.release()
    if not ok or frame is None:
        raise _unreadable(path)
    height, width = frame.shape[:2]
    if min(width, height) < SMALLEST:
        raise InputError(
            "too-small", f"{path.name} has only {width} x {height} pixels", f"use at least {SMALLEST} on each side"
        )
    small = _worked(frame)
    source: dict[str, object] = {"file": path.name, "sha256": digest, "size": [width, height]}
    plausible = rate if math.isfinite(rate) and 1 <= rate <= 1000 else 30.0
    return Video(path, small.shape[1], small.shape[0], plausible, source)


def video_frames(video: Video) -> Iterator[Bytes]:
    """The frames, (H, W, 3) uint8 sRGB, at most `MOST_FRAMES`; ends where the file is damaged.

    Where a stream changes its size in the middle, what follows is fitted into the first frame's, before black.

    Raises:
        InputError: "not-a-video" where the file has vanished since it was opened.
    """
    capture = _capture(video.path)
    try:
        for _ in range(MOST_FRAMES):
            ok, frame = capture.read()
            if not ok or frame is None:
                return
            yield _fitted(_worked(frame), video.width, video.height)
    finally:
        capture.release()


def count_frames(video: Video) -> int:
    """How many frames there are about, for progress."""
    capture = _capture(video.path)
    try:
        told = capture.get(cv2.CAP_PROP_FRAME_COUNT)
    finally:
        capture.release()
    return int(np.clip(told, 1, MOST_FRAMES)) if math.isfinite(told) else MOST_FRAMES


def _worked(frame: NDArray[np.generic]) -> Bytes:
    height, width = frame.shape[:2]
    scale = WORKING_SIDE / max(height, width)
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        frame = np.asarray(cv2.resize(np.asarray(frame, np.uint8), size, interpolation=cv2.INTER_AREA))
    return np.ascontiguousarray(cv2.cvtColor(np.asarray(frame, np.uint8), cv2.COLOR_BGR2RGB), np.uint8)


def _fitted(pixels: Bytes, width: int, height: int) -> Bytes:
    if pixels.shape[:2] == (height, width):
        return pixels
    scale = min(width / pixels.shape[1], height / pixels.shape[0])
    size = (max(1, min(width, round(pixels.shape[1] * scale))), max(1, min(height, round(pixels.shape[0] * scale))))
    area = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    framed = np.zeros((height, width, 3), np.uint8)
    x, y = (width - size[0]) // 2, (height - size[1]) // 2
    framed[y : y + size[1], x : x + size[0]] = cv2.resize(pixels, size, interpolation=area)
    return framed


def _capture(path: Path) -> cv2.VideoCapture:
    """A reader that turns frames upright as the file says, and does not chatter about damaged files."""
    before = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    try:
        capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    except cv2.error as error:
        raise _unreadable(path) from error
    finally:
        cv2.utils.logging.setLogLevel(before)
    if not capture.isOpened():
        raise _unreadable(path)
    return capture


def _unreadable(path: Path) -> InputError:
    return InputError("not-a-video", f"{path.name} is not a video that can be read", "use an MP4, MOV, MKV or WebM")


def _hash(path: Path) -> str:
    with input_file(path, "video"), path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
