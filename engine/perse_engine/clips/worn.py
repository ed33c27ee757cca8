"""The surface of a piece as a style wears it, texel by texel: what materials are painted on."""

from __future__ import annotations

import dataclasses
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from perse_engine.clips.atlas import layout
from perse_engine.clips.canvas import Canvas, sparse_layer
from perse_engine.clips.wardrobe import Layer
from perse_engine.surfaces.colors import Floats
from perse_engine.surfaces.normals import vertex_normals
from perse_engine.surfaces.occlusion import ambient_occlusion

MARGIN = 3.0
"""Texels that colour goes on beyond the edges of the layout."""
STEEPEST = 0.9
"""Slope that relief may have: steeper is a jump between two grids of the layout, not cloth."""


@dataclasses.dataclass(frozen=True, eq=False)
class Worn:
    """A piece in the shape of one style. M texels in a tile of H x W, N vertices of the piece.

    Attributes:
        canvas: where it is painted.
        part: its name.
        vertices: (V, 3) of the whole figure as the style places them.
        faces: (F, 3) of this piece, into `vertices`.
        own: (N,) which vertices are the piece's.
        texels: (M,) flat indices, ascending.
        inside: (H, W) which texels of the tile they are.
        vertex_normal: (V, 3) unit length, across seams too; zero off the piece.
        normal: (M, 3) the same at the texels.
        uv: (M, 2) in [0, 1] within the tile, v up.
    """

    canvas: Canvas
    part: str
    vertices: Floats
    faces: NDArray[np.int32]
    own: NDArray[np.int64]
    texels: NDArray[np.int64]
    inside: NDArray[np.bool_]
    vertex_normal: Floats
    normal: Floats
    uv: Floats

    @cached_property
    def position(self) -> Floats:
        """(M, 3) metres."""
        return self.at_texels(self.vertices)

    def at_texels(self, values: Floats) -> Floats:
        """(M, C) of values (V, C) at the figure's vertices."""
        triangle = self.canvas.texels.triangle.reshape(-1)[self.texels]
        share = self.canvas.texels.barycentric.reshape(-1, 3)[self.texels]
        return np.einsum("mk,mkc->mc", share, values[self.canvas.figure.faces[triangle]]).astype(np.float32)

    @cached_property
    def texel_size(self) -> float:
        """Metres that a texel is wide, in the mean over the piece."""
        corners = self.vertices[self.faces].astype(np.float64)
        area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1).sum() / 2
        return float(np.sqrt(area / max(int(self.inside.sum()), 1)))

    def some(self, chosen: NDArray[np.bool_]) -> Worn:
        """The same surface at the texels `chosen` (M,) only; it has no relief."""
        return dataclasses.replace(self, texels=self.texels[chosen], normal=self.normal[chosen], uv=self.uv[chosen])

    def faces_at(self, chosen: NDArray[np.bool_]) -> NDArray[np.int32]:
        """(F, 3) the piece's faces of which a texel of `chosen` (M,) shows."""
        shown = np.unique(self.canvas.texels.triangle.reshape(-1)[self.texels[chosen]])
        return self.canvas.figure.faces[shown]

    def painted(self, color: Floats, shown: NDArray[np.bool_] | None = None) -> Layer:
        """The layer that paints `color` (M, 3) sRGB where the piece is `shown` (M,), or everywhere.

        The colour goes on a little beyond the edges of the layout, so that they do not fade when they are sampled.
        """
        tile = layout(self.canvas.base.shape[0]).tiles[self.part]
        seen = np.zeros(self.inside.shape, bool)
        seen[self.inside] = True if shown is None else shown
        image = np.zeros((*self.inside.shape, 3), np.float32)
        image[self.inside] = color
        distance, (rows, columns) = distance_transform_edt(~seen, return_indices=True)
        filled = seen | ((distance <= MARGIN) & ~self.inside)
        y, x = np.nonzero(filled)
        texels = (y + tile.y) * self.canvas.base.shape[1] + x + tile.x
        return sparse_layer(texels, image[rows[y, x], columns[y, x]], 1.0, np.ones(len(texels), np.float32))

    def openness(self, reach: float, shown: NDArray[np.int32] | None = None) -> Floats:
        """(M,) in [0, 1]: how much of the light arrives that the head and the piece itself may keep off.

        Args:
            reach: metres beyond which nothing does.
            shown: (F, 3) the piece's faces that are there, or None for all.
        """
        figure = self.canvas.figure
        parts = [k for k, name in enumerate(figure.parts) if name in ("skin", "bust")]
        blockers = np.concatenate(
            [figure.faces[np.isin(figure.face_parts, parts)], self.faces if shown is None else shown]
        )
        value = np.ones((len(self.vertices), 1), np.float32)
        points = self.vertices[self.own] + 0.0004 * self.vertex_normal[self.own]
        value[self.own, 0] = ambient_occlusion(points, self.vertex_normal[self.own], self.vertices, blockers, reach)
        return self.at_texels(value)[:, 0]

    def embossed(self, height: Floats) -> Floats:
        """(M, 3) the normals of the surface with relief `height` (M,), metres."""
        relief, place = np.zeros(self.inside.shape, np.float32), np.zeros((*self.inside.shape, 3), np.float32)
        relief[self.inside], place[self.inside] = height, self.position
        rise = [np.gradient(relief, axis=k)[self.inside] for k in (0, 1)]
        step = [np.gradient(place, axis=k)[self.inside] for k in (0, 1)]
        area = np.cross(step[0], step[1])
        size = np.maximum(np.linalg.norm(area, axis=1), 1e-12)[:, None]
        facing = np.sign(np.einsum("mc,mc->m", area, self.normal))[:, None]
        slope = (
            rise[0][:, None] * np.cross(step[1], self.normal) + rise[1][:, None] * np.cross(self.normal, step[0])
        ) / size
        slope *= facing
        edge = cv2.erode(self.inside.astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=0)[self.inside] == 0
        slope[edge] = 0  # beside the layout there is nothing to compare with
        steep = np.linalg.norm(slope, axis=1, keepdims=True)
        bent = self.normal - slope * np.minimum(1, STEEPEST / np.maximum(steep, 1e-9))
        return (bent / np.linalg.norm(bent, axis=1, keepdims=True)).astype(np.float32)


