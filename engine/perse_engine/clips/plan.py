"""Which frames a dataset has: worked out in full from catalogue, preset and seed before any is rendered.

Four splits never meet: what is trained; expressions and views that are not; combinations that are not; strengths and
pairs of styles that are not. Whatever is dressed is a moment of the base clip, so that only what it changes has to be
rendered.
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from perse_engine.clips.catalogue import Catalogue
from perse_engine.clips.mixing import (
    TRAINED_SHARES,
    TRAINED_STRENGTHS,
    UNTRAINED_SHARES,
    UNTRAINED_STRENGTHS,
    between,
    pairs,
)
from perse_engine.clips.moments import around_moments, held_out_moments, rest_moments, sparse_moments
from perse_engine.clips.paper import paper_clips
from perse_engine.clips.performance import Performance
from perse_engine.clips.planned import BASE, PlannedClip, PlannedFrame, Split, dressed, name_of
from perse_engine.clips.presets import ClipsPreset
from perse_engine.portraits.portrait import Portrait

SIDE = 25.0
"""Degrees from which a face at rest is seen from the side."""
FROM_THE_SIDES = (2, 4)
"""Which of a style's frames show it so; `TRAINED_STRENGTHS` has it full in them."""
AROUND = "around"
"""The clip of the person, with no style, from behind and obliquely."""
FROM_BEHIND = ("skin", "hair", "clothes", "headphones", "hat")
"""Categories that are seen from there."""
OPPOSITE = ((0, 2, 1, 3), (1, 3, 0, 2))
"""In which order styles, every other one alike, take pairs of frames of that clip: the first two pairs look from
behind, the next two obliquely. Each is of opposite sides: what is seen from one side only is stained on the other."""
OUTFIT_STRENGTHS = (1.0, 1.0, 0.75, 0.5)
"""How far each category is worn where all may be at once."""
TOGETHER = 12
"""Frames of combinations in one clip: what is lost when a run is killed."""


def plan(
    portrait: Portrait, catalogue: Catalogue, preset: ClipsPreset, seed: int, performance: Performance | None = None
) -> tuple[PlannedClip, ...]:
    """Every clip of the dataset, each from a random stream of its own, so that order and resuming change nothing.

    Args:
        performance: what the person does, instead of the motion library.
    """
    if preset.clips:
        return paper_clips(portrait, catalogue, preset, seed, performance)
    trained, untrained = combinations(catalogue, preset, seed)
    near, far = pairs(catalogue)
    clips = [_base(portrait, preset, seed, performance)]
    base = clips[0].frames
    around = [PlannedFrame({}, moment, preset.size) for moment in around_moments()] if preset.around else []
    clips.append(PlannedClip(AROUND, "train", tuple(around)))
    clips += [_style(catalogue, base, around, k, preset, seed) for k in range(len(catalogue.styles))]
    clips += [_pair(catalogue, base, a, b, preset, seed) for a, b in near]
    clips += _worn_together(catalogue, base, trained, seed, "combination", "train")
    clips += _anything(catalogue, base, near, untrained, preset.anything, seed)
    clips.append(_held_out(portrait, catalogue, preset, seed))
    clips += _worn_together(catalogue, base, untrained, seed, "untrained_combination", "combination")
    clips.append(_untrained_between(catalogue, base, far, preset, seed))
    return tuple(clip for clip in clips if clip.frames)


