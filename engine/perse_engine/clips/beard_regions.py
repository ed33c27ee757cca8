"""Where a beard grows: moustache, chin, the corners between them, cheeks, jaw line, sideburns and neck."""

from __future__ import annotations

import numpy as np

from perse_engine.clips.anatomy import MILLIMETRE, Anatomy
from perse_engine.clips.noise import layered_noise, smoothstep
from perse_engine.clips.parameters import Beard
from perse_engine.surfaces.colors import Floats


def coverage(a: Anatomy, style: Beard, point: Floats, region: Floats, seed: int) -> Floats:
    """(M,) in [0, 1]: how much of the beard grows at skin points (M, 3) at rest, of the model's beard `region` (M,)."""
    unit = MILLIMETRE * a.size
    x = np.abs(point[:, 0]) / unit
    y = (point[:, 1] - a.mouth[1]) / unit
    z = point[:, 2]
    ragged = 5.0 * (layered_noise(point[:, :2] / (9 * unit), seed + 20) - 0.5)
    x, y = x + 0.6 * ragged, y + ragged
    nose = (a.nose_base[1] - a.mouth[1]) / unit
    chin = (a.chin[1] - a.mouth[1]) / unit
    width = min(a.mouth_half_width / unit, 25.0)

    low = -3.0 - 3.0 * smoothstep(width - 9, width + 1, x)
    moustache = smoothstep(width + 10, width - 2, x) * smoothstep(nose - 0.5 - 0.12 * x, nose - 4.5 - 0.12 * x, y)
    moustache *= smoothstep(low - 3, low + 2, y) * smoothstep(a.mouth[2] - 0.040, a.mouth[2] - 0.028, z)

    side = width - 1 + 4 * smoothstep(chin + 12, chin + 24, y)
    chin_patch = smoothstep(side + 4, side - 3, x) * smoothstep(-4.5, -8.5, y) * smoothstep(chin - 20, chin - 10, y)
    strip = smoothstep(width - 3, width, x) * smoothstep(width + 8, width + 4, x) * smoothstep(8, 2, y)
    strip *= smoothstep(chin, chin + 10, y)
    forward = smoothstep(a.chin[2] - 0.036, a.chin[2] - 0.016, z)

    ear_y = (a.ear_tops[:, 1].mean() - a.mouth[1]) / unit - 28
    ear_z = a.ear_tops[:, 2].mean() + 0.012 * a.size
    back = np.clip((a.mouth[2] - 0.012 - z) / (a.mouth[2] - 0.012 - ear_z), 0, 1)
    line = (nose - 7) + (ear_y + 14 - nose + 7) * back**1.6
    jaw = (chin - 9) + 22 * back**1.2
    behind = smoothstep(ear_z - 0.002, ear_z + 0.010, z)
    inside = smoothstep(0.08, 0.5, region)
    cheeks = (
        inside
        * smoothstep(line + 5, line - 15, y)
        * smoothstep(jaw - 8, jaw + 2, y)
        * smoothstep(width - 1, width + 8, x)
    )
    below_mouth = smoothstep(-5, -10, y) * smoothstep(jaw - 8, jaw + 2, y)
    cheeks = np.maximum(cheeks, below_mouth) * behind
    neck = inside * smoothstep(jaw + 6, jaw - 2, y) * smoothstep(jaw - 34, jaw - 12, y) * behind

    along_jaw = inside * smoothstep(jaw + 21, jaw + 13, y) * smoothstep(jaw - 8, jaw + 2, y) * behind
    beside_ear = inside * smoothstep(0.62, 0.78, back) * smoothstep(line + 22, line + 8, y)
    beside_ear = beside_ear * smoothstep(jaw + 2, jaw + 12, y) * behind

    parts = [
        style.moustache * moustache,
        style.chin * chin_patch * forward,
        style.sides * strip * forward,
        style.jaw * along_jaw,
        style.sideburns * beside_ear,
        style.cheeks * cheeks,
        style.neck * neck,
    ]
    return np.max(parts, axis=0).astype(np.float32)
