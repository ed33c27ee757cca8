"""What goes wrong, said once: a stable code, one sentence, and what to do about it."""

from __future__ import annotations


class PerseError(Exception):
    """A failure that a person can read.

    Args:
        code: stable, lower-case, hyphenated name, for scripts ("no-face").
        message: what was wrong, one sentence without a full stop.
        hint: what to do about it, one sentence without a full stop.
    """

    exit_status = 1

    def __init__(self, code: str, message: str, hint: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.code}: {self.message}; {self.hint}"


class InputError(PerseError):
    """What the user gave cannot be used as it is."""

    exit_status = 2


class Cancelled(PerseError):
    """The user stopped the work; nothing is broken and it can be resumed."""

    exit_status = 130

    def __init__(self, message: str = "the work was cancelled") -> None:
        super().__init__("cancelled", message, "run the same command again to resume it")
