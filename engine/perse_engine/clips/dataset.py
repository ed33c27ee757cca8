"""A portrait, a catalogue and a preset become a dataset on disk: clip by clip, resumable at any clip."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import hashlib
import json
import logging
import shutil
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from perse_engine.avatars.state import AvatarState
from perse_engine.cameras import Camera
from perse_engine.clips.animator import Look, look_of, render_frame
from perse_engine.clips.catalogue import Catalogue
from perse_engine.clips.editor import dress
from perse_engine.clips.frames import (
    CLIPS,
    INDEX,
    ORDER,
    PHOTO,
    VERSION,
    WARDROBE,
    ClipFrame,
    Dataset,
    Overlay,
    clip_to_json,
    load_dataset,
    read_clip,
)
from perse_engine.clips.labels import UNKNOWN
from perse_engine.clips.motion import camera_of, photo_camera, photo_state, whole_photo_camera
from perse_engine.clips.performance import Performance
from perse_engine.clips.pictures import draw_over, write_frame
from perse_engine.clips.plan import plan
from perse_engine.clips.planned import PlannedClip
from perse_engine.clips.presets import ClipsPreset
from perse_engine.clips.wardrobe import Wardrobe, load_wardrobe, save_wardrobe
from perse_engine.errors import InputError, PerseError
from perse_engine.files import write_json
from perse_engine.portraits.portrait import Portrait
from perse_engine.progress import Progress

logger = logging.getLogger(__name__)

__all__ = ["ClipFrame", "Dataset", "load_dataset", "synthesize"]

STAGE = "clips"
LEAST_PHOTO, MOST_PHOTO = 256, 1024
"""Side in pixels between which the photo's crop keeps its own resolution."""
MOST_WAITING = 8
"""Frames that may wait to be written, so that a fast renderer does not fill the memory."""


def synthesize(
    portrait: Portrait,
    catalogue: Catalogue,
    preset: ClipsPreset,
    folder: Path,
    *,
    seed: int,
    performance: Performance | None = None,
    progress: Progress,
) -> Dataset:
    """Write the dataset of `portrait` to `folder`, or finish writing it.

    The same portrait, catalogue, preset, performance and seed give the same bytes, however often the work was broken
    off: each clip has a random stream of its own, and one that was broken off is written again.

    Args:
        performance: what the person does, instead of the motion library.

    Raises:
        Cancelled: `progress` said so; the clips that are finished stay.
        InputError: other-dataset where `folder` holds clips of another order, no-permission where it cannot be written.
        PerseError: disk-full.
    """
    order = _order(portrait, catalogue, preset, seed, performance)
    clips = plan(portrait, catalogue, preset, seed, performance)
    total = sum(len(clip.frames) for clip in clips) + 1
    with clear_errors(folder):
        _claim(folder, order)
        progress(STAGE, 0, total)
        wardrobe = _wardrobe(portrait, catalogue, folder)
        if not _finished(folder, PHOTO):
            _write_photo(portrait, wardrobe, folder)
        done = 1
        with ThreadPoolExecutor(2) as writers:
            whole: dict[str, ClipFrame] = {}
            for clip in clips:
                progress(STAGE, done, total)
                if not _finished(folder, clip.name):
                    _write_clip(portrait, wardrobe, clip, folder, whole, writers, progress, done, total)
                if clip.frames[0].below is None:
                    read_clip(folder, clip.name, whole)
                done += len(clip.frames)
        write_json(
            folder / INDEX,
            {
                "version": VERSION,
                "order": order,
                "clips": [clip.name for clip in clips],
                "photo_camera": whole_photo_camera(portrait).to_json(),
                "source": dict(portrait.source),
            },
        )
        progress(STAGE, total, total)
    dataset = load_dataset(folder)
    logger.info("clips: %s", dataset.counts())
    return dataset


def _order(
    portrait: Portrait, catalogue: Catalogue, preset: ClipsPreset, seed: int, performance: Performance | None
) -> dict[str, object]:
    """What decides every byte of a dataset."""
    digest = hashlib.sha256(json.dumps(dict(portrait.source), sort_keys=True, default=str).encode())
    for array in (portrait.texture, portrait.hair_texture, portrait.head.template, portrait.state.expression):
        digest.update(array.tobytes())
    styles = repr((catalogue.categories, catalogue.styles, catalogue.parameters))
    return {
        "version": VERSION,
        "preset": dataclasses.asdict(preset),
        "seed": seed,
        "performance": "library" if performance is None else performance.digest(),
        "portrait": digest.hexdigest(),
        "catalogue": hashlib.sha256(styles.encode()).hexdigest(),
    }


def _claim(folder: Path, order: dict[str, object]) -> None:
    """Make `folder` the place of this order."""
    path = folder / ORDER
    if path.exists():
        try:
            found = json.loads(path.read_bytes())
        except ValueError:
            found = None
        if found != order:
            raise InputError(
                "other-dataset",
                f"{folder} holds clips of another portrait, catalogue, preset, motion or seed",
                "choose another folder, or delete this one",
            )
    else:
        write_json(path, order)
    (folder / CLIPS).mkdir(exist_ok=True)


