"""When a training has nothing left to learn: a few pictures that it never learns from tell.

Plain patience would hardly ever end a training whose rate falls with a cosine, for the last steps gain by their small
rate alone. So once the pictures come no closer, the rest of the cosine is run through quickly, and that is the end.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from perse_engine.avatars.avatar import Avatar
from perse_engine.avatars.rendering import render_avatar
from perse_engine.avatars.state import AvatarState
from perse_engine.cameras import Camera
from perse_engine.training.presets import Preset
from perse_engine.training.schedule import ENDING, Schedule
from perse_engine.training.several import Team
from perse_engine.training.views import View, reduced

Floats = NDArray[np.float32]

FIRST_LOOK = 2 / 3
"""Share of the training before which nothing is judged. Until then pictures at 256 pixels may come no closer while
finer ones and the photo still do: judged from a third on, one portrait's training ended at 2,822 of 4,400 steps, .1 dB
short in held-out pictures at 512 pixels, .2 in combinations and .3 in the photo."""
BETWEEN_LOOKS = 1 / 24
"""Share of the training from one look to the next."""
PATIENCE, LEAST_RISE = 3, 0.02
"""Looks of which the best must be better by so many dB than the best before them."""
MOST_PICTURES, SIDE = 12, 256
MOST_COST = 0.02
"""Share of the time of a training that all looks may take."""
COST_OF_ONE = 0.25
"""Steps that drawing one picture costs: 8.3 ms of 35 with 35,000 Gaussians, 11.9 of 53 with 90,000, at 256²."""
LEAST_MSE = 1e-10
"""100 dB: what identical pictures get."""
GREY = 0.5


@dataclasses.dataclass(frozen=True, eq=False)
class Target:
    """A held-out picture of H x W pixels.

    Attributes:
        camera: H x W.
        state: of the avatar.
        color: (H, W, 3) float32 sRGB over `GREY`.
        inside: (H, W), where it is opaque for more than half.
    """

    camera: Camera
    state: AvatarState
    color: Floats
    inside: NDArray[np.bool_]


class HeldOut:
    """The held-out pictures, and how close the avatar was to them at each look."""

    def __init__(self, views: Sequence[View], preset: Preset, steps: int, team: Team) -> None:
        """Choose from `views` as many as looks at them may cost, evenly; none where `preset` does not stop early.

        Args:
            steps: that the team plans to take.
        """
        first, between = math.ceil(FIRST_LOOK * steps), max(1, round(BETWEEN_LOOKS * steps))
        # A later look could not make it shorter.
        self._looks = {step: k for k, step in enumerate(range(first, math.floor((1 - ENDING) * steps), between))}
        # The steps of a team are fewer, and each of its processes draws fewer pictures.
        affordable = int(MOST_COST * preset.steps / (COST_OF_ONE * max(len(self._looks), 1)))
        count = min(len(views), MOST_PICTURES, affordable) if preset.stops_early else 0
        self._views = [views[int((k + 0.5) * len(views) / count)] for k in range(count)]
        self._steps = steps
        self._team = team
        self._decibels = np.zeros(len(self._looks), np.float32)

    def arrays(self) -> dict[str, Floats]:
        """What a checkpoint needs, sharing memory: the figure of each look in dB, 0 where it is still to come."""
        return {"held_out": self._decibels} if self._views else {}

    def look(self, avatar: Avatar, step: int) -> None:
        """Compare `avatar` before `step`, where that is due; all processes of the team come here together.

        Raises:
            InputError: damaged-dataset.
            WorkerLost: as `Team.average`.
        """
        look = self._looks.get(step)
        if look is None or not self._views or self._decibels[look] or self.schedule().turned is not None:
            return
        figures = np.zeros(len(self._views), np.float32)
        figures[self._team.rank :: self._team.size] = [_decibel(avatar, target) for target in self._targets]
        self._team.average([figures])
        self._decibels[look] = figures.mean(dtype=np.float64) * self._team.size

    def schedule(self) -> Schedule:
        """The schedule as the looks until now have it: turned to its end by the first that found nothing gained."""
        for step, look in self._looks.items():
            lately, before = self._decibels[: look + 1][-PATIENCE:], self._decibels[: max(look + 1 - PATIENCE, 0)]
            if not self._decibels[look]:
                break
            if len(before) and lately.max() <= before.max() + LEAST_RISE:
                return Schedule(self._steps, step)
        return Schedule(self._steps)

    @cached_property
    def _targets(self) -> list[Target]:
        """What this process of the team draws."""
        return [_target(view) for view in self._views[self._team.rank :: self._team.size]]


def _target(view: View) -> Target:
    scale = min(1.0, SIDE / max(view.camera.width, view.camera.height))
    width, height = round(view.camera.width * scale), round(view.camera.height * scale)
    premultiplied = reduced(view.read(), width, height)[0].astype(np.float32) / np.float32(255)
    color: Floats = premultiplied[..., :3] + (1 - premultiplied[..., 3:]) * np.float32(GREY)
    return Target(view.camera.resized(width, height), view.state, color, premultiplied[..., 3] > 0.5)


def _decibel(avatar: Avatar, target: Target) -> float:
    """Peak signal-to-noise ratio inside; an empty picture is as good as can be, always."""
    drawn = render_avatar(avatar, target.state, target.camera, (GREY,) * 3)[..., :3]
    wrong = (drawn - target.color)[target.inside].astype(np.float64)
    return -10 * math.log10(max(float((wrong**2).sum()) / max(wrong.size, 1), LEAST_MSE))
