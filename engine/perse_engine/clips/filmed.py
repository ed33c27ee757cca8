"""Footage of a style: of every frame only the category's own region is learnt from, and the rest stays the person.

clips/filmed_<style>           the frames of one video, each worn in full
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from perse_engine.avatars.state import AvatarState
from perse_engine.cameras import Camera
from perse_engine.clips.anatomy import Anatomy, find_anatomy
from perse_engine.clips.animator import Look, look_of, render_frame
from perse_engine.clips.brought_edit import changed, exposed_alike
from perse_engine.clips.canvas import dilated
from perse_engine.clips.dataset import clear_errors
from perse_engine.clips.frames import CLIPS, INDEX, Dataset, clip_to_json, load_dataset
from perse_engine.clips.labels import UNKNOWN
from perse_engine.clips.pictures import write_frame
from perse_engine.clips.recorded import cut_out, face_window, usual_width
from perse_engine.clips.wardrobe import Wardrobe
from perse_engine.files import write_json
from perse_engine.heads.head import HeadState
from perse_engine.heads.posing import pose_head
from perse_engine.portraits.again import Sighting
from perse_engine.portraits.matting import Matter
from perse_engine.portraits.portrait import Portrait
from perse_engine.portraits.recording import Recording
from perse_engine.portraits.video import video_frames
from perse_engine.progress import Progress

STAGE = "films"
FILMED = "filmed_"
MOST = 48
"""Frames of one video that are learnt from, spread over it: a style needs fewer than a face."""
MARGIN_PX = 6
"""How far around a style what is empty in the picture counts: there the style must end."""
COVERED, EMPTY = 0.5, 0.05


def add_films(films: Mapping[str, Recording], portrait: Portrait, folder: Path, progress: Progress) -> Dataset:
    """Add what videos show of styles to the finished dataset in `folder`, whose wardrobe has these styles.

    Args:
        films: the tracked videos by slider.

    Raises:
        Cancelled: `progress` said so; the clips that are finished stay.
        InputError: "not-a-video" where a video has vanished.
        PerseError: disk-full.
    """
    wardrobe = load_dataset(folder).wardrobe
    anatomy = find_anatomy(portrait.head)
    with clear_errors(folder):
        for number, (slider, recording) in enumerate(films.items()):
            progress(STAGE, number, len(films))
            if not (folder / CLIPS / f"{clip_name(slider)}.json").exists():
                _write(slider, recording, portrait, wardrobe, anatomy, folder)
        index = json.loads((folder / INDEX).read_bytes())
        own = [clip_name(slider) for slider in films]
        index["clips"] = [name for name in index["clips"] if name not in own] + own
        write_json(folder / INDEX, index)
    progress(STAGE, len(films), len(films))
    return load_dataset(folder)


def clip_name(slider: str) -> str:
    """The clip of a style's video."""
    return FILMED + slider.removeprefix("attr_")


def _write(
    slider: str, recording: Recording, portrait: Portrait, wardrobe: Wardrobe, anatomy: Anatomy, folder: Path
) -> None:
    """Cut out and label the frames of one style, then describe them."""
    place = folder / CLIPS / clip_name(slider)
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    good = np.flatnonzero(recording.usable & recording.seen)
    moments = good[np.unique(np.linspace(0, len(good) - 1, min(MOST, len(good))).round().astype(int))]
    wanted = {int(recording.numbers[k]): int(k) for k in moments}
    category = next(style.category for style in wardrobe.styles if style.slider == slider)
    matter, usual = Matter(), usual_width(recording)
    bare, worn = look_of(wardrobe, AvatarState()), look_of(wardrobe, AvatarState({slider: 1.0}))
    described: list[tuple[AvatarState, Camera]] = []
    for at, pixels in enumerate(video_frames(recording.video)):
        if at not in wanted:
            continue
        k = wanted[at]
        window = face_window(recording, portrait, k, usual)
        rgba, inside = cut_out(pixels, matter.matte(pixels, recording.landmarks[k]), window)
        camera = recording.camera(k).cropped(*window, window[2]).resized(rgba.shape[1], rgba.shape[0])
        state = AvatarState({**recording.sliders(k), slider: 1.0}, recording.poses[k])
        sighting = _sighting(recording, portrait, k, rgba, camera)
        without = AvatarState(recording.sliders(k), recording.poses[k])
        own = render_frame(wardrobe, without, camera, look=bare, samples=1)
        alike = exposed_alike(sighting, own.color, own.alpha)
        region = changed(category, alike, own.color, own.alpha, anatomy)
        labels = _labels(wardrobe, category, state, camera, worn, region, sighting.matte)
        labels[~inside] = wardrobe.labels.index(UNKNOWN)
        shown = np.dstack([np.round(np.clip(alike.pixels, 0, 1) * 255).astype(np.uint8), rgba[..., 3]])
        write_frame(place, len(described), shown, labels)
        described.append((state, camera))
    write_json(folder / CLIPS / f"{clip_name(slider)}.json", clip_to_json("train", described))


def _sighting(recording: Recording, portrait: Portrait, k: int, rgba: NDArray[np.uint8], camera: Camera) -> Sighting:
    pose = recording.poses[k]
    still = np.zeros(3, np.float32)
    posed = pose_head(portrait.head, HeadState(portrait.state.shape, recording.expressions[k], pose, still))
    return Sighting(
        pixels=rgba[..., :3].astype(np.float32) / np.float32(255),
        matte=rgba[..., 3].astype(np.float32) / np.float32(255),
        landmarks=recording.landmarks[k],
        camera=camera,
        expression=recording.expressions[k],
        transforms=posed.transforms,
        vertices=posed.vertices,
        in_place=False,
    )


def _labels(
    wardrobe: Wardrobe,
    category: str,
    state: AvatarState,
    camera: Camera,
    look: Look,
    region: NDArray[np.float32],
    matte: NDArray[np.float32],
) -> NDArray[np.uint8]:
    """(H, W) what the worn head shows where the style is, background right beside it, unknown everywhere else."""
    labels = render_frame(wardrobe, state, camera, look=look, samples=1).parts
    background, unknown = wardrobe.labels.index("background"), wardrobe.labels.index(UNKNOWN)
    there = region > COVERED
    # what is seen beyond the drawn head is the style itself
    labels[there & (labels == background)] = wardrobe.labels.index(category if category in wardrobe.labels else "skin")
    near = dilated(there, MARGIN_PX) > COVERED
    labels[~there] = unknown
    labels[~there & near & (matte < EMPTY)] = background
    return labels
