"""Whether a picture on disk was written to its end: a full disk or a killed Blender leaves it short.

Blender reports neither: it goes on to the next frame, and skips what is there when it renders again.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from pathlib import Path
from typing import IO

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_END = b"IEND\xaeB`\x82"
_JPEG, _JPEG_END = b"\xff\xd8", b"\xff\xd9"
_EXR = b"\x76\x2f\x31\x01"
_EXR_TILED, _EXR_DEEP, _EXR_MULTIPART = 0x200, 0x800, 0x1000
_EXR_LINES = {0: 1, 1: 1, 2: 1, 3: 16, 4: 32, 5: 16, 6: 32, 7: 32, 8: 32, 9: 256}
"""Scan lines in a chunk by compression: none, RLE, ZIPS, ZIP, PIZ, PXR24, B44, B44A, DWAA, DWAB."""


def is_whole(path: Path) -> bool:
    """Whether the picture at `path` ends as its format says; of other formats than PNG, JPEG, OpenEXR and WebP only
    that there is more than a beginning.

    Raises:
        OSError: it cannot be read.
    """
    size = path.stat().st_size
    with path.open("rb") as stream:
        begin = stream.read(12)
        if begin.startswith(_PNG):
            return _ends_with(stream, size, _PNG_END)
        if begin.startswith(_JPEG):
            return _ends_with(stream, size, _JPEG_END)
        if begin.startswith(b"RIFF"):
            return len(begin) == 12 and size >= 8 + int(struct.unpack_from("<I", begin, 4)[0])
        if begin.startswith(_EXR):
            return _exr_is_whole(stream, size)
    return size >= len(_PNG)


def _ends_with(stream: IO[bytes], size: int, end: bytes) -> bool:
    stream.seek(max(0, size - len(end)))
    return stream.read() == end


def _exr_is_whole(stream: IO[bytes], size: int) -> bool:
    """Its table of chunks, which is written last, is filled, and the last chunk lies inside the file."""
    try:
        stream.seek(4)
        (flags,) = struct.unpack("<I", stream.read(4))
        if flags & (_EXR_TILED | _EXR_DEEP):
            return True  # Blender writes neither
        parts = _exr_parts(stream, multipart=bool(flags & _EXR_MULTIPART))
        prefix = 8 if flags & _EXR_MULTIPART else 4
        for count in parts:
            table = struct.unpack(f"<{count}Q", stream.read(8 * count))
            if not all(table):
                return False
            here = stream.tell()
            stream.seek(max(table) + prefix)
            (length,) = struct.unpack("<I", stream.read(4))
            if stream.tell() + length > size:
                return False
            stream.seek(here)
    except (struct.error, KeyError, ValueError):
        return False
    return True


def _exr_parts(stream: IO[bytes], *, multipart: bool) -> list[int]:
    """The number of chunks of each part."""
    parts = []
    while header := _exr_header(stream):
        _, top, _, bottom = struct.unpack("<4i", header["dataWindow"])
        lines = _EXR_LINES[header["compression"][0]]
        counted = header.get("chunkCount")
        parts.append(struct.unpack("<i", counted)[0] if counted else -(-(bottom - top + 1) // lines))
        if not multipart:
            break
    return parts


def _exr_header(stream: IO[bytes]) -> dict[str, bytes]:
    """The attributes of one part; empty at the end of the headers."""
    header = {}
    while name := _exr_name(stream):
        _exr_name(stream)
        (length,) = struct.unpack("<I", stream.read(4))
        header[name] = stream.read(length)
    return header


def _exr_name(stream: IO[bytes]) -> str:
    letters = bytearray()
    while (letter := stream.read(1)) != b"\0":
        if not letter or len(letters) > 255:
            raise ValueError("the header has no end")
        letters += letter
    return letters.decode("latin-1")


def half_written(paths: Iterable[Path]) -> dict[Path, tuple[int, int]]:
    """Those of `paths` that are there and not whole, with time and size; empty ones are Blender's placeholders."""
    found = {}
    for path in paths:
        try:
            status = path.stat()
            if status.st_size and not is_whole(path):
                found[path] = (status.st_mtime_ns, status.st_size)
        except OSError:
            continue  # it is not there, or not ours to read
    return found
