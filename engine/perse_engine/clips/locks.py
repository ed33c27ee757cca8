"""What hairdos look like: strands along their flow, dark between locks, lit where they turn, with soft ends."""

from __future__ import annotations

import dataclasses

import numpy as np

from perse_engine.clips.anatomy import MILLIMETRE
from perse_engine.clips.canvas import Canvas, sparse_layer
from perse_engine.clips.hair_shapes import (
    DOME,
    ROWS,
    SHEETS,
    TIED,
    UPPER,
    face_border,
    falls_below_chin,
)
from perse_engine.clips.noise import in_waves, layered_noise, smoothstep, strands, surface_noise, value_noise
from perse_engine.clips.parameters import Hair
from perse_engine.clips.scalp import COLUMNS, WHORL, skull_center
from perse_engine.clips.wardrobe import Layer
from perse_engine.surfaces.colors import Floats, oklab_to_srgb
from perse_engine.surfaces.normals import vertex_normals

WIDTH = {"fine": 1.9, "thick": 2.6, "frizzy": 2.1}
"""Millimetres between strands that one tells apart."""
TORN = 34.0
"""Millimetres between columns, at rest 10 to 20, from which one fell before the shoulder and the other behind it."""
PARTING = 0.018
"""Radians about the whorl to which the shade in a parting reaches: nearly 2 mm."""
WAVES = 10
"""Groups of strands that come one after another."""


@dataclasses.dataclass(frozen=True, eq=False)
class Strands:
    """The sheets' texels as a hairdo lays them out. M texels.

    Attributes:
        texels: (M,) ascending, of the atlas.
        sheet: (M,) 0 is the innermost.
        row, azimuth: (M,) where in the grid.
        point, normal: (M, 3) as worn.
        along: (M, 3) unit length, the way the strand goes.
        hairline: (M,) angle from the whorl at which the texel's column leaves the scalp.
        arc: (M,) millimetres from the whorl along the column.
        root: (M,) millimetres of the column from the hairline on; negative on the scalp.
        tip: (M,) millimetres to the end of the column.
        apart: (M,) millimetres to the next columns.
    """

    texels: np.ndarray
    sheet: np.ndarray
    row: Floats
    azimuth: Floats
    point: Floats
    normal: Floats
    along: Floats
    hairline: Floats
    arc: Floats
    root: Floats
    tip: Floats
    apart: Floats


def laid_out(canvas: Canvas, style: Hair, worn: Floats) -> Strands:
    """Where the texels of the sheets lie, `worn` (V, 3) as the style has them."""
    texels = np.flatnonzero(canvas.part("locks"))
    triangle = canvas.texels.triangle.reshape(-1)[texels]
    corner = canvas.texels.barycentric.reshape(-1, 3)[texels]
    own = canvas.figure.faces[canvas.figure.face_parts == canvas.figure.parts.index("locks")]
    first = int(own.min())
    index = canvas.figure.faces[triangle] - first
    unit = MILLIMETRE * canvas.anatomy.size
    grid = worn.reshape(SHEETS, ROWS, COLUMNS, 3)
    steps = np.linalg.norm(np.diff(grid, axis=1, prepend=grid[:, :1]), axis=-1)
    arc = steps.cumsum(1) / unit
    last = ROWS - 1 if falls_below_chin(style) or style.shape in TIED else DOME + UPPER - 1
    tip = arc[:, last : last + 1] - arc
    normal = vertex_normals(worn, own - first).reshape(grid.shape)
    seam = normal[:, :, 0] + normal[:, :, -1]
    normal[:, :, 0] = normal[:, :, -1] = seam
    normal[:, 0] = normal[:, 0].mean(1, keepdims=True)
    along = np.gradient(grid, axis=1)
    bind = canvas.figure.vertices[first : first + len(worn)].reshape(grid.shape)
    edge = bind[0, DOME - 1] - skull_center(canvas.anatomy)
    edge /= np.linalg.norm(edge, axis=1, keepdims=True)
    hairline = np.arccos(np.clip(edge @ np.array([0.0, np.cos(WHORL), -np.sin(WHORL)]), -1, 1))
    shape = (SHEETS, ROWS, COLUMNS)
    beside = np.linalg.norm(np.diff(grid, axis=2), axis=-1) / unit
    apart = np.sqrt(beside * np.roll(beside, 1, axis=2))
    fields = [
        np.broadcast_to(np.arange(ROWS)[None, :, None], shape),
        np.broadcast_to(np.linspace(-np.pi, np.pi, COLUMNS), shape),
        np.broadcast_to(hairline, shape),
        arc,
        arc - arc[:, DOME - 1 : DOME],
        tip,
        np.concatenate([apart, apart[:, :, :1]], 2),
    ]
    table = np.concatenate([np.stack(fields, -1), grid, normal, along], -1).reshape(len(worn), -1).astype(np.float32)
    value = np.einsum("mk,mkc->mc", corner, table[index])
    directions = value[:, 10:16].reshape(-1, 2, 3)
    directions /= np.maximum(np.linalg.norm(directions, axis=-1, keepdims=True), 1e-9)
    sheet = index[:, 0] // (ROWS * COLUMNS)
    row, azimuth, *lengths = value[:, :7].T
    return Strands(texels, sheet, row, azimuth, value[:, 7:10], directions[:, 0], directions[:, 1], *lengths)


