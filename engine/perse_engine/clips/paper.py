"""The paper's protocol (section 4.1): hundreds of clips of one attribute each, the same motion in all of them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping

from perse_engine.clips.catalogue import Catalogue
from perse_engine.clips.mixing import TRAINED_SHARES, TRAINED_STRENGTHS, between, pairs
from perse_engine.clips.moments import script
from perse_engine.clips.performance import Performance
from perse_engine.clips.planned import BASE, TESTED, Dressed, PlannedClip, PlannedFrame, Split
from perse_engine.clips.presets import ClipsPreset
from perse_engine.portraits.portrait import Portrait


def paper_clips(
    portrait: Portrait, catalogue: Catalogue, preset: ClipsPreset, seed: int, performance: Performance | None
) -> tuple[PlannedClip, ...]:
    """The paper's protocol: the same motion in every clip, its last frames for testing."""
    motion = script(portrait, preset.base, seed, performance)
    names = portrait.head.expression_names
    bare = [PlannedFrame({}, motion.moment(frame, names), preset.size) for frame in range(preset.base)]
    trained = preset.base - preset.held_out
    parts: tuple[tuple[str, Split, list[PlannedFrame]], ...] = (
        ("", "train", bare[:trained]),
        (TESTED, "heldout", bare[trained:]),
    )
    clips = [PlannedClip(BASE + end, split, frames) for end, split, frames in parts]
    for name, attributes in itertools.islice(paper_styles(catalogue), preset.clips):
        clips += [
            PlannedClip(name + end, split, Dressed(frames, BASE + end, attributes)) for end, split, frames in parts
        ]
    return tuple(clips)


def paper_styles(catalogue: Catalogue) -> Iterator[tuple[str, Mapping[str, float]]]:
    """Name and attributes of one clip of the paper's protocol after the other.

    First every style of the catalogue: one that has 957 is done then. A smaller one goes on with what lies between
    neighbours, with other strengths, and with two styles worn together.
    """
    sliders = [style.slider for style in catalogue.styles]
    names = [slider.removeprefix("attr_") for slider in sliders]
    for name, slider in zip(names, sliders, strict=True):
        yield name, {slider: 1.0}
    for share in TRAINED_SHARES:
        for a, b in pairs(catalogue)[0]:
            yield f"{names[a]}_to_{names[b]}_at_{share:.2f}", between(sliders[a], sliders[b], share)
    for strength in sorted(set(TRAINED_STRENGTHS) - {1.0}):
        for name, slider in zip(names, sliders, strict=True):
            yield f"{name}_at_{strength:.2f}", {slider: strength}
    for a, b in itertools.combinations(range(len(sliders)), 2):
        if catalogue.styles[a].category != catalogue.styles[b].category:
            yield f"{names[a]}_with_{names[b]}", {sliders[a]: 1.0, sliders[b]: 1.0}
