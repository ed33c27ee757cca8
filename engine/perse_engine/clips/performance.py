"""A performance: what a person does, frame by frame, however it was come by."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
RATE = 25.0
"""Frames a second of the motion library."""


@dataclasses.dataclass(frozen=True, eq=False)
class Performance:
    """N frames of one person's face and head.

    Attributes:
        names: E expression names, of any head.
        expression: (N, E) coefficients.
        pose: (N, 5, 3) axis-angle of each joint relative to its parent, radians, order of `heads.head.JOINTS`.
        rate: frames a second.
    """

    names: tuple[str, ...]
    expression: Floats
    pose: Floats
    rate: float = RATE

    def __len__(self) -> int:
        return len(self.expression)

    def coefficients(self, frame: int, names: Sequence[str]) -> dict[str, float]:
        """The expression of a frame, without what is zero and without what is not among `names`."""
        values = zip(self.names, self.expression[frame], strict=True)
        return {name: round(float(value), 4) for name, value in values if abs(value) >= 5e-5 and name in names}

    def digest(self) -> str:
        """SHA-256 of what is done."""
        content = hashlib.sha256("\n".join(self.names).encode())
        for array in (self.expression, self.pose, np.float64(self.rate)):
            content.update(np.ascontiguousarray(array).tobytes())
        return content.hexdigest()


def ease(t: NDArray[np.floating]) -> NDArray[np.float64]:
    """From 0 to 1 as a limb moves: with the least jerk (Flash and Hogan 1985). Beyond [0, 1] it rests."""
    t = np.clip(t, 0.0, 1.0)
    return np.asarray(t**3 * (10 - 15 * t + 6 * t**2), np.float64)