def flow(s: Strands, style: Hair) -> tuple[Floats, Floats]:
    """Where texels lie across the strands and along them, millimetres."""
    angle = np.clip(s.row / (DOME - 1), 0, 1) * s.hairline
    beyond = np.maximum(s.root, 0)
    if style.shape == "slicked" or style.shape in TIED:
        # everything is combed towards one place at the back
        pole_angle = 0.9 if style.shape in TIED else 1.75
        x = np.sin(angle) * np.sin(s.azimuth)
        up, front = np.cos(angle), np.sin(angle) * np.cos(s.azimuth)
        towards = up * np.cos(pole_angle) - front * np.sin(pole_angle)
        lifted = up * np.sin(pole_angle) + front * np.cos(pole_angle)
        across, along = 70 * np.arctan2(x, lifted), -100 * np.arccos(np.clip(towards, -1, 1))
        if style.shape in TIED:
            tail = s.sheet == SHEETS - 1
            across, along = np.where(tail, 24 * s.azimuth, across), np.where(tail, s.arc, along)
        return across.astype(np.float32), (along + np.where(s.root > 0, beyond, 0)).astype(np.float32)
    if not _parts(style):  # combed from the whorl
        return (85 * s.azimuth).astype(np.float32), (100 * angle + beyond).astype(np.float32)
    # away from the parting, and around its end at the whorl
    x, z = _from_parting(s, style)
    behind = z < 0
    across = np.where(behind, 0.9 * np.arctan2(-z, np.abs(x) + 1e-3), -z)
    across = np.where(x < 0, 9 - across, across)
    along = np.where(behind, np.hypot(x, z), np.abs(x))
    return (100 * across).astype(np.float32), (100 * along + beyond).astype(np.float32)


def _parts(style: Hair) -> bool:
    """Whether hair falls to both sides of a line."""
    combed = style.shape == "slicked" or style.shape in (*TIED, "coily")
    return not combed and style.cut != "short" and style.fringe <= 0.5


def _from_parting(s: Strands, style: Hair) -> tuple[Floats, Floats]:
    """(M,) radians to the left of the parting, and before its end at the whorl."""
    angle = np.clip(s.row / (DOME - 1), 0, 1) * s.hairline
    z = angle * np.cos(s.azimuth)
    return angle * np.sin(s.azimuth) - 0.32 * style.parting * smoothstep(-0.2, 0.3, z), z


