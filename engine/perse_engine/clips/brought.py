"""Bring your own: a folder of edited portraits and videos, named by category and style, becomes styles.

folder/hat/red_fez.png, or folder/hat_red_fez.png, is the style attr_hat_red_fez. The picture is the portrait, edited in
place with anything, or another picture of the same person; only the category's own region is taken from it. A video
of the person, hat_red_fez.mp4, is a style just so: one of its frames is the picture, and the others are learnt from.
"""

from __future__ import annotations

import dataclasses
import hashlib
import logging
import re
from collections.abc import Sequence
from pathlib import Path

import msgspec

from perse_engine.avatars.styles import Between, Category, Style
from perse_engine.clips.catalogue import Catalogue
from perse_engine.clips.parameters import StyleTable
from perse_engine.errors import InputError
from perse_engine.portraits.again import Sighting, see_again
from perse_engine.portraits.images import read_image
from perse_engine.portraits.landmarks import FaceTracker
from perse_engine.portraits.portrait import Portrait

logger = logging.getLogger(__name__)

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".heic")
VIDEOS = (".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi")
LAYER_OF = {
    "face": "shape", "nose": "shape", "skin": "skin", "eyebrows": "brows", "eyes": "eyes", "mouth": "lips",
    "beard": "beard", "hair": "hair", "clothes": "clothes", "glasses": "glasses", "earrings": "earrings",
    "headphones": "headphones", "hat": "hat",
}  # fmt: skip
BETWEEN: dict[str, Between] = {
    "hat": "appear", "glasses": "appear", "earrings": "appear", "headphones": "appear", "beard": "grow",
}  # fmt: skip
LONGEST = 43


class Brought(StyleTable, frozen=True, kw_only=True, repr_omit_defaults=True):
    """A style that a picture or a video shows.

    Attributes:
        category: what of the picture is taken.
        path: of the picture or video; not part of what the style is.
        sha256: of its content.
    """

    category: str
    path: str
    sha256: str

    @property
    def filmed(self) -> bool:
        """Whether `path` is a video, of which `picked` must choose a frame before it can be looked at."""
        return Path(self.path).suffix.lower() in VIDEOS

    def picked(self, frame: Path) -> Brought:
        """The same style, to be seen in the picture `frame` of its video."""
        return msgspec.structs.replace(self, path=str(frame))

    def __repr__(self) -> str:
        """What decides every byte that comes of the picture, wherever it lies."""
        return f"Brought({self.category!r}, {self.label!r}, {self.sha256!r})"


@dataclasses.dataclass(frozen=True)
class Edits:
    """What a folder holds.

    Attributes:
        styles: by slider.
        passed_over: why each of the other pictures is not used, a sentence each.
    """

    styles: dict[str, Brought]
    passed_over: tuple[str, ...]


def read_edits(folder: Path) -> Edits:
    """Find the pictures and videos of a folder by their names.

    Raises:
        InputError: file-missing; no-edits, where no file's name says what it shows.
    """
    if not folder.is_dir():
        raise InputError("file-missing", f"there is no folder {folder}", "name a folder of edited portraits or videos")
    styles: dict[str, Brought] = {}
    passed_over: list[str] = []
    known = PICTURES + VIDEOS
    for path in sorted(path for path in folder.rglob("*") if path.suffix.lower() in known and path.is_file()):
        words = path.relative_to(folder).with_suffix("").as_posix().replace("/", "_").lower()
        category, _, name = re.sub("[^a-z0-9]+", "_", words).strip("_").partition("_")
        slider = f"attr_{category}_{name}"
        shown = path.relative_to(folder).as_posix()
        if category not in LAYER_OF:
            passed_over.append(f"{shown}: its name does not begin with a category")
        elif not name:
            passed_over.append(f"{shown}: its name has no style after the category")
        elif len(slider) > LONGEST + 5:
            passed_over.append(f"{shown}: its name is longer than {LONGEST} letters")
        elif slider in styles:
            passed_over.append(f"{shown}: another file has that name")
        else:
            with path.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
            label = name.replace("_", " ").capitalize()
            styles[slider] = Brought(
                label=label,
                between=BETWEEN.get(category, "morph"),
                category=category,
                path=str(path),
                sha256=digest,
            )
    if not styles:
        raise InputError(
            "no-edits",
            f"no picture or video in {folder} is named after a category and a style",
            f"name them like hat_red_fez.png; the categories are {', '.join(LAYER_OF)}",
        )
    return Edits(styles, tuple(passed_over))


def usable(edits: Edits, portrait: Portrait, tracker: FaceTracker) -> Edits:
    """The edits in which this person can be found again; the others are passed over.

    Raises:
        InputError: no-edits, where none is left.
    """
    styles, passed_over = {}, list(edits.passed_over)
    for slider, style in edits.styles.items():
        try:
            sighted(style, portrait, tracker)
        except InputError as error:
            passed_over.append(f"{Path(style.path).name}: {error.message}")
        else:
            styles[slider] = style
    for reason in passed_over:
        logger.warning("edit passed over: %s", reason)
    if not styles:
        raise InputError(
            "no-edits", f"no edited picture or video can be used: {'; '.join(passed_over)}", "correct the files"
        )
    return Edits(styles, tuple(passed_over))


def sighted(style: Brought, portrait: Portrait, tracker: FaceTracker) -> Sighting:
    """The person in the style's picture.

    Raises:
        InputError: what `read_image` and `see_again` raise.
    """
    photo = read_image(Path(style.path))
    return see_again(portrait, photo.pixels, photo.alpha, tracker)


def with_edits(catalogue: Catalogue, edits: Edits) -> Catalogue:
    """`catalogue` with the brought styles behind each category's own; one of the same name takes its place."""
    names = {category.name: category for category in catalogue.categories}
    for style in edits.styles.values():
        names.setdefault(
            style.category, Category(style.category, style.category.capitalize(), LAYER_OF[style.category])
        )
    ordered = sorted(names.values(), key=lambda category: list(LAYER_OF.values()).index(category.layer))
    styles: list[Style] = []
    parameters: list[StyleTable] = []
    for category in ordered:
        for k in catalogue.indices(category.name):
            if catalogue.styles[k].slider not in edits.styles:
                styles.append(catalogue.styles[k])
                parameters.append(catalogue.parameters[k])
        for slider, brought in _of(edits, category.name):
            styles.append(Style(slider, brought.label, category.name, brought.between))
            parameters.append(brought)
    return Catalogue(tuple(ordered), tuple(styles), tuple(parameters))


def _of(edits: Edits, category: str) -> Sequence[tuple[str, Brought]]:
    return [(slider, style) for slider, style in edits.styles.items() if style.category == category]
