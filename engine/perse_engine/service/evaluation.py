"""`perse evaluate`: finds what an avatar is held against, measures, and writes the report."""

from __future__ import annotations

import json
from pathlib import Path

from perse_engine.avatars.file import load_avatar
from perse_engine.clips.dataset import Dataset, load_dataset
from perse_engine.errors import InputError
from perse_engine.evaluation.evaluate import Evidence, Report, evaluate_avatar, evaluate_clips, evaluate_footage
from perse_engine.evaluation.networks import Networks, load_networks
from perse_engine.evaluation.page import write_report
from perse_engine.evaluation.rows import Row
from perse_engine.portraits.portrait import Portrait
from perse_engine.portraits.portrait_files import load_portrait
from perse_engine.progress import Progress
from perse_engine.service.bench import machine
from perse_engine.service.build import DATASET, PORTRAIT
from perse_engine.service.job import STATE
from perse_engine.service.library import file_hash

PICTURES = {".jpg", ".jpeg", ".png", ".webp", ".heic", ".tif", ".tiff"}


def evaluate(
    subject: Path,
    report: Path,
    *,
    dataset: Path | None,
    sitters: Path | None,
    weights: Path | None = None,
    progress: Progress,
    footage: bool = False,
) -> list[Row]:
    """Measure the avatar file or the clips at `subject` and write the report into the folder `report`.

    Args:
        dataset: the clips or the job's folder; found beside the avatar where not given.
        sitters: folder of pictures of other people, or None.
        weights: folder of the weights that LPIPS, FID and KID need, or None.
        footage: measure on held-out footage only.

    Raises:
        InputError: something that was named cannot be used.
    """
    people = _pictures(sitters) if sitters is not None else []
    networks = load_networks(weights) if weights is not None else Networks()
    if footage:
        found = _evaluate_footage(subject, dataset, progress)
    elif subject.is_dir():
        clips = load_dataset(dataset_in(subject))
        portrait = _portrait_of(clips)
        found = evaluate_clips(Evidence(portrait, clips, _others(people, portrait)), progress)
    else:
        found = _evaluate_file(subject, dataset, people, networks, progress)
    write_report(report, subject.name, found.rows, found.pictures, {"subject": str(subject), **machine()})
    return found.rows


def _evaluate_file(
    path: Path, dataset: Path | None, people: list[Path], networks: Networks, progress: Progress
) -> Report:
    avatar = load_avatar(path)
    folder = dataset if dataset is not None else _job_of(path)
    clips = load_dataset(dataset_in(folder)) if folder is not None else None
    portrait = _portrait_of(clips) if clips is not None else None
    return evaluate_avatar(avatar, path, Evidence(portrait, clips, _others(people, portrait), networks), progress)


def _evaluate_footage(path: Path, dataset: Path | None, progress: Progress) -> Report:
    avatar = load_avatar(path)
    folder = dataset if dataset is not None else _job_of(path)
    if folder is None:
        raise InputError("file-missing", f"the clips of {path.name} are not at hand", "name them with --dataset")
    return evaluate_footage(avatar, load_dataset(dataset_in(folder)), progress)


def dataset_in(folder: Path) -> Path:
    """The clips in a job's folder, or the folder itself."""
    return folder / DATASET if (folder / STATE).exists() else folder


def _job_of(avatar: Path) -> Path | None:
    """The folder beside the avatar of the job that built exactly this file."""
    identity = file_hash(avatar)
    for path in sorted(avatar.absolute().parent.glob(f"*/{STATE}")):
        try:
            if json.loads(path.read_text()).get("avatar") == identity:
                return path.parent
        except (OSError, ValueError, AttributeError):
            continue
    return None


def _portrait_of(clips: Dataset) -> Portrait | None:
    """The portrait beside the clips that was made from the same photo."""
    beside = clips.folder.absolute().parent
    for path in [beside / PORTRAIT / "portrait.json", *sorted(beside.glob("*/portrait.json"))]:
        try:
            same = json.loads(path.read_text())["source"]["sha256"] == clips.source["sha256"]
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if same:
            return load_portrait(path.parent)
    return None


def _others(people: list[Path], portrait: Portrait | None) -> list[Path]:
    """`people` without the portrait's own photo, to whom nobody else can be nearer."""
    own = None if portrait is None else portrait.source.get("sha256")
    return [path for path in people if file_hash(path) != own]


def _pictures(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise InputError("file-missing", f"there is no folder {folder}", "name a folder of portraits")
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in PICTURES)
