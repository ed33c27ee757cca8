"""Random places in the whole latent space: every category at once, any face, any view. Does anything explode?

A frame has exploded when it shows something far outside the person, colours that none of its styles has, or a hole.
"""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
from numpy.typing import NDArray

from perse_engine.avatars.initial import head_center
from perse_engine.avatars.state import AvatarState
from perse_engine.avatars.styles import Style
from perse_engine.evaluation.metrics import over
from perse_engine.evaluation.rows import Row, at_most, not_run, shown
from perse_engine.evaluation.subject import Subject
from perse_engine.evaluation.teacher import Pair
from perse_engine.progress import Progress

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]

COUNT, SEED, SIDE = 200, 7, 512
CHANGED = 0.5  # chance that a category is anything but the person's own
SEVERAL = 0.5  # chance that it then mixes several styles
UNITS = 3  # expression units that act at most
YAW_DEG, PITCH_DEG, ROLL_DEG = 45.0, 20.0, 10.0
FAR_PX = 12  # beyond the teacher's outline
STRANGE, STRANGE_SHARE = 25 / 255, 0.005  # beyond the colours nearby, and of the foreground
NEARBY_PX = 8  # within which a colour may come from
HOLE_PX = 30  # area
SOLID, OPAQUE = 0.9, 0.5  # of the teacher's alpha where there must be no hole; of the avatar's that fills it
CELL, COLUMNS = 128, 20
_GREY = 0.8


@dataclasses.dataclass(frozen=True)
class Explosion:
    """What is wrong with one frame: pixels far outside, share of strange colours, and the largest hole's pixels."""

    outside: int
    strange: float
    hole: int

    @property
    def exploded(self) -> bool:
        """Whether any of it is too much."""
        return self.outside > 0 or self.strange > STRANGE_SHARE or self.hole > HOLE_PX


def random_state(styles: tuple[Style, ...], expressions: tuple[str, ...], rng: np.random.Generator) -> AvatarState:
    """Somewhere in the space that the sliders span: each category alone or mixed, and up to `UNITS` of the face."""
    sliders: dict[str, float] = {}
    for category in dict.fromkeys(style.category for style in styles):
        own = [style for style in styles if style.category == category]
        if rng.random() > CHANGED:
            continue
        count = int(rng.integers(2, 4)) if rng.random() < SEVERAL and len(own) > 1 else 1
        chosen = rng.choice(len(own), min(count, len(own)), replace=False)
        shares = rng.dirichlet(np.ones(len(chosen))) * rng.uniform(0.5, 1.0)
        sliders |= {own[k].slider: float(share * own[k].soft_max) for k, share in zip(chosen, shares, strict=True)}
    for name in rng.choice(expressions, min(UNITS, len(expressions)), replace=False):
        sliders[f"expr_{name}"] = float(rng.uniform(0, 0.8))
    return AvatarState(sliders)


def explosion(pair: Pair) -> Explosion:
    """Compare the avatar's frame with the teacher's of the same state."""
    solid, drawn = pair.teacher[..., 3] > SOLID, pair.avatar[..., 3] > OPAQUE
    reach = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * FAR_PX + 1, 2 * FAR_PX + 1))
    allowed = cv2.dilate((pair.teacher[..., 3] > 0.02).astype(np.uint8), reach) > 0
    outside = int((drawn & ~allowed).sum())
    nearby = np.ones((2 * NEARBY_PX + 1, 2 * NEARBY_PX + 1), np.uint8)
    colors = over(pair.teacher, _GREY).astype(np.float32)
    low, high = cv2.erode(colors, nearby), cv2.dilate(colors, nearby)
    found = over(pair.avatar, _GREY)
    off = np.maximum(low - found, found - high).max(-1)
    strange = float((off[drawn] > STRANGE).mean()) if drawn.any() else 1.0
    inside = cv2.erode(solid.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    _, _, areas, _ = cv2.connectedComponentsWithStats((inside & ~drawn).astype(np.uint8))
    hole = int(areas[1:, cv2.CC_STAT_AREA].max()) if len(areas) > 1 else 0
    return Explosion(outside, strange, hole)


def sample_rows(
    avatar: Subject, teacher: Subject | None, progress: Progress, count: int = COUNT
) -> tuple[list[Row], dict[str, Bytes]]:
    """Draw `count` random states; the rows, and a sheet of all frames with exploded ones framed in red.

    Raises:
        Cancelled: by `progress`.
    """
    if not avatar.styles or teacher is None:
        why = "the clips are not at hand" if avatar.styles else "the avatar has no style"
        return [not_run("samples", "exploded frames", why)], {}
    center = head_center(avatar.figure)
    rng = np.random.default_rng(SEED)
    found: list[Explosion] = []
    cells = []
    for number in range(count):
        progress("samples", number, count)
        state = random_state(avatar.styles, avatar.figure.expression_names, rng)
        turn = rng.uniform(-1, 1, 3) * [YAW_DEG, PITCH_DEG, ROLL_DEG]
        camera = avatar.neutral_camera.fitted(SIDE, SIDE).orbited(center, *(float(angle) for angle in turn))
        pair = Pair(teacher.draw(state, camera), avatar.draw(state, camera))
        found.append(explosion(pair))
        cells.append(_cell(pair.avatar, found[-1].exploded))
    progress("samples", count, count)
    bad = [number for number, one in enumerate(found) if one.exploded]
    note = f"{count} samples" + (f"; numbers {', '.join(map(str, bad[:12]))}" if bad else "")
    rows = [
        at_most("samples", "exploded frames", len(bad), 0, "", note),
        shown("samples", "pixels far outside, most of any", max(one.outside for one in found)),
        shown("samples", "share of strange colours, most of any", 100 * max(one.strange for one in found), "%"),
        shown("samples", "largest hole", max(one.hole for one in found), "px²"),
    ]
    return rows, {"samples": _sheet(cells)}


def _cell(picture: Floats, exploded: bool) -> Bytes:
    small = cv2.resize(over(picture, _GREY), (CELL, CELL), interpolation=cv2.INTER_AREA)
    cell = (np.clip(small, 0, 1) * 255 + 0.5).astype(np.uint8)
    if exploded:
        cv2.rectangle(cell, (1, 1), (CELL - 2, CELL - 2), (200, 20, 20), 3)
    return cell


def _sheet(cells: list[Bytes]) -> Bytes:
    rows = []
    for first in range(0, len(cells), COLUMNS):
        row = cells[first : first + COLUMNS]
        row += [np.full_like(cells[0], 255)] * (COLUMNS - len(row) if len(cells) > COLUMNS else 0)
        rows.append(np.concatenate(row, 1))
    return np.concatenate(rows, 0)
