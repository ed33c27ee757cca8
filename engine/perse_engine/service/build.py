"""A job: a photo becomes an avatar file, and can be killed and resumed anywhere on the way."""

from __future__ import annotations

import dataclasses
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from PIL import Image as PillowImage

from perse_engine.avatars.avatar import Avatar
from perse_engine.avatars.file import read_thumbnail, save_avatar
from perse_engine.avatars.relighting import LIGHT
from perse_engine.clips.catalogue import Catalogue
from perse_engine.clips.cost import Cost
from perse_engine.errors import InputError
from perse_engine.files import atomic_write
from perse_engine.heads.head import Head
from perse_engine.portraits.parsing import Parser
from perse_engine.portraits.portrait import Portrait
from perse_engine.portraits.recording import Recording
from perse_engine.progress import Progress
from perse_engine.service.job import LOCK, PREVIEW, Job, Order, open_job
from perse_engine.service.library import file_hash
from perse_engine.service.lock import held
from perse_engine.service.sources import Sources, input_hash

T = TypeVar("T")
Announce = Callable[[Cost], None]
OPEN_HEAD = "open"
PORTRAIT, DATASET, TRAINING = "portrait", "dataset", "training"


def build(
    photo: Path | None,
    out: Path,
    *,
    preset: str,
    seed: int,
    work: Path,
    head: str = OPEN_HEAD,
    sources: Sources | None = None,
    announce: Announce = lambda _: None,
    progress: Progress,
) -> Job:
    """Build the avatar of `photo`, or of the person in `sources.video`, into `out`, in the job's folder `work`.

    Whatever an earlier run of the same order has finished there is kept.

    Args:
        preset: "draft", "standard", "high" or "paper".
        seed: of everything random.
        head: "open", or the path of a FLAME file.
        sources: what else the user brings.
        announce: is told what the clips of the paper's protocol will cost, before they are made.

    Raises:
        InputError: the photo, the head, the preset or the folder cannot be used.
        PerseError: a stage failed.
        Cancelled: `progress` said so; the folder can be resumed.
    """
    from perse_engine.clips.brought import read_edits
    from perse_engine.clips.captures import fitting, load_performance
    from perse_engine.clips.catalogue import shipped_and
    from perse_engine.clips.presets import clips_preset
    from perse_engine.portraits.parsing import parser_of
    from perse_engine.training.presets import training_preset

    clips_preset(preset), training_preset(preset)
    if out.is_dir():
        raise InputError("wrong-path", f"{out} is a folder", "name a .perse file in it")
    sources = sources or Sources()
    if photo is None and sources.video is None:
        raise InputError("no-input", "neither a photo nor a video was given", "name a photo, or a video with --video")
    sources.held_out()
    hashes = sources.hashes()
    portrayed = photo_hash(photo) if photo is not None else ""
    order = Order(portrayed, head if head == OPEN_HEAD else photo_hash(Path(head)), preset, seed, hashes)
    catalogue = chosen_of(shipped_and(sources.styles), sources)  # a wrong table is said before any work is done
    if sources.edits is not None:
        read_edits(sources.edits)
    if sources.motion is not None:
        fitting(load_performance(sources.motion), load_head(head).expression_names)
    parser = parser_of(sources.masks)
    fresh = not work.exists()
    work.mkdir(parents=True, exist_ok=True)
    with held(work / LOCK):
        job = open_job(work, order)
        if job.finished("write") and out.is_file() and file_hash(out) == job.avatar:
            return job
        job.set_state("running")
        try:
            _run(job, photo, out, head, sources, catalogue, parser, announce, progress)
        except BaseException as error:
            job.fail(error)
            if fresh and isinstance(error, InputError) and not job.stages:
                shutil.rmtree(work)  # nothing was done that could be resumed
            raise
    return job


def default_work(out: Path, preset: str, seed: int) -> Path:
    """The job's folder where none is given: beside the avatar, one for each preset and seed."""
    return out.with_name(f"{out.stem}.{preset}-{seed}.work")


def photo_hash(path: Path) -> str:
    """SHA-256 of an input that must be one file.

    Raises:
        InputError: "is-a-directory", or as `input_hash`.
    """
    if path.is_dir():
        raise InputError("is-a-directory", f"{path} is a folder", "name a file in it")
    return input_hash(path)


def load_head(name: str) -> Head:
    """The head model called `name`: "open", or the path of a FLAME file.

    Raises:
        InputError: the file is no FLAME model.
    """
    if name == OPEN_HEAD:
        from perse_engine.heads.open_head import load_open_head

        return load_open_head()
    from perse_engine.heads.flame import load_flame

    return load_flame(Path(name))


