"""Lids that close: upper margins that come down on the lower ones, clear of the eyeball, on every personal head."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from perse_engine.heads.head import LEFT_EYE, RIGHT_EYE, Head

Points = NDArray[np.float64]

OVERLAP = 0.0008  # metres that a closed upper lid hangs over the margin of the lower one
AHEAD = 0.0005  # metres that it lies before it
CLEAR = 0.0005  # metres between a closed lid and the eyeball
THICK = 0.0012  # metres of a closed lid beyond that, of what is more only a part stays
MOVING = 0.06  # share of a blink's largest motion from which skin counts as the upper lid
BALL = 0.975  # of an eyeball's size, so that identities with shallow sockets keep it behind the skin
CORNER = 0.0008  # metres between the lids where the eye begins
COLUMNS = 41


@dataclasses.dataclass(frozen=True, eq=False)
class Margins:
    """The free edges of one eye's lids on the head at rest, C columns from the inner to the outer corner.

    Attributes:
        x: (C,) metres, head space.
        upper: (C, 2) y and z of the open upper lid's lowest points.
        closed: (C, 2) the same when the model blinks.
        fall: (C,) metres by which a blink lowers the upper margin.
        lower: (C, 2) y and z of the lower lid's front edge.
    """

    x: Points
    upper: Points
    closed: Points
    fall: Points
    lower: Points


def lid_margins(head: Head, side: int, *, beyond: bool = False) -> Margins | None:
    """The margins of the left (0) or right (1) eye; None for heads without blinks or eyeballs.

    Args:
        beyond: also a little past the corners, where the lids have become one.
    """
    blink = blink_direction(head, side)
    if blink is None or "eyes" not in head.parts:
        return None
    center = head.joints[(LEFT_EYE, RIGHT_EYE)[side]].astype(np.float64)
    rest = head.template.astype(np.float64)
    skin = head.faces[head.face_parts == head.parts.index("skin")]
    fall = lid_fall(head, side)
    near = np.abs(rest[skin] - center).max((1, 2)) < 0.03
    moving = fall > MOVING
    upper = skin[near & moving[skin].all(1)]
    still = skin[near & ~moving[skin].any(1)]
    if not len(upper) or not len(still):
        return None
    reach = rest[np.unique(upper[fall[upper].max(1) > (0.2 if beyond else 0.6)]), 0]
    found = []
    for x in np.linspace(reach.min(), reach.max(), COLUMNS):
        opened, shut = _slice(rest, upper, x, rest), _slice(rest + blink, upper, x, rest)
        below = _slice(rest, still, x, rest)
        if not len(opened) or not len(shut):
            continue
        edge = opened[opened[:, 1].argmin()]
        down = shut[shut[:, 1].argmin()]
        below = below[(below[:, 1] < edge[1] + 1e-4) & (below[:, 2] > down[2] - 0.006)]
        if not len(below):
            continue
        shelf = below[below[:, 1] > below[:, 1].max() - 0.0005]
        front = shelf[shelf[:, 2].argmax()]
        found.append((x, *edge[1:3], *down[1:3], down[4] - down[1], *front[1:3]))
    if len(found) < 5:
        return None
    rows = np.array(found)
    apart = rows[:, 1] - rows[:, 6] > CORNER
    if apart.sum() >= 5 and not beyond:
        rows = rows[apart.argmax() : len(rows) - apart[::-1].argmax()]
    return Margins(rows[:, 0], rows[:, 1:3], rows[:, 3:5], rows[:, 5], rows[:, 6:8])


def blink_direction(head: Head, side: int) -> Points | None:
    """(V, 3) metres that one eye's blink moves the head; None where the model has no such unit."""
    name = ("eyeblinkleft", "eyeblinkright")[side]
    if name not in head.expression_names:
        return None
    return head.expression_directions[:, :, head.expression_names.index(name)].astype(np.float64)


def lid_fall(head: Head, side: int) -> Points:
    """(V,) in [0, 1]: how far a blink lowers each vertex, 1 for the skin that it lowers most; zero without blinks."""
    blink = blink_direction(head, side)
    if blink is None:
        return np.zeros(len(head.template))
    skin = np.unique(head.faces[head.face_parts == head.parts.index("skin")])
    return np.asarray(np.clip(-blink[:, 1] / max(float(-blink[skin, 1].min()), 1e-9), 0, 1))


