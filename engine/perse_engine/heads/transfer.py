"""Giving a bare head model what the open head knows: parts, soft regions, a mirror map, texture coordinates."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from perse_engine.heads.alignment import Overlay, unit_normals
from perse_engine.heads.head import LEFT_EYE, RIGHT_EYE, Floats, Head, Ints
from perse_engine.heads.plain_uv import plain_uv

PARTS = ("skin", "mouth", "eyes")

_NEIGHBOURS = 6
_LIP = 0.004
"""Metres that the inside of the mouth must be from any skin of the open head."""


def transfer_anatomy(head: Head, source: Head, over: Overlay) -> Head:
    """`head` with parts, regions, mirror map and texture coordinates.

    Args:
        head: a model of any topology; its parts, regions, mirror and uv are replaced.
        source: the open head.
        over: `source` laid over `head`.
    """
    face_parts = _face_parts(head, source, over)
    skin = np.zeros(len(head.template), bool)
    skin[head.faces[face_parts == PARTS.index("skin")]] = True
    uv, uv_faces = plain_uv(head.template, head.faces, face_parts, head.joints, PARTS)
    return dataclasses.replace(
        head,
        parts=PARTS,
        face_parts=face_parts,
        regions=transfer_regions(head, source, over, skin),
        mirror=mirror_map(head.template),
        uv=uv,
        uv_faces=uv_faces,
    )


def transfer_regions(head: Head, source: Head, over: Overlay, skin: NDArray[np.bool_]) -> dict[str, Floats]:
    """Soft regions of `head` by name, each (V,), from the nearest skin of `source` that faces the same way.

    Args:
        head: any topology.
        source: the open head.
        over: `source` laid over `head`.
        skin: (V,) the vertices of `head` that may belong to a region.
    """
    candidates = np.unique(source.faces[source.face_parts == source.parts.index("skin")])
    distance, nearest = cKDTree(over.vertices[candidates]).query(head.template, k=_NEIGHBOURS)
    facing = unit_normals(head.template, head.faces)
    same_way = np.einsum("vd,vkd->vk", facing, over.normals[candidates[nearest]])
    share = np.maximum(same_way, 0.02) / (distance + 1e-4) ** 2
    share /= share.sum(1, keepdims=True)
    return {
        name: ((mask[candidates[nearest]] * share).sum(1) * skin).astype(np.float32)
        for name, mask in source.regions.items()
    }


def mirror_map(template: Floats) -> Ints:
    """(V,) for each vertex the one nearest to its mirror image."""
    return cKDTree(template).query(template * np.array([-1, 1, 1], np.float32))[1].astype(np.int32)


def _face_parts(head: Head, source: Head, over: Overlay) -> NDArray[np.uint8]:
    """Eyes by skinning; the inside of the mouth by what of the open head is near; all else is skin."""
    of_eyes = (head.weights[:, [LEFT_EYE, RIGHT_EYE]].max(1) > 0.5)[head.faces].all(1)
    tree = {
        name: cKDTree(over.vertices[np.unique(source.faces[source.face_parts == source.parts.index(name)])])
        for name in ("skin", "mouth")
    }
    to_skin, to_mouth = (tree[name].query(head.template)[0] for name in ("skin", "mouth"))
    inside = ((to_mouth < to_skin) & (to_skin > _LIP) & (to_mouth < 4 * _LIP))[head.faces].all(1)
    parts = np.full(len(head.faces), PARTS.index("skin"), np.uint8)
    parts[inside] = PARTS.index("mouth")
    parts[of_eyes] = PARTS.index("eyes")
    return parts