def worn(canvas: Canvas, part: str, placed: Floats) -> Worn:
    """The part `part` of the canvas's figure, with the figure's vertices where a style has `placed` them (V, 3)."""
    figure = canvas.figure
    own = np.flatnonzero(canvas.part_vertices(part))
    faces = figure.faces[figure.face_parts == figure.parts.index(part)]
    normal = seamless_normals(placed, faces)
    tile = layout(canvas.base.shape[0]).tiles[part]
    inside = canvas.part(part)[tile.slices()]
    rows, columns = np.nonzero(inside)
    texels = (rows + tile.y) * canvas.base.shape[1] + columns + tile.x
    uv = np.stack([(columns + 0.5) / tile.width, 1 - (rows + 0.5) / tile.height], -1).astype(np.float32)
    surface = Worn(canvas, part, placed, faces, own, texels, inside, normal, np.zeros(0), uv)
    at = surface.at_texels(normal)
    at /= np.maximum(np.linalg.norm(at, axis=1, keepdims=True), 1e-9)
    return dataclasses.replace(surface, normal=at)


def seamless_normals(vertices: Floats, faces: NDArray[np.int32]) -> Floats:
    """(V, 3) unit normals; vertices at one place, as along a seam of the layout, share theirs."""
    used = np.unique(faces)
    _, same = np.unique(np.round(vertices[used] * 1e5).astype(np.int64), axis=0, return_inverse=True)
    index = np.zeros(len(vertices), np.int64)
    index[used] = same
    joined = np.zeros((int(same.max(initial=-1)) + 1, 3), np.float32)
    joined[same] = vertices[used]
    normals = np.zeros_like(vertices)
    normals[used] = vertex_normals(joined, index[faces])[same]
    return normals
