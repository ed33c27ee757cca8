"""The geometry of hairdos: three sheets over the skull, one inside the other, that fall on from the hairline.

Every sheet is a grid. Its columns start at the whorl and run over the skull to the hairline (`DOME` rows), on down to
the height of the chin (`UPPER` rows), and from there over neck and shoulders (`LOWER` rows). All hairdos share it, so
one morphs into another. Of what does not reach below the chin the lower rows lie in its tips, unseen.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from scipy.ndimage import gaussian_filter1d

from perse_engine.clips.anatomy import MILLIMETRE, Anatomy
from perse_engine.clips.meshes import Accessory, grid_faces
from perse_engine.clips.noise import smoothstep, value_noise
from perse_engine.clips.parameters import Hair
from perse_engine.clips.pieces import Piece
from perse_engine.clips.scalp import COLUMNS, Skull, find_skull
from perse_engine.heads.head import NECK, ROOT, Head
from perse_engine.surfaces.colors import Floats

SHEETS = 3
DOME, UPPER, LOWER = 10, 8, 8
ROWS = DOME + UPPER + LOWER
SHEET_TILES = ((0.0, 0.22), (0.22, 0.61), (0.61, 1.0))
"""The part of the tile's height that each sheet has, from the innermost out."""
FACE = np.radians(50.0)
"""Azimuth up to which a fringe falls over the face."""
STEP = 0.008
TIED = ("ponytail", "bun")
CLEAR = np.array([1.2, 2.0, 2.8]) * MILLIMETRE
CLEAR_BELOW = np.array([3.0, 4.2, 5.4]) * MILLIMETRE
"""How far off the skin each sheet stays on the head, and below the chin, where shoulders bend between its vertices."""


@dataclasses.dataclass(frozen=True)
class Form:
    """How a shape of hair lies: thickness over the skull and how much it lets gravity have, waves' size and length."""

    thickness: float
    weight: float
    wave: float = 0.0
    wavelength: float = 60.0
    clumps: float = 1.2


FORMS = {
    "straight": Form(13.0, 0.45, clumps=1.6),
    "wavy": Form(17.0, 0.40, 5.0, 62.0, 2.6),
    "curly": Form(24.0, 0.30, 6.0, 34.0, 4.0),
    "coily": Form(44.0, 0.12, 0.0, 40.0, 5.0),
    "slicked": Form(8.0, 0.50),
    "ponytail": Form(6.0, 0.50, clumps=0.8),
    "bun": Form(6.0, 0.50, clumps=0.8),
}
"""Millimetres, but for `weight`: the share of the way down that a lock turns every 8 mm."""
BODY = {"fine": 0.85, "thick": 1.2, "frizzy": 1.1}
SIDES = {"short": 16.0, "chin": 0.0, "shoulder": 0.0, "long": 0.0}


def locks(head: Head, anatomy: Anatomy, styles: Sequence[Hair]) -> Piece:
    """The sheets in every style; own, buzzed and shaved hair leaves them close to the head, where they wait."""
    skull = find_skull(head, anatomy)
    bind = _sheets(skull, Hair(label="-", cut="long", fringe=1.0), waiting=True)
    shapes = [_sheets(skull, s, waiting=False) if s.cut in SIDES else bind for s in styles]
    faces, uv = [], []
    for sheet, (low, high) in enumerate(SHEET_TILES):
        faces.append(grid_faces(ROWS, COLUMNS)[:, ::-1] + sheet * ROWS * COLUMNS)
        uv.append(_layout(low, high))
    mesh = Accessory(
        np.stack(shapes).astype(np.float32),
        bind.astype(np.float32),
        np.ascontiguousarray(np.concatenate(faces)),
        np.concatenate(uv).astype(np.float32),
    )
    return Piece("locks", mesh, _weights(skull, bind))


def _layout(low: float, high: float) -> Floats:
    """(ROWS COLUMNS, 2): half of a sheet's texels are on the skull, where strands run aslant."""
    down = np.interp(np.arange(ROWS), [0, DOME - 1, DOME + UPPER - 1, ROWS - 1], [0.0, 0.5, 0.76, 1.0])
    u, v = np.meshgrid(np.linspace(0.002, 0.998, COLUMNS), high - 0.004 - down * (high - low - 0.008))
    return np.stack([u, v], -1).reshape(-1, 2)


