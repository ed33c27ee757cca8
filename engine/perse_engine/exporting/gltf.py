"""Binary glTF 2.0: arrays laid into one buffer, and the document that names them."""

from __future__ import annotations

import json
import struct
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from perse_engine.exporting.origin import Origin

POINTS, TRIANGLES = 0, 4
_TYPES = {"float32": 5126, "uint32": 5125, "uint16": 5123, "uint8": 5121}
_SHAPES = {(): "SCALAR", (2,): "VEC2", (3,): "VEC3", (4,): "VEC4", (4, 4): "MAT4"}
_LARGEST = 0xFFFFFFFF
ATTRIBUTES, INDICES = 34962, 34963
"""What a buffer view is for, in OpenGL's numbers."""


class Buffer:
    """The accessors of a document and their bytes."""

    def __init__(self) -> None:
        self.accessors: list[dict[str, Any]] = []
        self._views: list[dict[str, Any]] = []
        self._chunks: list[bytes] = []
        self._length = 0

    def add(self, array: NDArray[Any], target: int | None = ATTRIBUTES, *, bounded: bool = False) -> int:
        """Lay down `array` (N, …) and return its accessor; positions must be `bounded`."""
        accessor = {"bufferView": self._view(array, target), **_kind(array)}
        if bounded:
            accessor |= _bounds(array)
        self.accessors.append(accessor)
        return len(self.accessors) - 1

    def add_sparse(self, count: int, rows: NDArray[np.integer], values: NDArray[np.float32]) -> int:
        """An accessor of `count` rows that are zero but for `rows` (n,), ascending, which have `values` (n, 3)."""
        if len(rows) == 0:  # a sparse accessor must name one row
            rows, values = np.zeros(1, np.uint32), np.zeros((1, 3), np.float32)
        whole = np.zeros((1, 3), np.float32) if len(rows) < count else values[:0]
        sparse = {
            "count": len(rows),
            "indices": {"bufferView": self._view(rows.astype(np.uint32), None), "componentType": _TYPES["uint32"]},
            "values": {"bufferView": self._view(values.astype(np.float32), None)},
        }
        bounds = _bounds(np.concatenate([whole, values]))
        self.accessors.append({**_kind(values.astype(np.float32)), "count": count, **bounds, "sparse": sparse})
        return len(self.accessors) - 1

    def write(self, stream: BinaryIO, document: dict[str, Any]) -> None:
        """Write `document`, completed by this buffer, as .glb.

        Raises:
            ValueError: it would be larger than four gigabytes, which the format cannot say.
        """
        whole = {
            **document,
            "accessors": self.accessors,
            "bufferViews": self._views,
            "buffers": [{"byteLength": self._length}],
        }
        text = json.dumps(whole, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 4)
        total = 12 + 8 + len(text) + 8 + self._length
        if total > _LARGEST:
            raise ValueError("a .glb holds at most four gigabytes")
        stream.write(struct.pack("<4sII", b"glTF", 2, total) + struct.pack("<I4s", len(text), b"JSON") + text)
        stream.write(struct.pack("<I4s", self._length, b"BIN\0"))
        for chunk in self._chunks:
            stream.write(chunk)

    def _view(self, array: NDArray[Any], target: int | None) -> int:
        content = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()
        view: dict[str, Any] = {"buffer": 0, "byteOffset": self._length, "byteLength": len(content)}
        self._views.append(view | ({"target": target} if target is not None else {}))
        content += bytes(-len(content) % 4)
        self._chunks.append(content)
        self._length += len(content)
        return len(self._views) - 1


def asset(origin: Origin) -> dict[str, Any]:
    """What stands at the head of a document."""
    extras = {"avatar": origin.avatar, "licences": list(origin.licences), "photograph": origin.photo}
    return {"version": "2.0", "generator": origin.generator, "extras": extras}


def _kind(array: NDArray[Any]) -> dict[str, Any]:
    return {"componentType": _TYPES[array.dtype.name], "count": len(array), "type": _SHAPES[array.shape[1:]]}


def _bounds(array: NDArray[Any]) -> dict[str, list[float]]:
    return {"min": array.min(0).tolist(), "max": array.max(0).tolist()}
