"""Random in-betweens as a set, the avatar's beside the teacher's: FID and KID."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perse_engine.avatars.initial import head_center
from perse_engine.avatars.state import AvatarState
from perse_engine.avatars.styles import Style
from perse_engine.evaluation.distributions import frechet_distance, kernel_distance
from perse_engine.evaluation.inception import FEATURES, SIDE, Inception
from perse_engine.evaluation.metrics import over
from perse_engine.evaluation.rows import Row, not_run, shown
from perse_engine.evaluation.subject import Subject
from perse_engine.progress import Progress

Floats = NDArray[np.float32]

COUNT, SEED, BATCH = 100, 7, 10
LEAST_SHARE = 0.2
"""Of either end, that there is at least in an in-between."""
UNITS = 3  # expression units that act at most
YAW_DEG, PITCH_DEG = 30.0, 10.0
_GREY = 0.5


def between_state(styles: tuple[Style, ...], expressions: tuple[str, ...], rng: np.random.Generator) -> AvatarState:
    """Somewhere between two styles of one category, or between a style and none where it has no other; any face."""
    names = list(dict.fromkeys(style.category for style in styles))
    category = names[int(rng.integers(len(names)))]
    own = [style for style in styles if style.category == category]
    share = float(rng.uniform(LEAST_SHARE, 1 - LEAST_SHARE))
    chosen = rng.choice(len(own), min(2, len(own)), replace=False)
    shares = (share, 1 - share)[: len(chosen)]
    sliders = {own[int(k)].slider: part for k, part in zip(chosen, shares, strict=True)}
    for name in rng.choice(expressions, min(UNITS, len(expressions)), replace=False):
        sliders[f"expr_{name}"] = float(rng.uniform(0, 0.8))
    return AvatarState(sliders)


def between_set_rows(
    avatar: Subject, teacher: Subject, inception: Inception, progress: Progress, count: int = COUNT
) -> list[Row]:
    """FID and KID between the avatar and its teacher in `count` random in-betweens.

    Both draw the same states from the same views at the network's own size, before grey, so nothing is resized.

    Raises:
        Cancelled: by `progress`.
    """
    names = [f"{name}, random in-betweens" for name in ("FID", "KID")]
    if not avatar.styles:
        return [not_run("teacher", name, "the avatar has no style") for name in names]
    center = head_center(avatar.figure)
    rng = np.random.default_rng(SEED)
    seen: dict[str, list[NDArray[np.float64]]] = {"avatar": [], "teacher": []}
    for first in range(0, count, BATCH):
        progress("in-between pictures", first, count)
        views = []
        for _ in range(min(BATCH, count - first)):
            yaw, pitch = (float(angle) for angle in rng.uniform(-1, 1, 2) * [YAW_DEG, PITCH_DEG])
            camera = avatar.neutral_camera.fitted(SIDE, SIDE).orbited(center, yaw, pitch, 0.0)
            views.append((between_state(avatar.styles, avatar.figure.expression_names, rng), camera))
        for name, subject in (("avatar", avatar), ("teacher", teacher)):
            drawn = [np.clip(over(subject.draw(state, camera), _GREY), 0, 1) for state, camera in views]
            seen[name].append(inception.features(np.stack(drawn)))
    progress("in-between pictures", count, count)
    own, taught = (np.concatenate(seen[name]) for name in ("avatar", "teacher"))
    distance, spread = kernel_distance(own, taught)
    few = f"{count} pictures each, {FEATURES} features: too large, compare with as many alone"
    return [
        shown("teacher", names[0], frechet_distance(own, taught), note=few),
        shown("teacher", names[1], distance, note=f"{count} pictures each, ± {spread:.2g}; 0 is the same distribution"),
    ]
