"""Option values that need more than a type: what people typed, checked and understood."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path

from perse_engine.errors import InputError

LARGEST_SIDE = 16384


def refuse_other_pictures(out: Path) -> None:
    """Refuse a picture's path that is no PNG.

    Raises:
        InputError: "image-format", "wrong-path".
    """
    if out.suffix.lower() != ".png":
        raise InputError("image-format", f"{out.name} does not end in .png", "name a .png file")
    if out.is_dir():
        raise InputError("wrong-path", f"{out} is a folder", "name a .png file in it")


def parse_size(text: str) -> tuple[int, int]:
    """Width and height from "640x480".

    Raises:
        InputError: "bad-size".
    """
    match = re.fullmatch(r"(\d{1,6})x(\d{1,6})", text.strip().lower())
    size = (int(match[1]), int(match[2])) if match else (0, 0)
    if not all(1 <= side <= LARGEST_SIDE for side in size):
        raise InputError(
            "bad-size", f"{text!r} is no size between 1x1 and {LARGEST_SIDE}x{LARGEST_SIDE}", "write it as 1024x768"
        )
    return size


def parse_settings(settings: Sequence[str]) -> dict[str, float]:
    """Slider values from "NAME=VALUE" texts; the last one of a name counts.

    Raises:
        InputError: "bad-setting", or "not-a-number" naming the slider.
    """
    values = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        name = name.strip()
        if not equals or not name:
            raise InputError("bad-setting", f"{setting!r} is not SLIDER=VALUE", "write it as expr_jawopen=0.5")
        try:
            values[name] = float(text)
        except ValueError:
            raise InputError(
                "not-a-number", f"the slider {name} cannot be {text.strip()!r}", "give it a number"
            ) from None
        if math.isnan(values[name]):
            raise InputError("not-a-number", f"the slider {name} is not a number", "give it a number")
    return values


def parse_background(text: str) -> tuple[float, float, float] | None:
    """SRGB in [0, 1] from "ff8000", or None from "none".

    Raises:
        InputError: "bad-color".
    """
    if text == "none":
        return None
    digits = text.removeprefix("#")
    if not re.fullmatch(r"[0-9a-fA-F]{6}", digits):
        raise InputError("bad-color", f"{text!r} is no colour", "write none, or six hexadecimal digits such as 808080")
    red, green, blue = bytes.fromhex(digits)
    return red / 255, green / 255, blue / 255


def one_of(what: str, text: str, allowed: Sequence[str]) -> str:
    """`text`, which must be one of `allowed`.

    Raises:
        InputError: "unknown-" + what.
    """
    if text not in allowed:
        raise InputError(f"unknown-{what}", f"there is no {what} {text!r}", f"choose {' or '.join(allowed)}")
    return text
