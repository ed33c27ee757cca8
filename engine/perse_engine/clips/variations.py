"""New styles by combining slots: length x shape x colour x texture, as the paper's prompts do (section 4.2).

`slots.toml` beside this file holds the words of each category. A word is a piece of a style's parameters; one word from
every slot makes a style, unless one of them excludes another.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from perse_engine.clips.catalogue import Catalogue, parse_catalogue
from perse_engine.errors import InputError

SLOTS = Path(__file__).parent / "slots.toml"
LONGEST_NAME = 30

PAPER_COUNTS: Mapping[str, int] = {
    "hair": 395,
    "hat": 110,
    "mouth": 75,
    "nose": 75,
    "beard": 69,
    "earrings": 59,
    "headphones": 59,
    "eyebrows": 58,
    "clothes": 57,
}
"""Styles of each category in the paper's dataset (table 4), 957 in all."""

Table = dict[str, Any]


class Word(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One choice of a slot.

    Attributes:
        label: what people read; empty for what goes without saying.
        sets: parameters of the style.
        excludes: words of other slots that contradict it.
        also: what else people call it.
    """

    label: str = ""
    sets: dict[str, Any] = {}
    excludes: tuple[str, ...] = ()
    also: tuple[str, ...] = ()


class Slots(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The slots of a category, in the order in which a name says them.

    Attributes:
        noun: what ends a label: "hair", "beard".
        sets: parameters of every style.
        slots: by name, each with its words by key.
    """

    noun: str
    sets: dict[str, Any]
    slots: dict[str, dict[str, Word]]


def load_slots() -> dict[str, Slots]:
    """The slots of every category that has some."""
    return msgspec.toml.decode(SLOTS.read_bytes(), type=dict[str, Slots])


def variations(category: str, count: int, seed: int) -> dict[str, Table]:
    """`count` different styles of `category` by name, as tables of a catalogue; the same ones for the same seed.

    Raises:
        InputError: unknown-category; too-many-styles, where there are not so many combinations.
    """
    slots = load_slots()
    if category not in slots:
        raise InputError(
            "unknown-category", f"there are no slots for {category!r}", f"choose one of {', '.join(slots)}"
        )
    found: dict[str, Table] = {}
    for words in _combinations(slots[category], np.random.default_rng([seed, zlib.crc32(category.encode())])):
        if len(found) == count:
            break
        name, table = _style(slots[category], words)
        if len(name) <= LONGEST_NAME:
            found.setdefault(name, table)
    if len(found) < count:
        raise InputError(
            "too-many-styles", f"{category} has only {len(found)} combinations, and {count} are wanted", "ask for fewer"
        )
    return found


def varied_catalogue(onto: bytes, counts: Mapping[str, int], seed: int) -> Catalogue:
    """The categories of the catalogue `onto` (TOML) with `counts` combined styles each instead of its own.

    Raises:
        InputError: as `variations`.
    """
    tables = msgspec.toml.decode(onto, type=dict[str, dict[str, Any]])
    chosen: dict[str, Table] = {}
    for category, count in counts.items():
        head = {key: value for key, value in tables[category].items() if key != "styles"}
        chosen[category] = {**head, "styles": variations(category, count, seed)}
    for table in chosen.values():  # what is not in this catalogue cannot be overlapped
        for style in table["styles"].values():
            style["overlaps"] = [name for name in style.get("overlaps", ()) if name in chosen]
    return parse_catalogue(to_toml(chosen).encode(), "variations")


def to_toml(tables: Mapping[str, Table]) -> str:
    """Catalogue tables as the TOML that `parse_catalogue` reads."""
    lines: list[str] = []
    for category, table in tables.items():
        lines.append(f"[{category}]")
        lines += [f"{key} = {_value(value)}" for key, value in table.items() if key != "styles"]
        for name, style in table.get("styles", {}).items():
            lines += ["", f"[{category}.styles.{name}]", *(f"{key} = {_value(value)}" for key, value in style.items())]
        lines.append("")
    return "\n".join(lines)


def _value(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_value(item) for item in value)}]"
    return msgspec.json.encode(value).decode()  # strings, numbers and booleans are written alike in both


def _combinations(slots: Slots, rng: np.random.Generator) -> Iterator[tuple[str, ...]]:
    """Every combination that does not contradict itself, in random order: one key of each slot."""
    keys = [list(words) for words in slots.slots.values()]
    sizes = [len(words) for words in keys]
    for index in rng.permutation(math.prod(sizes)):
        places = np.unravel_index(int(index), sizes)
        chosen = tuple(words[int(place)] for words, place in zip(keys, places, strict=True))
        banned = {name for slot, key in zip(slots.slots.values(), chosen, strict=True) for name in slot[key].excludes}
        if not banned & set(chosen):
            yield chosen


def _style(slots: Slots, chosen: tuple[str, ...]) -> tuple[str, Table]:
    words = [slot[key] for slot, key in zip(slots.slots.values(), chosen, strict=True)]
    said = [word.label for word in words if word.label]
    label = " ".join([*said, slots.noun])
    table: Table = {"label": label[0].upper() + label[1:], **slots.sets}
    for word in words:
        table |= word.sets
    spoken = [key for key, word in zip(chosen, words, strict=True) if word.label]
    return "_".join(spoken) or "plain", table