def closing_lids(head: Head) -> Head:
    """`head` with blinks that bring the upper margins exactly onto the lower ones, outside the eyeballs.

    Identity and detail move lids and eyeballs, a blink does not: unchanged it leaves a slit or hangs over the cheek.
    """
    directions, template = head.expression_directions, head.template
    eyes = head.parts.index("eyes") if "eyes" in head.parts else -1
    balls = np.unique(head.faces[head.face_parts == eyes])
    for side, joint in enumerate((LEFT_EYE, RIGHT_EYE)):
        margins, blink = lid_margins(head, side, beyond=True), blink_direction(head, side)
        if margins is None or blink is None:
            continue
        if directions is head.expression_directions:
            directions, template = directions.copy(), template.copy()
        ball = balls[np.sign(head.template[balls, 0]) == np.sign(head.joints[joint, 0])]
        template[ball] += (1 - BALL) * (head.joints[joint] - template[ball])
        own = np.flatnonzero(np.abs(head.template - head.joints[joint]).max(1) < 0.035)
        own = own[np.abs(blink[own]).max(1) > 1e-6]
        moved = _onto_lower(head.template[own].astype(np.float64), blink[own], margins)
        moved = _outside(head, joint, own, moved)
        name = ("eyeblinkleft", "eyeblinkright")[side]
        directions[own, :, head.expression_names.index(name)] = moved
    return dataclasses.replace(head, template=template, expression_directions=directions)


def _onto_lower(rest: Points, blink: Points, margins: Margins) -> Points:
    """(N, 3) the blink of N vertices, stretched so that the margin ends on the lower lid."""
    x = rest[:, 0] + blink[:, 0]
    missing = np.stack(
        [
            margins.lower[:, 0] - OVERLAP - margins.closed[:, 0],
            margins.lower[:, 1] + AHEAD - margins.closed[:, 1],
        ],
        1,
    )
    missing = _smoothed(missing)
    fall = np.interp(x, margins.x, _smoothed(margins.fall[:, None])[:, 0])
    share = np.clip(-blink[:, 1] / np.maximum(fall, 1e-3), 0, 1)
    result = blink.copy()
    result[:, 1] += share * np.interp(x, margins.x, missing[:, 0])
    result[:, 2] += share**2 * np.interp(x, margins.x, missing[:, 1])
    return result


def _outside(head: Head, joint: int, own: NDArray[np.integer], blink: Points) -> Points:
    """The same blink, with the lid's front laid on the eyeball, and never through it, half way or shut."""
    center = head.joints[joint].astype(np.float64)
    balls = np.unique(head.faces[head.face_parts == head.parts.index("eyes")])
    ball = balls[np.sign(head.template[balls, 0]) == np.sign(center[0])]
    radius = float(np.linalg.norm(head.template[ball] - center, axis=1).max())
    start = head.template[own].astype(np.float64) - center
    skin = np.zeros(len(head.template), bool)
    skin[head.faces[head.face_parts == head.parts.index("skin")]] = True
    front = skin[own] & (np.linalg.norm(start, axis=1) > radius) & (start[:, 2] > 0)
    result = blink.copy()
    at = start + result
    length = np.linalg.norm(at, axis=1)
    fall = np.clip(-result[:, 1] / max(float(-result[:, 1].min()), 1e-6), 0, 1)
    excess = np.where(front, np.maximum(length - radius - CLEAR - THICK, 0), 0) * 0.65 * fall**2
    result[:, 2] -= excess * at[:, 2] / np.maximum(length, 1e-6)
    for share in (1.0, 0.5):
        at = start + share * result
        length = np.linalg.norm(at, axis=1)
        short = np.where(front, np.maximum(radius + CLEAR - length, 0), 0)
        result += (short / share)[:, None] * at / np.maximum(length, 1e-6)[:, None]
    return result


def _smoothed(rows: Points) -> Points:
    """(C, K) a running mean over columns, so that no fold of the mesh shows in the margin."""
    padded = np.pad(rows, ((2, 2), (0, 0)), mode="edge")
    return np.asarray(sum(padded[k : k + len(rows)] for k in range(5)) / 5)


def _slice(vertices: Points, faces: NDArray[np.integer], x: float, rest: Points) -> Points:
    """(P, 6) where triangles cross the plane of that x: the crossing, and where it was on `rest`."""
    corners, before = vertices[faces], rest[faces]
    height = corners[..., 0] - x
    out = []
    for a, b in ((0, 1), (1, 2), (2, 0)):
        crossing = height[:, a] * height[:, b] < 0
        t = (height[crossing, a] / (height[crossing, a] - height[crossing, b]))[:, None]
        here = corners[crossing, a] * (1 - t) + corners[crossing, b] * t
        was = before[crossing, a] * (1 - t) + before[crossing, b] * t
        out.append(np.concatenate([here, was], 1))
    return np.concatenate(out)
