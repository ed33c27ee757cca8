"""How glasses and hats look: their materials in the photo's light, the shadows they cast, the hair they press down."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from perse_engine.clips.anatomy import MILLIMETRE
from perse_engine.clips.canvas import Canvas, Edit, merged, sparse_layer
from perse_engine.clips.colors import Floats, hex_to_srgb, oklab_to_srgb, srgb_to_oklab
from perse_engine.clips.glasses import RIM, SIDES
from perse_engine.clips.hair_edit import over_scalp
from perse_engine.clips.hats import BRIM_PART, LIFT, rim_height
from perse_engine.clips.noise import layered_noise, smoothstep, strands, value_noise
from perse_engine.clips.parameters import Glasses, Hat
from perse_engine.clips.wardrobe import LEAST_MOVE, Layer

SHADE = np.array([0.055, 0.035, 0.03], np.float32)
"""What shadows on skin and hair are blended towards: not black, as light comes through skin."""
UNDER_HAT = 3.0 * MILLIMETRE


def glasses(canvas: Canvas, style: Glasses, frame: Floats, lenses: Floats) -> Edit:
    """Paint one pair.

    Args:
        canvas: its figure has the parts "glasses" and "lenses" where they wait.
        style: colours.
        frame, lenses: (V, 3) the parts' vertices as worn.
    """
    move = np.zeros_like(canvas.figure.vertices)
    for name, worn in (("glasses", frame), ("lenses", lenses)):
        vertices = np.flatnonzero(canvas.part_vertices(name))
        move[vertices] = worn - canvas.figure.vertices[vertices]
    texels = np.flatnonzero(canvas.part("glasses"))
    normal = canvas.flat_normal[texels]
    hue = srgb_to_oklab(hex_to_srgb(style.color))
    lab = np.tile(hue, (len(texels), 1))
    shine = smoothstep(0.80, 0.97, normal @ _half_way())
    lab[:, 0] = np.clip(hue[0] * (0.55 + 0.5 * canvas.shade(normal)) + 0.30 * shine, 0, 1)
    lab[:, 1:] *= 1 - 0.6 * shine[:, None]
    solid = sparse_layer(texels, oklab_to_srgb(lab), 1.0, np.ones(len(texels), np.float32))
    return Edit(
        merged([solid, _lenses(canvas, style), _glasses_shadow(canvas, style, frame)]),
        move,
        np.zeros((5, 3), np.float32),
    )


def _half_way() -> Floats:
    """(3,) the normal that mirrors a window above and to the side into a camera in front."""
    direction = np.array([-0.25, 0.45, 0.85], np.float32)
    return direction / np.linalg.norm(direction)


def _lenses(canvas: Canvas, style: Glasses) -> Layer:
    texels = np.flatnonzero(canvas.part("lenses"))
    point = canvas.flat_position[texels]
    y = (point[:, 1] - canvas.anatomy.eyes[:, 1].mean()) / (0.02 * canvas.anatomy.size)
    center = np.abs(canvas.anatomy.eyes[:, 0]).mean()
    x = (point[:, 0] - np.sign(point[:, 0]) * center) / (0.024 * canvas.anatomy.size)
    # a window's soft reflection, the same way round in both lenses
    streak = smoothstep(0.42, 0.2, np.abs(y - 0.55 + 0.5 * x)) * smoothstep(-0.9, -0.2, -x) * smoothstep(-0.1, 0.3, y)
    lab = np.tile(srgb_to_oklab(hex_to_srgb(style.lens)), (len(texels), 1))
    lab[:, 0] = np.clip(lab[:, 0] * (1 - 0.08 * y) + 0.22 * streak, 0, 1)
    alpha = np.clip(style.tint * (1 + 0.10 * y) + (0.16 if style.tint < 0.4 else 0.04) * streak, 0, 1)
    return sparse_layer(texels, oklab_to_srgb(lab), alpha, np.ones(len(texels), np.float32))


def _glasses_shadow(canvas: Canvas, style: Glasses, frame: Floats) -> Layer:
    """The soft shadow of rims and bridge on the face just below them, and the shade under dark lenses."""
    a = canvas.anatomy
    skin = canvas.part("skin") & (canvas.position[..., 2] > a.eyes[:, 2].mean() - 0.02)
    texels = np.flatnonzero(skin & (np.abs(canvas.position[..., 1] - a.eyes[:, 1].mean()) < 0.05))
    point = canvas.flat_position[texels]
    rims = frame[: 2 * (RIM + 1) * (SIDES + 1) + 9 * (SIDES + 1)]
    drop = np.array([0, 3.2 * MILLIMETRE])
    distance, index = cKDTree(rims[:, :2] - drop).query(point[:, :2])
    gap = np.clip((rims[index, 2] - point[:, 2]) / (14 * MILLIMETRE), 0, 2)
    blur = (1.6 + 1.4 * gap) * MILLIMETRE
    contact = 0.30 * np.exp(-((distance / blur) ** 2)) / (1 + 0.9 * gap)
    x = (np.abs(point[:, 0]) - np.abs(a.eyes[:, 0]).mean()) / (style.width * 0.5 * MILLIMETRE * a.size)
    y = (point[:, 1] - a.eyes[:, 1].mean() + 0.004) / (style.height * 0.55 * MILLIMETRE * a.size)
    lens = 0.38 * style.tint * smoothstep(1.15, 0.7, np.hypot(x, y)) * (style.tint > 0.3)
    strength = np.clip(contact + lens, 0, 0.5) * canvas.exposed.reshape(-1)[texels]
    return sparse_layer(texels, SHADE, 1.0, strength)


def hat(canvas: Canvas, style: Hat, worn: Floats, seed: int) -> Edit:
    """Paint one hat, press the hair under it down, and hide what would come through.

    Args:
        canvas: its figure has the part "hat" where it waits.
        style: colours and weave.
        worn: (V, 3) the hat's vertices as worn.
    """
    move = np.zeros_like(canvas.figure.vertices)
    vertices = np.flatnonzero(canvas.part_vertices("hat"))
    move[vertices] = worn - canvas.figure.vertices[vertices]
    shell = np.flatnonzero(canvas.part_vertices("hair"))
    move[shell] = _tucked(canvas, shell)
    move[np.linalg.norm(move, axis=1) < LEAST_MOVE] = 0
    layers = [_cloth(canvas, style, worn, seed), _hidden_hair(canvas), _hat_shadow(canvas, style)]
    return Edit(merged(layers), move, np.zeros((5, 3), np.float32))


def _tucked(canvas: Canvas, shell: np.ndarray) -> Floats:
    """(n, 3): hair pressed to the skull over the rim, and drawn in towards it just below."""
    point = canvas.figure.vertices[shell]
    near, normal = over_scalp(canvas, point)
    height = np.maximum(np.einsum("nc,nc->n", point - near, normal) - UNDER_HAT * 0.5, 0)
    over = rim_height(canvas.anatomy, point)
    pressed = smoothstep(-0.032, 0.004, over)
    return (-height * pressed)[:, None] * normal


def _hidden_hair(canvas: Canvas) -> Layer:
    """Hair well above the rim disappears; the hat's lift while it is put on does not bare the cut."""
    shell = np.flatnonzero(canvas.part("hair") & (canvas.base[..., 3] > 0))
    over = rim_height(canvas.anatomy, canvas.flat_position[shell])
    strength = smoothstep(LIFT - 0.002, LIFT + 0.006, over)
    return sparse_layer(shell, canvas.flat_base[shell, :3], 0.0, strength)


