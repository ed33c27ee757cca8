"""What a new style looks like, learnt from its pictures: only its own numbers move."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from perse_engine.avatars.avatar import Avatar
from perse_engine.progress import Progress
from perse_engine.training.presets import Preset
from perse_engine.training.training import train_views
from perse_engine.training.views import View
from perse_engine.transfer.grafting import Graft

PRESET = Preset("transfer", gaussians=0, steps=420, boxes=0.3, photo=0.0)
"""The Gaussians are there already."""


def learn_style(grafted: Graft, views: Sequence[View], *, seed: int, progress: Progress) -> Avatar:
    """The avatar with its last style trained on `views`; every other number stays, to the last bit.

    PERSE (section 4.4) adds low-rank weights and asks with a loss that other attributes stay. Here nothing that they
    are made of can change, so no loss is needed.

    Raises:
        Cancelled: by `progress`.
        Diverged: as `train_views`.
    """
    added = slice(grafted.gaussians, grafted.avatar.count)
    only = dict.fromkeys(("offsets", "log_scales", "quaternions"), added)
    only |= dict.fromkeys(("style_colors", "style_coverage_logits", "style_offsets"), grafted.entries)
    with tempfile.TemporaryDirectory(prefix="perse-style-") as work:
        return train_views(grafted.avatar, views, None, PRESET, Path(work), seed=seed, progress=progress, only=only)
