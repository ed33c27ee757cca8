"""What is believed about expression coefficients before looking: ranges, likely sizes, symmetry, antagonists."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from perse_engine.heads.head import Head

# Units that one still photograph cannot tell, or that the gaze says better.
UNSEEN = ("tongueout", "cheekpuff", "jawforward", "eyelook", "mouthshrug", "mouthclose")
# Units that imitate others or identity, and are believed only on strong evidence.
UNLIKELY = {
    "jawleft": 0.12, "jawright": 0.12, "mouthleft": 0.12, "mouthright": 0.12, "mouthfunnel": 0.15, "mouthpucker": 0.2,
    "mouthroll": 0.2, "mouthstretch": 0.2, "mouthdimple": 0.2, "mouthpress": 0.15, "nosesneer": 0.2,
    "mouthlowerdown": 0.35, "mouthupperup": 0.4, "mouthfrown": 0.2, "browdown": 0.3, "browouterup": 0.3,
    "browinnerup": 0.25, "cheeksquint": 0.25, "eyewide": 0.25, "eyesquint": 0.3, "eyeblink": 0.4,
    "jawopen": 0.4, "mouthsmile": 0.7,
}  # fmt: skip
ALIKE = 60.0  # precision of the difference between left and right
ANTAGONISTS = (
    ("jawleft", "jawright"),
    ("mouthleft", "mouthright"),
    ("jawopen", "mouthclose"),
    ("mouthsmile", "mouthfrown"),
    ("mouthpucker", "mouthstretch"),
    ("mouthpucker", "mouthsmile"),
    ("mouthfunnel", "mouthpress"),
    ("mouthfunnel", "mouthsmile"),
    ("eyeblink", "eyewide"),
    ("eyesquint", "eyewide"),
    ("browdown", "browouterup"),
    ("browdown", "browinnerup"),
    ("mouthrollupper", "mouthupperup"),
    ("mouthrolllower", "mouthlowerdown"),
)


@dataclasses.dataclass(frozen=True, eq=False)
class ExpressionPriors:
    """For E coefficients.

    Attributes:
        low, high: (E,) bounds.
        deviation: (E,) likely size, > 0.
        sparsity: (E,) weight of |e|: what it costs to use a unit at all.
        sides: (P, 2) pairs of left and right units, which like to be equal.
        antagonists: (A, 2) units of which at most one acts.
    """

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    deviation: NDArray[np.float64]
    sparsity: NDArray[np.float64]
    sides: NDArray[np.int64]
    antagonists: NDArray[np.int64]

    def add_to(
        self, hessian: NDArray[np.float64], gradient: NDArray[np.float64], first: int, expression: NDArray[np.float64]
    ) -> None:
        """Add what is believed, at `expression` (E,), to normal equations whose unit k is number `first` + k."""
        at = np.arange(first, first + len(expression))
        precision = 1 / self.deviation**2
        hessian[at, at] += precision
        gradient[at] += precision * expression + self.sparsity * (self.low >= 0)
        for a, b in self.sides:
            i, j = at[a], at[b]
            difference = ALIKE * (expression[a] - expression[b])
            hessian[i, i] += ALIKE
            hessian[j, j] += ALIKE
            hessian[i, j] -= ALIKE
            hessian[j, i] -= ALIKE
            gradient[i] += difference
            gradient[j] -= difference


def expression_priors(head: Head) -> ExpressionPriors:
    """The beliefs that fit `head`'s names: ARKit units, or Gaussian coefficients such as FLAME's."""
    names = head.expression_names
    if "jawopen" not in names:
        # data-driven directions have no meaning of their own: each is Gaussian, and only the first ones are seen
        deviation = np.where(np.arange(len(names)) < 30, 1.0, 1e-3)
        none = np.zeros((0, 2), np.int64)
        return ExpressionPriors(-2 * deviation, 2 * deviation, deviation, 0 * deviation, none, none)
    deviation = np.array([_likely(name) for name in names])
    unseen = np.array([name.startswith(UNSEEN) for name in names])
    index = {name: k for k, name in enumerate(names)}
    sides = [
        (k, index[name[:-4] + "right"]) for name, k in index.items() if name.endswith("left") and len(name) > 10
        and name[:-4] + "right" in index and not name.startswith("mouthleft")
    ]  # fmt: skip
    return ExpressionPriors(
        np.zeros(len(names)),
        np.where(unseen, 0.0, 1.0),
        deviation,
        np.full(len(names), 1.5),
        np.array(sides, np.int64).reshape(-1, 2),
        np.array(list(_pairs(index)), np.int64).reshape(-1, 2),
    )


def _likely(name: str) -> float:
    matches = [size for start, size in UNLIKELY.items() if name.startswith(start)]
    return matches[0] if matches else 0.5


def _pairs(index: dict[str, int]) -> set[tuple[int, int]]:
    """Antagonists by index: one-sided names meet their own side's and two-sided ones."""
    pairs = set()
    for first, second in ANTAGONISTS:
        for side in ("", "left", "right"):
            a = index.get(first + side, index.get(first))
            b = index.get(second + side, index.get(second))
            if a is not None and b is not None and a != b:
                pairs.add((a, b))
    return pairs
