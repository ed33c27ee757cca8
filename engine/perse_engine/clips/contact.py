"""The shade that what is worn casts on skin, hair and eyes: nobody has to fake a shadow.

`contact_layer(canvas, worn, faces, reach)` is all that an editor calls. It multiplies what lies below, whatever that is
by then: shade over tan is tan in the shade.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from perse_engine.clips.canvas import Canvas, sparse_layer
from perse_engine.clips.colors import Floats
from perse_engine.clips.wardrobe import Layer
from perse_engine.heads.head import Ints
from perse_engine.surfaces.normals import vertex_normals
from perse_engine.surfaces.occlusion import ambient_occlusion

SHADED = ("skin", "bust", "hair", "eyes", "lashes")
DARK = np.array([0.03, 0.012, 0.008], np.float32)
"""sRGB towards which shade goes: nearly black, so that it multiplies, and warm, as light goes through skin."""
GAMMA = 2.2
STEPS = 8  # samples within the reach of a shade


def contact_layer(
    canvas: Canvas,
    worn: Floats,
    faces: Ints,
    reach: float,
    amount: float = 1.0,
    move: Floats | None = None,
    parts: tuple[str, ...] = SHADED,
) -> Layer:
    """The shade of a worn mesh as a layer; arguments as in `contact_shade`."""
    texels, strength = contact_shade(canvas, worn, faces, reach, amount, move, parts)
    return sparse_layer(texels, DARK, canvas.flat_base[texels, 3], strength)


def contact_shade(
    canvas: Canvas,
    worn: Floats,
    faces: Ints,
    reach: float,
    amount: float = 1.0,
    move: Floats | None = None,
    parts: tuple[str, ...] = SHADED,
) -> tuple[NDArray[np.int64], Floats]:
    """Texels (M,), ascending, and how far (M,) in [0, 1] each goes towards `DARK`.

    Where light comes from counts: under a brim it is darker when the photo is lit from above.

    Args:
        worn: (N, 3) metres, the mesh as it is worn, the head at rest.
        faces: (G, 3) into `worn`; both sides cast.
        reach: metres: 0.006 for thin things that touch, 0.02 for a hat's edge, 0.06 under a brim.
        amount: in [0, 1], 1 for what lets no light through.
        move: (V, 3) the same style's vertex moves, where what is shaded moves too; None where it does not.
        parts: of the figure that are shaded.
    """
    figure = canvas.figure
    vertices = figure.vertices if move is None else figure.vertices + move
    skin = np.isin(figure.face_parts, [k for k, name in enumerate(figure.parts) if name in parts])
    near = _near_faces(vertices, figure.faces, skin, worn[np.unique(faces)], reach)
    normal = canvas.vertex_normal if move is None else vertex_normals(vertices, figure.faces)
    chosen = near[canvas.texels.triangle] & (canvas.texels.triangle >= 0) & (canvas.base[..., 3] > 0)
    if not chosen.any():
        return np.zeros(0, np.int64), np.zeros(0, np.float32)
    step = max(round(reach / STEPS / _texel_size(canvas)), 1)
    sampled = np.zeros_like(chosen)
    sampled[step // 2 :: step, step // 2 :: step] = True
    sampled &= chosen
    corners, share = figure.faces[canvas.texels.triangle[sampled]], canvas.texels.barycentric[sampled]
    points, up = (np.einsum("nk,nkc->nc", share, field[corners]) for field in (vertices, normal))
    up /= np.maximum(np.linalg.norm(up, axis=1, keepdims=True), 1e-9)
    openness = ambient_occlusion(points, up, worn, faces, reach, canvas.portrait.light.mean(1))
    shade = _spread(1 - openness, sampled, step)
    texels = np.flatnonzero(chosen)
    kept = 1 - amount * np.clip(shade.reshape(-1)[texels], 0, 1)
    return texels, (1 - kept ** (1 / GAMMA)).astype(np.float32)


def _texel_size(canvas: Canvas) -> float:
    """Metres between neighbouring texels of the skin, typically."""
    head = canvas.portrait.head
    corners = head.template[head.faces[head.face_parts == head.parts.index("skin")]]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1).sum() / 2
    return float(np.sqrt(area / max(int(canvas.part("skin").sum()), 1)))


def _near_faces(
    vertices: Floats, faces: Ints, wanted: NDArray[np.bool_], worn: Floats, reach: float
) -> NDArray[np.bool_]:
    """(F,) of the wanted faces those that a mesh with vertices `worn` may shade."""
    low, high = worn.min(0) - reach, worn.max(0) + reach
    corners = vertices[faces]
    inside = wanted & (corners.max(1) >= low).all(1) & (corners.min(1) <= high).all(1)
    if not inside.any():
        return inside
    candidates = np.flatnonzero(inside)
    middle = corners[candidates].mean(1)
    size = np.linalg.norm(corners[candidates] - middle[:, None], axis=2).max(1)
    distance, _ = cKDTree(worn).query(middle)
    # between its vertices the mesh may come nearer than they do
    inside[candidates] = distance < reach + size + 0.004
    return inside


def _spread(values: Floats, sampled: NDArray[np.bool_], step: int) -> Floats:
    """(A, B) what is known at every `step`-th texel where `sampled`, between them and a step beyond."""
    known = sampled[step // 2 :: step, step // 2 :: step]
    coarse = np.stack([known, known], -1).astype(np.float32)
    coarse[known, 0] = values
    around = cv2.blur(coarse, (3, 3))
    coarse[~known] = around[~known]
    grown = cv2.resize(coarse, None, fx=step, fy=step, interpolation=cv2.INTER_LINEAR)
    result = np.zeros(sampled.shape, np.float32)
    height, width = min(result.shape[0], grown.shape[0]), min(result.shape[1], grown.shape[1])
    result[:height, :width] = grown[:height, :width, 0] / np.maximum(grown[:height, :width, 1], 1e-6)
    return result
