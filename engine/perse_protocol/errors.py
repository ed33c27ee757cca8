"""What can go wrong between a client and the engine."""

from __future__ import annotations


class ProtocolError(Exception):
    """The other side said something that this protocol does not allow. One sentence without a full stop."""


class EngineFailure(Exception):
    """The engine refused a request, could not be started, or died.

    Args:
        code: stable, lower-case, hyphenated name ("not-a-number", "engine-died").
        message: what was wrong, one sentence without a full stop.
        hint: what to do about it, one sentence without a full stop.
    """

    def __init__(self, code: str, message: str, hint: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.code}: {self.message}; {self.hint}"


class RequestCancelled(EngineFailure):
    """Whoever waited for this request no longer wants it."""

    def __init__(self) -> None:
        super().__init__("cancelled", "the request was cancelled", "ask again")


class RequestSuperseded(EngineFailure):
    """A newer request for the same view took the place of this one."""

    def __init__(self) -> None:
        super().__init__("superseded", "a newer request for this view took its place", "wait for the newer one")


def require(condition: bool, sentence: str) -> None:
    """Refuse a message that breaks a rule.

    Raises:
        ProtocolError: the condition does not hold.
    """
    if not condition:
        raise ProtocolError(sentence)
