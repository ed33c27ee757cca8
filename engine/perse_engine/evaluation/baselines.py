"""What others do with attributes, on our clips, Gaussians, losses and steps: appearance as a sum, without gates.

Per Gaussian, x = x_0 + sum_k w_k d_k: colour, coverage and offset move by each style's difference times its weight. The
mesh moves with the styles as it does in our avatar. Nothing is gated, bounded or held, and nothing but that differs.

Two kinds of d: one free table for each style, an additive basis as of Gaussian blendshapes; or d_k = sum_j z_kj b_j,
with a code z_k that is free for each clip and a basis that all share, as PEGASUS (Cha et al., CVPR 2024) has a free
code for each of its videos.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from perse_engine.avatars.avatar import Avatar, no_appearance
from perse_engine.avatars.rendering import render_avatar
from perse_engine.avatars.state import AvatarState
from perse_engine.avatars.styles import presence, style_weights
from perse_engine.avatars.torch_decode import parameters_of
from perse_engine.cameras import Camera
from perse_engine.evaluation.subject import Subject, avatar_subject
from perse_engine.progress import Progress
from perse_engine.training.adam import Moments, adam_step
from perse_engine.training.checkpoints import load_checkpoint, save_checkpoint
from perse_engine.training.hidden import Hiding
from perse_engine.training.learner import PACES, Pace, gradients_of
from perse_engine.training.presets import Preset
from perse_engine.training.schedule import Schedule
from perse_engine.training.training import STAGE, STEPS_BETWEEN_REPORTS, Course, fingerprint_of
from perse_engine.training.views import Lessons

Floats = NDArray[np.float32]

BASE = ("offsets", "log_scales", "quaternions", "coverage_logits", "colors")
"""What of a plain avatar is trained."""
FIELDS = {"colors": 3, "coverage_logits": 1, "offsets": 3}
"""What styles add to, and its width."""
BASIS, CODES = ".basis", "codes"
RANK = 24
"""Length of a free code."""
CODE_RATE = 5e-3


class Basis:
    """An avatar whose styles are sums. N Gaussians, K styles."""

    def __init__(self, start: Avatar, rank: int | None, seed: int) -> None:
        """Begin at `start`, with free codes of length `rank`, or with a table for each style."""
        self._plain = dataclasses.replace(start, appearance=no_appearance(len(start.styles)))
        self._rank = rank
        generator = np.random.default_rng(seed)
        base = parameters_of(self._plain)
        self.arrays: dict[str, Floats] = {name: getattr(base, name).detach().numpy().copy() for name in BASE}
        count = len(start.styles) if rank is None else rank
        for name, width in FIELDS.items():
            self.arrays[name + BASIS] = np.zeros((count, start.count, width), np.float32)
        if rank is not None:
            self.arrays["codes"] = generator.normal(0, 1 / math.sqrt(rank), (len(start.styles), rank)).astype(
                np.float32
            )
        else:
            self._start_tables(start)

    def _start_tables(self, start: Avatar) -> None:
        """Each style's difference from the person as the texture has it, as our own avatar starts."""
        looks = start.appearance
        for k in range(len(start.styles)):
            own = looks.of(k)
            at, gate = looks.gaussians[own], looks.gates[own]
            self.arrays["colors" + BASIS][k, at] = gate[:, None] * (looks.colors[own] - start.colors[at])
            step = looks.coverage_logits[own] - start.coverage_logits[at]
            self.arrays["coverage_logits" + BASIS][k, at, 0] = gate * step

    def amounts(self, state: AvatarState) -> Floats:
        """How far each row of the basis acts: a style's presence, or the codes' sum weighted by it."""
        shown = self._shown(state)
        return shown if self._rank is None else shown @ self.arrays[CODES]

    def shared_out(self, state: AvatarState, slopes: Mapping[str, Floats]) -> Iterator[tuple[str, int | None, Floats]]:
        """The gradients that `state` gives, from `slopes` of the avatar that it made: array, row or None, (n, c)."""
        amounts = self.amounts(state)
        to_amounts = np.zeros(len(amounts))
        for name in BASE:
            yield name, None, _rows(slopes[name])
        for name in FIELDS:
            own = _rows(slopes[name])
            for k in np.flatnonzero(amounts):
                to_amounts[k] += float((self.arrays[name + BASIS][k] * own).sum())
                yield name + BASIS, int(k), (amounts[k] * own).astype(np.float32)
        if self._rank is not None:
            yield CODES, None, np.outer(self._shown(state), to_amounts).astype(np.float32)

    def _shown(self, state: AvatarState) -> Floats:
        return presence(self._plain.styles, style_weights(self._plain.styles, state.sliders))

    def avatar_at(self, state: AvatarState) -> Avatar:
        """The avatar as `state` makes it look; its mesh still has to be posed by `state`."""
        amounts = self.amounts(state)
        active = np.flatnonzero(amounts)
        summed = {
            name: self.arrays[name]
            + np.tensordot(amounts[active], self.arrays[name + BASIS][active], 1).reshape(self.arrays[name].shape)
            for name in FIELDS
        }
        return dataclasses.replace(
            self._plain,
            offsets=summed["offsets"],
            log_scales=self.arrays["log_scales"],
            quaternions=self.arrays["quaternions"],
            coverage_logits=summed["coverage_logits"],
            colors=np.clip(summed["colors"], 0, 1),
        )

    def subject(self) -> Subject:
        """To be measured."""

        def draw(state: AvatarState, camera: Camera) -> Floats:
            return render_avatar(self.avatar_at(state), state, camera)

        return dataclasses.replace(avatar_subject(self._plain), draw=draw)


def train_basis(
    course: Course, rank: int | None, preset: Preset, path: Path, *, seed: int, progress: Progress
) -> Basis:
    """Train a `Basis` on what `course` holds, and keep it in the file `path`; the same training is read from there.

    Raises:
        Cancelled: by `progress`.
    """
    basis = Basis(course.start, rank, seed)
    fingerprint = fingerprint_of(course, preset, seed)
    if load_checkpoint(path, fingerprint, basis.arrays) == preset.steps:
        return basis
    anchors = {name: array.copy() for name, array in basis.arrays.items()}
    moments = {name: Moments(np.zeros_like(array), np.zeros_like(array)) for name, array in basis.arrays.items()}
    schedule, hiding = Schedule(preset.steps), Hiding(course.start)
    lessons = Lessons(course.views, course.photo, preset, seed, course.recorded)
    for step in range(preset.steps):
        if step % STEPS_BETWEEN_REPORTS == 0:
            progress(STAGE, step, preset.steps)
        lesson = lessons.at(step)
        decay = schedule.decay(step)
        slopes = gradients_of(basis.avatar_at(lesson.state), lesson, hiding)
        for name, row, gradient in basis.shared_out(lesson.state, slopes):
            pace = _pace(name)
            arrays = (basis.arrays[name], moments[name].mean, moments[name].square, anchors[name])
            values, mean, square, anchor = (_rows(array if row is None else array[row]) for array in arrays)
            every = slice(0, len(values))
            adam_step(values, gradient, Moments(mean, square), anchor, pace.rate * decay, pace.pull * decay, every)
    progress(STAGE, preset.steps, preset.steps)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_checkpoint(path, preset.steps, fingerprint, basis.arrays)
    return basis


def _pace(name: str) -> Pace:
    if name == CODES:
        return Pace(CODE_RATE)
    return PACES[f"style_{name.removesuffix(BASIS)}" if name.endswith(BASIS) else name]


def _rows(array: Floats) -> Floats:
    """The array's memory as (n, c)."""
    return array.reshape(len(array), -1)
