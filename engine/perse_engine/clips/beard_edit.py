"""Beards: strands on moustache, chin, cheeks and neck, raised off the skin by their length."""

from __future__ import annotations

import numpy as np

from perse_engine.clips.anatomy import MILLIMETRE
from perse_engine.clips.canvas import Canvas, Edit, dilated, sparse_layer
from perse_engine.clips.colors import Floats, hex_to_srgb, oklab_to_srgb, srgb_to_oklab
from perse_engine.clips.noise import blurred, evened, layered_noise, smoothstep, strands, surface_noise
from perse_engine.clips.parameters import Beard

SOFTNESS = 0.35
"""Presence that one strand takes to come through."""


def beard(canvas: Canvas, style: Beard, seed: int) -> Edit:
    """A beard of the given lengths and regions."""
    lips = blurred(dilated(canvas.lips, 1), 1.2)
    candidates = canvas.part("skin") & (canvas.position[..., 2] > canvas.anatomy.ear_tops[:, 2].mean())
    texels = np.flatnonzero(candidates & (canvas.position[..., 1] < canvas.anatomy.eyes[:, 1].mean()))
    point = canvas.flat_position[texels]
    cover = coverage(canvas, style, point, canvas.region("beard").reshape(-1)[texels], seed)
    cover *= canvas.exposed.reshape(-1)[texels] * (1 - np.clip(1.4 * lips.reshape(-1)[texels], 0, 1))

    across, along = _strand_coordinates(canvas, point)
    fine = strands(across, along, seed)
    clump = layered_noise(np.stack([across * 0.22, along * 0.5], -1), seed + 40)
    short = style.length < 1.5
    if short:
        speckle = surface_noise(point, canvas.flat_normal[texels], 0.9 * MILLIMETRE, seed + 9)
        body = style.density * (0.35 + 0.65 * smoothstep(0.35, 0.75, speckle))
    else:
        body = style.density * (0.72 + 0.28 * smoothstep(0.2, 0.6, fine))
    # towards its edge a beard thins out strand by strand, not evenly
    edge = smoothstep(0.0, 1.0, cover)
    strength = body * np.clip((edge - 0.6 * (1 - fine) * (1 - edge)) / 0.4, 0, 1)

    hue = beard_color(canvas, style)
    under = canvas.soft_lightness.reshape(-1)[texels] / canvas.skin_lightness
    lit = canvas.shade(canvas.flat_normal[texels]) / canvas.shade(np.array([0, 0, 1], np.float32))
    shading = np.sqrt(np.clip(under, 0.45, 1.3) * np.clip(lit, 0.5, 1.2))
    lab = np.empty((len(texels), 3), np.float32)
    # between the strands lies their own shadow; a few catch the light
    relief = 1.0 if short else 0.50 + 0.55 * smoothstep(0.1, 0.8, fine) + 0.35 * (clump - 0.5)
    lab[:, 0] = np.clip(hue[0] * shading * relief, 0.05, 0.97)
    lab[:, 1:] = hue[1:] * (0.7 + 0.5 * fine[:, None])
    onset = (1 - SOFTNESS) * evened(0.55 * (1 - edge) + 0.55 * clump + 0.2 * fine)
    layer = sparse_layer(texels, oklab_to_srgb(lab), 1.0, strength, onset, SOFTNESS)

    move = np.zeros_like(canvas.figure.vertices)
    if not short:
        move = _raised(canvas, style, lips, seed)
    return Edit(layer, move, np.zeros((5, 3), np.float32))


