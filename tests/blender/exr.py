"""Reads what Blender writes as uncompressed 32-bit OpenEXR: enough to see every pixel of every pass."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

MULTIPART = 0x1000


def read_exr(path: Path) -> dict[str, np.ndarray]:
    """The channels of a scanline file without compression, each (H, W) float32, rows from the top down.

    Where there are several views, names begin with the view's: "left:ViewLayer.Combined.R".
    """
    data = path.read_bytes()
    magic, version = struct.unpack_from("<Ii", data)
    assert magic == 20000630
    multipart = bool(version & MULTIPART)
    headers, position = [], 8
    while data[position] != 0:
        header, position = _header(data, position)
        headers.append(header)
        if not multipart:
            break
    position += 1 if multipart else 0
    planes = {}
    for header in headers:
        assert header["compression"][0] == 0
        left, bottom, right, top = struct.unpack("<4i", header["dataWindow"])
        width, height = right - left + 1, top - bottom + 1
        view = header["view"].decode() + ":" if "view" in header else ""
        names = [view + name for name in _channels(header["channels"])]
        offsets = struct.unpack_from(f"<{height}Q", data, position)
        position += 8 * height
        skip = 12 if multipart else 8
        rows = [np.frombuffer(data, np.float32, width * len(names), offset + skip) for offset in offsets]
        stacked = np.stack(rows).reshape(height, len(names), width)
        planes.update({name: stacked[:, index] for index, name in enumerate(names)})
    return planes


def _header(data: bytes, position: int) -> tuple[dict[str, bytes], int]:
    attributes = {}
    while data[position] != 0:
        name, position = _text(data, position)
        _, position = _text(data, position)
        (size,) = struct.unpack_from("<i", data, position)
        attributes[name] = data[position + 4 : position + 4 + size]
        position += 4 + size
    return attributes, position + 1


def _channels(content: bytes) -> list[str]:
    names, cursor = [], 0
    while content[cursor] != 0:
        name, cursor = _text(content, cursor)
        (kind,) = struct.unpack_from("<i", content, cursor)
        assert kind == 2, f"{name} is not float"
        names.append(name)
        cursor += 16
    return names


def combined(path: Path) -> np.ndarray:
    """The Combined pass, (H, W, 4), rows from the top down."""
    channels = read_exr(path)
    return np.stack([plane(channels, f"Combined.{letter}") for letter in "RGBA"], -1)


def depth(path: Path) -> np.ndarray:
    """The Depth pass, (H, W)."""
    return plane(read_exr(path), "Depth.")


def plane(channels: dict[str, np.ndarray], part: str) -> np.ndarray:
    """The one channel with `part` in its name, or of a view with its name before a colon: "left:Combined.R".

    Before 5.0 the view is a part of the channel's name: "ViewLayer.Combined.left.R".
    """
    view, _, part = part.rpartition(":")
    head, _, tail = part.rpartition(".")
    chosen = [
        name
        for name in channels
        if "Composite" not in name
        and ((part in name and name.startswith(view)) or (view and f"{head}.{view}.{tail}" in name))
    ]
    (found,) = [channels[name] for name in chosen]
    return found


def _text(data: bytes, position: int) -> tuple[str, int]:
    end = data.index(b"\0", position)
    return data[position:end].decode(), end + 1
