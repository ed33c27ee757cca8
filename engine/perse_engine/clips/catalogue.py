"""The attribute catalogue: categories, their styles and their parameters, as data that people may add to.

`catalogue.toml` beside this file is what ships. One more table in it, or in a copy of it, is one more style.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import msgspec

from perse_engine.avatars.styles import LAYERS, Between, Category, Style
from perse_engine.errors import InputError

SHIPPED = Path(__file__).parent / "catalogue.toml"

Unit = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]
Signed = Annotated[float, msgspec.Meta(ge=-1.0, le=1.0)]
Millimetres = Annotated[float, msgspec.Meta(ge=0.0, le=150.0)]
Color = Annotated[str, msgspec.Meta(pattern="^#[0-9a-fA-F]{6}$")]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class StyleTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What every style says.

    Attributes:
        label: what people read.
        between: how intermediate weights look.
        soft, hard: trained range and range that values are clamped to.
        overlaps: categories whose region this style may legitimately change.
    """

    label: Text
    between: Between = "morph"
    soft: tuple[float, float] = (0.0, 1.0)
    hard: tuple[float, float] = (0.0, 1.0)
    overlaps: tuple[str, ...] = ()


class Face(StyleTable, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Relative growth of the whole face's width and length, and of the jaw's width."""

    width: Annotated[float, msgspec.Meta(ge=-0.2, le=0.2)] = 0.0
    length: Annotated[float, msgspec.Meta(ge=-0.2, le=0.2)] = 0.0
    jaw: Annotated[float, msgspec.Meta(ge=-0.2, le=0.2)] = 0.0


class Skin(StyleTable, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A tone mixed in by `amount`, density of freckles, colours of blush and eyelids."""

    tone: Color | None = None
    amount: Unit = 0.0
    freckles: Unit = 0.0
    blush: Color | None = None
    lids: Color | None = None


class Eyebrows(StyleTable, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Thickness relative to the person's own, density of hairs, colour (the person's own if absent)."""

    thickness: Annotated[float, msgspec.Meta(ge=0.1, le=3.0)] = 1.0
    density: Unit = 0.9
    color: Color | None = None


class Mouth(StyleTable, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Fullness of the lips, colour of a lipstick, how much it covers and how it shines."""

    fullness: Signed = 0.0
    color: Color | None = None
    opacity: Unit = 0.8
    gloss: Unit = 0.0


class Beard(StyleTable, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Length, density, how far each region is covered, colour (that of the brows if absent)."""

    length: Annotated[float, msgspec.Meta(ge=0.1, le=40.0)]
    density: Unit = 0.9
    moustache: Unit = 0.0
    chin: Unit = 0.0
    cheeks: Unit = 0.0
    neck: Unit = 0.0
    color: Color | None = None


class Hair(StyleTable, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Colour and contrast of strands relative to the photo's; volume; cut.

    volume: millimetres outwards when positive; when negative, the part of the own volume that is pressed flat.
    """

    color: Color | None = None
    contrast: Annotated[float, msgspec.Meta(ge=0.0, le=2.0)] = 1.0
    volume: Annotated[float, msgspec.Meta(ge=-1.0, le=60.0)] = 0.0
    cut: Literal["own", "buzz", "bald"] = "own"


class Glasses(StyleTable, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Lens width and height, squareness (2 is an ellipse, more is squarer), lift of the outer corner, rim thickness,
    colour of frame and lens, and the lens's opacity."""

    width: Annotated[float, msgspec.Meta(ge=30.0, le=70.0)]
    height: Annotated[float, msgspec.Meta(ge=20.0, le=65.0)]
    squareness: Annotated[float, msgspec.Meta(ge=1.6, le=8.0)] = 2.0
    lift: Annotated[float, msgspec.Meta(ge=-8.0, le=12.0)] = 0.0
    rim: Annotated[float, msgspec.Meta(ge=0.8, le=8.0)] = 2.4
    color: Color
    lens: Color = "#e0e8ea"
    tint: Unit = 0.06


class Hat(StyleTable, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Crown height above the skull, how flat its top is, brim width all round, bill in front, cuff folded up,
    colours of cloth and band, and the weave."""

    height: Annotated[float, msgspec.Meta(ge=8.0, le=150.0)]
    flatness: Unit = 0.0
    brim: Millimetres = 0.0
    bill: Millimetres = 0.0
    cuff: Annotated[float, msgspec.Meta(ge=0.0, le=70.0)] = 0.0
    color: Color
    band: Color | None = None
    weave: Literal["knit", "cloth", "felt"] = "cloth"


Parameters = Face | Skin | Eyebrows | Mouth | Beard | Hair | Glasses | Hat
PARAMETERS: Mapping[str, type[Parameters]] = {
    "face": Face,
    "skin": Skin,
    "eyebrows": Eyebrows,
    "mouth": Mouth,
    "beard": Beard,
    "hair": Hair,
    "glasses": Glasses,
    "hat": Hat,
}
"""Each category has the editor of its name."""


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
    parameters: tuple[Parameters, ...]

    def indices(self, category: str) -> tuple[int, ...]:
        """Where the styles of `category` are."""
        return tuple(k for k, style in enumerate(self.styles) if style.category == category)


def load_catalogue() -> Catalogue:
    """The catalogue that ships with the engine."""
    return read_catalogue(SHIPPED)


def read_catalogue(path: Path) -> Catalogue:
    """Read a catalogue file.

    Raises:
        InputError: no-catalogue where it cannot be read, bad-catalogue where a table, name or value is wrong.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(
            "no-catalogue", f"the catalogue {path} cannot be read ({error.strerror})", "check the path"
        ) from error
    return parse_catalogue(content, path.name)


def parse_catalogue(content: bytes, name: str) -> Catalogue:
    """A catalogue from TOML; `name` says where it came from in errors.

    Raises:
        InputError: bad-catalogue, naming table and value.
    """
    try:
        return _catalogue(msgspec.toml.decode(content, type=dict[str, object]))
    except (msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError, _Wrong) as error:
        raise InputError(
            "bad-catalogue", f"{name}: {error}", "correct that value; catalogue.toml of the engine shows every table"
        ) from error


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
    parameters: list[Parameters] = []
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
