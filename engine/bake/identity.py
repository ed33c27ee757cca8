"""The identity space: principal components of random adults, exactly symmetric or exactly antisymmetric each."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray


@dataclasses.dataclass(frozen=True, eq=False)
class IdentitySpace:
    """S directions of one standard deviation each, and how far the space is from the people it was made of.

    Attributes:
        template: (V, 3) the mean, symmetric.
        directions: (V, 3, S).
        points: (P, 3) mean of the extra points (joints).
        point_directions: (P, 3, S) least-squares fit of how the extra points follow the coefficients.
        vertex_error: mean distance in metres between the people and their reconstruction, head vertices.
        point_errors: (P,) the same of each extra point.
        explained: share of the head vertices' variance.
    """

    template: NDArray[np.float64]
    directions: NDArray[np.float64]
    points: NDArray[np.float64]
    point_directions: NDArray[np.float64]
    vertex_error: float
    point_errors: NDArray[np.float64]
    explained: float


def identity_space(
    samples: NDArray[np.float32],
    points: NDArray[np.float32],
    measured: NDArray[np.bool_],
    mirror: NDArray[np.int64],
    point_mirror: NDArray[np.int64],
    count: int,
) -> IdentitySpace:
    """Principal components of N people.

    Args:
        samples: (N, V, 3) metres.
        points: (N, P, 3) joints of each.
        measured: (V,) the vertices whose variance counts; the others (the bust) follow by least squares, because a
            centimetre more of shoulder is worth less than a millimetre of lip.
        mirror: (V,) the vertex on the other side.
        point_mirror: (P,).
        count: S.
    """
    everything = np.concatenate([samples, points], 1).astype(np.float64)  # (N, V + P, 3)
    swap = np.concatenate([mirror, len(mirror) + point_mirror])
    reflected = everything[:, swap] * [-1, 1, 1]
    mean = (everything.mean(0) + reflected.mean(0)) / 2
    # The people and their mirror images together: the covariance falls into two blocks that never mix.
    halves = ((everything + reflected) / 2 - mean, (everything - reflected) / 2)
    counted = np.concatenate([measured, np.zeros(points.shape[1], bool)])
    variances, directions = [], []
    for half in halves:
        flat = half[:, counted].reshape(len(half), -1)
        variance, mixing = np.linalg.eigh(flat @ flat.T / len(flat))
        variance, mixing = variance[::-1][:count], mixing[:, ::-1][:, :count]
        scores = mixing * np.sqrt(len(flat))  # (N, count), unit variance
        variances.append(variance)
        # Regressing every coordinate on the scores gives the components themselves where they were measured.
        directions.append(np.einsum("nvd,nc->vdc", half, scores, optimize=True) / len(flat))
    variance = np.concatenate(variances)
    order = np.argsort(-variance)[:count]
    chosen = np.concatenate(directions, 2)[:, :, order]
    offsets = everything - mean
    projection = chosen[counted].reshape(-1, count)
    coefficients = offsets[:, counted].reshape(len(offsets), -1) @ projection / variance[order]
    vertex_count = len(mirror)
    chosen[vertex_count:] = _follow(offsets[:, vertex_count:], coefficients)
    missed = offsets - np.einsum("vdc,nc->nvd", chosen, coefficients, optimize=True)
    distance = np.linalg.norm(missed, axis=2)
    total = sum((half[:, counted] ** 2).sum() for half in halves) / len(samples)
    return IdentitySpace(
        template=mean[:vertex_count],
        directions=chosen[:vertex_count],
        points=mean[vertex_count:],
        point_directions=chosen[vertex_count:],
        vertex_error=float(distance[:, counted].mean()),
        point_errors=distance[:, vertex_count:].mean(0),
        explained=float(variance[order].sum() / total),
    )


def _follow(offsets: NDArray[np.float64], coefficients: NDArray[np.float64]) -> NDArray[np.float64]:
    solution = np.linalg.lstsq(coefficients, offsets.reshape(len(offsets), -1), rcond=None)[0]
    return solution.T.reshape(offsets.shape[1], 3, -1)
