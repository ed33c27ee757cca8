"""What stops an installation."""

from __future__ import annotations


class SetupProblem(Exception):
    """The installation cannot go on.

    Args:
        code: stable, lower-case, hyphenated name ("no-python", "damaged-bundle").
        message: what was wrong, one sentence without a full stop.
        hint: what to do about it, one sentence without a full stop.
    """

    def __init__(self, code: str, message: str, hint: str) -> None:
        super().__init__(f"{code}: {message}; {hint}")
        self.code = code
        self.message = message
        self.hint = hint
