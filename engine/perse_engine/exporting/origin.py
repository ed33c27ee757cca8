"""Where an exported file comes from: said in every format, so that a copy without its avatar still tells."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import perse_engine
from perse_engine.avatars.avatar import Avatar

LONGEST = 200
"""Characters of one line."""


@dataclasses.dataclass(frozen=True)
class Origin:
    """What is known of an exported avatar.

    Attributes:
        generator: the program and its version.
        avatar: the person's name.
        licences: SPDX names of what the avatar is made of, beside the photograph.
        photo: SHA-256 of the photograph, hexadecimal; empty where it is not known.
    """

    generator: str
    avatar: str
    licences: tuple[str, ...]
    photo: str

    def lines(self) -> list[str]:
        """The same as lines of ASCII text, for formats that have only comments."""
        lines = [
            f"generator: {self.generator}",
            f"avatar: {self.avatar}",
            f"licences: {', '.join(self.licences) or 'not stated'}; the photograph keeps its own",
            f"photograph: {self.photo or 'unknown'}",
        ]
        plain = (" ".join(line.split()).encode("ascii", "replace").decode() for line in lines)
        return [line[:LONGEST] for line in plain]


def origin_of(avatar: Avatar) -> Origin:
    """What the avatar's own provenance says, however it was edited."""
    licences = avatar.provenance.get("licences", ())
    if isinstance(licences, str) or not isinstance(licences, Sequence):
        licences = ()
    photo = avatar.provenance.get("photo")
    digest = photo.get("sha256", "") if isinstance(photo, dict) else ""
    return Origin(f"PERSE {perse_engine.__version__}", avatar.name, tuple(map(str, licences)), str(digest))
