"""Beards: strands painted on the skin, and others that stand off it in sheets of their own."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from perse_engine.clips.anatomy import MILLIMETRE, Anatomy
from perse_engine.clips.beard_regions import coverage
from perse_engine.clips.canvas import Canvas, Edit, dilated, merged, sparse_layer
from perse_engine.clips.hair_edit import hair_albedo
from perse_engine.clips.noise import blurred, in_waves, layered_noise, smoothstep, strands, surface_noise
from perse_engine.clips.parameters import Beard, Hair
from perse_engine.clips.wardrobe import LEAST_MOVE, Layer
from perse_engine.clips.whiskers import SHEETS, SHORT
from perse_engine.surfaces.colors import Floats, hex_to_srgb, oklab_to_srgb, srgb_to_oklab
from perse_engine.surfaces.lighting import encoded, irradiance, linear
from perse_engine.surfaces.normals import vertex_normals

WAVES = 10
"""Groups of strands that come through one after another."""


def beard(canvas: Canvas, style: Beard, worn: Floats, seed: int) -> Edit:
    """A beard of the given lengths and regions.

    Args:
        canvas: its figure has the part "whiskers" where it waits.
        worn: (V, 3) the whiskers' vertices in this style.
    """
    lips = blurred(dilated(canvas.lips, 1), 1.2)
    albedo = beard_albedo(canvas, style)
    move = np.zeros_like(canvas.figure.vertices)
    layers = [_on_skin(canvas, style, albedo, lips, seed)]
    if style.length >= SHORT:
        vertices = np.flatnonzero(canvas.part_vertices("whiskers"))
        move[vertices] = worn - canvas.figure.vertices[vertices]
        layers.append(_standing(canvas, style, albedo, worn, seed))
    move[np.linalg.norm(move, axis=1) < LEAST_MOVE] = 0
    return Edit(merged(layers), move, np.zeros((5, 3), np.float32))


def _on_skin(canvas: Canvas, style: Beard, albedo: Floats, lips: Floats, seed: int) -> Layer:
    """The roots: stubble, or the dark under longer hair."""
    candidates = canvas.part("skin") & (canvas.position[..., 2] > canvas.anatomy.ear_tops[:, 2].mean())
    texels = np.flatnonzero(candidates & (canvas.position[..., 1] < canvas.anatomy.eyes[:, 1].mean()))
    point = canvas.flat_position[texels]
    cover = coverage(canvas.anatomy, style, point, canvas.region("beard").reshape(-1)[texels], seed)
    cover *= canvas.exposed.reshape(-1)[texels] * (1 - np.clip(1.4 * lips.reshape(-1)[texels], 0, 1))
    kept = cover > 0.01
    texels, point, cover = texels[kept], point[kept], cover[kept]
    across, along = _strand_coordinates(canvas.anatomy, point)
    fine = strands(across, along, seed)
    clump = layered_noise(np.stack([across * 0.22, along * 0.5], -1), seed + 40)
    speckle = surface_noise(point, canvas.flat_normal[texels], 0.9 * MILLIMETRE, seed + 9)
    edge = smoothstep(0.0, 1.0, cover)
    if style.length < SHORT:
        body = style.density * (0.35 + 0.65 * smoothstep(0.35, 0.75, speckle))
    else:
        body = 0.86 * style.density * (0.7 + 0.3 * smoothstep(0.2, 0.6, fine))
    # towards its edge a beard thins out strand by strand, not evenly
    strength = body * np.clip((edge - 0.6 * (1 - speckle) * (1 - edge)) / 0.4, 0, 1) * smoothstep(0.02, 0.3, edge)
    lab = np.empty((len(texels), 3), np.float32)
    dark = 1.0 if style.length < SHORT else 0.52 + 0.4 * smoothstep(0.1, 0.8, fine) + 0.2 * (clump - 0.5)
    lab[:, 0] = np.clip(albedo[0] * dark, 0.04, 0.95)
    lab[:, 1:] = albedo[1:]
    onset = in_waves(0.25 * (1 - edge) + 0.4 * clump + 0.3 * fine, strength, WAVES)
    return sparse_layer(texels, canvas.lit(texels, oklab_to_srgb(lab)), 1.0, strength, onset, 1 / WAVES)


def _standing(canvas: Canvas, style: Beard, albedo: Floats, worn: Floats, seed: int) -> Layer:
    """The sheets: fewer strands further out, ending one by one."""
    figure = canvas.figure
    texels = np.flatnonzero(canvas.part("whiskers"))
    corner = canvas.texels.barycentric.reshape(-1, 3)[texels]
    own = figure.faces[figure.face_parts == figure.parts.index("whiskers")]
    first = int(own.min())
    index = figure.faces[canvas.texels.triangle.reshape(-1)[texels]] - first
    count = len(worn) // SHEETS
    sheet = index[:, 0] // count
    head = canvas.portrait.head
    near = cKDTree(head.template).query(figure.vertices[first : first + count])[1]
    region, lips = head.regions["beard"][near], head.regions["lips"][near]
    normal = vertex_normals(worn, own - first)
    length = np.linalg.norm(worn - figure.vertices[first : first + len(worn)], axis=1) / MILLIMETRE
    table = np.concatenate([normal, np.stack([np.tile(region, SHEETS), np.tile(lips, SHEETS), length], 1)], 1)
    value = np.einsum("mk,mkc->mc", corner, table[index].astype(np.float32))
    point = canvas.flat_position[texels]
    cover = coverage(canvas.anatomy, style, point, value[:, 3], seed) * (1 - smoothstep(0.3, 0.75, value[:, 4]))
    across, along = _strand_coordinates(canvas.anatomy, point)
    along = along + value[:, 5] / 16
    fine = strands(across, along, seed)
    clump = layered_noise(np.stack([across * 0.22, along * 0.5], -1), seed + 40)
    lock = layered_noise(np.stack([across * 0.45 + 5 * sheet, along * 0.35], -1), seed + 43)
    sparse = np.choose(sheet, [0.18, 0.32])
    body = smoothstep(sparse, sparse + 0.22, 0.62 * fine + 0.38 * lock)
    thin = cover - 0.35 * (1 - fine) * (1 - cover)
    edge = smoothstep(np.choose(sheet, [0.15, 0.35]), np.choose(sheet, [0.75, 1.0]), thin)
    alpha = style.density * body * edge * smoothstep(0.15, 0.9, value[:, 5])
    normal = value[:, :3] / np.maximum(np.linalg.norm(value[:, :3], axis=1, keepdims=True), 1e-9)
    lab = np.empty((len(texels), 3), np.float32)
    light = np.choose(sheet, [0.82, 1.04]) * (0.66 + 0.42 * smoothstep(0.1, 0.8, fine) + 0.25 * (clump - 0.5))
    lab[:, 0] = np.clip(albedo[0] * light, 0.04, 0.95)
    lab[:, 1:] = albedo[1:] * (0.8 + 0.4 * fine[:, None])
    shown = (alpha > 0.01).astype(np.float32)
    onset = in_waves(0.25 * (1 - edge) + 0.4 * clump + 0.3 * fine, alpha, WAVES)
    return sparse_layer(texels, canvas.lit(texels, oklab_to_srgb(lab), normal), alpha, shown, onset, 1 / WAVES)


def beard_albedo(canvas: Canvas, style: Beard) -> Floats:
    """(3,) OKLab reflectance of the beard: the style's, or between those of the person's brows and hair."""
    if style.color is not None:
        return beard_color(canvas, style)
    brows = np.flatnonzero(canvas.photo_masks["brows"] > 0.6)
    normal = canvas.flat_normal[brows] if len(brows) > 30 else np.array([[0.0, 0.0, 1.0]], np.float32)
    falls = irradiance(canvas.portrait.light, normal).mean(1)
    color = linear(oklab_to_srgb(beard_color(canvas, style)[None])[0])
    of_brows = srgb_to_oklab(encoded(color / np.clip(float(np.median(falls)), 0.35, 1.5)))
    return np.asarray(0.5 * (of_brows + hair_albedo(canvas, Hair(label="own"))), np.float32)


def beard_color(canvas: Canvas, style: Beard) -> Floats:
    """(3,) OKLab: the style's colour, or that of the person's brows, a little darker than their mean."""
    if style.color is not None:
        return srgb_to_oklab(hex_to_srgb(style.color))
    brows = canvas.photo_masks["brows"] > 0.6
    lab = canvas.flat_lab[brows.reshape(-1)] if brows.sum() > 30 else np.array([[0.34, 0.02, 0.03]], np.float32)
    dark = lab[lab[:, 0] <= np.percentile(lab[:, 0], 50)].mean(0)
    dark[0] = np.clip(dark[0] * 0.8, 0.18, 0.55)
    return dark.astype(np.float32)


def _strand_coordinates(a: Anatomy, point: Floats) -> tuple[Floats, Floats]:
    """Where points lie across the strands, in strands, and along them, in strand lengths: down, and outwards."""
    unit = MILLIMETRE * a.size
    angle = np.arctan2(point[:, 0], point[:, 2] - a.mouth[2] + 0.075 * a.size)
    around = angle * 75.0
    down = -(point[:, 1] - a.mouth[1]) / unit - 0.45 * (point[:, 2] - a.mouth[2]) / unit
    # over the lip strands fan out from under the nose; on the cheeks they sweep back a little
    fan = smoothstep(-4, 6, -down) * smoothstep(34, 18, np.abs(around))
    sweep = np.sign(around) * (0.9 * fan + 0.25 * (1 - fan)) * down
    return (around - sweep) / 1.3, (down + 0.5 * np.abs(around) * fan) / 9.0
