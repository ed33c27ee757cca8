"""Which frames a dataset has: worked out in full from catalogue, preset and seed before any is rendered.

Four splits never meet: what is trained; expressions and views that are not; combinations that are not; strengths and
pairs of styles that are not.
"""

from __future__ import annotations

import dataclasses
import itertools
import zlib
from collections.abc import Mapping
from typing import Literal

import numpy as np

from perse_engine.clips.catalogue import Catalogue
from perse_engine.clips.motion import Moment, held_out_moments, rest_moments, training_moments
from perse_engine.clips.presets import ClipsPreset
from perse_engine.portraits.portrait import Portrait

Split = Literal["train", "heldout", "combination", "between"]
SPLITS: tuple[Split, ...] = ("train", "heldout", "combination", "between")

TRAINED_STRENGTHS = (1.0, 0.5, 1.0, 0.25, 1.0, 0.75, 1.0, 0.12, 1.0, 0.88, 1.0, 0.33)
UNTRAINED_STRENGTHS = (0.4, 0.6)
TRAINED_SHARES = (0.5, 1 / 3, 2 / 3, 1 / 6, 5 / 6)
UNTRAINED_SHARES = (0.25, 0.5, 0.75)
TOGETHER = 12
"""Frames of combinations in one clip: what is lost when a run is killed."""


@dataclasses.dataclass(frozen=True, eq=False)
class PlannedFrame:
    """One frame to render: the attribute sliders, the moment, the side in pixels."""

    attributes: Mapping[str, float]
    moment: Moment
    size: int


@dataclasses.dataclass(frozen=True, eq=False)
class PlannedClip:
    """Frames that are written together. `name` is a folder's name."""

    name: str
    split: Split
    frames: tuple[PlannedFrame, ...]


def plan(portrait: Portrait, catalogue: Catalogue, preset: ClipsPreset, seed: int) -> tuple[PlannedClip, ...]:
    """Every clip of the dataset, each from a random stream of its own, so that order and resuming change nothing."""
    trained, untrained = combinations(catalogue, preset, seed)
    near, far = pairs(catalogue)
    clips = [_base(portrait, preset, seed)]
    clips += [_style(portrait, catalogue, k, preset, seed) for k in range(len(catalogue.styles))]
    clips += [_pair(portrait, catalogue, a, b, preset, seed) for a, b in near]
    clips += _worn_together(portrait, catalogue, trained, preset, seed, "combination", "train")
    clips.append(_held_out(portrait, catalogue, preset, seed))
    clips += _worn_together(portrait, catalogue, untrained, preset, seed, "untrained_combination", "combination")
    clips.append(_untrained_between(portrait, catalogue, far, preset, seed))
    return tuple(clip for clip in clips if clip.frames)


