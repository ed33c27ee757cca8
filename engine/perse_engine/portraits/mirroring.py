"""The other side of the face, texel by texel."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
from numpy.typing import NDArray

from perse_engine.heads.head import Head
from perse_engine.surfaces.unproject import Texels

TORN = 0.1  # of the layout: corners further apart lie on both sides of a seam


@dataclasses.dataclass(frozen=True, eq=False)
class Opposite:
    """Where in the texture the mirror image of each texel lies.

    Attributes:
        x, y: (T, T) float32 texels.
        whole: (T, T) where that is known: not in triangles that touch a seam of the layout.
    """

    x: NDArray[np.float32]
    y: NDArray[np.float32]
    whole: NDArray[np.bool_]

    def read(self, image: NDArray[np.floating]) -> NDArray[np.float32]:
        """(T, T) or (T, T, C): the values of the other side; zero where it is not known."""
        values = cv2.remap(np.asarray(image, np.float32), self.x, self.y, cv2.INTER_LINEAR)
        return np.asarray(values * (self.whole if values.ndim == 2 else self.whole[..., None]), np.float32)


def opposite(head: Head, texels: Texels) -> Opposite:
    """The mirror image of every texel of the head's layout."""
    uv_of = np.zeros((len(head.template), 2), np.float32)
    uv_of[head.faces.reshape(-1)] = head.uv[head.uv_faces.reshape(-1)]
    torn = (np.ptp(uv_of[head.mirror][head.faces], axis=1) > TORN).any(1)
    other = texels.interpolate(head.faces, uv_of[head.mirror])
    height, width = texels.triangle.shape
    return Opposite(
        (other[..., 0] * width - 0.5).astype(np.float32),
        ((1 - other[..., 1]) * height - 0.5).astype(np.float32),
        (texels.triangle >= 0) & ~torn[texels.triangle],
    )
