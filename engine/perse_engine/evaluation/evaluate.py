"""The whole evaluation, in the order of the report."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from perse_engine.avatars.avatar import Avatar
from perse_engine.avatars.state import AvatarState
from perse_engine.clips.dataset import Dataset
from perse_engine.clips.planned import Split
from perse_engine.evaluation.blends import blending
from perse_engine.evaluation.categories import category_rows
from perse_engine.evaluation.from_behind import behind_rows
from perse_engine.evaluation.identity import FaceReader, missing
from perse_engine.evaluation.landmark_check import found_again_rows
from perse_engine.evaluation.leakage import leak_matrix, leak_rows, leaks, matrix_picture
from perse_engine.evaluation.likeness import likeness
from perse_engine.evaluation.movement import expression_rows, flicker_rows
from perse_engine.evaluation.networks import NO_INCEPTION, NO_LPIPS, Networks
from perse_engine.evaluation.photo import PhotoPair, photo_pair, photo_rows
from perse_engine.evaluation.playback import scale_rows, small_rows, speed_rows
from perse_engine.evaluation.recorded import recorded_rows
from perse_engine.evaluation.rows import Row, not_run
from perse_engine.evaluation.samples import sample_rows
from perse_engine.evaluation.sliders import linearity_rows
from perse_engine.evaluation.strips import strips
from perse_engine.evaluation.subject import Subject, avatar_subject, parts_drawn, teacher_subject
from perse_engine.evaluation.teacher import LABELS, path_row, split_rows
from perse_engine.portraits.portrait import Portrait
from perse_engine.progress import Progress

Bytes = NDArray[np.uint8]

UNSEEN: tuple[Split, ...] = ("heldout", "combination")


@dataclasses.dataclass(frozen=True, eq=False)
class Report:
    """What was found, and the pictures it was found in: (H, W, 3) uint8 by name."""

    rows: list[Row]
    pictures: dict[str, Bytes]


@dataclasses.dataclass(frozen=True, eq=False)
class Evidence:
    """What an avatar is held against.

    Attributes:
        portrait: of the photo, or None where it is not at hand.
        dataset: the clips it learnt from, or None where they are not at hand.
        sitters: pictures of other people.
        networks: what to look at pictures through.
    """

    portrait: Portrait | None
    dataset: Dataset | None
    sitters: Sequence[Path]
    networks: Networks = dataclasses.field(default_factory=Networks)


def evaluate_avatar(avatar: Avatar, path: Path, evidence: Evidence, progress: Progress) -> Report:
    """Measure the avatar that lies at `path`. What cannot be measured has a row that says why."""
    subject = avatar_subject(avatar)
    report = against_photo(subject, evidence, progress)
    taught = _taught(subject, evidence.dataset)
    if len(taught.styles) < len(subject.styles):
        new = ", ".join(style.slider for style in subject.styles if style not in taught.styles)
        report.rows.append(not_run("teacher", new, "the clips do not have it"))
    rows, pictures = _against_teacher(taught, evidence, progress)
    report.rows.extend(rows)
    report.pictures.update(pictures)
    if evidence.dataset is not None:
        rows, pictures = recorded_rows(subject, evidence.dataset, progress)
        report.rows.extend(rows)
        report.pictures.update(pictures)
    progress("in-betweens", 0, 2)
    rows, pictures = strips(subject, None if missing() else FaceReader(), evidence.networks.lpips)
    report.rows.extend(rows)
    report.pictures.update(pictures)
    progress("in-betweens", 1, 2)
    report.rows.extend(linearity_rows(subject))
    progress("in-betweens", 2, 2)
    teacher = teacher_subject(evidence.dataset) if evidence.dataset is not None else None
    rows, pictures = sample_rows(taught, teacher, progress)
    report.rows.extend(rows)
    report.pictures.update(pictures)
    progress("motion", 0, 1)
    if teacher is not None:
        report.rows.extend(expression_rows(subject, teacher))
    report.rows.extend(flicker_rows(subject, teacher))
    progress("motion", 1, 1)
    progress("playback", 0, 2)
    report.rows.extend(scale_rows(avatar))
    if teacher is not None:
        report.rows.extend(small_rows(avatar, teacher))
    else:
        report.rows.append(not_run("scale", "small pictures against the teacher", "the clips are not at hand"))
    progress("playback", 1, 2)
    report.rows.extend(speed_rows(avatar, path))
    progress("playback", 2, 2)
    return report


def evaluate_clips(evidence: Evidence, progress: Progress) -> Report:
    """Measure the teacher of the clips against the photo: what no avatar trained on them will exceed by much."""
    assert evidence.dataset is not None
    subject = teacher_subject(evidence.dataset)
    report = against_photo(subject, evidence, progress)
    progress("in-betweens", 0, 1)
    rows, pictures = strips(subject)
    progress("in-betweens", 1, 1)
    return Report([*report.rows, *rows], {**report.pictures, **pictures})


def evaluate_footage(avatar: Avatar, dataset: Dataset, progress: Progress) -> Report:
    """Measure `avatar` on the real footage that `dataset` holds out, and on nothing else."""
    rows, pictures = recorded_rows(avatar_subject(avatar), dataset, progress)
    why = "the clips hold no footage; build with --video"
    return Report(rows or [not_run("footage", "held-out footage", why)], pictures)


def against_photo(subject: Subject, evidence: Evidence, progress: Progress) -> Report:
    """Measure likeness alone: the photo's state beside the photo, and identity."""
    if evidence.portrait is None:
        why = "the portrait is not at hand; name the job's folder with --dataset"
        return Report([not_run("photo", "photo state against the photo", why), not_run("identity", "all", why)], {})
    progress("photo", 0, 1)
    pair = photo_pair(subject, evidence.portrait)
    rows = photo_rows(pair)
    progress("photo", 1, 1)
    pictures = _strip(pair)
    progress("landmarks", 0, 1)
    rows += found_again_rows(subject, evidence.portrait)
    progress("landmarks", 1, 1)
    absent = missing()
    if absent:
        return Report([*rows, not_run("identity", "all", absent)], pictures)
    progress("identity", 0, 1)
    found = likeness(subject, pair, FaceReader(), evidence.sitters)
    progress("identity", 1, 1)
    return Report([*rows, *found.rows], {**pictures, **found.pictures})