def _cloth(canvas: Canvas, style: Hat, worn: Floats, seed: int) -> Layer:
    texels = np.flatnonzero(canvas.part("hat"))
    uv = _tile_uv(canvas, texels)
    normal = canvas.flat_normal[texels]
    hue = srgb_to_oklab(hex_to_srgb(style.color))
    on_brim = uv[:, 1] < BRIM_PART
    lab = np.tile(hue, (len(texels), 1))
    relief = _weave(style, uv, seed)
    light = canvas.shade(normal)
    # creases darken, and the crown is darker where the brim meets it
    seam = np.exp(-(((uv[:, 1] - BRIM_PART) / 0.035) ** 2))
    dark = 0.20 * seam * (1.0 if style.cuff == 0 else 0.4)
    if style.band is not None:
        band = ~on_brim & (uv[:, 1] < BRIM_PART + 0.10)
        lab[band] = srgb_to_oklab(hex_to_srgb(style.band))
        relief = np.where(band, 1.0 + 0.03 * np.sin(uv[:, 0] * 900), relief)
    if style.cuff > 0:
        fold = np.exp(-((uv[:, 1] / 0.03) ** 2))
        dark = dark + 0.28 * fold
    lab[:, 0] = np.clip(lab[:, 0] * light * relief * (1 - dark), 0.02, 0.98)
    return sparse_layer(texels, oklab_to_srgb(lab), 1.0, np.ones(len(texels), np.float32))


