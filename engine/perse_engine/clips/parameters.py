"""What the styles of each category say: their parameters, with units and limits. One table per style in the catalogue.

Lengths are millimetres on a head of 62 mm between the eyes, colours "#rrggbb" as they look in white light.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec

from perse_engine.avatars.styles import Between

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
    """Relative growth of the whole face's width and length and of the jaw's width; in parts of what is usual between
    people, how heavy and how old the face is, how full its cheeks, how far forward its chin."""

    width: Annotated[float, msgspec.Meta(ge=-0.2, le=0.2)] = 0.0
    length: Annotated[float, msgspec.Meta(ge=-0.2, le=0.2)] = 0.0
    jaw: Annotated[float, msgspec.Meta(ge=-0.2, le=0.2)] = 0.0
    weight: Signed = 0.0
    age: Signed = 0.0
    cheeks: Signed = 0.0
    chin: Signed = 0.0


class Nose(StyleTable, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Relative growth of the width at the wings and at the bridge, and of the length; millimetres that the tip turns,
    the nose stands out, the ridge arches (hollows, where negative) and the nostrils flare."""

    width: Annotated[float, msgspec.Meta(ge=-0.3, le=0.4)] = 0.0
    bridge: Annotated[float, msgspec.Meta(ge=-0.3, le=0.4)] = 0.0
    length: Annotated[float, msgspec.Meta(ge=-0.2, le=0.2)] = 0.0
    tip: Annotated[float, msgspec.Meta(ge=-6.0, le=6.0)] = 0.0
    projection: Annotated[float, msgspec.Meta(ge=-6.0, le=8.0)] = 0.0
    hump: Annotated[float, msgspec.Meta(ge=-4.0, le=5.0)] = 0.0
    nostrils: Annotated[float, msgspec.Meta(ge=-3.0, le=4.0)] = 0.0