def pairs(catalogue: Catalogue) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Pairs of styles of one category: neighbours, which are trained, and the others, which are not."""
    near: list[tuple[int, int]] = []
    far: list[tuple[int, int]] = []
    for category in catalogue.categories:
        indices = catalogue.indices(category.name)
        for a, b in itertools.combinations(indices, 2):
            (near if b - a == 1 else far).append((a, b))
    return near, far


def combinations(
    catalogue: Catalogue, preset: ClipsPreset, seed: int
) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]]]:
    """Sets of styles of two or three categories: those that are trained, and as disjoint a set of those that are not.

    A set that is not trained is not part of a trained one either.
    """
    rng = _stream(seed, "combinations")
    groups = [catalogue.indices(category.name) for category in catalogue.categories]
    groups = [group for group in groups if group]
    if len(groups) < 2:
        return [], []
    untrained: list[tuple[int, ...]] = []
    seen: set[tuple[int, ...]] = set()
    for _ in range(20 * preset.held_out):
        chosen = _draw(groups, rng)
        if chosen not in seen:
            seen.add(chosen)
            untrained.append(chosen)
        if len(untrained) >= max(preset.held_out // 2, 1):
            break
    trained: list[tuple[int, ...]] = []
    for _ in range(20 * preset.combinations):
        if len(trained) >= preset.combinations:
            break
        chosen = _draw(groups, rng)
        if not any(set(other) <= set(chosen) for other in untrained):
            trained.append(chosen)
    return trained, untrained


def _draw(groups: list[tuple[int, ...]], rng: np.random.Generator) -> tuple[int, ...]:
    count = min(len(groups), 2 if rng.random() < 0.55 else 3)
    chosen = rng.choice(len(groups), count, replace=False)
    return tuple(sorted(int(rng.choice(groups[group])) for group in chosen))


def _base(portrait: Portrait, preset: ClipsPreset, seed: int) -> PlannedClip:
    rest = rest_moments(portrait)[: preset.base]
    moments = rest + training_moments(portrait, preset.base - len(rest), _stream(seed, "base"))
    frames = tuple(PlannedFrame({}, moment, _size(preset, k)) for k, moment in enumerate(moments))
    return PlannedClip("base", "train", frames)


def _style(portrait: Portrait, catalogue: Catalogue, style: int, preset: ClipsPreset, seed: int) -> PlannedClip:
    slider = catalogue.styles[style].slider
    rng = _stream(seed, slider)
    rest = rest_moments(portrait)[:1]  # straight ahead at full strength: what a style's code is read from
    moments = rest + training_moments(portrait, preset.style - 1, rng)
    frames = []
    for k, moment in enumerate(moments[: preset.style]):
        strength = TRAINED_STRENGTHS[k % len(TRAINED_STRENGTHS)]
        frames.append(PlannedFrame({slider: strength}, moment, _size(preset, k)))
    return PlannedClip(slider.removeprefix("attr_"), "train", tuple(frames))


def _pair(portrait: Portrait, catalogue: Catalogue, a: int, b: int, preset: ClipsPreset, seed: int) -> PlannedClip:
    first, second = catalogue.styles[a].slider, catalogue.styles[b].slider
    rng = _stream(seed, f"{first} {second}")
    offset = int(rng.integers(len(TRAINED_SHARES)))
    frames = []
    for k, moment in enumerate(training_moments(portrait, preset.pair, rng)):
        share = TRAINED_SHARES[(k + offset) % len(TRAINED_SHARES)]
        frames.append(PlannedFrame(_between(first, second, share), moment, preset.size))
    name = f"{first.removeprefix('attr_')}_to_{second.removeprefix('attr_')}"
    return PlannedClip(name, "train", tuple(frames))


def _worn_together(
    portrait: Portrait,
    catalogue: Catalogue,
    sets: list[tuple[int, ...]],
    preset: ClipsPreset,
    seed: int,
    name: str,
    split: Split,
) -> list[PlannedClip]:
    """Clips of up to `TOGETHER` sets each, every set in one frame."""
    clips = []
    for first in range(0, len(sets), TOGETHER):
        chosen = sets[first : first + TOGETHER]
        clip = f"{name}_{first // TOGETHER:03d}"
        rng = _stream(seed, clip)
        frames = []
        for k, (styles, moment) in enumerate(zip(chosen, training_moments(portrait, len(chosen), rng), strict=True)):
            strengths = np.where(rng.random(len(styles)) < 0.75, 1.0, rng.choice([0.5, 0.75], len(styles)))
            attributes = {catalogue.styles[s].slider: float(w) for s, w in zip(styles, strengths, strict=True)}
            frames.append(PlannedFrame(attributes, moment, _size(preset, first + k + 1)))
        clips.append(PlannedClip(clip, split, tuple(frames)))
    return clips


def _untrained_between(
    portrait: Portrait, catalogue: Catalogue, far: list[tuple[int, int]], preset: ClipsPreset, seed: int
) -> PlannedClip:
    """Strengths of single styles that are never trained, and pairs of styles that are never trained."""
    rng = _stream(seed, "between")
    attributes: list[dict[str, float]] = []
    for k in range(preset.held_out // 2):
        if k % 2 == 0 and far:
            a, b = far[int(rng.integers(len(far)))]
            share = float(rng.choice(UNTRAINED_SHARES))
            attributes.append(_between(catalogue.styles[a].slider, catalogue.styles[b].slider, share))
        elif catalogue.styles:
            slider = catalogue.styles[int(rng.integers(len(catalogue.styles)))].slider
            attributes.append({slider: float(rng.choice(UNTRAINED_STRENGTHS))})
    moments = training_moments(portrait, len(attributes), rng)
    frames = [PlannedFrame(worn, moment, preset.size) for worn, moment in zip(attributes, moments, strict=True)]
    return PlannedClip("between", "between", tuple(frames))


def _held_out(portrait: Portrait, catalogue: Catalogue, preset: ClipsPreset, seed: int) -> PlannedClip:
    rng = _stream(seed, "heldout")
    frames = []
    for k, moment in enumerate(held_out_moments(portrait, preset.held_out, rng)):
        bare = k % 2 == 0 or not catalogue.styles
        attributes = {} if bare else {catalogue.styles[int(rng.integers(len(catalogue.styles)))].slider: 1.0}
        frames.append(PlannedFrame(attributes, moment, preset.fine_size if k % 4 == 0 else preset.size))
    return PlannedClip("heldout", "heldout", tuple(frames))


def _between(first: str, second: str, share: float) -> dict[str, float]:
    return {first: round(1 - share, 6), second: round(share, 6)}


def _size(preset: ClipsPreset, k: int) -> int:
    return preset.fine_size if preset.fine_every and k % preset.fine_every == 0 else preset.size


def _stream(seed: int, name: str) -> np.random.Generator:
    return np.random.default_rng([seed & 0xFFFFFFFF, zlib.crc32(name.encode())])
