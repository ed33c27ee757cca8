"""Operations on the mesh that are linear in the vertices, so that one matrix carries templates and directions alike."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix, vstack
from scipy.sparse.csgraph import connected_components


@dataclasses.dataclass(frozen=True, eq=False)
class Surface:
    """Triangles with a texture coordinate per corner, over vertices that a matrix makes from the original ones.

    Attributes:
        matrix: (V, originals) sparse, rows sum to 1.
        faces: (F, 3) vertex indices.
        uv: (F, 3, 2) per corner.
        parts: (F,) part index.
    """

    matrix: csr_matrix
    faces: NDArray[np.int64]
    uv: NDArray[np.float64]
    parts: NDArray[np.int64]


def divided(surface: Surface, height: NDArray[np.float64], snap: float) -> tuple[Surface, NDArray[np.bool_]]:
    """Cut triangles in two where a height given per vertex crosses zero, so that the crossing is a line of edges.

    Args:
        surface: the mesh.
        height: (V,).
        snap: vertices nearer to zero than this, in units of `height`, count as lying on the line, so that no slivers
            appear; they are not moved.

    Returns:
        The mesh, and which of its faces lie above zero.
    """
    level = np.where(np.abs(height) < snap, 0.0, height)
    new_rows: dict[tuple[int, int], int] = {}
    blends: list[tuple[int, int, float]] = []
    faces: list[tuple[int, ...]] = []
    uvs, parts, above = [], [], []
    first_new = surface.matrix.shape[0]

    def crossing(a: int, b: int) -> tuple[int, float]:
        """The vertex where edge (a, b) crosses zero, and how far it lies from a to b."""
        low, high = min(a, b), max(a, b)
        share = level[low] / (level[low] - level[high])
        if (low, high) not in new_rows:
            new_rows[low, high] = first_new + len(blends)
            blends.append((low, high, share))
        return new_rows[low, high], share if a == low else 1 - share

    for face, uv, part in zip(surface.faces, surface.uv, surface.parts, strict=True):
        for sign in (1, -1):
            polygon: list[tuple[int, NDArray[np.float64]]] = []
            for corner in range(3):
                a, b = int(face[corner]), int(face[(corner + 1) % 3])
                if sign * level[a] >= 0:
                    polygon.append((a, uv[corner]))
                if level[a] * level[b] < 0:
                    vertex, share = crossing(a, b)
                    polygon.append((vertex, uv[corner] * (1 - share) + uv[(corner + 1) % 3] * share))
            flat = all(vertex >= first_new or level[vertex] == 0 for vertex, _ in polygon)
            if flat and not (sign > 0 and (level[face] == 0).all()):
                continue
            for second in range(1, len(polygon) - 1):
                triangle = (polygon[0], polygon[second], polygon[second + 1])
                faces.append(tuple(vertex for vertex, _ in triangle))
                uvs.append(np.stack([at for _, at in triangle]))
                parts.append(part)
                above.append(sign > 0)
    matrix = (_blend_matrix(first_new, blends) @ surface.matrix).tocsr()
    return Surface(matrix, np.array(faces), np.array(uvs), np.array(parts)), np.array(above)


def kept(surface: Surface, faces: NDArray[np.bool_]) -> Surface:
    """Only the chosen faces, and the vertices that they use."""
    used, renumbered = np.unique(surface.faces[faces], return_inverse=True)
    return Surface(surface.matrix[used], renumbered.reshape(-1, 3), surface.uv[faces], surface.parts[faces])


def rounded_eyes(surface: Surface, vertices: NDArray[np.float64], part: int) -> Surface:
    """Divide each triangle of the eyeballs into four; new vertices lie on the sphere of their neighbours.

    A new vertex is (1 + k) (a + b) / 2 − k c with c the mean of the eyeball's vertices and k chosen on the template:
    linear, so that every identity and expression keeps round eyes.
    """
    chosen = np.flatnonzero(surface.parts == part)
    rows: list[csr_matrix] = [surface.matrix]
    made: dict[tuple[int, int], int] = {}
    faces, uvs = [], []
    balls = _components(surface.faces[chosen], len(vertices))
    for face, uv in zip(surface.faces[chosen], surface.uv[chosen], strict=True):
        ball = balls[face[0]]
        middles, middle_uvs = [], []
        for corner in range(3):
            a, b = int(face[corner]), int(face[(corner + 1) % 3])
            key = (min(a, b), max(a, b))
            if key not in made:
                centre = vertices[ball].mean(0)
                half = (vertices[a] + vertices[b]) / 2 - centre
                radius = (np.linalg.norm(vertices[a] - centre) + np.linalg.norm(vertices[b] - centre)) / 2
                k = radius / np.linalg.norm(half) - 1
                made[key] = surface.matrix.shape[0] + len(rows) - 1
                mean = csr_matrix(surface.matrix[ball].mean(0))
                rows.append((surface.matrix[a] + surface.matrix[b]) * ((1 + k) / 2) - mean * k)
            middles.append(made[key])
            middle_uvs.append((uv[corner] + uv[(corner + 1) % 3]) / 2)
        (a, b, c), (ab, bc, ca) = (int(v) for v in face), middles
        faces += [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]
        uab, ubc, uca = middle_uvs
        uvs += [(uv[0], uab, uca), (uab, uv[1], ubc), (uca, ubc, uv[2]), (uab, ubc, uca)]
    others = surface.parts != part
    return Surface(
        matrix=vstack(rows).tocsr(),
        faces=np.concatenate([surface.faces[others], np.array(faces)]),
        uv=np.concatenate([surface.uv[others], np.array(uvs)]),
        parts=np.concatenate([surface.parts[others], np.full(len(faces), part)]),
    )


def _components(faces: NDArray[np.int64], vertex_count: int) -> dict[int, NDArray[np.int64]]:
    """For each vertex of `faces`, all vertices of its connected component."""
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]]])
    graph = coo_matrix((np.ones(len(edges)), edges.T), shape=(vertex_count, vertex_count))
    labels = connected_components(graph, directed=False)[1]
    used = np.unique(faces)
    groups = {label: used[labels[used] == label] for label in np.unique(labels[used])}
    return {int(vertex): groups[labels[vertex]] for vertex in used}


def _blend_matrix(kept: int, blends: list[tuple[int, int, float]]) -> csr_matrix:
    """Identity on `kept` vertices, and below it one row (1 − share) a + share b per blend."""
    rows = list(range(kept))
    columns = list(range(kept))
    values = [1.0] * kept
    for index, (a, b, share) in enumerate(blends):
        rows += [kept + index] * 2
        columns += [a, b]
        values += [1 - share, share]
    return csr_matrix((values, (rows, columns)), shape=(kept + len(blends), kept))
