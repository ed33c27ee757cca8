"""What the parts of the method are worth: variants trained on the same clips with the same seeds, side by side."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from perse_engine.avatars.file import save_avatar
from perse_engine.avatars.state import AvatarState
from perse_engine.clips.dataset import Dataset
from perse_engine.errors import InputError
from perse_engine.evaluation.baselines import RANK, train_basis
from perse_engine.evaluation.blends import blending
from perse_engine.evaluation.page import write_report
from perse_engine.evaluation.rows import Row, shown
from perse_engine.evaluation.subject import Subject, avatar_subject, teacher_subject
from perse_engine.evaluation.teacher import LABELS, path_row, split_rows
from perse_engine.progress import Progress
from perse_engine.service.bench import machine
from perse_engine.training.presets import Preset
from perse_engine.training.training import prepare, train

PURE = 1e-3  # how far a weight may lie from 0 or 1 and still be no in-between

WHOLE, ENDS_ONLY, BLEND = "as it is", "trained without in-betweens", "its pictures of the ends laid over each other"
ADDITIVE, CODES, RIGGED = "additive basis without gates", "free code for each clip", "rigged, without attributes"
MEANINGS = {
    WHOLE: "interpolated faces are learnt from, PERSE section 4.3",
    ENDS_ONLY: "as many steps on the clips of whole styles alone",
    ADDITIVE: "each style adds its own difference to every Gaussian",
    CODES: f"styles share a basis of {RANK} differences, and each has a free code, as PEGASUS",
    RIGGED: "one avatar for all, as many steps on the person without any style, as GaussianAvatars",
    BLEND: "what any two pictures give",
}
"""The variants, and what each stands for."""


def without_betweens(dataset: Dataset) -> Dataset:
    """`dataset` without the frames of styles that have come half way; what is measured by stays."""
    kept = tuple(frame for frame in dataset.frames if frame.split != "train" or not _is_between(frame.state))
    return dataclasses.replace(dataset, frames=kept)


def without_attributes(dataset: Dataset) -> Dataset:
    """`dataset` with the frames of the person without any style alone to learn from."""
    kept = tuple(frame for frame in dataset.frames if frame.split != "train" or not _worn(frame.state))
    return dataclasses.replace(dataset, frames=kept)


def ablate(dataset: Dataset, preset: Preset, seeds: Sequence[int], report: Path, progress: Progress) -> list[Row]:
    """Train and measure every variant, and write the report into the folder `report`.

    What was trained stays there, so the same call goes on where it was broken off.

    Args:
        dataset: clips that all variants share.
        seeds: one training of each variant for each; at least one.

    Raises:
        InputError: no-in-betweens, where the clips have none to leave out or none to measure by.
        Cancelled: by `progress`.
    """
    preset = dataclasses.replace(preset, stops_early=False)  # all take as many steps
    reduced = without_betweens(dataset)
    if len(reduced.frames) == len(dataset.frames) or not dataset.of("between"):
        raise InputError(
            "no-in-betweens", "the clips hold no in-betweens", "make clips of at least two styles a category"
        )
    teacher = teacher_subject(dataset)
    found: dict[str, list[list[Row]]] = {name: [] for name in MEANINGS}
    plain = without_attributes(dataset)
    total = 5 * len(seeds)
    done = 0

    def taken(name: str, subject: Subject) -> None:
        found[name].append(_measured(subject, teacher, dataset, progress))

    for seed in seeds:

        def folder(name: str, seed: int = seed) -> Path:
            nonlocal done
            progress("variants", done, total)
            done += 1
            return report / "trained" / f"{name.replace(' ', '_')}-{seed}"

        for name, clips in ((WHOLE, dataset), (ENDS_ONLY, reduced), (RIGGED, plain)):
            work = folder(name)
            avatar = train(clips, preset, work, seed=seed, progress=progress)
            save_avatar(avatar, work / "avatar.perse")
            subject = avatar_subject(avatar)
            taken(name, _ignoring(subject) if name == RIGGED else subject)
            if name == WHOLE:
                taken(BLEND, blending(subject))
        course = prepare(dataset, preset, seed)
        for name, rank in ((ADDITIVE, None), (CODES, RANK)):
            path = folder(name) / "basis.safetensors"
            taken(name, train_basis(course, rank, preset, path, seed=seed, progress=progress).subject())
    progress("variants", total, total)
    rows = [_joined(name, each) for name, runs in found.items() for each in zip(*runs, strict=True)]
    about = {"preset": preset.name, "seeds": ", ".join(map(str, seeds)), **machine()}
    write_report(report, "Ablations", rows, {}, about | MEANINGS)
    return rows


def _is_between(state: AvatarState) -> bool:
    return any(PURE < abs(value) < 1 - PURE for value in _worn(state))


def _worn(state: AvatarState) -> list[float]:
    """The attribute sliders that are not zero."""
    return [value for name, value in state.sliders.items() if name.startswith("attr_") and value != 0]


def _measured(subject: Subject, teacher: Subject, dataset: Dataset, progress: Progress) -> list[Row]:
    rows: list[Row] = []
    for split in LABELS:
        progress("measuring", len(rows), len(rows) + 1)
        rows += split_rows(subject, teacher, split, dataset.of(split))
    return [*rows, path_row(subject)]


def _ignoring(subject: Subject) -> Subject:
    def plain(state: AvatarState) -> AvatarState:
        face = {name: value for name, value in state.sliders.items() if not name.startswith("attr_")}
        return dataclasses.replace(state, sliders=face)

    return dataclasses.replace(subject, draw=lambda state, camera: subject.draw(plain(state), camera))


def _joined(variant: str, runs: Sequence[Row]) -> Row:
    values = [row.value for row in runs if row.value is not None]
    first = runs[0]
    if not values:
        return dataclasses.replace(first, section=variant)
    spread = ", ".join(f"{value:.4g}" for value in values)
    note = spread if len(values) > 1 else ""
    return shown(variant, first.name, float(np.mean(values)), first.unit, note)
