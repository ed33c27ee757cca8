"""A style from words: "short curly red hair" in the vocabulary of the catalogue and of its slots."""

from __future__ import annotations

import colorsys
import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from PIL import ImageColor

from perse_engine.avatars.styles import Category, Style
from perse_engine.clips.catalogue import SHIPPED, Catalogue, load_catalogue
from perse_engine.clips.parameters import PARAMETERS
from perse_engine.clips.variations import Slots, Table, Word, load_slots
from perse_engine.errors import InputError
from perse_engine.surfaces.colors import srgb_to_hex

SILENT = frozenset(("a", "an", "and", "in", "of", "on", "the", "with", "very", "pair"))
USUAL: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "hair": ("length", ("chin", "shoulder")),
    "beard": ("type", ("full",)),
}
"""The slot that others need, and what it holds where nothing is said of it: the first that contradicts none of them."""
COLORED = frozenset(("color", "contrast"))
"""Parameters that hair has as it is, whatever its length."""
CALM = 0.62
"""Of a named colour's saturation, what cloth, hair and lacquer have of it."""
Phrase = tuple[str, ...]


def style_in_words(category: str, text: str, slider: str, label: str) -> Catalogue:
    """The catalogue of one style that `text` describes.

    Raises:
        InputError: unknown-category; unknown-words, naming those that say nothing here; contradiction.
    """
    catalogue, slots = load_catalogue(), load_slots()
    if category not in PARAMETERS:
        raise InputError(
            "unknown-category", f"there is no category {category!r}", f"choose one of {', '.join(PARAMETERS)}"
        )
    words = _words(text)
    table, spoken = _of_catalogue(category, words)
    if category in slots:
        more, chosen = _of_slots(slots[category], words, category, frozenset(spoken))
        table = {**(table or slots[category].sets), **more}
        spoken |= chosen
    color = _color(category, words, spoken)
    if color is not None:
        table, spoken = {**(table or {}), "color": color[1]}, spoken | {color[0]}
    rest = [word for k, word in enumerate(words) if k not in spoken and word not in _nouns(category, slots)]
    if rest or not spoken:
        colors = ", and names of colours" if "color" in PARAMETERS[category].__struct_fields__ else ""
        raise InputError(
            "unknown-words",
            f"{' '.join(rest) or text!r} says nothing about {category} here",
            f"use words such as {', '.join(_vocabulary(category, slots))}{colors}",
        )
    table = {key: value for key, value in (table or {}).items() if key != "overlaps"}
    try:
        parameters = msgspec.convert({**table, "label": label}, PARAMETERS[category])
    except msgspec.ValidationError as error:
        raise InputError(
            "unknown-words",
            f"{text!r} leaves open what kind of {category} it is",
            f"begin with one of {', '.join(catalogue.styles[k].label.lower() for k in catalogue.indices(category))}",
        ) from error
    (group,) = (entry for entry in catalogue.categories if entry.name == category)
    style = Style(slider, label, category, parameters.between, *parameters.soft, *parameters.hard)
    return Catalogue((Category(group.name, group.label, group.layer),), (style,), (parameters,))


def _words(text: str) -> list[str]:
    return [word for word in re.findall("[a-z]+", text.lower()) if word not in SILENT]


def _nouns(category: str, slots: Mapping[str, Slots]) -> set[str]:
    """What names the category itself: it may be said, and says nothing more."""
    noun = slots[category].noun if category in slots else category
    return {word for name in (category, noun) for word in (*_words(name), *_words(f"{name}s"))} | {"shape", "style"}


def _phrases(key: str, label: str, also: Sequence[str], nouns: set[str]) -> list[Phrase]:
    """The ways to say a word, the longest first: its key, its label, what else it is called."""
    said = {tuple(_words(text.replace("_", " "))) for text in (key, label, *also)}
    said |= {tuple(word for word in phrase if word not in nouns) for phrase in said}
    return sorted((phrase for phrase in said if phrase), key=len, reverse=True)


