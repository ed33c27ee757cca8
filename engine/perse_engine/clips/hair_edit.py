"""Hair: recoloured strand by strand, given volume or pressed flat, cut short or taken off."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from perse_engine.clips.anatomy import MILLIMETRE
from perse_engine.clips.canvas import Canvas, Edit, merged, nothing, sparse_layer
from perse_engine.clips.hair_shapes import SIDES
from perse_engine.clips.hats import rim_height
from perse_engine.clips.locks import WAVES, painted
from perse_engine.clips.noise import in_waves, layered_noise, smoothstep, strands, surface_noise
from perse_engine.clips.parameters import Hair
from perse_engine.clips.wardrobe import LEAST_MOVE, Layer
from perse_engine.surfaces.colors import Floats, hex_to_srgb, oklab_to_srgb, srgb_to_oklab
from perse_engine.surfaces.lighting import encoded, irradiance, linear

BROWN = np.array([0.36, 0.022, 0.048], np.float32)
"""OKLab of the hair that most people have."""
BLUE = -0.02
"""OKLab's b below which nothing is hair."""
STRANDS = 17
"""The seed of every hairdo's strands, so that they stay where they can while one turns into another."""
CLOSE = 2.0 * MILLIMETRE
"""How far over the skin hair lies when it is pressed flat."""


def hair(canvas: Canvas, style: Hair, worn: Floats, seed: int) -> Edit:
    """Hair of the given colour, volume and cut.

    Args:
        canvas: its figure has the part "locks" where it waits.
        worn: (V, 3) the locks' vertices in this style.
    """
    move = np.zeros_like(canvas.figure.vertices)
    shell = np.flatnonzero(canvas.part_vertices("hair"))
    if style.volume > 0:
        move[shell] = _swollen(canvas, shell, style.volume, seed)
    elif style.volume < 0:
        # below a hat's rim nothing is pressed, so that a hat, which presses it there, does not press it into the skin
        above = smoothstep(-0.012, 0.016, rim_height(canvas.anatomy, canvas.figure.vertices[shell]))
        move[shell] = -style.volume * above[:, None] * pressed(canvas, shell)
    layer = nothing()
    if style.cut != "own":
        move[shell] = pressed(canvas, shell)
        layer = shorn(canvas, style, seed)
        if style.cut in SIDES:
            vertices = np.flatnonzero(canvas.part_vertices("locks"))
            move[vertices] = worn - canvas.figure.vertices[vertices]
            layer = merged([painted(canvas, style, worn, hair_albedo(canvas, style), STRANDS), layer])
    elif style.color is not None:
        layer = _recolored(canvas, style)
    move[np.linalg.norm(move, axis=1) < LEAST_MOVE] = 0
    return Edit(layer, move, np.zeros((5, 3), np.float32))


def _recolored(canvas: Canvas, style: Hair) -> Layer:
    """The style's colour with the photo's own strands: deviations from the mean lightness and hue are kept."""
    assert style.color is not None
    shell = canvas.part("hair") & (canvas.base[..., 3] > 0)
    texels = np.flatnonzero(shell | (canvas.painted_hair > 0.004))
    on_shell = shell.reshape(-1)[texels]
    base = canvas.flat_base[texels]
    lab = canvas.flat_lab[texels]
    solid = on_shell & (base[:, 3] > 0.5)
    sample = lab[solid] if solid.any() else lab
    mean = np.median(sample, 0)
    hue = srgb_to_oklab(hex_to_srgb(style.color))
    # dark hair shows less contrast than light hair, in proportion to its lightness; highlights survive on black
    gain = style.contrast * np.clip((hue[0] / max(mean[0], 0.15)) ** 0.6, 0.45, 1.15)
    relief = lab[:, 0] - mean[0]
    relief = np.where(relief < 0, relief * (1 - 0.35 * hue[0]), relief)  # light strands light each other's shadows
    lab_new = np.empty_like(lab)
    lab_new[:, 0] = hue[0] + gain * relief + 0.3 * np.maximum(relief - 0.12, 0) * (1 - hue[0])
    lab_new[:, 0] = np.where(lab_new[:, 0] > 0.82, 0.82 + 0.45 * (lab_new[:, 0] - 0.82), lab_new[:, 0])
    lab_new[:, 0] = np.clip(lab_new[:, 0], 0.04, 0.97)
    vivid = np.clip(lab_new[:, :1] / max(hue[0], 0.1), 0.35, 1.1)
    lab_new[:, 1:] = hue[1:] * vivid + 0.25 * (lab[:, 1:] - mean[1:])
    strength = np.where(on_shell, 1.0, canvas.painted_hair.reshape(-1)[texels])
    return sparse_layer(texels, oklab_to_srgb(lab_new), base[:, 3], strength)