def _weights(skull: Skull, bind: Floats) -> Floats:
    """(V, 5): down to the chin hair turns with the skull, from there it comes to lie on the shoulders."""
    height = bind[:, 1].reshape(SHEETS, ROWS, COLUMNS)
    start = height[:, DOME + UPPER - 1 : DOME + UPPER]
    falls = np.clip((np.minimum(start, skull.neck) - height) / (0.11 * skull.anatomy.size), 0, 1)
    falls[:, : DOME + UPPER] = 0
    weights = np.zeros((len(bind), 5), np.float32)
    weights[:, ROOT] = falls.reshape(-1)
    weights[:, NECK] = 1 - weights[:, ROOT]
    return weights


def _sheets(skull: Skull, style: Hair, waiting: bool) -> Floats:
    """(SHEETS ROWS COLUMNS, 3) the vertices of one hairdo."""
    form = FORMS[style.shape]
    unit = MILLIMETRE * skull.anatomy.size
    thick = form.thickness * BODY[style.texture] * unit + style.volume * unit
    if style.shape == "coily":
        thick *= {"short": 0.55, "chin": 1.0, "shoulder": 1.3, "long": 1.6}[style.cut]
    fly = (2.2 + 1.4 * (style.texture == "frizzy")) * unit
    depth = np.array([0.35 * thick, thick, thick + fly])
    if waiting:
        depth = np.array([1.2, 2.0, 2.8]) * unit
    dome = _dome(skull, style, depth)
    fallen = _fall(skull, form, style, dome, depth)
    if style.shape == "coily" and not waiting:
        # a round outline closes towards the neck
        inwards = np.concatenate([np.linspace(1 / UPPER, 1, UPPER) ** 2.2, np.ones(LOWER)])[None, :, None, None]
        _, way = skull.body.gap(fallen.reshape(-1, 3))
        closed = 0.8 * (depth[:, None, None, None] - depth[0] * 0.3) * inwards
        fallen = fallen - way.reshape(fallen.shape) * closed
    sheets = np.concatenate([dome, fallen], 1)
    if not waiting:
        sheets = _calmed(skull, sheets, depth)
        sheets = _outside(skull, _waved(skull, form, style, sheets), CLEAR)
        sheets[:, DOME + UPPER :] = _outside(skull, sheets[:, DOME + UPPER :], CLEAR_BELOW)
        if style.shape in TIED:
            sheets[2] = _tied(skull, style)
    sheets[:, :, -1] = sheets[:, :, 0]
    return np.asarray(sheets.reshape(-1, 3))


def _dome(skull: Skull, style: Hair, depth: Floats) -> Floats:
    """(SHEETS, DOME, COLUMNS, 3) from the whorl to the hairline."""
    t = np.linspace(0, 1, DOME)[:, None]
    angle = t * skull.hairline[None]
    azimuth = np.broadcast_to(skull.azimuth, angle.shape)
    directions = skull.directions(angle, azimuth)
    skin = skull.on_skin(directions.reshape(-1, 3)).reshape(directions.shape)
    _, normal = skull.skull.gap(skin.reshape(-1, 3))
    outward = normal.reshape(skin.shape) + directions
    outward /= np.linalg.norm(outward, axis=-1, keepdims=True)
    # in front the hair rises from its line; at the parting it lies lower
    front = smoothstep(1.5, 0.7, np.abs(azimuth))
    left = (skull.hairline[None] - angle) * 0.1 * skull.anatomy.size
    rise = 1 - front * (1 - 0.22 - 0.78 * smoothstep(0.0, 0.024, left)) * (1 - 0.7 * style.fringe)
    if style.shape in ("straight", "wavy") and style.cut != "short":
        rise = rise * (
            1 - 0.3 * (1 - 0.6 * style.fringe) * np.exp(-((parting_distance(skull, style, angle, azimuth) / 0.10) ** 2))
        )
    if style.cut == "short" and style.shape != "coily":  # cut closer and closer towards the neck and the ears
        rise = rise * (1 - 0.72 * (t**1.6) * smoothstep(0.7, 1.3, np.abs(azimuth)))
    # on top hair stands up, at the temples its own weight lays it down
    rise = rise * (1 - 0.38 * (t**2) * np.sin(azimuth) ** 2 * (style.shape != "coily"))
    return np.asarray(skin[None] + outward[None] * (depth[:, None, None] * rise[None])[..., None])


