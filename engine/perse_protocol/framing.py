"""Length-prefixed frames on a byte stream: four bytes, big-endian, then that many bytes."""

from __future__ import annotations

import struct
from typing import IO

from .errors import ProtocolError

LARGEST_FRAME = 16 << 20
_PREFIX = struct.Struct(">I")


def write_frame(stream: IO[bytes], payload: bytes) -> None:
    """Write one frame and flush.

    Raises:
        ProtocolError: the payload is longer than `LARGEST_FRAME`.
        OSError: the other side has gone.
    """
    if len(payload) > LARGEST_FRAME:
        raise ProtocolError(f"a message of {len(payload)} bytes is longer than {LARGEST_FRAME}")
    stream.write(_PREFIX.pack(len(payload)) + payload)
    stream.flush()


def read_frame(stream: IO[bytes]) -> bytes | None:
    """Read one frame; None where the stream ends between two frames.

    Raises:
        ProtocolError: the stream ends inside a frame, or announces one longer than `LARGEST_FRAME`.
    """
    prefix = _read_exactly(stream, _PREFIX.size)
    if not prefix:
        return None
    if len(prefix) < _PREFIX.size:
        raise ProtocolError("the stream ended inside a length prefix")
    (length,) = _PREFIX.unpack(prefix)
    if length > LARGEST_FRAME:
        raise ProtocolError(f"a message of {length} bytes is announced; at most {LARGEST_FRAME} are allowed")
    payload = _read_exactly(stream, length)
    if len(payload) < length:
        raise ProtocolError(f"the stream ended {length - len(payload)} bytes before the end of a message")
    return payload


def _read_exactly(stream: IO[bytes], length: int) -> bytes:
    """Up to `length` bytes; fewer only at the end of the stream."""
    chunks = []
    while length:
        chunk = stream.read(length)
        if not chunk:
            break
        chunks.append(chunk)
        length -= len(chunk)
    return b"".join(chunks)