def painted(canvas: Canvas, style: Hair, worn: Floats, hue: Floats, seed: int) -> Layer:
    """The sheets as a style paints them.

    Args:
        worn: (V, 3) the sheets' vertices.
        hue: (3,) OKLab albedo of the hair.
    """
    s = laid_out(canvas, style, worn)
    across, along = flow(s, style)
    clump = layered_noise(np.stack([across / 13 + 7 * s.sheet, along / 70], -1), seed + 1)
    across = across + _bends(style, along, clump)
    width = WIDTH[style.texture]
    fine = strands(across / width + 50 * s.sheet, along / 38, seed + 2)
    lock = value_noise(np.stack([across / 7 + 23 * s.sheet, along / 90 + 0.6 * clump], -1), seed + 3)
    if style.shape == "coily":
        curl = surface_noise(s.point, s.normal, 5.5 * MILLIMETRE, seed + 4)
        fine = 0.6 * surface_noise(s.point, s.normal, 2.3 * MILLIMETRE, seed + 5) + 0.4 * curl
        lock = surface_noise(s.point, s.normal, 13 * MILLIMETRE, seed + 6)
    if style.shape == "curly":
        fine, lock = _ringlets(across, along, fine, seed)
    alpha = _alpha(s, style, fine, lock, clump)
    # light reaches the roots at the hairline, not those under a curtain of hair
    turn = np.abs(s.azimuth)
    inner = 0.40 + 0.45 * smoothstep(-32, -4, s.root) * smoothstep(3, -2, s.root) * (turn < 1.1)
    front = face_border(style)
    inner = np.maximum(inner, 0.40 + 0.35 * smoothstep(front + 0.40, front + 0.15, turn) * (s.root > 0))
    depth = np.choose(s.sheet, [inner, np.full_like(inner, 0.95), np.full_like(inner, 1.08)])
    relief = (0.60 + 0.34 * smoothstep(0.1, 0.8, fine)) + 0.26 * smoothstep(0.15, 0.7, lock)
    relief *= 0.86 + 0.14 * smoothstep(0, 45, along + 60 * (style.shape in (*TIED, "slicked", "coily")))
    if _parts(style) and style.shape != "curly":  # between the roots one looks deeper
        x, z = _from_parting(s, style)
        away = np.hypot(x + 0.03 * (clump - 0.5), np.minimum(z, 0)) / (PARTING * (0.7 + 0.6 * lock))
        relief *= 1 - 0.42 * np.exp(-(away**2)) * (s.root <= 0)
    lab = np.empty((len(s.texels), 3), np.float32)
    lab[:, 0] = np.clip(hue[0] * depth * relief, 0.03, 0.95)
    lab[:, 1:] = hue[1:] * np.clip(0.35 + 0.6 * depth * relief, 0.5, 1.05)[:, None]
    color = _lit(canvas, s, style, lab, fine, clump)
    # on the skull new hair comes under the old, below it each texel is longer
    seen = np.interp(s.row, [DOME - 1, DOME, DOME + UPPER - 1, DOME + UPPER], [0.5, 1.6, 1.6, 3.7])
    onset = in_waves(s.arc + 25 * clump + 15 * fine, alpha * seen, WAVES)
    return sparse_layer(s.texels, color, alpha, (alpha > 0.004).astype(np.float32), onset, 1 / WAVES)


def hair_texels(canvas: Canvas) -> np.ndarray:
    """(M,) flat indices, ascending, of all hair that a hat may have to hide: the photo's own and every hairdo's."""
    own = canvas.part("hair") & (canvas.base[..., 3] > 0)
    return np.flatnonzero(own | canvas.part("locks"))


def _bends(style: Hair, along: Floats, clump: Floats) -> Floats:
    """Millimetres sideways of strands that wave or curl finer than the sheets do."""
    size, length = {"wavy": (1.6, 42.0), "curly": (1.5, 21.0)}.get(style.shape, (0.6, 60.0))
    if style.texture == "frizzy":
        size += 0.8
    return np.asarray(size * np.sin(2 * np.pi * along / length + 9 * clump), np.float32)


def _ringlets(across: Floats, along: Floats, fine: Floats, seed: int) -> tuple[Floats, Floats]:
    """Of corkscrew curls: strands (M,) wound around them, and (M,) how near the middle of a curl each texel is."""
    wide, turn = 11.0, 17.0
    place = across / wide + 0.9 * layered_noise(np.stack([across / 34, along / 30], -1), seed + 21)
    curl = np.floor(place)
    own = value_noise(np.stack([curl * 7.3 + 0.5, np.full_like(curl, 3.5)], -1), seed + 22)
    u = place - curl
    coil = 0.5 + 0.5 * np.sin(2 * np.pi * ((along / turn) * (0.8 + 0.4 * own) + 0.7 * np.sign(own - 0.5) * u + 5 * own))
    middle = np.sqrt(np.clip(4 * u * (1 - u), 0, 1))
    wound = 0.42 * coil * middle + 0.18 * middle + 0.40 * fine
    return np.asarray(wound, np.float32), np.asarray(middle * (0.55 + 0.45 * coil), np.float32)