def parting_distance(skull: Skull, style: Hair, angle: Floats, azimuth: Floats) -> Floats:
    """(...) radians from the parting: a line from the hairline in front back to the whorl."""
    x, z = angle * np.sin(azimuth), angle * np.cos(azimuth)
    front = float(np.interp(0.0, skull.azimuth, skull.hairline))
    return np.asarray(np.hypot(x - 0.32 * style.parting, z - np.clip(z, 0, front)))


def _fall(skull: Skull, form: Form, style: Hair, dome: Floats, depth: Floats) -> Floats:
    """(SHEETS, UPPER + LOWER, COLUMNS, 3): locks that go on from the hairline, fall, and lie on what they meet."""
    size = skull.anatomy.size
    place = dome[:, -1].reshape(-1, 3)
    heading = (dome[:, -1] - dome[:, -2]).reshape(-1, 3)
    heading /= np.linalg.norm(heading, axis=1, keepdims=True)
    azimuth = np.tile(skull.azimuth, SHEETS)
    clearance = np.repeat(depth * (1.0 if style.shape == "coily" else 0.62), COLUMNS)
    steps = int(0.46 * size / STEP)
    path = np.empty((steps + 1, len(place), 3))
    path[0] = place
    down = np.array([0.0, -1.0, 0.0])
    ahead = np.where(np.abs(azimuth) < np.radians(98), 1.0, -1.0)
    aside = np.sign(azimuth) * smoothstep(0.25, 0.6, np.abs(azimuth)) * (np.abs(azimuth) < 1.6)
    face = 0.071 * size
    close = np.maximum(clearance, np.repeat([2.5, 4.0, 5.5], COLUMNS) * MILLIMETRE)
    over_brow = (np.abs(azimuth) < FACE) & (style.fringe > 0)
    for k in range(steps):
        heading = heading + form.weight * (down - heading)
        # hair parts beside the face instead of falling over it
        out = np.clip((face - np.abs(place[:, 0])) / 0.03, 0, 1) * (place[:, 2] > 0.01) * (~over_brow | (k > 6))
        heading[:, 0] += 0.55 * aside * out
        heading /= np.linalg.norm(heading, axis=1, keepdims=True)
        place = place + STEP * heading
        gap, normal = skull.body.gap(place)
        inside = np.maximum(close * np.where(place[:, 1] < skull.neck, 0.75, 1.0) - gap, 0)
        touching = (inside > 0)[:, None]
        place = place + inside[:, None] * normal
        on_shoulder = (touching[:, 0] & (place[:, 1] < skull.neck))[:, None]
        slide = heading - np.minimum(np.einsum("nc,nc->n", heading, normal), 0)[:, None] * normal
        heading = np.where(touching, slide, heading)
        # on the shoulder a lock slides to the front or to the back, hardly outwards
        slipping = np.stack([0.35 * heading[:, 0], heading[:, 1], heading[:, 2] + 0.5 * ahead], -1)
        heading = np.where(on_shoulder, slipping, heading)
        path[k + 1] = place
    return _cut(skull, style, path.reshape(steps + 1, SHEETS, COLUMNS, 3))


