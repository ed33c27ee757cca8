"""A style from words: "short curly red hair" in the vocabulary of the catalogue and of its slots."""

from __future__ import annotations

import colorsys
import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from PIL import ImageColor

from perse_engine.avatars.styles import Category, Style
from perse_engine.clips.catalogue import SHIPPED, Catalogue, load_catalogue
from perse_engine.clips.parameters import PARAMETERS
from perse_engine.clips.variations import Slots, Table, Word, load_slots
from perse_engine.errors import InputError

SILENT = frozenset(("a", "an", "and", "in", "of", "on", "the", "with", "very", "pair"))
USUAL_LENGTH = {"hair": "chin"}
"""The word that a category's length has where others need one and none is said."""
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
        more, chosen = _of_slots(slots[category], words, spoken, category)
        table = {**(table or slots[category].sets), **more}
        spoken |= chosen
    color = _color(category, words, spoken)
    if color is not None:
        table, spoken = {**(table or {}), "color": color[1]}, spoken | {color[0]}
    rest = [word for k, word in enumerate(words) if k not in spoken and word not in _nouns(category, slots)]
    if rest or not spoken:
        raise InputError(
            "unknown-words",
            f"{' '.join(rest) or text!r} says nothing about {category} here",
            f"use words such as {', '.join(_vocabulary(category, slots))}, and names of colours",
        )
    table = {key: value for key, value in (table or {}).items() if key != "overlaps"}
    try:
        parameters = msgspec.convert({**table, "label": label}, PARAMETERS[category])
    except msgspec.ValidationError as error:
        raise InputError(
            "unknown-words", f"{text!r} leaves open what the {category} is ({error})",
            f"name one of {', '.join(_vocabulary(category, slots))}",
        ) from error  # fmt: skip
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


def _of_slots(slots: Slots, words: Sequence[str], spoken: set[int], category: str) -> tuple[Table, set[int]]:
    """What the slots' words among `words` set; of each slot one. Words that a style's name used may count again."""
    table: Table = {}
    used: set[int] = set()
    chosen: dict[str, Word] = {}
    for slot in slots.slots.values():
        found = [
            (len(places), key, places)
            for key, word in slot.items()
            for phrase in _phrases(key, word.label, word.also, set())
            if (places := _places(phrase, words))
        ]
        if found:
            _, key, places = max(found)
            chosen[key] = slot[key]
            used |= places
    usual = USUAL_LENGTH.get(category)
    shaped = {name for word in chosen.values() for name in word.sets} - {"color", "contrast"}
    if usual and shaped and "cut" not in shaped and not spoken:
        chosen = {usual: slots.slots["length"][usual], **chosen}
    for key, word in chosen.items():
        against = set(word.excludes) & set(chosen)
        if against:
            raise InputError(
                "contradiction", f"{key} and {against.pop()} contradict each other", "leave one of them out"
            )
        table |= word.sets
    return table, used


def _color(category: str, words: Sequence[str], spoken: set[int]) -> tuple[int, str] | None:
    """The first word that is not used yet and names a colour, and that colour as dyes have it."""
    if "color" not in PARAMETERS[category].__struct_fields__:
        return None
    for k, word in enumerate(words):
        if k not in spoken and word in ImageColor.colormap:
            red, green, blue = (c / 255 for c in ImageColor.getrgb(word)[:3])
            hue, saturation, value = colorsys.rgb_to_hsv(red, green, blue)
            calm = colorsys.hsv_to_rgb(hue, CALM * saturation, 0.04 + 0.8 * value)
            return k, "#" + "".join(f"{round(c * 255):02x}" for c in calm)
    return None


def _vocabulary(category: str, slots: Mapping[str, Slots]) -> list[str]:
    if category in slots:
        return [word.label for slot in slots[category].slots.values() for word in slot.values() if word.label]
    catalogue = load_catalogue()
    return [catalogue.styles[k].label.lower() for k in catalogue.indices(category)]
