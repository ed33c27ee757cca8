"""The attribute catalogue: categories, their styles and their parameters, as data that people may add to.

`catalogue.toml` beside this file is what ships. One more table in it, or in a copy of it, is one more style.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TypeVar

import msgspec

from perse_engine.avatars.styles import LAYERS, Category, Style
from perse_engine.clips.parameters import PARAMETERS, StyleTable, Text
from perse_engine.errors import InputError

SHIPPED = Path(__file__).parent / "catalogue.toml"


class CategoryTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a category says of itself."""

    label: Text
    layer: str
    styles: dict[str, dict[str, object]] = {}


@dataclasses.dataclass(frozen=True)
class Catalogue:
    """K styles in C categories, sorted by the layer in which they are applied.

    Attributes:
        categories: C categories.
        styles: K styles, grouped as the categories are: what their sliders are.
        parameters: K parameter tables: what the editor makes of them.
    """

    categories: tuple[Category, ...]
    styles: tuple[Style, ...]
    parameters: tuple[StyleTable, ...]

    def indices(self, category: str) -> tuple[int, ...]:
        """Where the styles of `category` are."""
        return tuple(k for k, style in enumerate(self.styles) if style.category == category)

    def only(self, categories: Collection[str]) -> Catalogue:
        """The same with these categories alone.

        Raises:
            InputError: unknown-category.
        """
        known = [category.name for category in self.categories]
        for name in categories:
            if name not in known:
                raise InputError(
                    "unknown-category", f"there is no category {name!r}", f"choose some of {', '.join(known)}"
                )
        kept = [k for k, style in enumerate(self.styles) if style.category in categories]
        return Catalogue(
            tuple(category for category in self.categories if category.name in categories),
            tuple(self.styles[k] for k in kept),
            tuple(self.parameters[k] for k in kept),
        )


def load_catalogue() -> Catalogue:
    """The catalogue that ships with the engine."""
    return read_catalogue(SHIPPED)


def shipped_and(styles: Path | None) -> Catalogue:
    """What ships and, where given, the styles of a file of the user's own; of the same name, the user's counts.

    Raises:
        InputError: no-catalogue, bad-catalogue.
    """
    if styles is None:
        return load_catalogue()
    return parse_catalogue(_content(styles), styles.name, onto=SHIPPED.read_bytes())


def read_catalogue(path: Path) -> Catalogue:
    """Read a catalogue file that stands alone.

    Raises:
        InputError: no-catalogue where it cannot be read, bad-catalogue where a table, name or value is wrong.
    """
    return parse_catalogue(_content(path), path.name)


def parse_catalogue(content: bytes, name: str, *, onto: bytes = b"") -> Catalogue:
    """A catalogue from TOML; `name` says where it came from in errors.

    Args:
        onto: another catalogue's TOML, whose categories and styles `content` adds to or replaces.

    Raises:
        InputError: bad-catalogue, naming table and value.
    """
    try:
        tables = msgspec.toml.decode(onto, type=dict[str, object])
        for category, table in msgspec.toml.decode(content, type=dict[str, object]).items():
            tables[category] = _joined(tables.get(category, {}), table)
        return _catalogue(tables)
    except (msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError, _Wrong) as error:
        raise InputError(
            "bad-catalogue", f"{name}: {error}", "correct that value; catalogue.toml of the engine shows every table"
        ) from error


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(
            "no-catalogue", f"the catalogue {path} cannot be read ({error.strerror})", "check the path"
        ) from error


def _joined(table: object, own: object) -> object:
    """A category's table with another one's entries, style by style."""
    if not (isinstance(table, dict) and isinstance(own, dict)):
        return own
    styles, more = table.get("styles", {}), own.get("styles", {})
    if isinstance(styles, dict) and isinstance(more, dict):
        more = {**styles, **more}
    return {**table, **own, "styles": more}


class _Wrong(ValueError):
    """What is wrong with which table."""


T = TypeVar("T", bound=msgspec.Struct)


def _read(where: str, table: object, kind: type[T]) -> T:
    try:
        return msgspec.convert(table, kind)
    except msgspec.ValidationError as error:
        raise _Wrong(f"[{where}] {str(error).replace('`$.', '`')}") from error


def _catalogue(tables: Mapping[str, object]) -> Catalogue:
    unknown = sorted(set(tables) - set(PARAMETERS))
    if unknown:
        raise _Wrong(f"[{unknown[0]}] is not one of the categories {', '.join(PARAMETERS)}")
    found = {name: _read(name, table, CategoryTable) for name, table in tables.items()}
    for name, table in found.items():
        if table.layer not in LAYERS:
            raise _Wrong(f"[{name}] layer {table.layer!r} is not one of {', '.join(LAYERS)}")
    ordered = sorted(found, key=lambda name: LAYERS.index(found[name].layer))
    styles: list[Style] = []
    parameters: list[StyleTable] = []
    for category in ordered:
        for style_name, content in found[category].styles.items():
            where = f"{category}.styles.{style_name}"
            style = _read(where, content, PARAMETERS[category])
            _check(where, category, style_name, style, set(found))
            styles.append(
                Style(f"attr_{category}_{style_name}", style.label, category, style.between, *style.soft, *style.hard)
            )
            parameters.append(style)
    categories = tuple(Category(name, found[name].label, found[name].layer) for name in ordered)
    return Catalogue(categories, tuple(styles), tuple(parameters))


def _check(where: str, category: str, name: str, style: StyleTable, categories: set[str]) -> None:
    if not re.fullmatch("[a-z0-9_]+", name):
        raise _Wrong(f"[{where}] a style's name has only a–z, 0–9 and _")
    if len(f"attr_{category}_{name}") > 48:
        raise _Wrong(f"[{where}] the name is too long, a slider's name has at most 48 characters")
    for field in style.__struct_fields__:
        value = getattr(style, field)
        numbers = value if isinstance(value, tuple) else (value,)
        if any(isinstance(number, float) and not math.isfinite(number) for number in numbers):
            raise _Wrong(f"[{where}] {field} is not a finite number")
    (soft_min, soft_max), (hard_min, hard_max) = style.soft, style.hard
    if not hard_min <= soft_min < soft_max <= hard_max:
        raise _Wrong(f"[{where}] soft {style.soft} must lie inside hard {style.hard}, smaller value first")
    for other in style.overlaps:
        if other not in categories or other == category:
            raise _Wrong(f"[{where}] overlaps names {other!r}, which is not another category of this file")
