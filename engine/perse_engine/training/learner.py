"""One step of learning: decode, draw, compare, and move what was seen."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from perse_engine.avatars.avatar import Avatar
from perse_engine.avatars.decoding import Stance, take_stance
from perse_engine.avatars.torch_decode import Parameters, decode_torch, parameters_of, with_parameters
from perse_engine.errors import PerseError
from perse_engine.splatting.torch_op import rasterize_torch
from perse_engine.training.adam import adam_step, fresh_moments
from perse_engine.training.fused_loss import fused_picture_loss
from perse_engine.training.hidden import Hiding
from perse_engine.training.losses import picture_loss
from perse_engine.training.several import ALONE, Team
from perse_engine.training.views import Lesson

Floats = NDArray[np.float32]


class Diverged(PerseError):
    """The loss, or what is learnt, is no number: nothing can be learnt from there on."""

    def __init__(self, step: int) -> None:
        super().__init__(
            "training-diverged",
            f"at step {step} the loss or the avatar is no number any more",
            "what was learnt until then is kept; make the clips again, and report it if that does not help",
        )


@dataclasses.dataclass(frozen=True)
class Pace:
    """How one parameter moves: learning rate, and the share of the way back to its start that each step draws it."""

    rate: float
    pull: float = 0.0


# Offsets are metres; a spacing between Gaussians is about a millimetre.
PACES: dict[str, Pace] = {
    "offsets": Pace(2.5e-5, 1e-3),
    "log_scales": Pace(1e-2, 1e-3),
    "quaternions": Pace(4e-3),
    "coverage_logits": Pace(3e-2, 1e-2),
    "colors": Pace(8e-3, 5e-4),
    "style_colors": Pace(1e-2, 1e-3),
    "style_coverage_logits": Pace(8e-2, 1e-3),
    "style_offsets": Pace(1e-5, 1e-2),
    "corrective_offsets": Pace(2e-5, 1e-3),
    "corrective_colors": Pace(6e-3, 1e-3),
}
HELD = 0.2
"""Share of the way back to its start that a colour is drawn which is known and nearly always covered."""
SMALLER, LARGER = math.log(1 / 6), math.log(2.5)
"""How far a standard deviation may leave its start: neither dust nor needles."""
SLENDER = frozenset({"locks"})
"""Parts that end in tips, of which no Gaussian grows: drawn out along strands it would reach beyond these."""
LEAST_LOGIT, MOST_LOGIT = -9.0, 10.0


class Learner:
    """An avatar that learns. Its arrays change in place; `arrays` is all that a checkpoint needs."""

    def __init__(
        self,
        start: Avatar,
        device: str = "cpu",
        held: NDArray[np.integer] | None = None,
        only: Mapping[str, slice] | None = None,
        team: Team = ALONE,
    ) -> None:
        """Begin at `start`; pictures are drawn and compared on the torch `device`.

        Args:
            held: indices of Gaussians that keep about their colour, in every style of the skin too. What hair covers is
                known from the texture; what little of it shines through would otherwise take the colour of the hair,
                step by step.
            only: rows of parameters, by name, that may change; everything else stays as it is, to the last bit.
            team: whose every process learns from a lesson of its own and takes the same step.
        """
        self._team = team
        self._only = only
        self._held = {} if held is None else {"colors": held, "style_colors": _entries_of_skin(start, held)}
        self._device = torch.device(device)
        self._hiding = Hiding(start)
        parts = np.array([0.0 if part in SLENDER else LARGER for part in start.figure.parts], np.float32)
        self._larger = parts[start.figure.face_parts[start.triangles]][:, None]
        self._parameters = parameters_of(start)
        self._shared = with_parameters(start, self._parameters)
        self._anchors = {name: tensor.detach().numpy().copy() for name, tensor in self._named()}
        self._moments = {name: fresh_moments(*_rows(tensor).shape) for name, tensor in self._named()}

    @property
    def avatar(self) -> Avatar:
        """The avatar as it stands; it changes with the next step."""
        return self._shared

    def arrays(self) -> dict[str, Floats]:
        """Everything that a step changes, by name, sharing memory."""
        moments = self._moments
        return {
            **{name: tensor.detach().numpy() for name, tensor in self._named()},
            **{f"{name}.mean": moments[name].mean for name in moments},
            **{f"{name}.square": moments[name].square for name in moments},
        }

    def learn(self, lesson: Lesson, step: int, decay: float) -> float:
        """Take one step, its rates multiplied by `decay`, and return its loss, the mean over the team.

        Raises:
            Diverged: the loss of any process is no number; nothing has moved.
            WorkerLost: as `Team.average`; nothing has moved.
        """
        stance = _stance(self._shared, lesson)
        loss = _loss(self._shared, stance, self._parameters, lesson, self._hiding, self._device)
        value = np.array([float(loss.detach())], np.float32)
        active = (stance.weights != 0) | (stance.presence != 0)
        lost, *shown = self._team.union(np.concatenate([~np.isfinite(value), active]))
        if lost:
            raise Diverged(step)
        loss.backward()
        self._move(np.flatnonzero(shown), decay, value)
        return float(value[0])

    def _move(self, active: NDArray[np.integer], decay: float, value: Floats) -> None:
        """Move what the lessons of the team have shown, of styles the `active` ones; average `value` (1,) with it."""
        looks = self._shared.appearance
        styled = [looks.of(int(k)) for k in active]
        slopes: dict[str, Floats] = {}
        moving: dict[str, list[slice]] = {}
        for name, tensor in self._named():
            gradient, tensor.grad = tensor.grad, None
            if gradient is None:
                continue
            slopes[name] = gradient.numpy().reshape(_rows(tensor).shape)
            every = styled if name.startswith("style_") else [slice(0, len(slopes[name]))]
            moving[name] = list(self._free(name, every))
        self._team.average([value, *(slopes[name][rows] for name in moving for rows in moving[name])])
        for name, tensor in self._named():
            if name not in slopes:
                continue
            values, pace, moments = _rows(tensor), PACES[name], self._moments[name]
            anchors = self._anchors[name].reshape(values.shape)
            for rows in moving[name]:
                adam_step(values, slopes[name], moments, anchors, pace.rate * decay, pace.pull * decay, rows)
                self._bound(name, values, anchors, rows)
            if name in self._held:
                held = self._held[name]
                values[held] += np.float32(HELD) * (anchors[held] - values[held])

    def _free(self, name: str, rows: Sequence[slice]) -> Iterator[slice]:
        """What of `rows` may change."""
        if self._only is None:
            yield from rows
            return
        limit = self._only.get(name, slice(0, 0))
        for run in rows:
            start, stop = max(run.start, limit.start), min(run.stop, limit.stop)
            if start < stop:
                yield slice(start, stop)

    def _bound(self, name: str, values: Floats, anchors: Floats, rows: slice) -> None:
        bounded = values[rows]
        if name == "log_scales":
            np.clip(bounded, anchors[rows] + SMALLER, anchors[rows] + self._larger[rows], out=bounded)
        elif name.endswith("coverage_logits"):
            np.clip(bounded, LEAST_LOGIT, MOST_LOGIT, out=bounded)
        elif name.endswith("colors") and not name.startswith("corrective_"):
            np.clip(bounded, 0, 1, out=bounded)

    def _named(self) -> Iterator[tuple[str, Tensor]]:
        """The parameters that there are: what an avatar has none of, such as correctives, is left out."""
        for field in dataclasses.fields(Parameters):
            tensor = getattr(self._parameters, field.name)
            if tensor.numel():
                yield field.name, tensor


def _entries_of_skin(avatar: Avatar, gaussians: NDArray[np.integer]) -> NDArray[np.intp]:
    """The entries, on these `gaussians`, of styles that are painted on the skin."""
    looks, skin = avatar.appearance, {category.name for category in avatar.categories if category.layer == "skin"}
    own = np.repeat([style.category in skin for style in avatar.styles], np.diff(looks.starts))
    return np.flatnonzero(own & np.isin(looks.gaussians, gaussians))


def gradients_of(avatar: Avatar, lesson: Lesson, hiding: Hiding | None = None) -> dict[str, Floats]:
    """The slopes of the loss in what training changes of `avatar`, by the names of `Parameters`, but for empty ones.

    `hiding` is of what the training began with, or else of `avatar`.
    """
    parameters = parameters_of(avatar)
    shared = with_parameters(avatar, parameters)
    stance = _stance(shared, lesson)
    _loss(shared, stance, parameters, lesson, hiding or Hiding(avatar), torch.device("cpu")).backward()
    named = ((field.name, getattr(parameters, field.name)) for field in dataclasses.fields(Parameters))
    return {name: tensor.grad.numpy() for name, tensor in named if tensor.numel() and tensor.grad is not None}


def loss_of(avatar: Avatar, lesson: Lesson, hiding: Hiding | None = None) -> float:
    """How far `avatar` is from what `lesson` shows; `hiding` as in `gradients_of`."""
    parameters = parameters_of(avatar)
    shared = with_parameters(avatar, parameters)
    stance = _stance(shared, lesson)
    return float(_loss(shared, stance, parameters, lesson, hiding or Hiding(avatar), torch.device("cpu")).detach())


def _stance(avatar: Avatar, lesson: Lesson) -> Stance:
    """`avatar` in the state of `lesson`, seen by its camera."""
    return take_stance(avatar, lesson.state, lesson.camera.position())


def _loss(
    avatar: Avatar, stance: Stance, parameters: Parameters, lesson: Lesson, hiding: Hiding, device: torch.device
) -> Tensor:
    """How far `avatar`, which shares the memory of `parameters`, is from what `lesson` shows."""
    decoded, visible = decode_torch(avatar, stance, parameters)
    means, quaternions, scales, opacities, colors = (tensor.to(device) for tensor in decoded)
    background, target, matte, weights = (
        torch.from_numpy(array).to(device) for array in (lesson.background, lesson.target, lesson.matte, lesson.weights)
    )
    behind = torch.from_numpy(hiding.hidden(stance, decoded[0].detach().numpy(), visible, lesson.camera)).to(device)
    colors = torch.where(behind[:, None], background, colors)
    color, alpha = rasterize_torch(means, quaternions, scales, opacities, colors, lesson.camera)
    composed = color + (1 - alpha)[..., None] * background
    loss = fused_picture_loss if device.type == "cpu" else picture_loss
    return loss(composed, alpha, target, matte, weights)


def _rows(tensor: Tensor) -> Floats:
    """The tensor's memory as (n, c)."""
    array: Floats = tensor.detach().numpy()
    return array.reshape(len(array), -1)