class Skin(StyleTable, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A tone mixed in by `amount`, density of freckles, depth of the lines of age, colours of blush and eyelids."""

    tone: Color | None = None
    amount: Unit = 0.0
    freckles: Unit = 0.0
    lines: Unit = 0.0
    blush: Color | None = None
    lids: Color | None = None


class Eyes(StyleTable, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Colour of the irises in white light, and the pupil's radius relative to the iris's."""

    color: Color
    pupil: Annotated[float, msgspec.Meta(ge=0.2, le=0.7)] = 0.36


class Eyebrows(StyleTable, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Thickness relative to the person's own, density of hairs, colour (the person's own if absent), shape and length.

    arch: 1 raises the outer half to a peak, -1 draws the brow straight.
    length: of the brow, relative to the person's own.
    wild: how far hairs leave the brow's line.
    """

    thickness: Annotated[float, msgspec.Meta(ge=0.1, le=3.0)] = 1.0
    density: Unit = 0.9
    color: Color | None = None
    arch: Signed = 0.0
    length: Annotated[float, msgspec.Meta(ge=0.4, le=1.3)] = 1.0
    wild: Unit = 0.3


class Mouth(StyleTable, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Fullness and width of the lips, the bow of the upper one, how far the corners rise; colour of a lipstick, how
    much it covers and how it shines."""

    fullness: Signed = 0.0
    width: Signed = 0.0
    bow: Signed = 0.0
    corners: Signed = 0.0
    color: Color | None = None
    opacity: Unit = 0.8
    gloss: Unit = 0.0


class Beard(StyleTable, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Length, density, how far each region is covered, colour (that of the brows if absent).

    chin, sides: the patch under the lip, and what joins it to the moustache around the corners of the mouth.
    jaw, sideburns: a band along the jaw line, and the hair before the ears.
    """

    length: Annotated[float, msgspec.Meta(ge=0.1, le=120.0)]
    density: Unit = 0.9
    moustache: Unit = 0.0
    chin: Unit = 0.0
    sides: Unit = 0.0
    jaw: Unit = 0.0
    sideburns: Unit = 0.0
    cheeks: Unit = 0.0
    neck: Unit = 0.0
    color: Color | None = None


class Hair(StyleTable, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Colour and contrast of strands relative to the photo's; volume; cut, and of a cut its shape and texture.

    color: that of the person's own hair if absent.
    volume: millimetres outwards when positive; when negative, the part of the own volume that is pressed flat.
    cut: the photo's own hair, or its length: off, some millimetres, off the ears, to the chin, the shoulder, the chest.
    shape, texture: how hair of another length than the own, buzzed or bald, falls, and what its strands are like.
    parting: from the right (-1) to the left (1).
    fringe: how far hair falls over the forehead, 1 is to the brows.
    """

    color: Color | None = None
    contrast: Annotated[float, msgspec.Meta(ge=0.0, le=2.0)] = 1.0
    volume: Annotated[float, msgspec.Meta(ge=-1.0, le=60.0)] = 0.0
    cut: Literal["own", "bald", "buzz", "short", "chin", "shoulder", "long"] = "own"
    shape: Literal["straight", "wavy", "curly", "coily", "slicked", "ponytail", "bun"] = "straight"
    texture: Literal["fine", "thick", "frizzy"] = "fine"
    parting: Signed = 0.0
    fringe: Unit = 0.0


class Glasses(StyleTable, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Lens width and height, squareness (2 is an ellipse, more is squarer), lift of the outer corner, rim thickness,
    colour of frame and lens, the lens's opacity, and whether the frame is metal."""

    width: Annotated[float, msgspec.Meta(ge=30.0, le=70.0)]
    height: Annotated[float, msgspec.Meta(ge=20.0, le=65.0)]
    squareness: Annotated[float, msgspec.Meta(ge=1.6, le=8.0)] = 2.0
    lift: Annotated[float, msgspec.Meta(ge=-8.0, le=12.0)] = 0.0
    rim: Annotated[float, msgspec.Meta(ge=0.8, le=8.0)] = 2.4
    color: Color
    lens: Color = "#e0e8ea"
    tint: Unit = 0.06
    metallic: bool = False


class Hat(StyleTable, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Crown height above the skull, how flat its top is, how deep its pinch, how far it bulges over its rim and leans
    to one side; how much deeper than a cap's the rim lies; brim width all round, how far it falls and how its sides
    roll up; bill in front; cuff folded up; colours of cloth and band, the band's height, and the weave."""

    height: Annotated[float, msgspec.Meta(ge=8.0, le=150.0)]
    flatness: Unit = 0.0
    pinch: Unit = 0.0
    bulge: Annotated[float, msgspec.Meta(ge=0.0, le=40.0)] = 0.0
    lean: Annotated[float, msgspec.Meta(ge=-40.0, le=40.0)] = 0.0
    low: Annotated[float, msgspec.Meta(ge=0.0, le=10.0)] = 0.0
    brim: Millimetres = 0.0
    fall: Signed = 0.1
    roll: Unit = 0.0
    bill: Millimetres = 0.0
    cuff: Annotated[float, msgspec.Meta(ge=0.0, le=70.0)] = 0.0
    color: Color
    band: Color | None = None
    band_height: Annotated[float, msgspec.Meta(ge=4.0, le=50.0)] = 26.0
    weave: Literal["knit", "cloth", "felt", "straw", "denim"] = "cloth"


class Earrings(StyleTable, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A ball or stone, by its width and how much longer than wide it is; how far it hangs below the lobe; a hoop, by
    its width and the thickness of its wire; what the ball is made of, what the rest, and the colours of both."""

    ball: Annotated[float, msgspec.Meta(ge=1.0, le=24.0)] = 1.5
    length: Annotated[float, msgspec.Meta(ge=0.5, le=4.0)] = 1.0
    hang: Annotated[float, msgspec.Meta(ge=0.0, le=60.0)] = 0.0
    hoop: Annotated[float, msgspec.Meta(ge=0.0, le=70.0)] = 0.0
    wire: Annotated[float, msgspec.Meta(ge=0.8, le=6.0)] = 1.4
    material: Literal["metal", "pearl", "gem", "enamel"] = "metal"
    color: Color = "#e8c070"
    metal: Color = "#e8c070"


class Headphones(StyleTable, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Kind; width and depth of a cup; width and thickness of the band; whether a microphone stands before the mouth;
    colours of shell, cushions and trim; whether the shell is metal."""

    kind: Literal["band", "buds"] = "band"
    cup: Annotated[float, msgspec.Meta(ge=14.0, le=100.0)] = 76.0
    depth: Annotated[float, msgspec.Meta(ge=4.0, le=45.0)] = 26.0
    band: Annotated[float, msgspec.Meta(ge=4.0, le=50.0)] = 26.0
    padding: Annotated[float, msgspec.Meta(ge=2.0, le=18.0)] = 8.0
    microphone: bool = False
    color: Color
    cushion: Color = "#1a1a1c"
    trim: Color = "#b8bcc4"
    metallic: bool = False


class Clothes(StyleTable, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Cut; how far below the pit of the neck it opens in front and how wide; ease, the air between it and the body;
    height of the collar; weave; colours of the cloth, of the shirt under a jacket, of tie, cords or buttons; width and
    second colour of stripes."""

    cut: Literal["round", "vee", "shirt", "turtleneck", "jacket", "hoodie"] = "round"
    depth: Annotated[float, msgspec.Meta(ge=-20.0, le=140.0)] = 10.0
    width: Annotated[float, msgspec.Meta(ge=0.0, le=60.0)] = 12.0
    ease: Annotated[float, msgspec.Meta(ge=2.0, le=25.0)] = 5.0
    collar: Annotated[float, msgspec.Meta(ge=0.0, le=80.0)] = 8.0
    weave: Literal["knit", "cloth", "felt", "denim"] = "cloth"
    color: Color
    inner: Color = "#e9e9ea"
    trim: Color | None = None
    stripe: Millimetres = 0.0
    stripe_color: Color | None = None


PARAMETERS: Mapping[str, type[StyleTable]] = {
    "face": Face,
    "skin": Skin,
    "eyebrows": Eyebrows,
    "eyes": Eyes,
    "mouth": Mouth,
    "nose": Nose,
    "beard": Beard,
    "hair": Hair,
    "glasses": Glasses,
    "hat": Hat,
    "earrings": Earrings,
    "headphones": Headphones,
    "clothes": Clothes,
}
"""The parameters of every category that a catalogue may have."""
