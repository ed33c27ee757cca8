"""How many steps a training takes, and how fast it moves in each."""

from __future__ import annotations

import dataclasses
import math

LAST_RATE = 0.04
"""Of the first, at the last step."""
ENDING = 0.1
"""Share of the planned steps that is still taken once a training has been turned to its end."""


@dataclasses.dataclass(frozen=True)
class Schedule:
    """A cosine from the full rate down to `LAST_RATE` of it; Loshchilov and Hutter, "SGDR", 2017, without restarts.

    Attributes:
        steps: planned.
        turned: the step from which the rest of the cosine is run through in `ENDING` of `steps`; None where it is not.
    """

    steps: int
    turned: int | None = None

    @property
    def end(self) -> int:
        """How many steps are taken."""
        if self.turned is None:
            return self.steps
        return min(self.steps, self.turned + math.ceil(ENDING * self.steps))

    def decay(self, step: int) -> float:
        """What rates are multiplied by in `step`, from 1 down to `LAST_RATE`."""
        share = step / max(self.steps, 1)
        if self.turned is not None and step > self.turned:
            gone = self.turned / self.steps
            share = gone + (1 - gone) * (step - self.turned) / (self.end - self.turned)
        return LAST_RATE + (1 - LAST_RATE) * (1 + math.cos(math.pi * min(share, 1.0))) / 2
