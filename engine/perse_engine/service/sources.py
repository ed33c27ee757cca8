"""What people bring to a build beside the photo: every field is one option of `perse build`, and part of the order."""

from __future__ import annotations

import dataclasses
import hashlib
import re
from pathlib import Path

from perse_engine.errors import InputError
from perse_engine.service.library import file_hash


@dataclasses.dataclass(frozen=True)
class Sources:
    """Files and folders of the user's own; None is what the engine ships, or nothing.

    Attributes:
        styles: a catalogue of more styles, TOML.
        masks: a folder of masks by part name, PNG.
        video: footage of the person.
        hold_out: frames of the video that nothing is learnt from, as in `parse_frames`.
        edits: a folder of edited portraits, named by category and style.
        motion: a capture or sequence that the clips perform instead of the motion library.
        categories: of attributes that are learnt, with commas between; what `edits` show is learnt in any case.
    """

    styles: Path | None = None
    masks: Path | None = None
    video: Path | None = None
    hold_out: str | None = None
    edits: Path | None = None
    motion: Path | None = None
    categories: str | None = None

    def hashes(self) -> dict[str, str]:
        """SHA-256 by field of everything that was given; of words themselves.

        Raises:
            InputError: as `input_hash`.
        """
        given = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        if self.categories is not None:
            given["categories"] = ",".join(sorted(self.chosen()))
        return {
            name: value if isinstance(value, str) else input_hash(value)
            for name, value in given.items()
            if value is not None
        }

    def chosen(self) -> frozenset[str]:
        """The categories that are learnt, by name; none where all are.

        Raises:
            InputError: "unknown-category", there is no name at all.
        """
        if self.categories is None:
            return frozenset()
        names = frozenset(part.strip().lower() for part in self.categories.split(",")) - {""}
        if not names:
            raise InputError("unknown-category", "no category is named", "write them as hair,hat,glasses")
        return names

    def held_out(self) -> frozenset[int]:
        """The frames of the video that nothing is learnt from.

        Raises:
            InputError: "bad-frames".
        """
        if self.hold_out is None:
            return frozenset()
        if self.video is None:
            raise InputError("bad-frames", "there is no video to hold frames out of", "name one with --video")
        return parse_frames(self.hold_out)


def parse_frames(text: str) -> frozenset[int]:
    """Frame numbers, from 0, of "60-95,118-150": blocks with their first and last frame, or single frames.

    Raises:
        InputError: "bad-frames".
    """
    frames: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,7})\s*(?:-\s*(\d{1,7})\s*)?", part)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if last < first or last - first > 100_000:
            raise InputError("bad-frames", f"{part.strip()!r} is no block of frames", "write them as 60-95,118-150")
        frames.update(range(first, last + 1))
    return frozenset(frames)


def input_hash(path: Path) -> str:
    """SHA-256 of an input file, or of a folder's files with their names.

    Raises:
        InputError: "file-missing", "no-permission".
    """
    try:
        if not path.is_dir():
            return file_hash(path)
        digest = hashlib.sha256()
        for file in sorted(file for file in path.rglob("*") if file.is_file()):
            digest.update(f"{file.relative_to(path).as_posix()}\0{file_hash(file)}\n".encode())
        return digest.hexdigest()
    except PermissionError:
        raise InputError("no-permission", f"{path} may not be read", "give yourself read permission") from None
    except OSError:
        raise InputError("file-missing", f"{path} does not exist", "check the path") from None
