"""Fidelity to the teacher: what was taught, on what was never shown. A measure of learning, not of quality."""

from __future__ import annotations

import dataclasses
import importlib.util
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from perse_engine.avatars.state import AvatarState
from perse_engine.clips.dataset import ClipFrame
from perse_engine.clips.planned import Split
from perse_engine.evaluation.metrics import Mask, over, psnr, ssim, step_uniformity
from perse_engine.evaluation.rows import Row, at_least, not_run, shown
from perse_engine.evaluation.subject import Subject

if TYPE_CHECKING:  # torch is loaded where there are weights alone
    from perse_engine.evaluation.lpips import Lpips

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]

SIDES = (256, 512)
BARS: dict[Split, float] = {"heldout": 33.0, "combination": 31.0}
"""dB on splits that have a bar."""
LABELS: dict[Split, str] = {
    "heldout": "held-out expressions and views",
    "combination": "combinations never seen together",
    "between": "in-betweens never trained",
}
PATH_STEPS = 11
_GREY = 0.5


@dataclasses.dataclass(frozen=True, eq=False)
class Pair:
    """Teacher and avatar, premultiplied (H, W, 4) of the same size."""

    teacher: Floats
    avatar: Floats


def premultiplied(picture: Bytes) -> Floats:
    """Straight uint8 RGBA to premultiplied floats in [0, 1]."""
    floats: Floats = picture.astype(np.float32) / np.float32(255)
    floats[..., :3] *= floats[..., 3:]
    return floats


def split_rows(
    avatar: Subject, teacher: Subject, split: Split, frames: Sequence[ClipFrame], lpips: Lpips | None = None
) -> list[Row]:
    """Mean foreground PSNR over the frames of a split, at 256 and 512 pixels; SSIM, FLIP and LPIPS at 256 of some.

    A frame that is stored at another size is drawn by the teacher again.

    Args:
        lpips: None where its weights are absent; then it has no row.
    """
    label = LABELS[split]
    if not frames:
        return [not_run("teacher", label, "the clips have none")]
    rows = []
    for side in SIDES:
        pairs = [pair_of(avatar, teacher, frame, side) for frame in frames]
        values = [foreground_psnr(pair) for pair in pairs]
        note = f"{len(values)} pictures, worst {min(values):.1f}"
        name, mean = f"{label}, {side}²", float(np.mean(values))
        bar = BARS.get(split)
        if bar is not None:
            rows.append(at_least("teacher", name, mean, bar, "dB", note))
        else:
            rows.append(shown("teacher", name, mean, "dB", note))
        if split in ("between", "heldout") and side == SIDES[0]:
            rows.append(flip_row(pairs, name))
            if lpips is not None:
                rows.append(lpips_row(pairs, name, lpips))
        if split == "heldout" and side == SIDES[0]:
            rows.append(shown("teacher", f"SSIM, {name}", float(np.mean([similarity(pair) for pair in pairs]))))
    return rows


def similarity(pair: Pair) -> float:
    """SSIM inside the teacher's alpha."""
    return ssim(over(pair.avatar, _GREY), over(pair.teacher, _GREY), foreground(pair))


def pair_of(avatar: Subject, teacher: Subject, frame: ClipFrame, side: int) -> Pair:
    """A frame as it was taught and as the avatar shows it, `side` x `side`."""
    camera = frame.camera.resized(side, side)
    stored = frame.camera.width == side
    taught = premultiplied(frame.image()) if stored else teacher.draw(frame.state, camera)
    return Pair(taught, avatar.draw(frame.state, camera))


def foreground_psnr(pair: Pair) -> float:
    """dB inside the teacher's alpha."""
    return psnr(over(pair.avatar, _GREY), over(pair.teacher, _GREY), foreground(pair))


def foreground(pair: Pair) -> Mask:
    """Where the teacher is opaque for more than half."""
    mask: Mask = pair.teacher[..., 3] > 0.5
    return mask


def flip_row(pairs: Iterable[Pair], name: str) -> Row:
    """Mean FLIP of the foreground. Andersson et al., "FLIP: a difference evaluator for alternating images", 2020."""
    if importlib.util.find_spec("flip_evaluator") is None:
        return not_run("teacher", f"ꟻLIP, {name}", "flip-evaluator absent")
    import flip_evaluator

    values = []
    for pair in pairs:
        first, second = (np.clip(over(picture, _GREY), 0, 1) for picture in (pair.teacher, pair.avatar))
        errors, _, _ = flip_evaluator.evaluate(first, second, "LDR", applyMagma=False)
        values.append(float(np.squeeze(errors)[foreground(pair)].mean()))
    return shown("teacher", f"ꟻLIP, {name}", float(np.mean(values)), note="0 is the same")


def lpips_row(pairs: Iterable[Pair], name: str, lpips: Lpips) -> Row:
    """Mean LPIPS of whole pictures before grey."""
    values = [
        lpips.distance(*(np.clip(over(picture, _GREY), 0, 1) for picture in (pair.teacher, pair.avatar)))
        for pair in pairs
    ]
    note = f"{lpips.trunk.name}; 0 is the same"
    return shown("teacher", f"LPIPS, {name}", float(np.mean(values)), note=note)


def path_row(avatar: Subject) -> Row:
    """How evenly styles come: the largest step over the mean step on the way from 0 to 1, averaged over styles."""
    camera = avatar.neutral_camera.fitted(SIDES[0], SIDES[0])
    values = {}
    for style in avatar.styles:
        weights = np.linspace(0, 1, PATH_STEPS)
        pictures = [avatar.draw(AvatarState({style.slider: float(w)}), camera) for w in weights]
        values[style.slider] = step_uniformity(pictures)
    if not values:
        return not_run("teacher", "step uniformity of the styles", "the avatar has no style")
    worst = max(values, key=lambda slider: values[slider])
    note = f"1 is even; worst {worst} {values[worst]:.1f}"
    return shown("teacher", "step uniformity of the styles", float(np.mean(list(values.values()))), note=note)
