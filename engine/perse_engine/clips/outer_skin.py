"""The outer surface of head and shoulders, on which hair lies: how far a point is from it, and which way is out."""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy.spatial import cKDTree

from perse_engine.heads.head import Head
from perse_engine.surfaces.colors import Floats
from perse_engine.surfaces.normals import vertex_normals

NEIGHBOURS = 6


@dataclasses.dataclass(frozen=True, eq=False)
class OuterSkin:
    """Points spread over a surface. N points.

    Attributes:
        points: (N, 3) metres, at rest.
        normals: (N, 3) unit length, outwards.
        scalp: (N,) in [0, 1] where hair grows.
        tree: nearest points.
    """

    points: Floats
    normals: Floats
    scalp: Floats
    tree: cKDTree

    def gap(self, places: Floats) -> tuple[Floats, Floats]:
        """How far outside `places` (n, 3) lie (n,), negative inside, and the way out (n, 3), unit length."""
        distance, index = self.tree.query(places, k=NEIGHBOURS)
        share = 1 / (distance + 1e-3) ** 3
        share /= share.sum(1, keepdims=True)
        normal = np.einsum("nk,nkc->nc", share, self.normals[index])
        normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
        above = np.einsum("nkc,nkc->nk", places[:, None] - self.points[index], self.normals[index])
        return np.einsum("nk,nk->n", share, above), normal

    def scalp_at(self, places: Floats) -> Floats:
        """(n,) in [0, 1]: how much hair grows on the skin nearest to `places` (n, 3)."""
        distance, index = self.tree.query(places, k=NEIGHBOURS)
        share = 1 / (distance + 1e-3) ** 2
        return np.asarray((share * self.scalp[index]).sum(1) / share.sum(1))


def skull_skin(head: Head) -> OuterSkin:
    """The skin of the head without its ears."""
    return _outer(head, ("skin",), head.regions["ears"] < 0.25)


def body_skin(head: Head) -> OuterSkin:
    """Head, ears and shoulders. Over an ear the way out is sideways, whatever its folds do."""
    return _outer(head, ("skin", "bust"), np.ones(len(head.template), bool))


def _outer(head: Head, parts: tuple[str, ...], kept: np.ndarray) -> OuterSkin:
    wanted = [k for k, name in enumerate(head.parts) if name in parts]
    faces = head.faces[np.isin(head.face_parts, wanted) & kept[head.faces].all(1)]
    vertices = head.template.astype(np.float64)
    normals = vertex_normals(vertices, faces).astype(np.float64)
    ears = np.clip(1.5 * head.regions["ears"], 0, 1)[:, None]
    sideways = np.sign(vertices[:, :1]) * np.array([1.0, 0.0, 0.0])
    normals = (1 - ears) * normals + ears * sideways
    # the middle of each edge and face as well, so that large triangles count as much as small ones
    corners, directions = vertices[faces], normals[faces]
    scalp = head.regions["scalp"][faces]
    spread = np.array([[1, 1, 1], [1.4, 1.4, 0.2], [0.2, 1.4, 1.4], [1.4, 0.2, 1.4]]) / 3
    points = np.concatenate([np.einsum("k,fkc->fc", w, corners) for w in spread])
    outward = np.concatenate([np.einsum("k,fkc->fc", w, directions) for w in spread])
    outward /= np.maximum(np.linalg.norm(outward, axis=1, keepdims=True), 1e-9)
    grown = np.concatenate([scalp @ w for w in spread])
    return OuterSkin(points, outward, grown, cKDTree(points))
