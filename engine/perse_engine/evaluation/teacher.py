"""Fidelity to the teacher: what was taught, on what was never shown. A measure of learning, not of quality."""

from __future__ import annotations

import dataclasses
import importlib.util
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from perse_engine.avatars.initial import head_center
from perse_engine.avatars.state import AvatarState
from perse_engine.clips.dataset import ClipFrame
from perse_engine.clips.planned import Split
from perse_engine.evaluation.metrics import Mask, dilated, over, psnr, step_uniformity
from perse_engine.evaluation.rows import Row, at_least, below, not_run, shown
from perse_engine.evaluation.subject import Subject
from perse_engine.progress import Progress

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
TRAINED_DIFFERENCE = 2 / 255
LEAK_DILATION_PX = 4
LEAK_SIDE = 512
LEAK_VIEWS = ((0.0, 0.0), (25.0, 0.0), (-25.0, 0.0), (0.0, 12.0), (12.0, -8.0))
LEAK_MEAN, LEAK_WORST = 1.0, 8.0  # of 255
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


def split_rows(avatar: Subject, teacher: Subject, split: Split, frames: Sequence[ClipFrame]) -> list[Row]:
    """Mean foreground PSNR over the frames of a split, at 256 and 512 pixels; of in-betweens also mean FLIP.

    A frame that is stored at another size is drawn by the teacher again.
    """
    label = LABELS[split]
    if not frames:
        return [not_run("teacher", label, "the clips have none")]
    rows = []
    for side in SIDES:
        pairs = [_pair(avatar, teacher, frame, side) for frame in frames]
        values = [foreground_psnr(pair) for pair in pairs]
        note = f"{len(values)} pictures, worst {min(values):.1f}"
        name, mean = f"{label}, {side}²", float(np.mean(values))
        bar = BARS.get(split)
        if bar is not None:
            rows.append(at_least("teacher", name, mean, bar, "dB", note))
        else:
            rows.append(shown("teacher", name, mean, "dB", note))
        if split == "between" and side == SIDES[0]:
            rows.append(flip_row(pairs, name))
    return rows


def _pair(avatar: Subject, teacher: Subject, frame: ClipFrame, side: int) -> Pair:
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


@dataclasses.dataclass(frozen=True, eq=False)
class Leak:
    """What a style changes where the teacher's does not, of 255, over all its pictures: mean and 99.9th percentile."""

    slider: str
    mean: float
    worst: float


def leaks(avatar: Subject, teacher: Subject, progress: Progress) -> list[Leak]:
    """Put on each style alone, in five poses with three expressions each, 512 x 512."""
    moments = [
        (AvatarState(sliders), avatar.neutral_camera.fitted(LEAK_SIDE, LEAK_SIDE).orbited(center, yaw, pitch, 0.0))
        for center in [head_center(avatar.figure)]
        for yaw, pitch in LEAK_VIEWS
        for sliders in _leak_expressions(avatar)
    ]
    bare = [Pair(teacher.draw(state, camera), avatar.draw(state, camera)) for state, camera in moments]
    found = []
    for number, style in enumerate(avatar.styles):
        progress("leakage", number, len(avatar.styles))
        changes = []
        for (state, camera), without in zip(moments, bare, strict=True):
            worn = AvatarState({**state.sliders, style.slider: style.soft_max})
            changes.append(_leaked(without, Pair(teacher.draw(worn, camera), avatar.draw(worn, camera))))
        every = np.concatenate(changes)
        if len(every):
            found.append(Leak(style.slider, float(every.mean()), float(np.quantile(every, 0.999))))
    progress("leakage", len(avatar.styles), len(avatar.styles))
    return found


def _leaked(without: Pair, worn: Pair) -> Floats:
    """How much each pixel changes, of 255, outside the region that the teacher changes."""
    taught = np.abs(over(worn.teacher, _GREY) - over(without.teacher, _GREY)).max(-1) > TRAINED_DIFFERENCE
    outside = ~dilated(taught, LEAK_DILATION_PX) & foreground(without)
    difference = np.abs(over(worn.avatar, _GREY) - over(without.avatar, _GREY)).max(-1)
    changed: Floats = 255 * difference[outside]
    return changed


def _leak_expressions(avatar: Subject) -> list[dict[str, float]]:
    names = avatar.figure.expression_names
    wanted: tuple[str, ...] = ("jawopen", "mouthsmileleft")
    chosen = [name for name in wanted if name in names] or list(names[:2])
    return [{}, *({f"expr_{name}": 0.7} for name in chosen)]


def leak_rows(found: list[Leak]) -> list[Row]:
    """The worst style's mean and 99.9th percentile."""
    if not found:
        return [not_run("leakage", "mean change outside the taught region", "the avatar has no style")]
    mean = max(found, key=lambda leak: leak.mean)
    worst = max(found, key=lambda leak: leak.worst)
    return [
        below("leakage", "mean change outside the taught region", mean.mean, LEAK_MEAN, "/255", f"worst {mean.slider}"),
        below("leakage", "99.9 % of it", worst.worst, LEAK_WORST, "/255", f"worst {worst.slider}"),
    ]