def shorn(canvas: Canvas, style: Hair, seed: int) -> Layer:
    """The shell taken off lock by lock; what is cut shows its roots on the scalp."""
    shell = np.flatnonzero(canvas.part("hair") & (canvas.base[..., 3] > 0))
    point = canvas.flat_position[shell]
    height = (point[:, 1] - canvas.anatomy.skull_top) / (0.2 * canvas.anatomy.size)
    around = np.arctan2(point[:, 0], point[:, 2]) * 26
    tufts = strands(around, height * 3, seed + 5)
    onset = in_waves(0.65 * tufts + 0.35 * np.clip(-height, 0, 1), canvas.flat_base[shell, 3], WAVES)
    if style.cut in SIDES:  # not before there is something under it
        onset = 0.2 + 0.75 * onset
    full = np.ones(len(shell), np.float32)
    gone = sparse_layer(shell, canvas.flat_base[shell, :3], 0.0, full, onset, 1 / WAVES)
    painted_on = np.flatnonzero(canvas.painted_hair > 0.004)
    bare = canvas.bare_skin.reshape(-1, 3)[painted_on]
    full = np.ones(len(painted_on), np.float32)
    onset = in_waves(canvas.flat_position[painted_on, 1], full, WAVES)
    wiped = sparse_layer(painted_on, bare, 1.0, full, onset, 1 / WAVES)
    return merged([gone, wiped] if style.cut == "bald" else [gone, _roots(canvas, style, seed), wiped])


def _roots(canvas: Canvas, style: Hair, seed: int) -> Layer:
    """A few millimetres of hair on the scalp: all there is of a buzz cut, the dark under longer hair."""
    scalp = canvas.region("scalp") * canvas.part("skin")
    texels = np.flatnonzero(scalp > 0.02)
    point = canvas.flat_position[texels]
    buzzed = style.cut == "buzz"
    grain = np.full(len(texels), 0.5, np.float32)
    if buzzed:
        grain = surface_noise(point, canvas.flat_normal[texels], 0.9 * MILLIMETRE, seed + 8)
    patch = layered_noise(point[:, :2] / (14 * MILLIMETRE) + point[:, 2:] * 60, seed + 12)
    edge = smoothstep(0.05 if buzzed else 0.30, 0.75, scalp.reshape(-1)[texels] + 0.25 * (patch - 0.5))
    hue = hair_albedo(canvas, style)
    lab = np.empty((len(texels), 3), np.float32)
    lab[:, 0] = np.clip(hue[0] * (0.92 if buzzed else 0.7) * (0.72 + 0.4 * grain), 0.05, 0.9)
    lab[:, 1:] = hue[1:] * 0.85
    density = edge * (0.62 + 0.33 * grain)
    # where the photo's own hair is painted on the skin, the target holds the skin as well
    own = canvas.painted_hair.reshape(-1)[texels]
    bare = canvas.bare_skin.reshape(-1, 3)[texels]
    both = density + own * (1 - density)
    shown = canvas.lit(texels, oklab_to_srgb(lab))
    color = bare + (density / np.maximum(both, 1e-6))[:, None] * (shown - bare)
    onset = in_waves(0.6 * (1 - edge) + 0.4 * patch, both, WAVES) * (1.0 if buzzed else 0.25)
    return sparse_layer(texels, color, 1.0, both, onset, 1 / WAVES)


