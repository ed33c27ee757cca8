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
from perse_engine.errors import Cancelled, InputError, PerseError
from perse_engine.files import atomic_write
from perse_engine.progress import Progress
from perse_engine.splatting.torch_op import best_device
from perse_engine.training.ahead import Ahead
from perse_engine.training.checkpoints import load_checkpoint, save_checkpoint
from perse_engine.training.correcting import balanced, start_correctives
from perse_engine.training.footage import held_out_views, low_pass, photo_view, recorded_views, training_views
from perse_engine.training.held_out import HeldOut
from perse_engine.training.learner import Diverged, Learner
from perse_engine.training.loss_curve import LossCurve
from perse_engine.training.presets import Preset
from perse_engine.training.schedule import Schedule
from perse_engine.training.several import ALONE, Team, WorkerLost, agreed, shared
from perse_engine.training.starting import covered, start_avatar
from perse_engine.training.views import Lessons, View, dwelling

logger = logging.getLogger(__name__)

CHECKPOINT, PREVIEW = "checkpoint.safetensors", "preview.png"
STEPS_BETWEEN_CHECKPOINTS = 200
STEPS_BETWEEN_REPORTS = 5
SECONDS_BETWEEN_PREVIEWS = 5.0
PREVIEW_SIZE = 256
STAGE = "train"


def train(dataset: Dataset, preset: Preset, work: Path, *, seed: int, progress: Progress, team: Team = ALONE) -> Avatar:
    """Train the avatar of the person in `dataset`.

    The same arguments give the same avatar, whether or not the run was broken off in between.

    Args:
        dataset: clips, photo and wardrobe.
        preset: how long and how finely.
        work: folder of the checkpoint, of the preview picture and of the loss curve.
        seed: of everything random.
        progress: told every few steps.
        team: the processes that train it together; each gets the same arguments, and the same avatar.

    Raises:
        InputError: damaged-dataset.
        Cancelled: `progress` said so, in any process; a checkpoint is written first.
        Diverged, WorkerLost: as `train_views`.
        PerseError: as `train_views`.
        OSError: `work` cannot be written.
    """
    shared(progress, team)(STAGE, 0, _steps(preset, team))
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
        held_out=course.held_out,
        team=team,
    )