def _alpha(s: Strands, style: Hair, fine: Floats, lock: Floats, clump: Floats) -> Floats:
    """(M,) in [0, 1]: strands, the gaps between them, and where they begin and end."""
    dense = {"fine": 0.34, "thick": 0.30, "frizzy": 0.44}[style.texture]
    body = np.choose(
        s.sheet,
        [
            np.ones_like(fine),
            smoothstep(0.10, 0.30, 0.55 * fine + 0.45 * lock),
            smoothstep(dense, dense + 0.24, 0.7 * fine + 0.3 * lock),
        ],
    )
    below = falls_below_chin(style)
    end = ROWS - 1 if below else DOME + UPPER - 1
    uneven = {"straight": 9.0, "wavy": 20.0, "curly": 22.0, "coily": 9.0}.get(style.shape, 8.0)
    ragged = np.full_like(fine, uneven * (1.6 if below else 1.0))
    if style.cut == "short":  # cut strand by strand: nowhere one line
        ragged = 4 + 16 * smoothstep(1.2, 0.5, np.abs(s.azimuth))
    alpha = body * smoothstep(0, 7, s.tip - ragged * (0.4 * (1 - fine) + 0.6 * (1 - lock)))
    tail = (s.sheet == SHEETS - 1) & (style.shape in TIED)
    if style.shape == "bun":
        solid = smoothstep(0.05, 0.25, 0.6 * fine + 0.4 * lock) * (s.row < DOME + UPPER - 1)
    else:
        solid = smoothstep(0.12, 0.32, fine) * smoothstep(0, 9, s.tip - 55 * (1 - fine) * 0.6 - 20 * clump)
    alpha = np.where(tail, solid, alpha * (s.row < end))
    # in front, without a fringe, strands begin at the hairline one after another and nothing hangs over the face
    turn = np.abs(s.azimuth)
    edge = face_border(style) + 0.10 * (fine - 0.5) + 0.22 * (clump - 0.5) + 0.10 * smoothstep(60, 300, s.root)
    open_face = smoothstep(edge + 0.03, edge - 0.03, turn) * (style.fringe < 0.05)
    begun = smoothstep(0.0, 2.0, -s.root - 6.0 * (1 - fine) - 2.0 * s.sheet)
    alpha = np.where(tail, alpha, alpha * (1 - open_face * (1 - begun)))
    if below:  # hair lies before the shoulder or behind it, not through it
        whole = smoothstep(TORN + 4, TORN - 4, s.apart - 14 * (fine - 0.5) - 8 * (lock - 0.5))
        alpha = alpha * np.where(s.row > DOME + UPPER - 1, whole, 1)
    return np.asarray(alpha, np.float32)


def _lit(canvas: Canvas, s: Strands, style: Hair, lab: Floats, fine: Floats, clump: Floats) -> Floats:
    """(M, 3) sRGB in the photo's light, with the sheen that hair has across its strands (Kajiya and Kay, 1989)."""
    normal = s.normal + 0.35 * (clump - 0.5)[:, None] * np.cross(s.along, s.normal)
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
    color = canvas.lit(s.texels, oklab_to_srgb(lab), normal)
    strongest = canvas.portrait.light[1:4].mean(1)[[2, 0, 1]] + np.array([0.0, 0.25, 0.15])
    half = strongest / np.linalg.norm(strongest) + np.array([0.0, 0.0, 0.6]) + 0.6 * normal
    half /= np.maximum(np.linalg.norm(half, axis=1, keepdims=True), 1e-9)
    tilt = np.einsum("mc,mc->m", s.along + 0.25 * (clump - 0.5)[:, None] * normal, half)
    sheen = np.clip(1 - tilt**2, 0, 1) ** 14 * smoothstep(0.35, 0.9, fine) * (s.sheet > 0)
    gloss = {"fine": 0.20, "thick": 0.17, "frizzy": 0.07}[style.texture] * (0.3 if style.shape == "coily" else 1.0)
    tint = 0.35 + 0.65 * color / np.maximum(color.max(1, keepdims=True), 0.05)
    return np.asarray(np.clip(color + (gloss * sheen)[:, None] * tint, 0, 1), np.float32)
