"""Shoulders and upper chest for a head that ends at the neck: the open head's bust, fitted to the neck's edge."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from perse_engine.errors import InputError
from perse_engine.heads.alignment import Overlay, unit_normals
from perse_engine.heads.head import ROOT, Floats, Head, Ints
from perse_engine.heads.plain_uv import BUST_FROM, SHELF

_MARGIN = 0.008
_STUMP = 0.02
"""Metres that the bust reaches up into the neck."""
_SINK = 0.004
"""Metres that it lies under the neck's skin there."""
_REACH = 0.09
"""Metres over which the bust stops following the neck."""
_NEIGHBOURS = 4


def attach_bust(head: Head, source: Head, over: Overlay) -> Head:
    """`head` with the bust of `source` as one more part, appended: the vertices and faces there were keep their places.

    At the neck's lower edge the bust goes through the edge and moves with it, in every identity, expression and pose;
    away from it, it turns into a rigid part of the root.

    Args:
        head: a model whose neck has an open lower edge, and no bust; its atlas has the lower right free (`plain_uv`).
        source: the open head.
        over: `source` laid over `head`.

    Raises:
        InputError: "wrong-shape" where the mesh has no open edge.
    """
    edge = _lowest_edge(head)
    points, faces, chosen = _piece(source, over, head, edge)
    tree = cKDTree(head.template[edge])
    distance, nearest = tree.query(points, k=_NEIGHBOURS)
    share = 1 / (distance + 1e-3) ** 2
    share /= share.sum(1, keepdims=True)
    follow = _fade(distance[:, 0] / _REACH)  # (B,)
    ring = edge[nearest]  # (B, k)

    def followed(directions: Floats) -> Floats:
        """(V, …) of the edge → (B, …), fading away from it."""
        mixed = np.einsum("bk,bk...->b...", share * follow[:, None], directions[ring], optimize=True)
        return np.concatenate([directions, mixed]).astype(np.float32)

    rigid = np.eye(5)[ROOT]
    weights = np.einsum("bk,bkj->bj", share, head.weights[ring]) * follow[:, None] + rigid * (1 - follow[:, None])
    points = _through_edge(points, over.normals[chosen], head, edge, tree)
    count = len(head.template)
    uv = _uv(source, faces, chosen)
    pose = head.pose_directions
    return dataclasses.replace(
        head,
        template=np.concatenate([head.template, points]).astype(np.float32),
        faces=np.concatenate([head.faces, faces + count]).astype(np.int32),
        shape_directions=followed(head.shape_directions),
        expression_directions=followed(head.expression_directions),
        pose_directions=None if pose is None else followed(pose),
        weights=np.concatenate([head.weights, weights]).astype(np.float32),
        uv=np.concatenate([head.uv, uv.reshape(-1, 2)]).astype(np.float32),
        uv_faces=np.concatenate([head.uv_faces, len(head.uv) + np.arange(3 * len(faces)).reshape(-1, 3)]).astype(
            np.int32
        ),
        parts=(*head.parts, "bust"),
        face_parts=np.concatenate([head.face_parts, np.full(len(faces), len(head.parts))]).astype(np.uint8),
        regions={
            name: np.concatenate([mask, np.zeros(len(points))]).astype(np.float32)
            for name, mask in head.regions.items()
        },
        mirror=np.concatenate([head.mirror, count + _mirror_of(source, chosen)]).astype(np.int32),
    )


def _lowest_edge(head: Head) -> Ints:
    """Vertices of the open edge at the foot of the neck."""
    edges = np.sort(np.concatenate([head.faces[:, [0, 1]], head.faces[:, [1, 2]], head.faces[:, [2, 0]]]), 1)
    unique, counts = np.unique(edges, axis=0, return_counts=True)
    open_edges = unique[counts == 1]
    if not len(open_edges):
        raise InputError("wrong-shape", "the neck has no open edge to put a bust on", "use FLAME's own topology")
    following: dict[int, set[int]] = {}
    for a, b in open_edges.tolist():
        following.setdefault(a, set()).add(b)
        following.setdefault(b, set()).add(a)
    vertex = int(open_edges.ravel()[np.argmin(head.template[open_edges.ravel(), 1])])
    loop, waiting = {vertex}, [vertex]
    while waiting:
        fresh = following[waiting.pop()] - loop
        loop |= fresh
        waiting += fresh
    return np.array(sorted(loop), np.int32)


