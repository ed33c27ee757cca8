"""How far two sets of pictures lie apart as sets, by what a network sees in them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]

SUBSETS, SUBSET, SEED = 100, 1000, 7
"""Of the kernel distance: how many are drawn, and how many pictures each has at most."""


def frechet_distance(first: Doubles, second: Doubles) -> float:
    """FID: the squared Fréchet distance of two Gaussians with the means and covariances of (N, D) and (M, D) features.

    |m - n|² + tr(S + T - 2 (S T)^½). Heusel, Ramsauer, Unterthiner, Nessler, Hochreiter, "GANs trained by a two
    time-scale update rule converge to a local Nash equilibrium", 2017, equation 6. The trace of the root is the sum of
    the singular values of AᵀB where S = A Aᵀ and T = B Bᵀ, which is exact for any number of features, few or many.
    N and M must be 2 or more; as long as they are not far more than D it is too large.
    """
    mean, other_mean = first.mean(0), second.mean(0)
    spread, other_spread = (
        (each - each.mean(0)) / np.sqrt(len(each) - 1) for each in (first.astype(np.float64), second.astype(np.float64))
    )
    shared = np.linalg.svd(spread @ other_spread.T, compute_uv=False).sum()
    distance = ((mean - other_mean) ** 2).sum() + (spread**2).sum() + (other_spread**2).sum() - 2 * shared
    return max(float(distance), 0.0)


def kernel_distance(first: Doubles, second: Doubles) -> tuple[float, float]:
    """KID: the squared maximum mean discrepancy under k(x, y) = (x·y / D + 1)³, and its spread over random subsets.

    Bińkowski, Sutherland, Arbel, Gretton, "Demystifying MMD GANs", 2018, section 4: the unbiased estimate, averaged
    over `SUBSETS` subsets, each of `SUBSET` pictures or half of them where there are fewer than twice as many.

    Args:
        first: (N, D) features, N of 4 or more.
        second: (N, D) features; those in one row show the same, so they are not independent. The estimate is
            therefore that of Gretton et al., "A kernel two-sample test", 2012, equation 4, which leaves them out and
            is unbiased for pairs as well: the mean over i ≠ j of k(x_i, x_j) + k(y_i, y_j) - k(x_i, y_j) - k(x_j, y_i).

    Returns:
        the mean, which is around 0 (and may lie below) where both come from one distribution, and the deviation.
    """
    count = len(first)
    size = min(SUBSET, count // 2)
    own, other, across = (_kernel(x, y) for x, y in ((first, first), (second, second), (first, second)))
    pairs = own + other - across - across.T
    np.fill_diagonal(pairs, 0)
    rng = np.random.default_rng(SEED)
    found = []
    for _ in range(SUBSETS):
        chosen = rng.choice(count, size, replace=False)
        found.append(pairs[np.ix_(chosen, chosen)].sum() / (size * (size - 1)))
    return float(np.mean(found)), float(np.std(found))


def _kernel(first: Doubles, second: Doubles) -> Doubles:
    matrix: Doubles = (first.astype(np.float64) @ second.T.astype(np.float64) / first.shape[1] + 1) ** 3
    return matrix
