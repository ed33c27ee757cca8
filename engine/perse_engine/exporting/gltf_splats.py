"""Gaussians in glTF: the extension KHR_gaussian_splatting as the Khronos Group ratified it in 2026.

Rotations x y z w of unit length, scales and opacities as they are (the review draft of 2025 had logarithms of scales),
colours as spherical harmonics of degree 0. A viewer without the extension sees coloured points.
"""

from __future__ import annotations

from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from perse_engine.exporting.gltf import POINTS, Buffer, asset
from perse_engine.exporting.origin import Origin
from perse_engine.exporting.ply import harmonics, unit
from perse_engine.splatting.gaussians import Gaussians
from perse_engine.surfaces.lighting import linear

EXTENSION = "KHR_gaussian_splatting"


def write_gltf_splats(stream: BinaryIO, gaussians: Gaussians, origin: Origin) -> None:
    """Write `gaussians`, whose axes are head space's and glTF's, as .glb."""
    buffer = Buffer()
    fallback = np.column_stack([linear(np.clip(gaussians.colors, 0, 1)), np.clip(gaussians.opacities, 0, 1)])
    arrays: dict[str, NDArray[Any]] = {
        "ROTATION": unit(gaussians.quaternions)[:, [1, 2, 3, 0]],
        "SCALE": gaussians.scales,
        "OPACITY": np.clip(gaussians.opacities, 0, 1),
        "SH_DEGREE_0_COEF_0": harmonics(gaussians.colors),
    }
    attributes = {"POSITION": buffer.add(gaussians.means.astype(np.float32), bounded=True)}
    attributes["COLOR_0"] = buffer.add(fallback.astype(np.float32))
    for name, array in arrays.items():
        attributes[f"{EXTENSION}:{name}"] = buffer.add(array.astype(np.float32))
    primitive = {
        "mode": POINTS,
        "attributes": attributes,
        "extensions": {EXTENSION: {"kernel": "ellipse", "colorSpace": "srgb_rec709_display"}},
    }
    document = {
        "asset": asset(origin),
        "extensionsUsed": [EXTENSION],
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"name": origin.avatar, "mesh": 0}],
        "meshes": [{"name": origin.avatar, "primitives": [primitive]}],
    }
    buffer.write(stream, document)
