"""The 3DGS layout of .ply: Kerbl et al., "3D Gaussian Splatting", 2023, as its authors' program writes it.

Little-endian floats, one row a Gaussian: x y z, nx ny nz (zero), f_dc_0..2, opacity as a logit, scale_0..2 as natural
logarithms, rot_0..3 as w x y z. Colour is a spherical harmonic of degree 0: color = 0.5 + f_dc x `HARMONIC`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from perse_engine.splatting.gaussians import Gaussians

HARMONIC = 0.5 / math.sqrt(math.pi)
"""The spherical harmonic of degree 0, the same in every direction."""
FIELDS = (
    *("x", "y", "z", "nx", "ny", "nz"),
    *("f_dc_0", "f_dc_1", "f_dc_2", "opacity"),
    *("scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2", "rot_3"),
)
_FURTHEST = 1e-6
"""How near to 0 and 1 an opacity comes; its logit would be infinite there."""


def write_ply(stream: BinaryIO, gaussians: Gaussians, comments: Sequence[str] = ()) -> None:
    """Write `gaussians` in the file's own axes; `comments` are lines of ASCII text."""
    count = len(gaussians.means)
    header = ["ply", "format binary_little_endian 1.0", *(f"comment {line}" for line in comments)]
    header += [f"element vertex {count}", *(f"property float {name}" for name in FIELDS), "end_header"]
    rows = np.zeros((count, len(FIELDS)), "<f4")
    rows[:, 0:3] = gaussians.means
    rows[:, 6:9] = harmonics(gaussians.colors)
    opacities = np.clip(gaussians.opacities.astype(np.float64), _FURTHEST, 1 - _FURTHEST)
    rows[:, 9] = np.log(opacities / (1 - opacities))
    rows[:, 10:13] = np.log(gaussians.scales.astype(np.float64))
    rows[:, 13:17] = unit(gaussians.quaternions)
    stream.write(("\n".join(header) + "\n").encode("ascii"))
    stream.write(rows.tobytes())


def harmonics(colors: NDArray[np.floating]) -> NDArray[np.float64]:
    """The coefficients of degree 0 of `colors`, any shape."""
    return (np.asarray(colors, np.float64) - 0.5) / HARMONIC


def unit(quaternions: NDArray[np.floating]) -> NDArray[np.float64]:
    """`quaternions` (N, 4) of unit length."""
    wide = np.asarray(quaternions, np.float64)
    return wide / np.linalg.norm(wide, axis=1, keepdims=True)
