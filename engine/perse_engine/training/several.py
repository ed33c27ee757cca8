"""One training in several processes, a GPU each: every one looks at a picture of its own, and all take the same step.

This is data-parallel training as of torch's DistributedDataParallel (Li et al., "PyTorch Distributed", 2020): gradients
are averaged over all processes before each step, so that the avatars stay alike to the last bit. The wrapper itself
does not fit. It wants a module whose parameters an optimiser of torch owns, and sends all of them in each step. What is
learnt here are rows of shared numpy memory with an Adam of their own, and most rows belong to styles that no picture
of a step shows; only those that at least one shows are sent, by `all_reduce`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from perse_engine.errors import Cancelled, InputError, PerseError
from perse_engine.progress import Progress

if TYPE_CHECKING:
    import torch

Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]

LONGEST_WAIT = timedelta(minutes=10)
"""For the others, at any one meeting; laying the Gaussians takes minutes, and no two processes are equally fast."""
PLACE = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
"""What torchrun tells each process of where it stands."""


class WorkerLost(PerseError):
    """Another process of the team has ended or does not answer."""

    def __init__(self, why: str) -> None:
        super().__init__(
            "worker-lost",
            f"another process of this training has ended or does not answer ({why})",
            "see what that one says; the same command resumes at the last checkpoint",
        )


@dataclasses.dataclass(frozen=True)
class Team:
    """The processes of a training, as one of them sees them; by itself, a team of one, which exchanges nothing.

    All processes of a team make the same calls in the same order.

    Attributes:
        rank: which this is, from 0; 0 alone writes files.
        size: how many there are.
        local_size: how many of them share this machine.
        device: the torch device on which this one draws where gsplat or Warp can.
    """

    rank: int = 0
    size: int = 1
    local_size: int = 1
    device: str = "cuda"

    def average(self, arrays: Sequence[Floats]) -> None:
        """Replace `arrays`, of the same shapes everywhere, by their mean over all processes, in place.

        Raises:
            WorkerLost: another process has ended, or stays away for longer than `LONGEST_WAIT`.
        """

    def union(self, flags: Flags) -> Flags:
        """What any process has set of `flags`, (n,) everywhere.

        Raises:
            WorkerLost: as `average`.
        """
        return flags


ALONE = Team()


@contextlib.contextmanager
def torchrun_team() -> Iterator[Team]:
    """The team that torchrun started this process in, by its environment; a team of one where it did not.

    Raises:
        InputError: bad-team, the environment is not whole; too-few-gpus.
        WorkerLost: the others did not come.
    """
    if os.environ.get("WORLD_SIZE", "1") == "1":
        yield ALONE
        return
    rank, size, local_rank, local_size = _place()
    drawing, reducing = _devices(local_rank, local_size)
    from torch import distributed

    try:
        distributed.init_process_group("cpu:gloo,cuda:nccl" if reducing != "cpu" else "gloo", timeout=LONGEST_WAIT)
    except ValueError as error:
        raise _not_whole(_brief(error)) from error
    except RuntimeError as error:
        raise WorkerLost(_brief(error)) from error
    try:
        yield _Several(rank, size, local_size, drawing, reducing)
    finally:
        distributed.destroy_process_group()


def agreed(team: Team, what: str) -> bool:
    """Whether `what` is the same in all processes.

    Raises:
        WorkerLost: as `Team.average`.
    """
    digest = np.frombuffer(hashlib.sha256(what.encode()).digest(), np.uint8)
    bits = np.unpackbits(digest).astype(np.bool_)
    return not (team.union(bits) & team.union(~bits)).any()


def shared(progress: Progress, team: Team) -> Progress:
    """`progress` that stops all processes together once it stops one of them; all report at the same places.

    Its reports raise WorkerLost as `Team.average`.
    """
    if team.size == 1:
        return progress

    def report(stage: str, done: int, total: int) -> None:
        stopped = None
        try:
            progress(stage, done, total)
        except Cancelled as error:
            stopped = error
        if team.union(np.array([stopped is not None]))[0]:
            raise stopped or Cancelled()

    return report


@dataclasses.dataclass(frozen=True)
class _Several(Team):
    """A team whose process group is open.

    Attributes:
        reducing: the torch device on which gradients are summed: a GPU by NCCL, or the CPU by Gloo.
    """

    reducing: str = "cpu"

    def average(self, arrays: Sequence[Floats]) -> None:
        import torch
        from torch.distributed import ReduceOp

        flat = np.concatenate([array.ravel() for array in arrays])
        summed = torch.from_numpy(flat).to(self.reducing)
        _all_reduce(summed, ReduceOp.SUM)
        mean = summed.cpu().numpy() / np.float32(self.size)
        for array, part in zip(arrays, np.split(mean, np.cumsum([array.size for array in arrays])[:-1]), strict=True):
            array[...] = part.reshape(array.shape)

    def union(self, flags: Flags) -> Flags:
        import torch
        from torch.distributed import ReduceOp

        most = torch.from_numpy(flags.astype(np.uint8))
        _all_reduce(most, ReduceOp.MAX)
        return most.numpy().astype(np.bool_)


def _all_reduce(tensor: torch.Tensor, how: Any) -> None:
    from torch import distributed

    try:
        distributed.all_reduce(tensor, how)
    except RuntimeError as error:
        raise WorkerLost(_brief(error)) from error


def _place() -> tuple[int, int, int, int]:
    """What `PLACE` says.

    Raises:
        InputError: bad-team.
    """
    try:
        rank, size, local_rank, local_size = (int(os.environ[name]) for name in PLACE)
    except (KeyError, ValueError) as error:
        raise _not_whole(f"{' '.join(PLACE)} must all be whole numbers") from error
    return rank, size, local_rank, local_size


def _devices(local_rank: int, local_size: int) -> tuple[str, str]:
    """Where this process draws, should gsplat or Warp be there, and where it sums gradients.

    Raises:
        InputError: too-few-gpus.
    """
    import torch
    from torch import distributed

    if not torch.cuda.is_available():
        return ALONE.device, "cpu"
    if local_size > torch.cuda.device_count():
        raise InputError(
            "too-few-gpus",
            f"{local_size} processes were started for {torch.cuda.device_count()} GPUs",
            "start one for each, or hide the GPUs with CUDA_VISIBLE_DEVICES= to train on the CPU",
        )
    torch.cuda.set_device(local_rank)  # what draws without torch takes the current device
    own = f"cuda:{local_rank}"
    if not distributed.is_nccl_available():
        return own, "cpu"
    os.environ.setdefault("TORCH_NCCL_BLOCKING_WAIT", "1")  # else NCCL ends the process where it should raise
    return own, own


def _not_whole(why: str) -> InputError:
    return InputError("bad-team", f"the environment of a team is not whole: {why}", "start it with torchrun")


def _brief(error: Exception) -> str:
    """The first line of what torch says, without where in its source it says it."""
    first = str(error).strip().partition("\n")[0]
    return first.rpartition("] ")[2].rstrip(". ") or type(error).__name__
