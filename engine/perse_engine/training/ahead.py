"""Something that a function gives for one number after the other, made while the one before is still worked with."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Generic, Self, TypeVar

T = TypeVar("T")

DEPTH = 2
"""How many are made ahead: reading a picture takes longer than making a lesson of one that was read before."""


class Ahead(Generic[T]):
    """Calls `make` in one thread of its own, for numbers that are `stride` apart; a context manager, which ends it.

    `make` must give the same whenever it is called, as pictures that nobody asks for any more are made for nothing.
    """

    def __init__(self, make: Callable[[int], T], stride: int = 1) -> None:
        self._make = make
        self._stride = stride
        self._thread = ThreadPoolExecutor(1, "ahead")
        self._coming: deque[tuple[int, Future[T]]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.shutdown(wait=True, cancel_futures=True)

    def at(self, number: int) -> T:
        """What `make(number)` gives, or raises; those that follow are begun."""
        while self._coming and self._coming[0][0] != number:
            self._coming.popleft()[1].cancel()
        following = self._coming[-1][0] + self._stride if self._coming else number
        for coming in range(following, number + DEPTH * self._stride + 1, self._stride):
            self._coming.append((coming, self._thread.submit(self._make, coming)))
        return self._coming.popleft()[1].result()