def _cut(skull: Skull, style: Hair, path: Floats) -> Floats:
    """(SHEETS, UPPER + LOWER, COLUMNS, 3): paths (N, SHEETS, COLUMNS, 3) resampled up to the chin and to the ends."""
    a, size = skull.anatomy, skull.anatomy.size
    arc = np.arange(len(path)) * STEP
    chin = float(a.chin[1])
    azimuth = np.abs(skull.azimuth)
    end_y = {"short": chin, "chin": chin, "shoulder": chin - 0.07 * size, "long": chin - 0.235 * size}[style.cut]

    def reached(height: float) -> Floats:
        below = path[..., 1] <= height
        first = np.where(below.any(0), below.argmax(0), len(path) - 1)
        return np.asarray(arc[first])

    to_chin = reached(chin)
    # what lies on the shoulder does not go on along it
    to_end = np.clip(reached(end_y), to_chin, to_chin + 1.2 * (chin - end_y))
    if style.cut == "short":
        around_ear = 1 - 0.7 * np.exp(-(((azimuth - 1.65) / 0.35) ** 2))
        tapered = SIDES["short"] * around_ear * (1 + 0.5 * smoothstep(1.8, 2.6, azimuth)) * MILLIMETRE * size
        to_chin = np.minimum(to_chin, np.broadcast_to(tapered, to_chin.shape))
    if style.shape == "coily":
        to_chin = np.minimum(to_chin, 0.055 * size)
    if style.shape in TIED or (style.shape == "slicked" and style.cut == "short"):
        to_chin = np.minimum(to_chin, 0.012 * size)
    to_chin = gaussian_filter1d(to_chin, 0.7, axis=-1, mode="nearest")
    # over the face only a fringe, down to the brows
    brow = reached(float(a.eyes[:, 1].mean()) + (0.030 - 0.012 * style.fringe) * size)
    fringe = np.clip(brow, 0.02 * size, 0.075 * size) * (0.35 + 0.65 * style.fringe)
    border = face_border(style)
    blend = smoothstep(border - 0.22, border + 0.12, azimuth)
    to_chin = fringe * (1 - blend) + to_chin * blend
    falls_on = falls_below_chin(style) & (blend > 0.5)
    to_end = np.where(falls_on, np.maximum(to_end, to_chin), to_chin)
    upper = to_chin[:, None] * np.linspace(1 / UPPER, 1, UPPER)[None, :, None]
    lower = to_chin[:, None] + (to_end - to_chin)[:, None] * np.linspace(1 / LOWER, 1, LOWER)[None, :, None]
    wanted = np.concatenate([upper, lower], 1) / STEP
    first = np.clip(wanted.astype(int), 0, len(path) - 2)
    part = (wanted - first)[..., None]
    sheet, column = np.arange(SHEETS)[:, None, None], np.arange(COLUMNS)[None, None]
    return np.asarray(path[first, sheet, column] * (1 - part) + path[first + 1, sheet, column] * part)


def face_border(style: Hair) -> float:
    """Azimuth up to which the forehead is open, or covered by the fringe; parted hair begins to fall further in."""
    parted = style.shape in ("straight", "wavy", "curly") and style.cut != "short" and style.fringe == 0
    return 0.50 if parted else float(FACE)


def falls_below_chin(style: Hair) -> bool:
    """Whether the lower rows of the sheets show anything of a style."""
    return style.cut in ("shoulder", "long") and style.shape not in (*TIED, "coily")


def _calmed(skull: Skull, sheets: Floats, depth: Floats) -> Floats:
    """The sheets without the steps that ears make in them, still outside the skin."""
    calm = sheets.copy()
    lower = np.clip((np.arange(ROWS) - DOME + 4) / 4, 0, 1)
    sides = (lower[:, None] * np.abs(np.sin(skull.azimuth)) ** 3)[None, ..., None]
    least = np.array([2.0, 3.5, 5.0]) * MILLIMETRE
    for _ in range(3):
        soft = gaussian_filter1d(calm, 1.5, axis=1, mode="nearest")
        soft = np.concatenate([gaussian_filter1d(soft[:, :, :-1], 0.8, axis=2, mode="wrap"), soft[:, :, :1]], 2)
        calm = calm + sides * (soft - calm)
        calm = np.where(lower[:, None, None] > 0, _outside(skull, calm, np.maximum(0.45 * depth, least)), calm)
    return np.asarray(calm)


def _outside(skull: Skull, sheets: Floats, least: Floats) -> Floats:
    """The sheets pushed out of the body where they come nearer than `least` (SHEETS,) metres."""
    gap, way = skull.body.gap(sheets.reshape(-1, 3))
    missing = np.maximum(least[:, None, None] - gap.reshape(sheets.shape[:3]), 0)
    return np.asarray(sheets + missing[..., None] * way.reshape(sheets.shape))