def coverage(canvas: Canvas, style: Beard, point: Floats, region: Floats, seed: int) -> Floats:
    """(M,) in [0, 1]: how much of the beard grows at skin points (M, 3) at rest, of the model's beard `region` (M,)."""
    a = canvas.anatomy
    unit = MILLIMETRE * a.size
    x = np.abs(point[:, 0]) / unit
    y = (point[:, 1] - a.mouth[1]) / unit
    z = point[:, 2]
    ragged = 5.0 * (layered_noise(point[:, :2] / (9 * unit), seed + 20) - 0.5)
    x, y = x + 0.6 * ragged, y + ragged
    nose = (a.nose_base[1] - a.mouth[1]) / unit
    chin = (a.chin[1] - a.mouth[1]) / unit
    width = min(a.mouth_half_width / unit, 25.0)

    low = -3.0 - 5.5 * smoothstep(width - 9, width + 1, x)
    moustache = smoothstep(width + 9, width + 3, x) * smoothstep(nose - 0.5 - 0.12 * x, nose - 4.5 - 0.12 * x, y)
    moustache *= smoothstep(low - 3, low + 2, y) * smoothstep(a.mouth[2] - 0.040, a.mouth[2] - 0.028, z)

    side = width - 1 + 4 * smoothstep(chin + 12, chin + 24, y)
    chin_patch = smoothstep(side + 4, side - 3, x) * smoothstep(-4.5, -8.5, y) * smoothstep(chin - 20, chin - 10, y)
    strip = smoothstep(width - 3, width, x) * smoothstep(width + 8, width + 4, x) * smoothstep(8, 2, y)
    strip *= smoothstep(chin, chin + 10, y)
    goatee = np.maximum(chin_patch, strip) * smoothstep(a.chin[2] - 0.036, a.chin[2] - 0.016, z)

    ear_y = (a.ear_tops[:, 1].mean() - a.mouth[1]) / unit - 28
    ear_z = a.ear_tops[:, 2].mean() + 0.012 * a.size
    back = np.clip((a.mouth[2] - 0.012 - z) / (a.mouth[2] - 0.012 - ear_z), 0, 1)
    line = (nose - 7) + (ear_y + 14 - nose + 7) * back**1.6
    jaw = (chin - 9) + 22 * back**1.2
    behind = smoothstep(ear_z - 0.002, ear_z + 0.010, z)
    inside = smoothstep(0.08, 0.5, region)
    cheeks = (
        inside
        * smoothstep(line + 5, line - 15, y)
        * smoothstep(jaw - 8, jaw + 2, y)
        * smoothstep(width - 1, width + 8, x)
    )
    below_mouth = smoothstep(-5, -10, y) * smoothstep(jaw - 8, jaw + 2, y)
    cheeks = np.maximum(cheeks, below_mouth) * behind
    neck = inside * smoothstep(jaw + 6, jaw - 2, y) * smoothstep(jaw - 34, jaw - 12, y) * behind

    parts = [
        style.moustache * moustache,
        style.chin * goatee,
        style.cheeks * cheeks,
        style.neck * neck,
    ]
    return np.max(parts, axis=0).astype(np.float32)


def beard_color(canvas: Canvas, style: Beard) -> Floats:
    """(3,) OKLab: the style's colour, or that of the person's brows, a little darker than their mean."""
    if style.color is not None:
        return srgb_to_oklab(hex_to_srgb(style.color))
    brows = canvas.photo_masks["brows"] > 0.6
    lab = canvas.flat_lab[brows.reshape(-1)] if brows.sum() > 30 else np.array([[0.34, 0.02, 0.03]], np.float32)
    dark = lab[lab[:, 0] <= np.percentile(lab[:, 0], 50)].mean(0)
    dark[0] = np.clip(dark[0] * 0.8, 0.18, 0.55)
    return dark.astype(np.float32)


def _strand_coordinates(canvas: Canvas, point: Floats) -> tuple[Floats, Floats]:
    """Where points lie across the strands, in strands, and along them, in strand lengths: down, and outwards."""
    a = canvas.anatomy
    unit = MILLIMETRE * a.size
    angle = np.arctan2(point[:, 0], point[:, 2] - a.mouth[2] + 0.075 * a.size)
    around = angle * 75.0
    down = -(point[:, 1] - a.mouth[1]) / unit - 0.45 * (point[:, 2] - a.mouth[2]) / unit
    # over the lip strands fan out from under the nose; on the cheeks they sweep back a little
    fan = smoothstep(-4, 6, -down) * smoothstep(34, 18, np.abs(around))
    sweep = np.sign(around) * (0.9 * fan + 0.25 * (1 - fan)) * down
    return (around - sweep) / 1.3, (down + 0.5 * np.abs(around) * fan) / 9.0


def _raised(canvas: Canvas, style: Beard, lips: Floats, seed: int) -> Floats:
    """(V, 3): how far the beard stands off the skin, falling a little with its own weight."""
    vertices = canvas.figure.vertices
    move = np.zeros_like(vertices)
    skin = np.flatnonzero(canvas.part_vertices("skin"))
    point = vertices[skin]
    cover = smoothstep(0.1, 0.9, coverage(canvas, style, point, canvas.vertex_region("beard")[skin], seed))
    blocked = np.maximum(canvas.at_vertices(lips)[skin], canvas.vertex_region("lips")[skin])
    cover *= canvas.at_vertices(canvas.exposed)[skin] * np.clip(1 - 1.5 * blocked, 0, 1)
    bump = 0.7 + 0.6 * layered_noise(point[:, :2] / (7 * MILLIMETRE) + point[:, 2:] * 90, seed + 60)
    chin = smoothstep(canvas.anatomy.chin[1] + 0.03, canvas.anatomy.chin[1], point[:, 1])
    length = style.length * MILLIMETRE * cover * bump * (0.55 + 0.6 * chin)
    direction = canvas.vertex_normal[skin] + np.array([0, -0.55, 0], np.float32)
    direction /= np.maximum(np.linalg.norm(direction, axis=1, keepdims=True), 1e-9)
    move[skin] = direction * length[:, None]
    return move
