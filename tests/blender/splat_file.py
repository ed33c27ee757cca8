"""Run by the engine's interpreter: draws an exported file as PERSE draws, for comparison with Blender's render.

splat_file.py [FILE.ply|.spz|.glb CAMERA.json OUT.npy]...
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "engine" / "exporting"))
from readers import gaussians_of_glb, gaussians_of_ply, gaussians_of_spz

from perse_engine.cameras import Camera
from perse_engine.service.hand_over import hand_over_linear
from perse_engine.splatting.gaussians import Gaussians
from perse_engine.splatting.rasterize import rasterize

READERS = {".ply": gaussians_of_ply, ".spz": gaussians_of_spz, ".glb": gaussians_of_glb}


def drawn(file: Path, camera: Camera) -> np.ndarray:
    """The linear, premultiplied picture (H, W, 4), rows from the top down."""
    gaussians = Gaussians(*(np.asarray(values, np.float32) for values in READERS[file.suffix](file)))
    image = rasterize(gaussians, camera, backend="numba")
    color = np.zeros((camera.height, camera.width, 4), np.float32)
    identity, nothing = np.eye(3, dtype=np.float32), np.zeros(4, np.float32)
    hand_over_linear(image.color, image.alpha, image.depth, identity, nothing, color, image.depth.copy())
    return color[::-1]


if __name__ == "__main__":
    words = list(map(Path, sys.argv[1:]))
    for source, camera_file, out in zip(words[::3], words[1::3], words[2::3], strict=True):
        fields = json.loads(camera_file.read_text())
        fields["view"] = np.array(fields["view"]).reshape(4, 4)
        np.save(out, drawn(source, Camera(**fields)))