def _run(
    job: Job,
    photo: Path | None,
    out: Path,
    head: str,
    sources: Sources,
    catalogue: Catalogue,
    parser: Parser,
    announce: Announce,
    progress: Progress,
) -> None:
    from perse_engine.clips.captures import load_performance
    from perse_engine.clips.cost import estimate, refuse_without_room
    from perse_engine.clips.dataset import load_dataset, synthesize
    from perse_engine.clips.filmed import add_films
    from perse_engine.clips.presets import clips_preset
    from perse_engine.clips.recorded import add_recording
    from perse_engine.portraits.portrait_files import load_portrait, save_portrait
    from perse_engine.portraits.recording import load_recording
    from perse_engine.service.footage import RECORDING
    from perse_engine.training.presets import training_preset
    from perse_engine.training.training import train

    report = job.recorded(progress)
    seed = job.order.seed

    def fit() -> None:
        portrait = _fitted(photo, sources, load_head(head), job.folder, seed=seed, parser=parser, progress=report)
        save_portrait(portrait, job.folder / PORTRAIT)
        x, y, side = (round(number) for number in portrait.crop)
        crop = PillowImage.fromarray(portrait.photo).crop((x, y, x + side, y + side))
        _write_preview(job, crop.resize((256, 256), PillowImage.Resampling.BOX))

    def clips() -> None:
        portrait = load_portrait(job.folder / PORTRAIT)
        preset = clips_preset(job.order.preset)
        every, films = with_edits_of(sources, portrait, catalogue, job.folder, report)
        performance = load_performance(sources.motion) if sources.motion is not None else None
        if preset.clips:
            cost = estimate(portrait, every, preset, seed, performance)
            announce(cost)
            refuse_without_room(cost, job.folder)
        synthesize(portrait, every, preset, job.folder / DATASET, seed=seed, performance=performance, progress=report)
        if sources.video is not None:
            recording = load_recording(job.folder / RECORDING)
            add_recording(recording, portrait, job.folder / DATASET, sources.held_out(), report)
        if films:
            add_films(films, portrait, job.folder / DATASET, report)

    def learn() -> Avatar:
        dataset = load_dataset(job.folder / DATASET)
        return train(dataset, training_preset(job.order.preset), job.folder / TRAINING, seed=seed, progress=report)

    if not job.finished("fit"):
        _timed(job, "fit", fit)
    if not job.finished("clips"):
        _timed(job, "clips", clips)
    avatar = _timed(job, "train", learn)
    own_light = load_portrait(job.folder / PORTRAIT).light.astype(float).round(6).tolist()
    avatar = dataclasses.replace(avatar, provenance={**avatar.provenance, LIGHT: own_light})
    report("write", 0, 1)
    _timed(job, "write", lambda: save_avatar(avatar, out))
    with atomic_write(job.folder / PREVIEW) as stream:
        stream.write(read_thumbnail(out))
    job.set_state("done", out=str(out.resolve()), avatar=file_hash(out))
    report("write", 1, 1)


def chosen_of(catalogue: Catalogue, sources: Sources) -> Catalogue:
    """What of `catalogue` is learnt.

    Raises:
        InputError: "unknown-category".
    """
    chosen = sources.chosen()
    return catalogue.only(chosen) if chosen else catalogue


def with_edits_of(
    sources: Sources, portrait: Portrait, catalogue: Catalogue, folder: Path, progress: Progress
) -> tuple[Catalogue, dict[str, Recording]]:
    """`catalogue` with the styles that the user's edited portraits and videos show, and these videos, tracked.

    Args:
        folder: of the job, where tracked videos are kept.

    Raises:
        InputError: "no-edits", or as `read_edits`.
        Cancelled: by `progress`.
    """
    if sources.edits is None:
        return catalogue, {}
    from perse_engine.clips.brought import read_edits, usable, with_edits
    from perse_engine.portraits.tasks import open_tracker
    from perse_engine.service.footage import FILMS, film_styles

    seen, films = film_styles(read_edits(sources.edits), portrait, folder / FILMS, progress)
    edits = usable(seen, portrait, open_tracker())
    return with_edits(catalogue, edits), {slider: film for slider, film in films.items() if slider in edits.styles}


def _fitted(
    photo: Path | None, sources: Sources, head: Head, folder: Path, *, seed: int, parser: Parser, progress: Progress
) -> Portrait:
    from perse_engine.portraits.fitting import fit_portrait
    from perse_engine.service.footage import fit_video

    if sources.video is not None:
        held_out = sources.held_out()
        return fit_video(sources.video, photo, head, held_out, folder, seed=seed, progress=progress, parser=parser)
    assert photo is not None  # build() has asked for one of the two
    return fit_portrait(photo, head, seed=seed, progress=progress, parser=parser)


def _timed(job: Job, stage: str, work: Callable[[], T]) -> T:
    begin = time.monotonic()
    try:
        result = work()
    except BaseException:
        job.spent(stage, time.monotonic() - begin)
        raise
    job.finish(stage, time.monotonic() - begin)
    return result


def _write_preview(job: Job, picture: PillowImage.Image) -> None:
    with atomic_write(job.folder / PREVIEW) as stream:
        picture.save(stream, "PNG")
