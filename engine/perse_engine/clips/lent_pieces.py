"""What somebody lends that stands off the head: hair, or what a mask shows, as a mesh on the person's own head."""

from __future__ import annotations

import cv2
import numpy as np
from scipy.spatial import cKDTree

from perse_engine.clips.anatomy import Anatomy
from perse_engine.clips.atlas import Tile
from perse_engine.clips.brought import Brought
from perse_engine.clips.brought_edit import Taken
from perse_engine.clips.canvas import Canvas, Edit, merged, sparse_layer
from perse_engine.clips.hair_edit import hair_albedo, pressed, shorn
from perse_engine.clips.head_warp import carried_over
from perse_engine.clips.lent import LENT, Lender, Lent
from perse_engine.clips.meshes import Accessory
from perse_engine.clips.noise import in_waves, layered_noise
from perse_engine.clips.parameters import Hair
from perse_engine.clips.pieces import Piece
from perse_engine.clips.relief import relief_mesh, relief_points, relief_texture
from perse_engine.clips.wardrobe import LEAST_MOVE, Layer
from perse_engine.errors import InputError
from perse_engine.heads.head import NECK
from perse_engine.heads.posing import pose_head
from perse_engine.portraits.again import Sighting
from perse_engine.portraits.portrait import Portrait
from perse_engine.surfaces.colors import Floats, oklab_to_srgb, srgb_to_hex
from perse_engine.surfaces.lighting import encoded, irradiance, linear
from perse_engine.surfaces.normals import vertex_normals
from perse_engine.surfaces.rasterize import rasterize_mesh

WAVES = 10
"""Groups of locks that come one after another; the own hair goes once they are there."""
ARRIVED = 0.45
"""Presence at which the other person's hair is all there, and the own begins to go."""
ABOVE_HAIR = 2e-3
"""Metres that a hat or a headband lies over the person's own hair."""
GAIN = (0.5, 2.0)
"""How much lighter or darker hair may become in another light."""
LEAST_HAIR = 300
"""Texels of hair below which there is none to lend."""


def lent_piece(portrait: Portrait, anatomy: Anatomy, style: Lent) -> Piece:
    """The mesh that carries what is lent, as the person wears it.

    Raises:
        InputError: nothing-to-lend.
    """
    lender, name = style.lender, LENT + style.category
    if style.category == "hair":
        shell = lender.portrait.hair_shell
        if not len(shell.faces) or (lender.portrait.hair_texture[..., 3] > 0.5).sum() < LEAST_HAIR:
            raise InputError("nothing-to-lend", "the picture shows no hair", "choose a picture of somebody with hair")
        points = carried_over(shell.vertices, lender.portrait.head, portrait.head)
        return Piece(name, Accessory(points[None], points, shell.faces, shell.uv), shell.weights)
    taken = _taken(style)
    sheet = relief_points(style.category, taken.mask, taken.depth, taken.sighting, NECK)
    points = carried_over(sheet, lender.portrait.head, portrait.head)
    if style.category in ("hat", "headphones"):
        points = _over_hair(portrait, points)
    weights = np.zeros((len(points), 5), np.float32)
    weights[:, NECK] = 1
    return Piece(name, relief_mesh(points[None]), weights)


def lent_hair(canvas: Canvas, style: Lent, tile: Tile, seed: int) -> Edit:
    """The other person's hair, in the person's light; the own hair goes when it is there."""
    lender = style.lender
    color = oklab_to_srgb(hair_albedo(lender.canvas, Hair(label="own"))[None])[0]
    cut = Hair(label=style.label, cut="short", color=srgb_to_hex(color))
    own = shorn(canvas, cut, seed)
    move = np.zeros_like(canvas.figure.vertices)
    shell = np.flatnonzero(canvas.part_vertices("hair"))
    move[shell] = pressed(canvas, shell)
    move[np.linalg.norm(move, axis=1) < LEAST_MOVE] = 0
    name = LENT + style.category
    texture = _reduced(lender.portrait.hair_texture, tile)
    layer = _piece_layer(canvas, name, tile.slices(), texture, _relit(canvas, lender, name))
    point = canvas.flat_position[layer.texels]
    locks = layered_noise(np.stack([np.arctan2(point[:, 0], point[:, 2]) * 6, point[:, 1] * 30], -1), seed)
    onset = in_waves(locks, layer.target[:, 3].astype(np.float32), WAVES) * ARRIVED
    coming = Layer(layer.texels, layer.target, layer.strength, np.floor(onset * 255).astype(np.uint8), 1 / WAVES)
    late = ARRIVED + (1 - ARRIVED - 1 / WAVES) * own.onset.astype(np.float32) / 255
    going = Layer(own.texels, own.target, own.strength, np.floor(late * 255).astype(np.uint8), 1 / WAVES)
    return Edit(merged([coming, going]), move, np.zeros((5, 3), np.float32))


