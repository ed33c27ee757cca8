"""Which way is up in an exported file. Head space has y up, z out of the face and x towards the person's left."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from perse_engine.avatars.rendering import transformed
from perse_engine.splatting.gaussians import Gaussians

UP: Mapping[str, NDArray[np.float64]] = {
    "y-down": np.diag([1.0, -1.0, -1.0, 1.0]),
    "y": np.eye(4),
    "z": np.array([[1.0, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 0], [0, 0, 0, 1]]),
}
"""From head space to a file's axes: as photogrammetry and 3DGS have them, as glTF and OpenGL, as Blender."""


def turned(gaussians: Gaussians, up: str) -> Gaussians:
    """`gaussians` of head space in the axes that `up`, a key of `UP`, names."""
    return transformed(gaussians, UP[up])