def network_rows(subject: Subject, teacher: Subject, networks: Networks, progress: Progress) -> list[Row]:
    """FID and KID, and what is not run for want of weights; LPIPS has its rows beside ꟻLIP's."""
    rows = []
    if networks.lpips is None:
        rows += [not_run("teacher", name, NO_LPIPS) for name in ("LPIPS", "LPIPS-PPL")]
    if networks.inception is None:
        return rows + [not_run("teacher", name, NO_INCEPTION) for name in ("FID", "KID")]
    from perse_engine.evaluation.between_sets import between_set_rows

    return rows + between_set_rows(subject, teacher, networks.inception, progress)


def _against_teacher(subject: Subject, evidence: Evidence, progress: Progress) -> tuple[list[Row], dict[str, Bytes]]:
    dataset, lpips = evidence.dataset, evidence.networks.lpips
    if dataset is None:
        why = "the clips are not at hand; name them with --dataset"
        return [not_run("teacher", "held-out pictures", why), not_run("leakage", "all", why)], {}
    teacher = teacher_subject(dataset)
    rows = []
    for number, split in enumerate(LABELS):
        progress("teacher", number, len(LABELS) + 1)
        frames = [frame for frame in dataset.of(split) if _has(subject, frame.state)]
        rows += split_rows(subject, teacher, split, frames, lpips)
        if split == "between" and frames:
            blended = split_rows(blending(subject), teacher, split, frames, lpips)
            rows += [dataclasses.replace(row, section="ends laid over each other instead") for row in blended]
    progress("teacher", len(LABELS), len(LABELS) + 1)
    rows += network_rows(subject, teacher, evidence.networks, progress)
    unseen = [frame for split in UNSEEN for frame in dataset.of(split)]
    rows += category_rows(subject, teacher, [frame for frame in unseen if _has(subject, frame.state)])
    seen, pictures = behind_rows(subject, teacher)
    rows += [*seen, path_row(subject)]
    progress("teacher", len(LABELS) + 1, len(LABELS) + 1)
    found = leaks(subject, teacher, parts_drawn(dataset.wardrobe), progress)
    categories = {style.slider: style.category for style in subject.styles}
    matrix = leak_matrix(found, categories)
    if matrix:
        pictures["leakage, % of what a category changes"] = matrix_picture(matrix)
    return rows + leak_rows(found, categories), pictures


def _taught(subject: Subject, dataset: Dataset | None) -> Subject:
    """The subject with those styles alone that the clips have: others were mixed or named since."""
    if dataset is None:
        return subject
    known = {style.slider for style in dataset.wardrobe.styles}
    return dataclasses.replace(subject, styles=tuple(style for style in subject.styles if style.slider in known))


def _has(subject: Subject, state: AvatarState) -> bool:
    sliders = {style.slider for style in subject.styles}
    return all(name in sliders for name in state.sliders if name.startswith("attr_"))


def _strip(pair: PhotoPair) -> dict[str, Bytes]:
    """Where the subject and the photo differ, for the report."""
    difference = np.abs(pair.rendered[..., :3] - pair.photo * pair.matte[..., None]).mean(-1, keepdims=True)
    shown = np.repeat(np.clip(difference * 4, 0, 1), 3, -1)
    return {"difference × 4": (shown * 255).astype(np.uint8)}
