"""From the photograph back onto the surface."""

from __future__ import annotations

import dataclasses
import math

import cv2
import numpy as np
from numpy.typing import NDArray

from perse_engine.cameras import Camera
from perse_engine.surfaces.normals import vertex_normals
from perse_engine.surfaces.rasterize import Fragments, rasterize_mesh
from perse_engine.surfaces.shading import interpolate

DEPTH_SIDE = 1024  # pixels across the mesh when it is asked what hides what
PIXEL_REACH = 0.4  # pixels of the picture


@dataclasses.dataclass(frozen=True, eq=False)
class Texels:
    """Where on the mesh each texel of an h x w texture lies.

    Attributes:
        triangle: (h, w) int32, -1 where the layout is empty.
        barycentric: (h, w, 3) float32.
    """

    triangle: NDArray[np.int32]
    barycentric: NDArray[np.float32]

    def interpolate(self, faces: NDArray[np.integer], attributes: NDArray[np.floating]) -> NDArray[np.float32]:
        """(h, w, C) attributes (V, C) of the vertices over the texels; zero where the layout is empty."""
        return interpolate(Fragments(self.triangle, self.barycentric, self.barycentric[..., 0]), faces, attributes)


def texel_map(uv: NDArray[np.floating], uv_faces: NDArray[np.integer], shape: tuple[int, int]) -> Texels:
    """Draw the texture layout itself: the triangle and the place in it of every texel centre.

    Args:
        uv: (T, 2) in [0, 1], v up.
        uv_faces: (F, 3).
        shape: height and width of the texture.
    """
    height, width = shape
    flat = np.concatenate([uv[:, :1] * width, (1 - uv[:, 1:2]) * height, np.ones((len(uv), 1))], 1)
    camera = Camera(np.eye(4), 1.0, 1.0, 0.0, 0.0, width, height)
    fragments = rasterize_mesh(flat, uv_faces, camera)
    return Texels(fragments.triangle, fragments.barycentric)


@dataclasses.dataclass(frozen=True, eq=False)
class Sight:
    """Where in a picture each texel of an h x w texture is seen.

    Attributes:
        x, y: (h, w) float32 pixels of the picture, centres at + 0.5; far outside where the layout is empty.
        confidence: (h, w) float32, the cosine between surface and view, squared; 0 where the surface is hidden, turned
            away or outside the picture.
    """

    x: NDArray[np.float32]
    y: NDArray[np.float32]
    confidence: NDArray[np.float32]

    def read(self, image: NDArray[np.generic]) -> NDArray[np.float32]:
        """(h, w) or (h, w, C) the picture's values, bilinear; its border goes on outside; uint8 becomes [0, 1]."""
        pixels = np.asarray(image, np.float32)
        half = np.float32(0.5)
        read = cv2.remap(pixels, self.x - half, self.y - half, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(read / np.float32(255) if image.dtype == np.uint8 else read, np.float32)


def look(vertices: NDArray[np.floating], faces: NDArray[np.integer], camera: Camera, texels: Texels) -> Sight:
    """Where `camera` sees each texel of a mesh.

    Args:
        vertices: (V, 3) posed as in the picture.
    """
    positions = texels.interpolate(faces, vertices)
    normals = texels.interpolate(faces, vertex_normals(vertices, faces))
    normals /= np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-9)
    towards = camera.position().astype(np.float32) - positions
    towards /= np.maximum(np.linalg.norm(towards, axis=-1, keepdims=True), 1e-9)
    projected = camera.project(positions.reshape(-1, 3)).reshape(positions.shape)
    x, y, z = (np.nan_to_num(projected[..., k], posinf=-1e4, neginf=-1e4).astype(np.float32) for k in range(3))
    laid = texels.triangle >= 0
    x, y = (np.where(laid, np.clip(values, -1e4, 1e4), -1e4).astype(np.float32) for values in (x, y))

    close = _close_up(camera, x[laid], y[laid])
    zoom = close.fx / camera.fx
    # a pixel of the picture mixes what its whole area sees, so the nearest surface around it counts
    reach = 2 * max(1, round(PIXEL_REACH * zoom)) + 1
    depth = cv2.erode(rasterize_mesh(vertices, faces, close).depth, np.ones((reach, reach), np.uint8))
    column = np.clip((x * zoom + (close.cx - camera.cx * zoom)).astype(np.int32), 0, close.width - 1)
    row = np.clip((y * zoom + (close.cy - camera.cy * zoom)).astype(np.int32), 0, close.height - 1)
    facing = np.einsum("hwc,hwc->hw", normals, towards)
    # a slanted surface comes nearer within that area by its slope
    slope = np.sqrt(np.maximum(1 - facing**2, 0)) / np.maximum(facing, 0.1)
    margin = z / min(close.fx, close.fy) * (reach / 2 + 0.5) * (0.5 + slope) + 5e-4 * np.median(z[laid])
    inside = (x >= 0) & (y >= 0) & (x < camera.width) & (y < camera.height) & (z > camera.near)
    visible = laid & inside & (facing > 0) & (z <= depth[row, column] + margin)
    return Sight(x, y, np.where(visible, facing**2, 0).astype(np.float32))


def unproject(
    image: NDArray[np.generic],
    vertices: NDArray[np.floating],
    faces: NDArray[np.integer],
    camera: Camera,
    texels: Texels,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Read a photograph into a texture.

    Args:
        image: (H, W, 3), uint8 or float in [0, 1], as `camera` took it.
        vertices: (V, 3) posed as in the photograph.

    Returns:
        texture (h, w, 3) in [0, 1], and confidence (h, w) as `Sight` has it.
    """
    sight = look(vertices, faces, camera, texels)
    return sight.read(image), sight.confidence


def _close_up(camera: Camera, x: NDArray[np.float32], y: NDArray[np.float32]) -> Camera:
    """The camera's window on the pixels (x, y), finer where the photograph is coarse: small parts hide each other."""
    x, y = np.clip(x, 0, camera.width), np.clip(y, 0, camera.height)
    left, top, right, bottom = math.floor(x.min()), math.floor(y.min()), math.ceil(x.max()), math.ceil(y.max())
    width, height = max(right - left, 1), max(bottom - top, 1)
    zoom = max(1, math.ceil(DEPTH_SIDE / max(width, height)))
    return camera.cropped(left, top, width, height).resized(width * zoom, height * zoom)
