"""The bust's outline laid on the photo's: shoulders and collars as wide and as high as they are seen."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, diags
from scipy.sparse.linalg import spsolve

from perse_engine.cameras import Camera
from perse_engine.heads.head import ROOT, Head
from perse_engine.portraits.parts import Mask
from perse_engine.surfaces.normals import vertex_normals
from perse_engine.surfaces.rasterize import rasterize_mesh

REACH = 0.06  # metres that the outline may move
STEPS = 121
STIFF = 0.06  # metres over which a displacement is shared
SLOPE = 0.45  # cosine between view and normal up to which a vertex may make the outline


def shoulder_offsets(
    head: Head, vertices: NDArray[np.floating], camera: Camera, person: Mask, clothes: Mask
) -> NDArray[np.float32]:
    """(V, 3) displacement of the bust, zero elsewhere, where it meets the neck, and where the photo shows no shoulder.

    Args:
        head: the personal head.
        vertices: (V, 3) as in the photo; the root is at rest in it.
        camera: of the whole photo.
        person: (H, W) the person's alpha.
        clothes: (H, W) what of that is dressed.
    """
    offsets = np.zeros(vertices.shape, np.float32)
    if "bust" not in head.parts:
        return offsets
    faces = head.faces[head.face_parts == head.parts.index("bust")]
    bust = np.unique(faces)
    chosen, asked = _outline_targets(head, np.asarray(vertices, np.float64), bust, camera, person, clothes)
    if not len(chosen):
        return offsets
    number = np.full(len(vertices), -1)
    number[bust] = np.arange(len(bust))
    local = number[faces]
    edges = np.unique(np.sort(np.concatenate([local[:, [0, 1]], local[:, [1, 2]], local[:, [2, 0]]]), 1), axis=0)
    points = head.template[bust].astype(np.float64)
    length = np.linalg.norm(points[edges[:, 0]] - points[edges[:, 1]], axis=1)
    weight = 1 / np.maximum(length, 1e-3)
    count = len(bust)
    links = coo_matrix((weight, (edges[:, 0], edges[:, 1])), (count, count))
    links = links + links.T
    degree = np.asarray(links.sum(1)).reshape(-1)
    bending = diags(1 / degree) @ (diags(degree) - links)
    typical = float(length.mean())
    plate = (bending.T @ bending) * (STIFF / typical) ** 2
    # the neck's edge stays, and so does what moves with the neck
    held = 1 - head.weights[bust, ROOT].astype(np.float64)
    pull = np.full(count, 2e-3) + 30 * np.clip(held * 4, 0, 1)
    wanted = np.zeros((count, 3))
    np.add.at(pull, number[chosen], 1.0)
    np.add.at(wanted, number[chosen], asked)
    solved = spsolve((plate + diags(pull)).tocsc(), wanted)
    offsets[bust] = solved * (1 - np.clip(held * 4, 0, 1))[:, None]
    return offsets


def _outline_targets(
    head: Head,
    vertices: NDArray[np.float64],
    bust: NDArray[np.integer],
    camera: Camera,
    person: Mask,
    clothes: Mask,
) -> tuple[NDArray[np.integer], NDArray[np.float64]]:
    """Vertices on the bust's outline, and how (N, 3) they should move."""
    normals = vertex_normals(vertices, head.faces).astype(np.float64)[bust]
    place = camera.project(vertices[bust])
    towards = camera.position() - vertices[bust]
    facing = np.einsum("vk,vk->v", normals, towards) / np.linalg.norm(towards, axis=1)
    across = (normals @ camera.view[:3, :3].T)[:, :2]
    across /= np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-9)
    covered = np.isfinite(rasterize_mesh(vertices, head.faces, camera).depth)
    height, width = covered.shape
    x, y, z = place.T
    step = np.maximum(0.012 * camera.fx / z, 2)
    ahead_x, ahead_y = x + across[:, 0] * step, y + across[:, 1] * step
    inside = (x > 3) & (x < width - 4) & (y > 3) & (y < height - 4)
    column = np.clip(ahead_x.astype(int), 0, width - 1)
    row = np.clip(ahead_y.astype(int), 0, height - 1)
    rim = inside & (np.abs(facing) < SLOPE) & ~covered[row, column] & (across[:, 1] < 0.5)
    bust, across, x, y, z = bust[rim], across[rim], x[rim], y[rim], z[rim]

    offset = np.linspace(-REACH, REACH, STEPS)
    pixels = offset[None] * (camera.fx / z)[:, None]
    columns = (x[:, None] + across[:, :1] * pixels).astype(int)
    rows = (y[:, None] + across[:, 1:] * pixels).astype(int)
    framed = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    columns, rows = np.clip(columns, 0, width - 1), np.clip(rows, 0, height - 1)
    there = (person[rows, columns] > 0.5) & framed
    dressed = (clothes[rows, columns] > 0.5) & framed
    leaves = dressed[:, :-1] & ~there[:, 1:] & framed[:, 1:]
    away = np.where(leaves, np.abs(offset[None, :-1]), np.inf)
    best = away.argmin(1)
    found = np.isfinite(away.min(1))
    amount = (offset[best] + offset[best + 1]) / 2
    moved = np.concatenate([across * amount[:, None], np.zeros((len(across), 1))], 1) @ camera.view[:3, :3]
    return bust[found], moved[found]
