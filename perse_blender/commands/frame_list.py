"""Frames as people write them: 12, 1..24 or 3,5,8-12."""

from __future__ import annotations

from ..perse_protocol import EngineFailure


def parse_frames(text: str, step: int = 1) -> list[int]:
    """The frames that `text` names, each once, in order; of a range every `step`-th.

    Raises:
        EngineFailure: "bad-frames".
    """
    frames: set[int] = set()
    for part in text.split(","):
        first, separator, last = part.strip().partition("..") if ".." in part else _at_dash(part.strip())
        try:
            begin, end = int(first), int(last if separator else first)
        except ValueError:
            raise _refused(text) from None
        if end < begin or end - begin > 1_000_000:
            raise _refused(text)
        frames.update(range(begin, end + 1, step))
    return sorted(frames)


def _at_dash(part: str) -> tuple[str, str, str]:
    """Split at the dash of a range; the dash of a negative number is none."""
    first, separator, last = part[1:].partition("-")
    return part[:1] + first, separator, last


def _refused(text: str) -> EngineFailure:
    return EngineFailure("bad-frames", f"{text!r} names no frames", "write them as 12, 1..24 or 1-10,20-24")
