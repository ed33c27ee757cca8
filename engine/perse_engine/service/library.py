"""The avatars that a session holds, by the content of their files."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from perse_engine.avatars.avatar import Avatar
from perse_engine.avatars.file import load_avatar
from perse_engine.errors import InputError
from perse_engine.service.info import avatar_info


class Library:
    """Reads an avatar file once, however often and under however many names it is asked for."""

    def __init__(self) -> None:
        self._avatars: dict[str, Avatar] = {}
        self._infos: dict[str, dict[str, Any]] = {}
        self._hashes: dict[tuple[str, int, int], str] = {}

    def load(self, path: Path) -> tuple[str, dict[str, Any]]:
        """Read the avatar at `path`; returns its SHA-256 and what `perse info` says of it.

        Raises:
            InputError: the file cannot be used.
        """
        identity = self._identify(path)
        if identity not in self._avatars:
            avatar = load_avatar(path)
            self._avatars[identity] = avatar
            self._infos[identity] = avatar_info(avatar, path, identity)
        return identity, self._infos[identity]

    def __getitem__(self, identity: str) -> Avatar:
        """The avatar that `load` called so.

        Raises:
            InputError: "avatar-not-loaded".
        """
        if identity not in self._avatars:
            raise InputError(
                "avatar-not-loaded", f"no avatar {identity[:12]!r} is loaded", "load its file again; it may have moved"
            )
        return self._avatars[identity]

    def _identify(self, path: Path) -> str:
        try:
            status = path.stat()
            key = (str(path.resolve()), status.st_mtime_ns, status.st_size)
            if key not in self._hashes:
                self._hashes[key] = file_hash(path)
        except OSError:
            load_avatar(path)  # says better what is wrong with the file
            raise
        return self._hashes[key]


def file_hash(path: Path) -> str:
    """SHA-256 of a file in hexadecimal.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