def _wardrobe(portrait: Portrait, catalogue: Catalogue, folder: Path) -> Wardrobe:
    path = folder / WARDROBE
    if path.exists():
        return load_wardrobe(path)
    wardrobe = dress(portrait, catalogue)
    save_wardrobe(wardrobe, path)
    return wardrobe


def _finished(folder: Path, clip: str) -> bool:
    return (folder / CLIPS / f"{clip}.json").exists()


def _fresh(folder: Path, clip: str) -> Path:
    """An empty folder for the frames of a clip, whatever an interrupted run left there."""
    place = folder / CLIPS / clip
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    return place


def _write_photo(portrait: Portrait, wardrobe: Wardrobe, folder: Path) -> None:
    """The photo's own crop as a frame: what the avatar must look like in the photo's state."""
    place = _fresh(folder, PHOTO)
    side = int(np.clip(round(portrait.crop[2]), LEAST_PHOTO, MOST_PHOTO)) // 4 * 4
    camera = photo_camera(portrait, side)
    state = photo_state(portrait)
    rgba, inside = photo_crop(portrait, side)
    labels = render_frame(wardrobe, state, camera).parts
    labels[inside < 0.999] = wardrobe.labels.index(UNKNOWN)
    write_frame(place, 0, rgba, labels)
    write_json(folder / CLIPS / f"{PHOTO}.json", clip_to_json("train", [(state, camera)]))


def photo_crop(portrait: Portrait, side: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """The aligned square crop of the photo.

    Returns:
        (side, side, 4) sRGB with the matte as straight alpha, and (side, side) how much of a pixel the photo covers.
    """
    x, y, size = portrait.crop
    scale = side / size
    # average down in whole steps first, so that what remains is a small, well-sampled change of scale
    steps = max(int(1 / scale), 1)
    matrix = np.array([[scale * steps, 0, -x * scale * steps], [0, scale * steps, -y * scale * steps]])
    matrix[:, 2] += 0.5 * scale * steps - 0.5  # pixel centres lie at halves
    fine = (side * steps, side * steps)
    alpha = portrait.matte[..., None] * 255
    stack = np.concatenate([portrait.photo.astype(np.float32), alpha, np.ones_like(alpha)], -1)
    warped = [
        cv2.warpAffine(
            np.ascontiguousarray(stack[..., channels]),
            matrix,
            fine,
            flags=cv2.INTER_CUBIC if channels.start == 0 else cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE if channels.start == 0 else cv2.BORDER_CONSTANT,
        )
        for channels in (slice(0, 3), slice(3, 4), slice(4, 5))
    ]
    color, matte, inside = (cv2.resize(w, (side, side), interpolation=cv2.INTER_AREA) for w in warped)
    rgba = np.concatenate([color, matte[..., None]], -1)
    return np.round(np.clip(rgba, 0, 255)).astype(np.uint8), inside.astype(np.float32)


def _write_clip(
    portrait: Portrait,
    wardrobe: Wardrobe,
    clip: PlannedClip,
    folder: Path,
    whole: dict[str, ClipFrame],
    writers: ThreadPoolExecutor,
    progress: Progress,
    done: int,
    total: int,
) -> None:
    place = _fresh(folder, clip.name)
    waiting: deque[Future[None]] = deque()
    described: list[tuple[AvatarState, Camera] | Overlay] = []
    looks: dict[tuple[tuple[str, float], ...], Look] = {}
    try:
        for k, planned in enumerate(clip.frames):
            progress(STAGE, done + k, total)
            state = planned.moment.state(planned.attributes)
            camera = camera_of(portrait, planned.moment, planned.size)
            key = tuple(sorted(planned.attributes.items()))
            if key not in looks:
                looks = {key: look_of(wardrobe, state)}  # only the latest: a look is 20 MB
            below = None if planned.below is None else whole[planned.below]
            rgba, parts, box = draw_over(wardrobe, looks[key], state, camera, below)
            waiting.append(writers.submit(write_frame, place, k, rgba, parts))
            described.append((state, camera) if below is None else Overlay(planned.attributes, below.name, box))
            while len(waiting) > MOST_WAITING:
                waiting.popleft().result()
    finally:
        for future in waiting:
            future.result()
    write_json(folder / CLIPS / f"{clip.name}.json", clip_to_json(clip.split, described))


@contextlib.contextmanager
def clear_errors(folder: Path) -> Iterator[None]:
    """Say plainly why files cannot be written to `folder`."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise PerseError(
                "disk-full", f"there is no room left for the clips in {folder}", "free some space and run it again"
            ) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST):
            raise InputError(
                "no-permission", f"the clips cannot be written to {folder} ({error.strerror})", "choose another folder"
            ) from error
        raise
