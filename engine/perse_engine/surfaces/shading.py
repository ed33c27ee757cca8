"""What the triangles look like: attributes and textures over the pixels, with antialiased, ordered coverage."""

from __future__ import annotations

import dataclasses

import numpy as np
from numba import get_num_threads, njit, prange
from numpy.typing import NDArray

from perse_engine.cameras import Camera
from perse_engine.surfaces.layering import draw_layers
from perse_engine.surfaces.mipmaps import Mipmap, mipmap
from perse_engine.surfaces.rasterize import Fragments, all_columns, bin_triangles, triangle_edges


@dataclasses.dataclass(frozen=True, eq=False)
class Rendered:
    """A picture of H x W pixels.

    Attributes:
        color: (H, W, 3) float32 straight sRGB, zero where alpha is.
        alpha: (H, W) float32 in [0, 1].
        face: (H, W) int32, the face that covers most of the pixel, -1 where nothing does.
        depth: (H, W) float32 planar camera z of that face, infinite where nothing is.
    """

    color: NDArray[np.float32]
    alpha: NDArray[np.float32]
    face: NDArray[np.int32]
    depth: NDArray[np.float32]


def interpolate(
    fragments: Fragments, faces: NDArray[np.integer], attributes: NDArray[np.floating]
) -> NDArray[np.float32]:
    """(H, W, C) attributes (V, C) of the vertices over the pixels, perspective-correct; zero where nothing is."""
    return _interpolate(
        fragments.triangle,
        fragments.barycentric,
        np.ascontiguousarray(faces, np.int32),
        np.ascontiguousarray(attributes, np.float32),
    )


@njit(cache=True, parallel=True)
def _interpolate(triangle: NDArray, barycentric: NDArray, faces: NDArray, attributes: NDArray) -> NDArray[np.float32]:
    height, width = triangle.shape
    channels = attributes.shape[1]
    out = np.zeros((height, width, channels), np.float32)
    for y in prange(height):
        for x in range(width):
            f = triangle[y, x]
            if f >= 0:
                for i in range(3):
                    weight = barycentric[y, x, i]
                    for c in range(channels):
                        out[y, x, c] += weight * attributes[faces[f, i], c]
    return out


def render_textured(
    vertices: NDArray[np.floating],
    faces: NDArray[np.integer],
    uv: NDArray[np.floating],
    uv_faces: NDArray[np.integer],
    texture: NDArray[np.floating],
    camera: Camera,
    *,
    samples: int = 2,
) -> Rendered:
    """Draw a textured mesh, unlit. Where the texture is translucent, what is behind shows, in depth order.

    Args:
        vertices: (V, 3) world units.
        faces: (F, 3) indices into `vertices`.
        uv: (T, 2), v up: the texture's row 0 is v = 1.
        uv_faces: (F, 3) indices into `uv`.
        texture: (h, w, 3) or (h, w, 4) sRGB and straight alpha in [0, 1]; sampled bilinearly from a mip pyramid.
        samples: each pixel is the mean of samples x samples points of it.
    """
    return render_mipmapped(vertices, faces, uv, uv_faces, mipmap(texture), camera, samples=samples)


def render_mipmapped(
    vertices: NDArray[np.floating],
    faces: NDArray[np.integer],
    uv: NDArray[np.floating],
    uv_faces: NDArray[np.integer],
    texture: Mipmap,
    camera: Camera,
    *,
    samples: int = 2,
    spans: NDArray[np.int32] | None = None,
) -> Rendered:
    """Draw as `render_textured` does, with a texture that `mipmap` made ready.

    Args:
        spans: (H, 2) the columns of each row that are drawn, half open, to the last bit as in the whole picture; the
            others stay empty. All by default.
    """
    texels, sizes, offsets = texture.texels, texture.sizes, texture.offsets
    fine = camera.resized(camera.width * samples, camera.height * samples)
    edges, boxes = triangle_edges(vertices, faces, fine)
    corners = np.ascontiguousarray(uv, np.float32)[np.asarray(uv_faces)]
    levels = _levels(edges, boxes, corners, sizes)
    starts, order = bin_triangles(boxes, fine.height)
    wanted = all_columns(camera.height, camera.width) if spans is None else spans
    columns = np.repeat(wanted.astype(np.int32) * np.int32(samples), samples, axis=0)

    shape = (fine.height, fine.width)
    color = np.zeros((*shape, 4), np.float32)
    seen = np.full(shape, -1, np.int32)
    near = np.full(shape, np.inf, np.float32)
    draw_layers(
        edges,
        boxes,
        starts,
        order,
        corners,
        levels,
        texels,
        sizes,
        offsets,
        columns,
        1 / fine.near,
        get_num_threads(),
        color,
        seen,
        near,
    )
    return Rendered(*_average(color, seen, near, samples, wanted))


@njit(cache=True, parallel=True)
def _levels(edges: NDArray, boxes: NDArray, corners: NDArray, sizes: NDArray) -> NDArray[np.uint8]:
    """(F,) uint8 mip level whose texels are about as large as the samples, from the areas of each triangle."""
    levels = np.zeros(edges.shape[0], np.uint8)
    for f in prange(edges.shape[0]):
        if boxes[f, 0] >= boxes[f, 2] or boxes[f, 1] >= boxes[f, 3]:
            continue
        ax, ay = corners[f, 1, 0] - corners[f, 0, 0], corners[f, 1, 1] - corners[f, 0, 1]
        bx, by = corners[f, 2, 0] - corners[f, 0, 0], corners[f, 2, 1] - corners[f, 0, 1]
        texel_area = 0.5 * abs(ax * by - ay * bx) * sizes[0, 0] * sizes[0, 1]
        # the box holds the triangle about twice; slivers only err towards the sharper level
        pixel_area = 0.5 * (boxes[f, 2] - boxes[f, 0]) * (boxes[f, 3] - boxes[f, 1])
        ratio = texel_area / pixel_area
        level = 0
        while level + 1 < sizes.shape[0] and ratio > 2.0:
            ratio /= 4.0
            level += 1
        levels[f] = level
    return levels


@njit(cache=True, parallel=True)
def _average(
    fine: NDArray, seen: NDArray, near: NDArray, samples: int, spans: NDArray
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int32], NDArray[np.float32]]:
    height, width = fine.shape[0] // samples, fine.shape[1] // samples
    color = np.zeros((height, width, 3), np.float32)
    alpha = np.zeros((height, width), np.float32)
    face = np.full((height, width), -1, np.int32)
    depth = np.full((height, width), np.inf, np.float32)
    scale = np.float32(1 / (samples * samples))
    for y in prange(height):
        for x in range(spans[y, 0], spans[y, 1]):
            r, g, b, a = np.float32(0), np.float32(0), np.float32(0), np.float32(0)
            most = 0
            for j in range(samples):
                for i in range(samples):
                    s = fine[y * samples + j, x * samples + i]
                    r += s[0]
                    g += s[1]
                    b += s[2]
                    a += s[3]
                    here = seen[y * samples + j, x * samples + i]
                    if here < 0 or here == face[y, x]:
                        continue
                    votes = 0
                    for m in range(samples):
                        for k in range(samples):
                            votes += seen[y * samples + m, x * samples + k] == here
                    if votes > most:
                        most = votes
                        face[y, x] = here
                        depth[y, x] = near[y * samples + j, x * samples + i]
            if a > 0:
                color[y, x, 0] = r / a
                color[y, x, 1] = g / a
                color[y, x, 2] = b / a
                alpha[y, x] = min(a * scale, np.float32(1))
    return color, alpha, face, depth
