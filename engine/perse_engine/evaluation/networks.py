"""The networks that a person's weights bring, for the measures that need them."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from perse_engine.errors import InputError

if TYPE_CHECKING:  # torch is loaded where there are weights alone
    from perse_engine.evaluation.inception import Inception
    from perse_engine.evaluation.lpips import Lpips

_WHERE = "give a folder with {} by --weights, see docs/evaluation.md"
NO_LPIPS = "weights absent; " + _WHERE.format("alexnet-owt-7be5be79.pth and alex.pth")
NO_INCEPTION = "weights absent; " + _WHERE.format("pt_inception-2015-12-05-6726825d.pth")
"""Why a measure was not run."""


@dataclasses.dataclass(frozen=True, eq=False)
class Networks:
    """What can be looked through; None where weights are absent."""

    lpips: Lpips | None = None
    inception: Inception | None = None


def load_networks(folder: Path) -> Networks:
    """The networks whose weights lie in `folder`, under the names that their makers gave the files.

    Raises:
        InputError: "file-missing" where there is no such folder; as `weights.read_weights` where a file is bad.
    """
    if not folder.is_dir():
        raise InputError("file-missing", f"there is no folder {folder}", "name a folder with weights")
    from perse_engine.evaluation.inception import load_inception
    from perse_engine.evaluation.lpips import load_lpips

    return Networks(load_lpips(folder), load_inception(folder))