def _waved(skull: Skull, form: Form, style: Hair, sheets: Floats) -> Floats:
    """The sheets with clumps that stand out, waves from side to side, and ends that turn in a little."""
    unit = MILLIMETRE * skull.anatomy.size
    length = np.linalg.norm(np.diff(sheets, axis=1, prepend=sheets[:, :1]), axis=-1).cumsum(1)
    axis = skull.center * np.array([1.0, 0.0, 1.0])
    outward = (sheets - skull.center) * np.array([1.0, 0.45, 1.0])
    low = np.arange(ROWS)[None, :, None, None] >= DOME
    outward = np.where(low, (sheets - axis) * np.array([1.0, 0.0, 1.0]), outward)
    outward /= np.maximum(np.linalg.norm(outward, axis=-1, keepdims=True), 1e-9)
    along = np.gradient(sheets, axis=1)
    sideways = np.cross(outward, along)
    sideways /= np.maximum(np.linalg.norm(sideways, axis=-1, keepdims=True), 1e-9)
    around = np.broadcast_to(np.cos(skull.azimuth) * 5.3 + 11, length.shape)
    across = np.broadcast_to(np.sin(skull.azimuth) * 5.3 + 31, length.shape)
    grain = value_noise(np.stack([around + length * 14, across + length * 9], -1), 5) - 0.5
    fine = value_noise(np.stack([around * 2.1, across * 2.1 + length * 30], -1), 9) - 0.5
    # nothing stands out where the hair begins over the forehead, nor under a tied knot
    root = smoothstep(0.0, 0.03, length) * smoothstep(0.30, 1.0, np.abs(skull.azimuth) + 0.25 * style.fringe)
    sheet = np.array([0.5, 1.0, 1.25])[:, None, None]
    bulge = form.clumps * unit * (1.5 * grain + 1.1 * fine) * sheet
    phase = 2 * np.pi * (length / (form.wavelength * unit) + 0.9 * grain + 0.35 * np.sin(skull.azimuth * 3))
    wave = form.wave * unit * smoothstep(0.02, 0.10, length) * sheet
    moved = sheets + outward * ((bulge + 0.55 * wave * np.sin(phase)) * root)[..., None]
    return np.asarray(moved + sideways * (wave * np.cos(phase) * root)[..., None])


def _tied(skull: Skull, style: Hair) -> Floats:
    """(ROWS, COLUMNS, 3) the outer sheet gathered at the back of the head: a tail that hangs, or a bun."""
    size = skull.anatomy.size
    knot_way = skull.directions(np.array([0.62 if style.shape == "bun" else 0.9]), np.array([np.pi]))[0]
    knot = skull.on_skin(knot_way[None])[0]
    turn = skull.azimuth
    if style.shape == "bun":
        radius = np.array([0.036, 0.031, 0.036]) * size
        up = np.array([0.0, knot_way[2], -knot_way[1]])
        side = np.array([1.0, 0.0, 0.0])
        latitude = np.concatenate([np.linspace(0.02, np.pi - 0.05, DOME + UPPER), np.full(LOWER, np.pi - 0.05)])
        ring = np.cos(turn)[:, None] * up + np.sin(turn)[:, None] * side
        ball = np.sin(latitude)[:, None, None] * ring[None] * radius[0]
        center = knot + knot_way * 0.026 * size
        return np.asarray(center + ball + np.cos(latitude)[:, None, None] * knot_way * radius[1])
    t = np.linspace(0, 1, ROWS)
    reach = {"short": 0.07, "chin": 0.12, "shoulder": 0.19, "long": 0.30}[style.cut] * size
    back = knot_way * 0.027 * size
    path = knot + back * np.sqrt(np.clip(3.2 * t, 0, 1))[:, None]
    path[:, 1] += 0.012 * size * np.sin(np.pi * np.clip(3 * t, 0, 1)) - reach * np.clip(t - 0.08, 0, 1) ** 1.25
    path[:, 2] -= 0.012 * size * np.sin(np.pi * t)
    girth = (0.013 + 0.015 * smoothstep(0.02, 0.35, t)) * (1 - 0.55 * smoothstep(0.55, 1.0, t)) * size
    for _ in range(4):
        gap, normal = skull.body.gap(path)
        path = path + np.maximum(girth * 0.9 - gap, 0)[:, None] * normal * smoothstep(0.1, 0.3, t)[:, None]
    along = np.gradient(path, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    side = np.array([1.0, 0.0, 0.0])
    out = np.cross(side, along)
    ring = np.cos(turn)[None, :, None] * -out[:, None] * 0.8 + np.sin(turn)[None, :, None] * side
    return np.asarray(path[:, None] + ring * girth[:, None, None])
