"""The 3D Gaussians that every backend draws. Kerbl et al., "3D Gaussian Splatting", 2023, section 4."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray


@dataclasses.dataclass(frozen=True, eq=False)
class Gaussians:
    """N anisotropic Gaussians in the world.

    Attributes:
        means: (N, 3) float32, world units.
        quaternions: (N, 4) float32, w x y z, any non-zero length.
        scales: (N, 3) float32, standard deviations along the rotated axes, world units, > 0.
        opacities: (N,) float32 in [0, 1].
        colors: (N, 3) float32, unpremultiplied; any range, usually sRGB in [0, 1].
    """

    means: NDArray[np.float32]
    quaternions: NDArray[np.float32]
    scales: NDArray[np.float32]
    opacities: NDArray[np.float32]
    colors: NDArray[np.float32]
