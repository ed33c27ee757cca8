"""What people bring to a build beside the photo: every field is one option of `perse build`, and part of the order."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

from perse_engine.errors import InputError
from perse_engine.service.library import file_hash


@dataclasses.dataclass(frozen=True)
class Sources:
    """Files and folders of the user's own; None is what the engine ships, or nothing.

    Attributes:
        styles: a catalogue of more styles, TOML.
    """

    styles: Path | None = None

    def hashes(self) -> dict[str, str]:
        """SHA-256 by field of everything that was given.

        Raises:
            InputError: as `input_hash`.
        """
        given = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {name: input_hash(path) for name, path in given.items() if path is not None}


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