def _piece(
    source: Head, over: Overlay, head: Head, edge: Ints
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Vertices (B, 3), faces and source vertices of the bust, with as much neck as the stump needs."""
    # The edge is not level: how high the bust goes depends on where around the neck one is.
    ring = head.template[edge].astype(np.float64)
    middle = ring.mean(0)
    bearing = np.arctan2(ring[:, 0] - middle[0], ring[:, 2] - middle[2])
    order = np.argsort(bearing)
    at = np.arctan2(over.vertices[:, 0] - middle[0], over.vertices[:, 2] - middle[2])
    height = np.interp(at, bearing[order], ring[order, 1], period=2 * np.pi)
    low = over.vertices[:, 1] < height + _STUMP
    outer = np.isin(source.face_parts, [source.parts.index("skin"), source.parts.index("bust")])
    chosen, faces = np.unique(source.faces[outer & low[source.faces].all(1)], return_inverse=True)
    return over.vertices[chosen].copy(), faces.reshape(-1, 3), chosen


def _through_edge(
    points: NDArray[np.float64], normals: NDArray[np.float64], head: Head, edge: Ints, tree: cKDTree
) -> NDArray[np.float64]:
    """Bend the bust so that it passes through the neck's edge, and sink what is above it under the neck's skin."""
    ring = head.template[edge].astype(np.float64)
    bust = cKDTree(points)
    for _ in range(3):
        gap = ring - points[bust.query(ring)[1]]
        distance, nearest = tree.query(points, k=_NEIGHBOURS)
        share = 1 / (distance + 2e-3) ** 2
        share /= share.sum(1, keepdims=True)
        points = points + np.einsum("bk,bkd->bd", share, gap[nearest]) * _fade(distance[:, 0] / _REACH)[:, None]
        bust = cKDTree(points)
    surface = cKDTree(head.template)
    distance, nearest = surface.query(points)
    facing = unit_normals(head.template, head.faces)[nearest]
    outside = ((points - head.template[nearest]) * facing).sum(1)
    above = np.clip((points[:, 1] - ring[tree.query(points)[1], 1]) / 0.004, 0, 1) * (distance < 0.03)
    return points - facing * ((outside + _SINK) * above)[:, None]


def _uv(source: Head, faces: NDArray[np.int64], chosen: NDArray[np.int64]) -> NDArray[np.float64]:
    """(F, 3, 2): the open head's own layout of these faces, moved to the free corner of the shelf."""
    wanted = {tuple(face): index for index, face in enumerate(source.faces.tolist())}
    rows = [wanted[tuple(face)] for face in chosen[faces].tolist()]
    flat = source.uv[source.uv_faces[rows]].astype(np.float64)
    start, size = flat.min((0, 1)), np.ptp(flat, axis=(0, 1))
    room = np.array([1 - BUST_FROM - 2 * _MARGIN, SHELF - 2 * _MARGIN])
    return (flat - start) / size * room + [BUST_FROM + _MARGIN, _MARGIN]


def _mirror_of(source: Head, chosen: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where the mirror image of each chosen vertex is among the chosen; itself where the cut left it out."""
    position = np.full(len(source.template), -1)
    position[chosen] = np.arange(len(chosen))
    mirrored = position[source.mirror[chosen]]
    return np.where(mirrored < 0, np.arange(len(chosen)), mirrored)


def _fade(share: NDArray[np.float64]) -> NDArray[np.float64]:
    """One at zero, zero from one on, smooth."""
    left = 1 - np.clip(share, 0, 1)
    return left * left * (3 - 2 * left)
