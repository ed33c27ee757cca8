"""The same fidelity category by category: which kind of attribute is learnt how well."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from perse_engine.clips.frames import ClipFrame
from perse_engine.evaluation.rows import Row, shown
from perse_engine.evaluation.subject import Subject
from perse_engine.evaluation.teacher import Pair, foreground_psnr, pair_of, similarity

SIDE = 256
PLAIN = "no attribute"
WORN = 1e-3


def category_rows(avatar: Subject, teacher: Subject, frames: Sequence[ClipFrame]) -> list[Row]:
    """Foreground PSNR and SSIM at 256², of the held-out frames that wear something of a category, and of plain ones."""
    groups: dict[str, list[Pair]] = {}
    category = {style.slider: style.category for style in avatar.styles}
    for frame in frames:
        pair = pair_of(avatar, teacher, frame, SIDE)
        worn = {category[name] for name, value in frame.state.sliders.items() if abs(value) > WORN and name in category}
        for name in worn or {PLAIN}:
            groups.setdefault(name, []).append(pair)
    rows = []
    for name in sorted(groups):
        values = [foreground_psnr(pair) for pair in groups[name]]
        alike = float(np.mean([similarity(pair) for pair in groups[name]]))
        note = f"{len(values)} pictures, worst {min(values):.1f}; SSIM {alike:.3f}"
        rows.append(shown("by category", f"{name}, held out, {SIDE}²", float(np.mean(values)), "dB", note))
    return rows
