"""The pictures' way from the engine to its client: a file that both sides map into memory.

Layout of a frame file, float32, no header: colour (height, width, 4), depth (height, width), then any further planes
(height, width) that were asked for. Rows run from the bottom of the picture upwards, as Blender's do.
"""

from __future__ import annotations

import mmap
import os
import shutil
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .errors import EngineFailure
from .messages import FrameFile

Floats = NDArray[np.float32]
_PLANES = 5
"""Floats of a pixel's colour and depth."""
_FLOAT = 4


class Planes(NamedTuple):
    """Views of a mapped frame file.

    Attributes:
        color: (height, width, 4).
        depth: (height, width).
        extra: (n, height, width), see `messages.extra_planes`.
    """

    color: Floats
    depth: Floats
    extra: Floats


def make_private_folder() -> Path:
    """A new folder that only this user can enter, in memory where the system offers that."""
    shared_memory = Path("/dev/shm")
    parent = str(shared_memory) if os.access(shared_memory, os.W_OK | os.X_OK) else None
    return Path(tempfile.mkdtemp(prefix="perse-", dir=parent))


class FrameBuffer:
    """The client's side of one view: makes the file, and makes a larger one when the picture outgrows it.

    A picture of an older generation stays readable as long as somebody holds its arrays.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = name
        self._file: FrameFile | None = None
        self._map: mmap.mmap | None = None

    def reserve(self, width: int, height: int, extra: int = 0) -> FrameFile:
        """A file with room for a picture of this size and `extra` further planes: the present one, or a new generation.

        Raises:
            EngineFailure: "no-space", the system has no room for it.
        """
        size = _size(width, height, extra)
        if self._file is not None and self._map is not None and len(self._map) >= size:
            return self._file
        generation = self._file.generation + 1 if self._file else 1
        path = self._folder / f"{self._name}-{generation}.frame"
        try:
            self._map = _create(path, size)
        except OSError as error:
            path.unlink(missing_ok=True)
            raise EngineFailure(
                "no-space", f"there is no room for a picture of {width} x {height}", "free some memory or disk space"
            ) from error
        if self._file is not None:
            _remove(Path(self._file.path))
        self._file = FrameFile(str(path), generation)
        return self._file

    def planes(self, width: int, height: int, extra: int = 0) -> Planes:
        """Views of the picture's planes; no copy is made."""
        assert self._map is not None
        return split_planes(self._map, width, height, extra)


def open_frame(path: Path) -> mmap.mmap:
    """The engine's side: map a frame file for writing.

    Raises:
        EngineFailure: "frame-file", the file is absent or cannot be mapped.
    """
    try:
        with path.open("r+b") as stream:
            return mmap.mmap(stream.fileno(), 0)
    except (OSError, ValueError) as error:
        raise EngineFailure("frame-file", f"the frame file cannot be mapped ({error})", "restart the engine") from error


def split_planes(mapped: mmap.mmap, width: int, height: int, extra: int = 0) -> Planes:
    """The planes of a mapped frame file, `extra` beyond colour and depth; views that keep it mapped.

    Raises:
        EngineFailure: "frame-file", the file is too small for the picture.
    """
    pixels = width * height
    if len(mapped) < _size(width, height, extra):
        raise EngineFailure("frame-file", f"the frame file is too small for {width} x {height}", "restart the engine")
    color = np.frombuffer(mapped, np.float32, pixels * 4).reshape(height, width, 4)
    depth = np.frombuffer(mapped, np.float32, pixels, offset=pixels * 4 * _FLOAT).reshape(height, width)
    further = np.frombuffer(mapped, np.float32, pixels * extra, offset=pixels * _PLANES * _FLOAT)
    return Planes(color, depth, further.reshape(extra, height, width))


def _size(width: int, height: int, extra: int) -> int:
    """Bytes of a picture."""
    return width * height * (_PLANES + extra) * _FLOAT


def remove_folder(folder: Path) -> None:
    """Delete the private folder and its frame files, whatever of them is left."""
    shutil.rmtree(folder, ignore_errors=True)


def _create(path: Path, size: int) -> mmap.mmap:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    try:
        os.truncate(descriptor, size)
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(descriptor, 0, size)  # a full disk is an error here, not a bus error while drawing
        return mmap.mmap(descriptor, size)
    finally:
        os.close(descriptor)


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except PermissionError:
        # Windows keeps a mapped file; it goes with the folder when the client closes.
        return
