"""From one head to another: where what lies on or around a head goes when somebody else wears it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from perse_engine.heads.head import Head
from perse_engine.surfaces.normals import vertex_normals

Floats = NDArray[np.float32]

ANCHORS = 500
"""Places of the skin whose moves are blended."""
NEAR = 0.02
"""Metres: nearer than this all anchors count about alike, so that what is smooth stays smooth."""
LEAST, MOST = 1.5e-3, 6e-3
"""Metres over the skin: what lay as high on the lender's head is lifted at least that far, if it lies lower now."""


def carried_over(points: NDArray[np.floating], lender: Head, wearer: Head) -> Floats:
    """(n, 3) `points` (n, 3) around the head `lender` at rest, as they lie around `wearer`; both of one head model.

    The move of the skin from one head to the other goes on into space (Shepard, "A two-dimensional interpolation
    function for irregularly-spaced data", 1968); then what has sunk into the skin is lifted.
    """
    skin = np.unique(lender.faces[lender.face_parts == lender.parts.index("skin")])
    anchors = skin[:: max(1, len(skin) // ANCHORS)]
    places = lender.template[anchors].astype(np.float64)
    moves = wearer.template[anchors].astype(np.float64) - places
    points = np.asarray(points, np.float64)
    share = 1 / (((points[:, None] - places[None]) ** 2).sum(-1) + NEAR**2) ** 2
    moved = points + (share @ moves) / share.sum(1, keepdims=True)
    wanted = np.clip(height_over(points, lender, skin)[0], LEAST, MOST)
    height, normal = height_over(moved, wearer, skin)
    return (moved + np.maximum(wanted - height, 0)[:, None] * normal).astype(np.float32)


def height_over(
    points: NDArray[np.floating], head: Head, skin: NDArray[np.integer]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Of points (n, 3): how far they lie over the vertices `skin` of a head at rest, metres, and its normals there."""
    normals = vertex_normals(head.template, head.faces)[skin].astype(np.float64)
    vertices = head.template[skin].astype(np.float64)
    distance, index = cKDTree(vertices).query(points, k=4)
    share = 1 / (distance + 1e-3) ** 2
    share /= share.sum(1, keepdims=True)
    normal = np.einsum("nk,nkc->nc", share, normals[index])
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
    foot = np.einsum("nk,nkc->nc", share, vertices[index])
    return np.einsum("nc,nc->n", points - foot, normal), normal


def aligned(
    theirs: NDArray[np.floating], own: NDArray[np.floating], weight: NDArray[np.floating]
) -> NDArray[np.float64]:
    """(n, 3) `theirs` (n, 3) scaled and moved onto `own` (n, 3) where `weight` (n,) counts."""
    share = (weight / max(float(weight.sum()), 1e-12))[:, None]
    middle, other = (share * theirs).sum(0), (share * own).sum(0)
    a, b = theirs - middle, own - other
    scale = float((share * a * b).sum() / max(float((share * a * a).sum()), 1e-12))
    return np.asarray(a * np.clip(scale, 0.8, 1.25) + other, np.float64)