def lent_relief(canvas: Canvas, style: Lent) -> Edit:
    """What the mask shows, in the person's light."""
    name, taken = LENT + style.category, _taken(style)
    inside = canvas.part(name)
    rows, columns = np.nonzero(inside)
    place = slice(int(rows.min()), int(rows.max()) + 1), slice(int(columns.min()), int(columns.max()) + 1)
    height, width = (side.stop - side.start for side in place)
    texture = relief_texture(taken.mask, taken.sighting, width, height)
    layer = _piece_layer(canvas, name, place, texture, _relit(canvas, style.lender, name))
    return Edit(layer, np.zeros_like(canvas.figure.vertices), np.zeros((5, 3), np.float32))


def _taken(style: Lent) -> Taken:
    """The lender's own photo as a picture in which the mask shows what is taken."""
    portrait, mask = style.lender.portrait, style.lender.mask
    assert mask is not None  # without one the style is refused before
    posed = pose_head(portrait.head, portrait.state)
    sighting = Sighting(
        (portrait.photo / np.float32(255)).astype(np.float32),
        portrait.matte,
        portrait.landmarks,
        portrait.camera,
        portrait.state.expression,
        posed.transforms,
        posed.vertices,
        True,
    )
    depth = rasterize_mesh(posed.vertices, portrait.head.faces, portrait.camera).depth
    named = Brought(label=style.label, category=style.category, path="", sha256="")
    return Taken(named, sighting, mask, depth)


def _over_hair(portrait: Portrait, points: Floats) -> Floats:
    """Points (n, 3) lifted over the person's own hair."""
    shell = portrait.hair_shell
    if not len(shell.faces):
        return points
    normals = vertex_normals(shell.vertices, shell.faces)
    distance, index = cKDTree(shell.vertices).query(points, distance_upper_bound=0.04)
    near = np.flatnonzero(np.isfinite(distance))
    normal = normals[index[near]]
    below = np.einsum("nc,nc->n", points[near] - shell.vertices[index[near]], normal)
    lifted = points.copy()
    lifted[near] += np.maximum(ABOVE_HAIR - below, 0)[:, None] * normal
    return lifted


def _relit(canvas: Canvas, lender: Lender, name: str) -> Floats:
    """(V, 3) what the person's light makes of the lender's, at each vertex of the piece; 1 elsewhere."""
    own = np.flatnonzero(canvas.part_vertices(name))
    normal = canvas.vertex_normal[own]
    gain = irradiance(canvas.portrait.light, normal) / np.maximum(irradiance(lender.portrait.light, normal), 0.05)
    gains = np.ones_like(canvas.figure.vertices)
    gains[own] = np.clip(gain, *GAIN)
    return gains


def _piece_layer(canvas: Canvas, name: str, place: tuple[slice, slice], texture: Floats, gains: Floats) -> Layer:
    """The piece painted with `texture` (h, w, 4), which lies at `place` in the atlas, times `gains` (V, 3)."""
    texels = np.flatnonzero(canvas.part(name))
    corners = canvas.texels.barycentric.reshape(-1, 3)[texels]
    faces = canvas.figure.faces[canvas.texels.triangle.reshape(-1)[texels]]
    gain = np.einsum("mk,mkc->mc", corners, gains[faces])
    row, column = np.divmod(texels, canvas.base.shape[1])
    values = texture[row - place[0].start, column - place[1].start]
    shown = values[:, 3] > 0.004
    color = encoded(np.clip(linear(values[shown, :3]) * gain[shown], 0, 1))
    return sparse_layer(texels[shown], color, values[shown, 3], np.ones(int(shown.sum()), np.float32))


def _reduced(texture: Floats, tile: Tile) -> Floats:
    """(h, w, 4) as large as `tile`, averaged with straight alpha."""
    premultiplied = texture.copy()
    premultiplied[..., :3] *= premultiplied[..., 3:]
    small = cv2.resize(premultiplied, (tile.width, tile.height), interpolation=cv2.INTER_AREA)
    small[..., :3] /= np.maximum(small[..., 3:], 1e-4)
    return np.asarray(small, np.float32)
