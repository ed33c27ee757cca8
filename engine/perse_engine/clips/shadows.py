"""The shade that a worn piece lays on skin, eyes and hair: what light it keeps off them."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from perse_engine.clips.canvas import sparse_layer
from perse_engine.clips.wardrobe import Layer
from perse_engine.clips.worn import Worn
from perse_engine.surfaces.colors import Floats
from perse_engine.surfaces.occlusion import ambient_occlusion

SHADE = np.array([0.055, 0.035, 0.03], np.float32)
"""What shadows on skin and hair are blended towards: not black, as light comes through skin."""
ON_HAIR = 0.35
"""Most that a shadow on hair may weigh: a haircut that is worn with it leaves the shadow hanging in the air."""
MOST_ASKED = 3000
"""Texels of which the shade is computed; the others lie between."""


def cast_shadow(
    surface: Worn,
    reach: float,
    strongest: float,
    drop: Floats | None = None,
    faces: NDArray[np.int32] | None = None,
) -> Layer:
    """The shade of a worn piece on everything that lies within `reach` metres of it.

    Args:
        surface: the piece; its figure as the style places it.
        reach: metres beyond which nothing shades.
        strongest: in [0, 1], where no light comes past the piece.
        drop: (3,) metres by which the shadow falls aside from right under the piece, or None.
        faces: (F, 3) of the piece that cast it, or None for all.
    """
    canvas = surface.canvas
    texels = _near(surface, reach)
    if not len(texels):
        return sparse_layer(texels, SHADE, 1.0, np.zeros(0, np.float32))
    width = canvas.base.shape[1]
    rows, columns = texels // width, texels % width
    every = max(2, math.ceil(math.sqrt(len(texels) / MOST_ASKED)))
    asked = (rows % every == 0) & (columns % every == 0)
    points = _placed(surface, texels[asked])
    normals = canvas.flat_normal[texels[asked]]
    blockers = surface.vertices if drop is None else surface.vertices + drop
    closed = 1 - ambient_occlusion(points, normals, blockers, surface.faces if faces is None else faces, reach)
    amount = _between(rows, columns, every, closed) * strongest
    hair = canvas.part("hair").reshape(-1)[texels]
    amount = np.where(
        hair | canvas.part("eyes", "bust").reshape(-1)[texels], amount, amount * canvas.exposed.reshape(-1)[texels]
    )
    amount = np.where(hair, np.minimum(amount, ON_HAIR), amount)
    alpha = np.where(hair, canvas.flat_base[texels, 3], 1.0)
    return sparse_layer(texels, SHADE, alpha, amount)


def _near(surface: Worn, reach: float) -> NDArray[np.int64]:
    """Flat indices of the texels that the piece may shade."""
    canvas = surface.canvas
    figure = canvas.figure
    shown = [k for k, name in enumerate(figure.parts) if name in ("skin", "bust", "eyes", "hair")]
    piece = surface.vertices[surface.own]
    low, high = piece.min(0) - reach, piece.max(0) + reach
    inside = ((surface.vertices >= low) & (surface.vertices <= high)).all(1)
    faces = np.isin(figure.face_parts, shown) & inside[figure.faces].any(1)
    picked = np.append(faces, False)[canvas.texels.triangle]
    return np.flatnonzero(picked & (canvas.base[..., 3] > 0))


def _placed(surface: Worn, texels: NDArray[np.int64]) -> Floats:
    """(M, 3) where the style has these texels."""
    canvas = surface.canvas
    triangle = canvas.texels.triangle.reshape(-1)[texels]
    share = canvas.texels.barycentric.reshape(-1, 3)[texels]
    return np.einsum("mk,mkc->mc", share, surface.vertices[canvas.figure.faces[triangle]])


def _between(rows: NDArray, columns: NDArray, every: int, values: Floats) -> Floats:
    """(M,) values at the texels, from those in every so many rows and columns."""
    asked = (rows % every == 0) & (columns % every == 0)
    top, left = rows.min() // every * every, columns.min() // every * every
    shape = ((rows.max() - top) // every + 2, (columns.max() - left) // every + 2)
    field, known = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    place = ((rows[asked] - top) // every, (columns[asked] - left) // every)
    field[place], known[place] = values, 1
    x = ((columns - left) / every).astype(np.float32)
    y = ((rows - top) / every).astype(np.float32)
    # beside the layout's edges, what is known next to it goes on
    wide = [cv2.GaussianBlur(image, (5, 5), 0.8) for image in (field, known)]
    read = [_sampled(image, x, y) for image in (field, known, *wide)]
    near = read[0] / np.maximum(read[1], 1e-3)
    far = read[2] / np.maximum(read[3], 1e-3)
    return np.where(read[1] > 0.3, near, far).astype(np.float32)


def _sampled(image: Floats, x: Floats, y: Floats) -> Floats:
    """(M,) bilinear; cv2.remap takes pictures of at most 32767 rows."""
    count = -(-len(x) // 1024) * 1024
    padded = [np.zeros(count, np.float32) for _ in range(2)]
    padded[0][: len(x)], padded[1][: len(x)] = x, y
    grid = [values.reshape(-1, 1024) for values in padded]
    return np.asarray(cv2.remap(image, grid[0], grid[1], cv2.INTER_LINEAR), np.float32).reshape(-1)[: len(x)]