def combinations(
    catalogue: Catalogue, preset: ClipsPreset, seed: int
) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]]]:
    """Sets of styles of two or three categories: those that are trained, and as disjoint a set of those that are not.

    A set that is not trained is not part of a trained one either. As far as the number of sets allows, every two
    categories are trained together.
    """
    rng = _stream(seed, "combinations")
    groups = [catalogue.indices(category.name) for category in catalogue.categories]
    groups = [group for group in groups if group]
    if len(groups) < 2:
        return [], []
    untrained: list[tuple[int, ...]] = []
    seen: set[tuple[int, ...]] = set()
    for _ in range(20 * preset.held_out):
        chosen = _draw(groups, _some(len(groups), rng), rng)
        if chosen not in seen:
            seen.add(chosen)
            untrained.append(chosen)
        if len(untrained) >= max(preset.held_out // 2, 1):
            break
    trained: list[tuple[int, ...]] = []
    apart = set(itertools.combinations(range(len(groups)), 2))
    for _ in range(20 * preset.combinations):
        if len(trained) >= preset.combinations:
            break
        # those that meet for the first time bring the third whom both have met least
        meeting = _meeting(apart, len(groups)) if apart else _some(len(groups), rng)
        chosen = _draw(groups, meeting, rng)
        if not any(set(other) <= set(chosen) for other in untrained):
            trained.append(chosen)
            apart -= set(itertools.combinations(sorted(meeting), 2))
    return trained, untrained


def _some(groups: int, rng: np.random.Generator) -> list[int]:
    """Two or three groups."""
    count = min(groups, 2 if rng.random() < 0.55 else 3)
    return [int(group) for group in rng.choice(groups, count, replace=False)]


def _meeting(apart: set[tuple[int, int]], groups: int) -> list[int]:
    """Two groups that have not met, and a third that has met these least."""
    first, second = min(apart)
    others = [group for group in range(groups) if group not in (first, second)]
    new = [sum(tuple(sorted((group, one))) in apart for one in (first, second)) for group in others]
    return [first, second, others[int(np.argmax(new))]] if others else [first, second]


def _draw(groups: list[tuple[int, ...]], meeting: Sequence[int], rng: np.random.Generator) -> tuple[int, ...]:
    return tuple(sorted(int(rng.choice(groups[group])) for group in meeting))


def _base(portrait: Portrait, preset: ClipsPreset, seed: int, performance: Performance | None) -> PlannedClip:
    moments = rest_moments(portrait)[: preset.base]
    moments += sparse_moments(portrait, preset.base - len(moments), seed, performance)
    frames = tuple(PlannedFrame({}, moment, _size(preset, k)) for k, moment in enumerate(moments))
    return PlannedClip(BASE, "train", frames)


def _style(
    catalogue: Catalogue,
    base: Sequence[PlannedFrame],
    around: Sequence[PlannedFrame],
    style: int,
    preset: ClipsPreset,
    seed: int,
) -> PlannedClip:
    slider = catalogue.styles[style].slider
    # first straight ahead at full strength: what a style's code is read from
    numbers = [0, *(1 + _some_of(len(base) - 1, preset.style - 1, _stream(seed, slider)))][: preset.style]
    # then, at full strength too, from both sides: hair, hats and clothes are other things there
    sides = [k for k, frame in enumerate(base) if not frame.moment.expression and abs(frame.moment.yaw) >= SIDE]
    left_right = sorted(sides[:2], key=lambda k: base[k].moment.yaw)[:: 1 if style % 2 else -1]
    for place, number in zip(FROM_THE_SIDES, left_right, strict=False):
        if place < len(numbers):
            numbers[place] = number
    worn = [{slider: TRAINED_STRENGTHS[k % len(TRAINED_STRENGTHS)]} for k in range(len(numbers))]
    frames = _dress(BASE, base, numbers, worn)
    if catalogue.styles[style].category in FROM_BEHIND:
        places = [2 * pair + side for pair in OPPOSITE[style % 2] for side in (0, 1)][: preset.around]
        frames += _dress(AROUND, around, places, [{slider: 1.0}] * len(places))
    return PlannedClip(slider.removeprefix("attr_"), "train", frames)


def _pair(
    catalogue: Catalogue, base: Sequence[PlannedFrame], a: int, b: int, preset: ClipsPreset, seed: int
) -> PlannedClip:
    first, second = catalogue.styles[a].slider, catalogue.styles[b].slider
    rng = _stream(seed, f"{first} {second}")
    offset = int(rng.integers(len(TRAINED_SHARES)))
    shares = [TRAINED_SHARES[(k + offset) % len(TRAINED_SHARES)] for k in range(preset.pair)]
    worn = [between(first, second, share) for share in shares]
    name = f"{first.removeprefix('attr_')}_to_{second.removeprefix('attr_')}"
    return PlannedClip(name, "train", _dress(BASE, base, _some_of(len(base), len(worn), rng), worn))


def _worn_together(
    catalogue: Catalogue,
    base: Sequence[PlannedFrame],
    sets: list[tuple[int, ...]],
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
        worn = []
        for styles in chosen:
            strengths = np.where(rng.random(len(styles)) < 0.75, 1.0, rng.choice([0.5, 0.75], len(styles)))
            worn.append({catalogue.styles[s].slider: float(w) for s, w in zip(styles, strengths, strict=True)})
        clips.append(PlannedClip(clip, split, _dress(BASE, base, _some_of(len(base), len(worn), rng), worn)))
    return clips


def _anything(
    catalogue: Catalogue,
    base: Sequence[PlannedFrame],
    near: list[tuple[int, int]],
    untrained: list[tuple[int, ...]],
    count: int,
    seed: int,
) -> list[PlannedClip]:
    """Clips of `count` frames in all, in which every category may be worn; no untrained set is part of any.

    It is where artists end up, and where a hat that is on by half meets hair between two styles: whoever has seen
    these apart only leaves holes there.
    """
    clips = []
    for first in range(0, count, TOGETHER):
        clip = f"anything_{first // TOGETHER:03d}"
        rng = _stream(seed, clip)
        outfits = (_outfit(catalogue, near, rng) for _ in itertools.count())
        held = [{catalogue.styles[k].slider for k in styles} for styles in untrained]
        free = (worn for worn in outfits if not any(one <= worn.keys() for one in held))
        worn = list(itertools.islice(free, min(TOGETHER, count - first)))
        clips.append(PlannedClip(clip, "train", _dress(BASE, base, _some_of(len(base), len(worn), rng), worn)))
    return clips


def _outfit(catalogue: Catalogue, near: list[tuple[int, int]], rng: np.random.Generator) -> dict[str, float]:
    """Half of all categories: each one style, or between two neighbours, more or less of it."""
    worn: dict[str, float] = {}
    for category in catalogue.categories:
        own = catalogue.indices(category.name)
        if not own or rng.random() < 0.5:
            continue
        strength = float(rng.choice(OUTFIT_STRENGTHS))
        mixed = [pair for pair in near if pair[0] in own]
        if mixed and rng.random() < 0.5:
            a, b = mixed[int(rng.integers(len(mixed)))]
            share = float(rng.choice(TRAINED_SHARES))
            both = between(catalogue.styles[a].slider, catalogue.styles[b].slider, share)
            worn |= {slider: round(strength * part, 6) for slider, part in both.items()}
        else:
            worn[catalogue.styles[int(rng.choice(own))].slider] = strength
    return worn


def _untrained_between(
    catalogue: Catalogue,
    base: Sequence[PlannedFrame],
    far: list[tuple[int, int]],
    preset: ClipsPreset,
    seed: int,
) -> PlannedClip:
    """Strengths of single styles that are never trained, and pairs of styles that are never trained."""
    rng = _stream(seed, "between")
    worn: list[dict[str, float]] = []
    for k in range(preset.held_out // 2):
        if k % 2 == 0 and far:
            a, b = far[int(rng.integers(len(far)))]
            share = float(rng.choice(UNTRAINED_SHARES))
            worn.append(between(catalogue.styles[a].slider, catalogue.styles[b].slider, share))
        elif catalogue.styles:
            slider = catalogue.styles[int(rng.integers(len(catalogue.styles)))].slider
            worn.append({slider: float(rng.choice(UNTRAINED_STRENGTHS))})
    return PlannedClip("between", "between", _dress(BASE, base, _some_of(len(base), len(worn), rng), worn))


def _held_out(portrait: Portrait, catalogue: Catalogue, preset: ClipsPreset, seed: int) -> PlannedClip:
    rng = _stream(seed, "heldout")
    frames = []
    for k, moment in enumerate(held_out_moments(portrait, preset.held_out, seed)):
        bare = k % 2 == 0 or not catalogue.styles
        attributes = {} if bare else {catalogue.styles[int(rng.integers(len(catalogue.styles)))].slider: 1.0}
        frames.append(PlannedFrame(attributes, moment, preset.fine_size if k % 4 == 0 else preset.size))
    return PlannedClip("heldout", "heldout", tuple(frames))


def _dress(
    clip: str,
    bare: Sequence[PlannedFrame],
    numbers: Sequence[int] | NDArray[np.integer],
    worn: Sequence[Mapping[str, float]],
) -> tuple[PlannedFrame, ...]:
    """The frames `numbers` of the `clip` of the `bare` person with what is worn in each."""
    return tuple(
        dressed(bare[number], name_of(clip, number), attributes)
        for number, attributes in zip(numbers, worn, strict=True)
    )


def _some_of(total: int, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """`count` of the numbers below `total`, different ones as long as there are."""
    return np.resize(rng.permutation(total), max(count, 0)).astype(np.int64)


def _size(preset: ClipsPreset, k: int) -> int:
    return preset.fine_size if preset.fine_every and k % preset.fine_every == 0 else preset.size


def _stream(seed: int, name: str) -> np.random.Generator:
    return np.random.default_rng([seed & 0xFFFFFFFF, zlib.crc32(name.encode())])
