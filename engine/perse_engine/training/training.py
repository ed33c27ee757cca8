"""From a dataset to an avatar."""

from __future__ import annotations

import dataclasses
import hashlib
import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from perse_engine import __version__
from perse_engine.avatars.avatar import Avatar
from perse_engine.avatars.rendering import render_avatar
from perse_engine.avatars.state import AvatarState
from perse_engine.avatars.tensors import pack
from perse_engine.avatars.torch_decode import parameters_of, with_parameters
from perse_engine.clips.frames import Dataset
from perse_engine.errors import Cancelled
from perse_engine.files import atomic_write
from perse_engine.progress import Progress
from perse_engine.splatting.torch_op import best_device
from perse_engine.training.checkpoints import load_checkpoint, save_checkpoint
from perse_engine.training.correcting import balanced, start_correctives
from perse_engine.training.footage import low_pass, photo_view, recorded_views, training_views
from perse_engine.training.learner import Diverged, Learner
from perse_engine.training.loss_curve import LossCurve
from perse_engine.training.presets import Preset
from perse_engine.training.starting import covered, start_avatar
from perse_engine.training.views import Lessons, View, dwelling

logger = logging.getLogger(__name__)

CHECKPOINT, PREVIEW = "checkpoint.safetensors", "preview.png"
STEPS_BETWEEN_CHECKPOINTS = 200
STEPS_BETWEEN_REPORTS = 5
SECONDS_BETWEEN_PREVIEWS = 5.0
PREVIEW_SIZE = 256
STAGE = "train"


def train(dataset: Dataset, preset: Preset, work: Path, *, seed: int, progress: Progress) -> Avatar:
    """Train the avatar of the person in `dataset`.

    The same arguments give the same avatar, whether or not the run was broken off in between.

    Args:
        dataset: clips, photo and wardrobe.
        preset: how long and how finely.
        work: folder of the checkpoint, of the preview picture and of the loss curve.
        seed: of everything random.
        progress: told every few steps.

    Raises:
        InputError: damaged-dataset.
        Cancelled: `progress` said so; a checkpoint is written first.
        Diverged: as `train_views`.
        OSError: `work` cannot be written.
    """
    progress(STAGE, 0, preset.steps)
    course = prepare(dataset, preset, seed)
    return train_views(
        course.start,
        course.views,
        course.photo,
        preset,
        work,
        seed=seed,
        progress=progress,
        recorded=course.recorded,
        held=course.held,
    )


@dataclasses.dataclass(frozen=True, eq=False)
class Course:
    """What a training begins with: the untrained avatar and the rest of what `train_views` takes."""

    start: Avatar
    views: tuple[View, ...]
    photo: View
    recorded: tuple[View, ...]
    held: NDArray[np.integer]


def prepare(dataset: Dataset, preset: Preset, seed: int) -> Course:
    """Lay the Gaussians of the person in `dataset` and sort out what they are to learn from.

    Raises:
        InputError: damaged-dataset.
    """
    views, photo, recorded = training_views(dataset), photo_view(dataset), recorded_views(dataset)
    source = dataset.source
    start = start_avatar(
        dataset.wardrobe,
        views,
        count=preset.gaussians,
        seed=seed,
        name=Path(str(source.get("file", "avatar"))).stem[:64] or "avatar",
        photo_camera=dataset.photo_camera,
        photo_state=dataset.photo.state,
        provenance={
            "engine": __version__,
            "preset": preset.name,
            "steps": preset.steps,
            "photo": source,
            "clips": dataset.order,
            "licences": [dataset.wardrobe.licence],
        },
    )
    start = dataclasses.replace(start, low_pass=low_pass(dataset, (*views, *recorded)))
    if recorded:
        start = dataclasses.replace(start, correctives=start_correctives(start, recorded))
        recorded = balanced(recorded, start.figure.expression_names)
    held = covered(dataset.wardrobe, views, start)
    return Course(start, dwelling(views, start), photo, tuple(recorded), held)