def _tile_uv(canvas: Canvas, texels: np.ndarray) -> Floats:
    """(M, 2) of the hat's texels in [0, 1] within the hat's own tile, v up."""
    columns, rows = texels % canvas.base.shape[1], texels // canvas.base.shape[1]
    uv = np.stack([columns, -rows], -1).astype(np.float32)
    low, high = uv.min(0), uv.max(0)
    return 0.01 + 0.98 * (uv - low) / (high - low)


def _weave(style: Hat, uv: Floats, seed: int) -> Floats:
    """(M,) brightness of the material's own structure."""
    grain = layered_noise(uv * [240, 90], seed)
    soft = layered_noise(uv * [14, 8], seed + 3)
    if style.weave == "knit":
        rib = 0.5 + 0.5 * np.cos(uv[:, 0] * 2 * np.pi * 56)
        stitch = 0.5 + 0.5 * np.cos(uv[:, 1] * 2 * np.pi * 44 + np.pi * np.floor(uv[:, 0] * 112))
        return 0.76 + 0.24 * rib**0.7 + 0.07 * stitch * rib + 0.08 * (grain - 0.5) + 0.06 * (soft - 0.5)
    if style.weave == "felt":
        fibre = strands(uv[:, 0] * 160, uv[:, 1] * 30, seed)
        return 0.93 + 0.07 * fibre + 0.06 * (grain - 0.5) + 0.08 * (soft - 0.5)
    twill = value_noise(np.stack([uv[:, 0] * 190 + uv[:, 1] * 60, uv[:, 1] * 50], -1), seed)
    panels = np.minimum(np.abs((uv[:, 0] * 6) % 1 - 0.5) * 2, 1)
    stitched = 1 - 0.16 * np.exp(-(((1 - panels) / 0.025) ** 2)) * (uv[:, 1] > BRIM_PART)
    return (0.95 + 0.08 * (twill - 0.5) + 0.06 * (grain - 0.5) + 0.08 * (soft - 0.5)) * stitched


def _hat_shadow(canvas: Canvas, style: Hat) -> Layer:
    """The hat's shade on forehead, hair and ears: tight under the edge, long under a brim."""
    a = canvas.anatomy
    texels = np.flatnonzero(canvas.part("skin", "hair", "eyes") & (canvas.base[..., 3] > 0))
    point = canvas.flat_position[texels]
    under = -rim_height(a, point) / (MILLIMETRE * a.size)
    front = smoothstep(-0.02, 0.05, point[:, 2])
    reach = max(style.brim, style.bill) * (0.45 + 0.35 * front) if style.brim else style.bill * 0.75 * front
    contact = 0.42 * np.exp(-((np.maximum(under, 0) / 5.0) ** 2))
    cast = 0.34 * smoothstep(reach + 12.0, reach - 6.0, under) * (np.maximum(reach, 0) > 8)
    strength = np.where(under > -14, np.maximum(contact, cast), 0)
    strength = strength * (0.35 + 0.65 * canvas.exposed.reshape(-1)[texels])
    hair = canvas.part("hair").reshape(-1)[texels]
    # hair that the hat hides must not be repainted by its shadow
    strength = np.where(hair & (under < -(LIFT - 0.003) / MILLIMETRE), 0, strength)
    alpha = np.where(hair, canvas.flat_base[texels, 3], 1.0)
    return sparse_layer(texels, SHADE, alpha, strength)