def hair_albedo(canvas: Canvas, style: Hair) -> Floats:
    """(3,) OKLab reflectance of the style's colour, or of the person's own hair: that of the brows under a cloth."""
    if style.color is not None:
        return srgb_to_oklab(hex_to_srgb(style.color))
    shell = np.flatnonzero(canvas.part("hair") & (canvas.base[..., 3] > 0.7))
    lab = canvas.flat_lab[shell]
    if len(shell) < 100 or (lab[:, 2] < BLUE).mean() > 0.15:
        shell = np.flatnonzero((canvas.photo_masks["brows"] > 0.6) & (canvas.lightness < 0.5))
        lab = canvas.flat_lab[shell]
    if len(shell) < 30:
        return BROWN
    color = oklab_to_srgb(np.median(lab, 0)[None])[0]
    falls = float(np.median(irradiance(canvas.portrait.light, canvas.flat_normal[shell]).mean(1)))
    return srgb_to_oklab(encoded(linear(color) / np.clip(falls, 0.35, 1.5)))


def over_scalp(canvas: Canvas, points: Floats) -> tuple[Floats, Floats]:
    """Of points (n, 3): the nearest skin (n, 3) and its normal (n, 3), smoothed over a few vertices."""
    skin = np.flatnonzero(canvas.part_vertices("skin", "bust"))
    outside = canvas.at_vertices(canvas.exposed)[skin] > 0.5
    skin = skin[outside]
    distance, index = cKDTree(canvas.figure.vertices[skin]).query(points, k=4)
    share = 1 / (distance + 1e-3) ** 2
    share = (share / share.sum(1, keepdims=True)).astype(np.float32)
    near = np.einsum("nk,nkc->nc", share, canvas.figure.vertices[skin[index]])
    normal = np.einsum("nk,nkc->nc", share, canvas.vertex_normal[skin[index]])
    return near, normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)


def pressed(canvas: Canvas, shell: np.ndarray) -> Floats:
    """(n, 3): what takes each vertex of the hair down to the skin; hair below the ears stays where it hangs."""
    point = canvas.figure.vertices[shell]
    near, normal = over_scalp(canvas, point)
    height = np.einsum("nc,nc->n", point - near, normal)
    low = canvas.anatomy.mouth[1]
    kept = smoothstep(low - 0.02, low + 0.03, point[:, 1])
    return (-np.maximum(height - CLOSE, 0) * kept)[:, None] * normal


def _swollen(canvas: Canvas, shell: np.ndarray, volume: float, seed: int) -> Floats:
    """(n, 3): hair grown outwards by up to `volume` millimetres, not over the face, in soft waves."""
    point = canvas.figure.vertices[shell]
    near, normal = over_scalp(canvas, point)
    a = canvas.anatomy
    center = np.array([0, a.eyes[:, 1].mean() + 0.02 * a.size, 0], np.float32)
    outward = point - center
    outward /= np.maximum(np.linalg.norm(outward, axis=1, keepdims=True), 1e-9)
    direction = outward + normal
    direction /= np.maximum(np.linalg.norm(direction, axis=1, keepdims=True), 1e-9)
    thick = smoothstep(1 * MILLIMETRE, 14 * MILLIMETRE, np.einsum("nc,nc->n", point - near, normal))
    # over the face hair may rise, not come forward
    facing = smoothstep(0.75, 0.35, outward[:, 2]) + smoothstep(0.25, 0.7, outward[:, 1])
    waves = 0.72 + 0.56 * layered_noise(
        np.stack([np.arctan2(point[:, 0], point[:, 2]) * 5, point[:, 1] * 45], -1), seed
    )
    length = volume * MILLIMETRE * a.size * thick * np.clip(facing, 0, 1) * waves
    return direction * length[:, None]