@dataclasses.dataclass(frozen=True, eq=False)
class Course:
    """What a training begins with: the untrained avatar and the rest of what `train_views` takes."""

    start: Avatar
    views: tuple[View, ...]
    photo: View
    recorded: tuple[View, ...]
    held: NDArray[np.integer]
    held_out: tuple[View, ...]


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
    return Course(start, dwelling(views, start), photo, tuple(recorded), held, held_out_views(dataset))


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
    held_out: Sequence[View] = (),
    team: Team = ALONE,
) -> Avatar:
    """Train `start` until it looks like `views`.

    The same arguments give the same avatar, whether or not the run was broken off in between.

    Args:
        start: the untrained avatar.
        views: what to learn from.
        photo: the photograph itself, looked at more often; None where there is none.
        preset: how long and how finely.
        work: folder of the checkpoint, of the preview picture and of the loss curve; of a team all processes read it,
            and the first writes it.
        seed: of everything random.
        progress: told every few steps.
        recorded: real footage of the person, looked at as often as all synthetic views.
        held: indices of Gaussians that keep about their colour.
        only: rows of parameters that may change, as in `Learner`.
        held_out: what is never learnt from, and tells when there is nothing left to learn.
        team: the processes that train it together; each gets the same arguments, and the same avatar.

    Returns:
        The avatar; "stopped_at" in its provenance are the pictures learnt from, where these were fewer than planned.

    Raises:
        Cancelled: `progress` said so, in any process; a checkpoint is written first.
        Diverged: a picture or the avatar has numbers that are none; the checkpoint is of the last good state.
        WorkerLost: another process has ended or does not answer; a checkpoint is written first.
        PerseError: "workers-differ", the processes were given different arguments or checkpoints.
        InputError: damaged-dataset, a held-out picture cannot be read.
        OSError: `work` cannot be written.
    """
    lessons = Lessons(views, photo, preset, seed, recorded)
    device = "cpu" if best_device() == "cpu" else team.device
    learner = Learner(start, device, held, only, team)
    watch = HeldOut(held_out, preset, _steps(preset, team), team)
    arrays = learner.arrays() | watch.arrays()
    fingerprint = _fingerprint(start, (*views, *recorded), held_out, preset, seed, team)
    begun = load_checkpoint(work / CHECKPOINT, fingerprint, arrays)
    if not agreed(team, f"{fingerprint} {begun}"):
        raise PerseError(
            "workers-differ",
            "the processes of this training begin from different clips or checkpoints",
            "give all of them the same clips, preset, seed and folder",
        )
    report, curve = shared(progress, team), LossCurve(work, begun)
    step, pictured, schedule = begun, 0.0, watch.schedule()

    def keep() -> None:
        if team.rank == 0:
            if _sound(arrays):
                save_checkpoint(work / CHECKPOINT, step, fingerprint, arrays)
            curve.write()

    try:
        with Ahead(lessons.at, team.size) as coming:
            while step < schedule.end:
                if step % STEPS_BETWEEN_REPORTS == 0:
                    report(STAGE, step, schedule.end)
                if step > begun and step % STEPS_BETWEEN_CHECKPOINTS == 0:
                    _refuse_strays(arrays, step)
                    keep()
                if team.rank == 0 and time.monotonic() - pictured > SECONDS_BETWEEN_PREVIEWS:
                    _write_preview(work / PREVIEW, learner.avatar, photo)
                    curve.write()
                    pictured = time.monotonic()
                watch.look(learner.avatar, step)
                schedule = watch.schedule()
                loss = learner.learn(coming.at(step * team.size + team.rank), step, schedule.decay(step))
                if step % STEPS_BETWEEN_REPORTS == 0:
                    curve.add(step, loss)
                if step % STEPS_BETWEEN_CHECKPOINTS == 0:
                    logger.info("step %d of %d, loss %.4f", step, schedule.end, loss)
                step += 1
    except (Cancelled, Diverged, WorkerLost, InputError):
        keep()
        raise
    _refuse_strays(arrays, step)
    if begun < schedule.end:
        keep()
    report(STAGE, schedule.end, schedule.end)
    return _signed(_detached(learner.avatar), schedule, preset, team)


def _steps(preset: Preset, team: Team) -> int:
    """Planned for each process of `team`."""
    return -(-preset.steps // team.size)


def _signed(avatar: Avatar, schedule: Schedule, preset: Preset, team: Team) -> Avatar:
    """`avatar` with what its provenance cannot have known before."""
    told: dict[str, int] = {}
    if schedule.end < schedule.steps:
        told["stopped_at"] = schedule.end * team.size
    if team.size > 1:
        told["processes"] = team.size
    return dataclasses.replace(avatar, provenance={**avatar.provenance, **told})


def _sound(arrays: Mapping[str, NDArray[np.float32]]) -> bool:
    return all(bool(np.isfinite(array).all()) for array in arrays.values())


def _refuse_strays(arrays: Mapping[str, NDArray[np.float32]], step: int) -> None:
    """Rasterisers pass over what is no number, so that no loss tells of it."""
    if not _sound(arrays):
        raise Diverged(step)


def _detached(avatar: Avatar) -> Avatar:
    return with_parameters(avatar, parameters_of(avatar))


def fingerprint_of(course: Course, preset: Preset, seed: int) -> str:
    """What decides the outcome of a training on `course` by one process, in one hash."""
    return _fingerprint(course.start, (*course.views, *course.recorded), (), preset, seed, ALONE)


def _fingerprint(
    start: Avatar, views: Sequence[View], held_out: Sequence[View], preset: Preset, seed: int, team: Team
) -> str:
    """What decides the outcome of a training, in one hash."""
    digest = hashlib.sha256(repr((preset, seed, start.low_pass, len(held_out), team.size)).encode())
    for name, array in sorted(pack(start).items()):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    for view in (*views, *held_out):
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
