"""Moments of a performance: all of them in a row, or a few that together show most of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from perse_engine.clips.expressions import RESERVED, any_model, expand, reserved
from perse_engine.clips.motion import Moment, is_reserved, photo_state
from perse_engine.clips.motion_library import MOST_PITCH, MOST_YAW, Walk, perform, stream, walk
from perse_engine.clips.performance import Performance
from perse_engine.heads.head import JAW, NECK
from perse_engine.portraits.portrait import Portrait

BEHIND_VIEWS = ((155.0, 0.0), (-155.0, 0.0), (115.0, 10.0), (-115.0, 10.0))
"""Yaw and pitch, degrees, from where the back of a head is looked at, opposite sides after each other."""
OBLIQUE_VIEWS = ((43.0, -15.0), (-43.0, 15.0), (43.0, 15.0), (-43.0, -15.0))
"""From where a brim is looked at from below and from above, and the whole bust."""
BARE_VIEWS = ((180.0, 12.0), (75.0, 0.0), (-75.0, 0.0))
"""From where, beside these, the person is seen with no style."""
FRONTAL_VIEWS = ((0.0, 0.0), (30.0, 0.0), (-30.0, 0.0))
"""From where else the whole bust is seen."""
ZOOM, SHIFT = 0.6, (0.0, -0.2)
"""Of frames that show the whole bust; others end at the collar."""
WINDOW = 20
"""Frames of the motion library out of which one moment is taken."""


@dataclasses.dataclass(frozen=True, eq=False)
class Script:
    """N frames of a performance and how they are looked at."""

    performance: Performance
    walk: Walk

    def __len__(self) -> int:
        return len(self.performance)

    def moment(self, frame: int, names: Sequence[str]) -> Moment:
        """One frame, in the units of a head that has `names`."""
        pose = self.performance.pose[frame].astype(np.float32)
        turn, at = np.degrees(pose[NECK]), self.walk
        return Moment(
            self.performance.coefficients(frame, names),
            pose,
            float(np.clip(at.yaw[frame] + turn[1], -MOST_YAW, MOST_YAW)),
            float(np.clip(at.pitch[frame] - turn[0], -MOST_PITCH, MOST_PITCH)),
            roll=float(at.roll[frame]),
            distance=float(at.distance[frame]),
            shift=(float(at.shift[frame, 0]), float(at.shift[frame, 1])),
            zoom=float(at.zoom[frame]),
        )


def script(portrait: Portrait, count: int, seed: int, performance: Performance | None = None) -> Script:
    """`count` frames of `performance`, over again where it is shorter, or else of the motion library."""
    if performance is None:
        prefix = "expr_"
        own = {name.removeprefix(prefix): value for name, value in photo_state(portrait).sliders.items()}
        return Script(perform(portrait.head.expression_names, own, count, seed), walk(count, seed))
    frames = np.arange(count) % len(performance)
    repeated = dataclasses.replace(
        performance, expression=performance.expression[frames], pose=performance.pose[frames]
    )
    return Script(repeated, walk(count, seed))


def sparse_moments(portrait: Portrait, count: int, seed: int, performance: Performance | None = None) -> list[Moment]:
    """`count` moments spread over views and expressions, none of them in a reserved view.

    Of every `WINDOW` frames one is taken: where most happens in the face, where the lids are shut, or any.
    """
    names = portrait.head.expression_names
    whole = script(portrait, count * WINDOW, seed, performance)
    rng = stream(seed, "sparse", 0)
    face, lids = _energy(whole.performance)
    chosen = []
    for window in range(count):
        order = window * WINDOW + rng.permutation(WINDOW)
        kind = rng.random()
        if kind < 0.5:
            order = order[np.argsort(-face[order], kind="stable")]
        elif kind < 0.62:
            order = order[np.argsort(-lids[order], kind="stable")]
        moments = (whole.moment(int(frame), names) for frame in order)
        free = (moment for moment in moments if not is_reserved(*moment.seen_from))
        # a view that is held reserved for the whole window is left by a step aside
        chosen.append(next(free, None) or _aside(whole.moment(int(order[0]), names)))
    return chosen


def held_out_moments(portrait: Portrait, count: int, seed: int) -> list[Moment]:
    """`count` moments of expressions that are never trained, in views that are never trained."""
    names = portrait.head.expression_names
    named = bool(expand(RESERVED[0], 1.0, names))
    rng = stream(seed, "heldout", 0)
    whole = script(portrait, max(count, 4) * 3 * WINDOW, seed + 1)
    frames = rng.permutation(len(whole))
    moments = (whole.moment(int(frame), names) for frame in frames)
    hidden = (moment for moment in moments if is_reserved(*moment.seen_from))
    return [
        dataclasses.replace(moment, expression=reserved(rng, names) if named else any_model(rng, names))
        for moment, _ in zip(hidden, range(count), strict=False)
    ]


def rest_moments(portrait: Portrait) -> list[Moment]:
    """What everybody looks at first: the person at rest from ahead and around, blinking, mouth open, smiling."""
    still = np.zeros((5, 3), np.float32)
    views = [(0.0, 0.0), (15.0, 0.0), (-15.0, 0.0), (30.0, 0.0), (-30.0, 0.0), (0.0, 13.0), (0.0, -13.0)]
    views += [(35.0, 6.0), (-35.0, 6.0), (16.0, -10.0), (-16.0, -10.0)]
    moments = [Moment({}, still, *view) for view in views]
    names = portrait.head.expression_names
    shut: dict[str, float] = {name: 1.0 for name in ("eyeblinkleft", "eyeblinkright") if name in names}
    open_mouth = expand({"jawopen": 0.8}, 1.0, names)
    smile = expand({"mouthsmile*": 0.8, "cheeksquint*": 0.3}, 1.0, names)
    for expression in (shut, open_mouth, smile):
        if expression:
            moments += [Moment(dict(expression), still, yaw, 0.0) for yaw in (0.0, 16.0, -16.0)]
    dropped = still.copy()
    dropped[JAW, 0] = 0.28
    moments += [Moment({}, dropped, 0.0, 0.0), Moment({}, dropped, 16.0, -8.0)]
    moments += [Moment({}, still, *view, zoom=ZOOM, shift=SHIFT) for view in FRONTAL_VIEWS]
    return [moment for moment in moments if not is_reserved(*moment.seen_from)]


def around_moments() -> list[Moment]:
    """The person at rest from behind, obliquely and from far aside: what shows when an artist turns the head."""
    still = np.zeros((5, 3), np.float32)
    behind, bare = ([Moment({}, still, *view) for view in views] for views in (BEHIND_VIEWS, BARE_VIEWS))
    return behind + [Moment({}, still, *view, zoom=ZOOM, shift=SHIFT) for view in OBLIQUE_VIEWS] + bare


def _energy(performance: Performance) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """(N,) how much a face does, and (N,) how far its lids are shut."""
    lid = np.array([name.startswith("eyeblink") for name in performance.names], np.bool_)
    size = np.abs(performance.expression)
    jaw = np.abs(performance.pose[:, JAW]).sum(1)
    return size[:, ~lid].sum(1) + 3 * jaw, size[:, lid].sum(1)


def _aside(moment: Moment) -> Moment:
    """The nearest view of a moment, to the side, that is not reserved."""
    for step in range(1, 60):
        for yaw in (moment.yaw - step / 2, moment.yaw + step / 2):
            turned = dataclasses.replace(moment, yaw=yaw)
            if abs(yaw) <= MOST_YAW and not is_reserved(*turned.seen_from):
                return turned
    return moment