def train_views(
    start: Avatar,
    views: Sequence[View],
    photo: View | None,
    preset: Preset,
    work: Path,
    *,
    seed: int,
    progress: Progress,
    recorded: Sequence[View] = (),
    held: NDArray[np.integer] | None = None,
    only: Mapping[str, slice] | None = None,
) -> Avatar:
    """Train `start` until it looks like `views`.

    The same arguments give the same avatar, whether or not the run was broken off in between.

    Args:
        start: the untrained avatar.
        views: what to learn from.
        photo: the photograph itself, looked at more often; None where there is none.
        preset: how long and how finely.
        work: folder of the checkpoint, of the preview picture and of the loss curve.
        seed: of everything random.
        progress: told every few steps.
        recorded: real footage of the person, looked at as often as all synthetic views.
        held: indices of Gaussians that keep about their colour.
        only: rows of parameters that may change, as in `Learner`.

    Raises:
        Cancelled: `progress` said so; a checkpoint is written first.
        Diverged: a picture or the avatar has numbers that are none; the checkpoint is of the last good state.
        OSError: `work` cannot be written.
    """
    lessons = Lessons(views, photo, preset, seed, recorded)
    learner = Learner(start, preset.steps, best_device(), held, only)
    arrays = learner.arrays()
    fingerprint = _fingerprint(start, (*views, *recorded), preset, seed)
    checkpoint = work / CHECKPOINT
    begun = load_checkpoint(checkpoint, fingerprint, arrays)
    step, pictured, curve = begun, 0.0, LossCurve(work, begun)
    try:
        for step in range(begun, preset.steps):
            if step % STEPS_BETWEEN_REPORTS == 0:
                progress(STAGE, step, preset.steps)
            if step > begun and step % STEPS_BETWEEN_CHECKPOINTS == 0:
                _refuse_strays(arrays, step)
                save_checkpoint(checkpoint, step, fingerprint, arrays)
                curve.write()
            if time.monotonic() - pictured > SECONDS_BETWEEN_PREVIEWS:
                _write_preview(work / PREVIEW, learner.avatar, photo)
                curve.write()
                pictured = time.monotonic()
            loss = learner.learn(lessons.at(step), step)
            if step % STEPS_BETWEEN_REPORTS == 0:
                curve.add(step, loss)
            if step % STEPS_BETWEEN_CHECKPOINTS == 0:
                logger.info("step %d of %d, loss %.4f", step, preset.steps, loss)
    except (Cancelled, Diverged):
        if _sound(arrays):
            save_checkpoint(checkpoint, step, fingerprint, arrays)
        curve.write()
        raise
    _refuse_strays(arrays, step)
    if begun < preset.steps:
        save_checkpoint(checkpoint, preset.steps, fingerprint, arrays)
    curve.write()
    progress(STAGE, preset.steps, preset.steps)
    return _detached(learner.avatar)


def _sound(arrays: Mapping[str, NDArray[np.float32]]) -> bool:
    return all(bool(np.isfinite(array).all()) for array in arrays.values())


def _refuse_strays(arrays: Mapping[str, NDArray[np.float32]], step: int) -> None:
    """Rasterisers pass over what is no number, so that no loss tells of it."""
    if not _sound(arrays):
        raise Diverged(step)


def _detached(avatar: Avatar) -> Avatar:
    return with_parameters(avatar, parameters_of(avatar))


def _fingerprint(start: Avatar, views: Sequence[View], preset: Preset, seed: int) -> str:
    """What decides the outcome of a training, in one hash."""
    digest = hashlib.sha256(repr((preset, seed, start.low_pass)).encode())
    for name, array in sorted(pack(start).items()):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    for view in views:
        digest.update(repr((view.name, view.camera.to_json(), sorted(view.state.sliders.items()))).encode())
        digest.update(np.ascontiguousarray(view.state.pose).tobytes())
    return digest.hexdigest()


def _write_preview(path: Path, avatar: Avatar, photo: View | None) -> None:
    size = PREVIEW_SIZE
    shots = [(AvatarState(), avatar.neutral_camera.fitted(size, size))]
    if photo is not None:
        shots.insert(0, (photo.state, photo.camera.fitted(size, size)))
    panels = [render_avatar(avatar, state, camera, (1, 1, 1))[..., :3] for state, camera in shots]
    pixels = (np.clip(np.concatenate(panels, 1), 0, 1) * 255 + 0.5).astype(np.uint8)
    with atomic_write(path) as stream:
        PillowImage.fromarray(pixels).save(stream, "PNG")
