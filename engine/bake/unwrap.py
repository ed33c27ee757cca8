"""Flattening the skin into one island: cut along the back, then the symmetric Dirichlet energy with a chosen scale.

Energy: Smith, Schaefer, "Bijective parameterization with free boundaries", 2015; started from Tutte's embedding, which
has no flipped triangle, and descended by steps too short to flip one, preconditioned by the Laplacian.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csc_matrix
from scipy.sparse.linalg import factorized, spsolve

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def cut_along(faces: Ints, path: Ints) -> tuple[Ints, Ints]:
    """Open a mesh along a path of vertices that ends on its boundary; the path's first vertex stays whole.

    Returns:
        Faces (F, 3) of the opened mesh, and the original vertex of each new one, (V', ).
    """
    vertex_count = int(faces.max()) + 1
    source = list(range(vertex_count))
    opened = faces.copy()
    owner = {}
    for index, face in enumerate(faces):
        for corner in range(3):
            owner[int(face[corner]), int(face[(corner + 1) % 3])] = index
    for before, vertex, after in zip(path[:-1], path[1:], [*path[2:], -1], strict=True):
        # The fan of faces on the left of the path at this vertex gets a vertex of its own.
        source.append(int(vertex))
        face = owner[int(before), int(vertex)]
        while True:
            opened[face, list(faces[face]).index(vertex)] = len(source) - 1
            corner = list(faces[face]).index(vertex)
            following = int(faces[face, (corner + 1) % 3])
            if following == after or (following, int(vertex)) not in owner:
                break
            face = owner[following, int(vertex)]
    return opened, np.array(source)


def boundary_loops(faces: Ints) -> list[Ints]:
    """The closed boundary loops of an oriented mesh, longest first, each in the direction of its faces."""
    edges = {(int(f[i]), int(f[(i + 1) % 3])) for f in faces for i in range(3)}
    following = {a: b for a, b in edges if (b, a) not in edges}
    loops = []
    while following:
        start, vertex = following.popitem()
        loop = [start]
        while vertex != start:
            loop.append(vertex)
            vertex = following.pop(vertex)
        loops.append(np.array(loop))
    return sorted(loops, key=len, reverse=True)


def flattened(vertices: Floats, faces: Ints, scale: Floats, steps: int) -> Floats:
    """Flatten a disk (holes allowed) without flips.

    Args:
        vertices: (V, 3).
        faces: (F, 3).
        scale: (F,) wanted enlargement of each face.
        steps: descent steps.

    Returns:
        (V, 2).
    """
    loops = boundary_loops(faces)
    holes = loops[1:]
    # A fan over each hole keeps it from collapsing or turning over; it counts as little as it is large.
    filled, points, scales = [faces], [vertices], [scale]
    for hole in holes:
        centre = len(vertices) + len(points) - 1
        filled.append(np.stack([np.roll(hole, -1), hole, np.full(len(hole), centre)], 1))
        points.append(vertices[hole].mean(0, keepdims=True))
        scales.append(np.full(len(hole), np.median(scale)))
    whole = np.concatenate(filled)
    rest = _rest_triangles(np.concatenate(points), whole, np.concatenate(scales))
    area = np.abs(np.linalg.det(rest)) / 2
    flat = _tutte(len(vertices) + len(holes), whole, loops[0], vertices)
    edges = _edges(flat, whole)
    flat *= np.sqrt(area.sum() / (np.abs(np.linalg.det(edges)).sum() / 2))
    return _descended(flat, whole, np.linalg.inv(rest), area / area.sum(), steps)[: len(vertices)]


def _rest_triangles(points: Floats, faces: Ints, scale: Floats) -> Floats:
    """(F, 2, 2) edge columns of each triangle laid flat, enlarged; degenerate ones made a little fatter."""
    a, b = points[faces[:, 1]] - points[faces[:, 0]], points[faces[:, 2]] - points[faces[:, 0]]
    length = np.linalg.norm(a, axis=1)
    along = (a * b).sum(1) / length
    across = np.sqrt(np.maximum((b**2).sum(1) - along**2, 0))
    across = np.maximum(across, 0.15 * length)
    rest = np.zeros((len(faces), 2, 2))
    rest[:, 0, 0], rest[:, 0, 1], rest[:, 1, 1] = length, along, across
    return rest * scale[:, None, None]


def _tutte(count: int, faces: Ints, loop: Ints, vertices: Floats) -> Floats:
    lengths = np.linalg.norm(vertices[np.roll(loop, -1)] - vertices[loop], axis=1)
    angle = 2 * np.pi * np.concatenate([[0], np.cumsum(lengths)[:-1]]) / lengths.sum()
    pairs = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    pairs = np.unique(np.sort(pairs, 1), axis=0)
    adjacency = coo_matrix((np.ones(len(pairs)), pairs.T), shape=(count, count)).tocsr()
    adjacency = adjacency + adjacency.T
    laplacian = csc_matrix(coo_matrix((np.asarray(adjacency.sum(1)).ravel(), (range(count), range(count)))) - adjacency)
    inner = np.setdiff1d(np.arange(count), loop)
    flat = np.zeros((count, 2))
    flat[loop] = np.stack([np.cos(angle), np.sin(angle)], 1)
    flat[inner] = spsolve(laplacian[inner][:, inner], -(laplacian[inner][:, loop] @ flat[loop]))
    return flat


def _edges(flat: Floats, faces: Ints) -> Floats:
    return np.stack([flat[faces[:, 1]] - flat[faces[:, 0]], flat[faces[:, 2]] - flat[faces[:, 0]]], 2)


def _descended(flat: Floats, faces: Ints, inverse_rest: Floats, area: Floats, steps: int) -> Floats:
    count = len(flat)

    def energy(at: Floats) -> tuple[float, Floats]:
        jacobian = _edges(at, faces) @ inverse_rest
        determinant = np.linalg.det(jacobian)
        if (determinant <= 0).any():
            return np.inf, at
        squared = (jacobian**2).sum((1, 2))
        value = (area * squared * (1 + determinant**-2)).sum()
        # d|J|²(1 + det⁻²)/dJ, with d det/dJ the cofactors.
        cofactor = np.empty_like(jacobian)
        cofactor[:, 0, 0], cofactor[:, 1, 1] = jacobian[:, 1, 1], jacobian[:, 0, 0]
        cofactor[:, 0, 1], cofactor[:, 1, 0] = -jacobian[:, 1, 0], -jacobian[:, 0, 1]
        slope = 2 * jacobian * (1 + determinant**-2)[:, None, None]
        slope -= 2 * cofactor * (squared * determinant**-3)[:, None, None]
        by_edges = (area[:, None, None] * slope) @ inverse_rest.transpose(0, 2, 1)
        gradient = np.zeros_like(at)
        np.add.at(gradient, faces[:, 1], by_edges[:, :, 0])
        np.add.at(gradient, faces[:, 2], by_edges[:, :, 1])
        np.add.at(gradient, faces[:, 0], -by_edges.sum(2))
        return float(value), gradient

    stiffness = np.zeros((len(faces), 3, 3))
    shape = np.concatenate([-inverse_rest.sum(1, keepdims=True), inverse_rest], 1)  # (F, 3, 2) gradients of the hats
    stiffness = (shape @ shape.transpose(0, 2, 1)) * area[:, None, None]
    rows, columns = np.repeat(faces, 3, 1).ravel(), np.tile(faces, (1, 3)).ravel()
    laplacian = coo_matrix((stiffness.ravel(), (rows, columns)), shape=(count, count)).tocsc()
    solve = factorized(laplacian + 1e-9 * coo_matrix((np.ones(count), (range(count), range(count)))).tocsc())

    # L-BFGS whose first guess of the inverse Hessian is the Laplacian's inverse.
    value, gradient = energy(flat)
    history: list[tuple[Floats, Floats, float]] = []
    for _ in range(steps):
        direction = gradient.copy()
        alphas = []
        for move, change, rho in reversed(history):
            alpha = rho * (move * direction).sum()
            alphas.append(alpha)
            direction = direction - alpha * change
        direction = np.stack([solve(direction[:, 0]), solve(direction[:, 1])], 1)
        for (move, change, rho), alpha in zip(history, reversed(alphas), strict=True):
            direction = direction + move * (alpha - rho * (change * direction).sum())
        direction = -direction
        descent = (direction * gradient).sum()
        if descent >= 0:
            history.clear()
            continue
        length = min(1.0, 0.9 * _flip_free(_edges(flat, faces), _edges(direction, faces)))
        while True:
            new_value, new_gradient = energy(flat + length * direction)
            if new_value <= value + 1e-4 * length * descent:
                break
            length /= 2
            if length < 1e-12:
                return flat
        move, change = length * direction, new_gradient - gradient
        curvature = (move * change).sum()
        if curvature > 0:
            history = [*history[-7:], (move, change, 1 / curvature)]
        flat, value, gradient = flat + move, new_value, new_gradient
    return flat


def _flip_free(edges: Floats, moves: Floats) -> float:
    """The longest step along `moves` at which no triangle has lost its area."""
    a = np.linalg.det(moves)
    c = np.linalg.det(edges)
    b = np.linalg.det(edges + moves) - a - c
    root = np.full(len(a), np.inf)
    discriminant = b * b - 4 * a * c
    real = discriminant >= 0
    q = -0.5 * (b[real] + np.copysign(np.sqrt(discriminant[real]), b[real]))
    with np.errstate(divide="ignore", invalid="ignore"):
        candidates = np.stack([q / a[real], c[real] / q])
    candidates = np.where(np.isfinite(candidates) & (candidates > 0), candidates, np.inf)
    root[real] = candidates.min(0)
    return float(root.min())