def _places(phrase: Phrase, words: Sequence[str]) -> set[int]:
    """Where in `words` the phrase stands, or nothing."""
    for k in range(len(words) - len(phrase) + 1):
        if tuple(words[k : k + len(phrase)]) == phrase:
            return set(range(k, k + len(phrase)))
    return set()


def _of_catalogue(category: str, words: Sequence[str]) -> tuple[Table | None, set[int]]:
    """The shipped style that most of the words name, and which they are."""
    tables: dict[str, Any] = msgspec.toml.decode(SHIPPED.read_bytes(), type=dict[str, Any])[category].get("styles", {})
    nouns = _nouns(category, load_slots())
    best: tuple[Table | None, set[int]] = (None, set())
    for name, table in tables.items():
        for phrase in _phrases(name, table["label"], (), nouns):
            places = _places(phrase, words)
            if len(places) > len(best[1]):
                best = table, places
    return best


def _of_slots(slots: Slots, words: Sequence[str], category: str, named: frozenset[int]) -> tuple[Table, set[int]]:
    """What the slots' words among `words` set, of each slot one, and where they stand.

    Args:
        named: where the name of a style of the catalogue stands. It is not taken apart: what it says it says as a
            whole. But a word that is all of it has spoken for its slot.

    Raises:
        InputError: contradiction.
    """
    used = set(named)
    name = {k for k in named if words[k] not in _nouns(category, {category: slots})}
    chosen: dict[str, Word] = {}
    for slot in slots.slots.values():
        found = [
            (len(places), key, places)
            for key, word in slot.items()
            for phrase in _phrases(key, word.label, word.also, set())
            if (places := _places(phrase, words))
        ]
        spoken_for = next((key for _, key, places in found if places == name), None)
        for _, key, places in sorted(found, key=lambda one: -one[0]):
            if places & used:
                continue  # it is part of what a longer phrase says
            another = next((other for other in slot if other in chosen), spoken_for)
            if another is not None and another != key:
                raise _against(another, key)
            chosen[key] = slot[key]
            used |= places
    for key, word in chosen.items():
        for other in set(word.excludes) & set(chosen):
            raise _against(key, other)
    if not named:
        chosen = _with_usual(slots, chosen, category)
    return {name: value for word in chosen.values() for name, value in word.sets.items()}, used - named


def _with_usual(slots: Slots, chosen: dict[str, Word], category: str) -> dict[str, Word]:
    """`chosen` with what goes without saying, where the words need it."""
    name, usual = USUAL.get(category, ("", ()))
    if not chosen or not usual or any(key in chosen for key in slots.slots[name]):
        return chosen
    said = {parameter for word in chosen.values() for parameter in word.sets}
    if category == "hair" and said <= COLORED:
        return chosen
    for key in usual:
        word = slots.slots[name][key]
        if not set(word.excludes) & set(chosen) and not any(key in other.excludes for other in chosen.values()):
            return {key: word, **chosen}
    return chosen


def _against(first: str, second: str) -> InputError:
    return InputError("contradiction", f"{first} and {second} contradict each other", "leave one of them out")


def _color(category: str, words: Sequence[str], spoken: set[int]) -> tuple[int, str] | None:
    """The first word that is not used yet and names a colour, and that colour as dyes have it."""
    if "color" not in PARAMETERS[category].__struct_fields__:
        return None
    for k, word in enumerate(words):
        if k not in spoken and word in ImageColor.colormap:
            red, green, blue = (c / 255 for c in ImageColor.getrgb(word)[:3])
            hue, saturation, value = colorsys.rgb_to_hsv(red, green, blue)
            calm = colorsys.hsv_to_rgb(hue, CALM * saturation, 0.04 + 0.8 * value)
            return k, srgb_to_hex(np.array(calm))
    return None


def _vocabulary(category: str, slots: Mapping[str, Slots]) -> list[str]:
    if category in slots:
        return [word.label for slot in slots[category].slots.values() for word in slot.values() if word.label]
    catalogue = load_catalogue()
    return [catalogue.styles[k].label.lower() for k in catalogue.indices(category)]
