"""Soft regions of the template: where hair, brows and beard grow; lips, lids, ears, nose and neck."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, diags

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_HAIRLINE = np.array(
    [
        (0, 0.068),
        (18, 0.071),
        (32, 0.068),
        (44, 0.058),
        (54, 0.040),
        (62, 0.030),
        (68, 0.006),
        (74, -0.012),
        (82, -0.012),
        (88, 0.012),
        (96, 0.022),
        (108, 0.016),
        (118, -0.010),
        (126, -0.040),
        (145, -0.062),
        (180, -0.068),
    ]
)
"""Lower edge of the hair: degrees from the front around the head, metres above the eyes."""

_CHEEK_LINE = np.array(
    [(0, -0.054), (0.020, -0.052), (0.032, -0.060), (0.050, -0.050), (0.066, -0.030), (0.080, 0.004)]
)
"""Upper edge of the beard: metres from the midline, metres above the eyes."""


def soft_regions(
    vertices: Floats,
    faces: Ints,
    skin: NDArray[np.bool_],
    painted: dict[str, Floats],
    blink: Floats,
    eye: Floats,
    neck: Floats,
) -> dict[str, Floats]:
    """Regions by name, (V,) in [0, 1] each, zero outside the skin.

    Args:
        vertices: (V, 3) the template.
        faces: (F, 3).
        skin: (V,) vertices of the outer skin of head and neck.
        painted: MakeHuman's masks: face, lips, eyelids, ears.
        blink: (V,) metres that a vertex moves in a blink.
        eye: (3,) centre of the left eyeball.
        neck: (V,) share of skinning that is not the trunk's.
    """
    across = np.abs(vertices[:, 0])
    up, out = vertices[:, 1] - eye[1], vertices[:, 2] - eye[2]
    smooth = _smoothing(faces, len(vertices))
    ears = np.clip(smooth @ painted["ears"] * 1.3, 0, 1)
    lips = painted["lips"]
    eyelids = np.maximum(painted["eyelids"], _step(0.08, 0.35, blink / blink[skin].max()))
    face = painted["face"]

    angle = np.degrees(np.arctan2(across, vertices[:, 2] - eye[2] + 0.075))
    hairline = np.interp(angle, _HAIRLINE[:, 0], _HAIRLINE[:, 1])
    scalp = _step(-0.006, 0.008, up - hairline) * (1 - _step(0.2, 0.6, ears))

    brow_height = np.interp(across, (0.010, 0.022, 0.040, 0.056), (0.0185, 0.0215, 0.0245, 0.0165))
    brows = np.exp(-(((up - brow_height) / 0.0055) ** 4)) * _step(0.006, 0.012, across)
    brows *= (1 - _step(0.050, 0.058, across)) * _step(-0.03, -0.02, out)

    half_width = np.interp(up, (-0.055, -0.042, -0.020, 0.005), (0.020, 0.022, 0.016, 0.010))
    nose = (1 - _step(0.75, 1.15, across / half_width)) * _step(-0.062, -0.054, up) * (1 - _step(0.0, 0.012, up))
    nose *= _step(-0.005, 0.008, out)

    jaw = _step(0.006, -0.008, up - np.interp(across, _CHEEK_LINE[:, 0], _CHEEK_LINE[:, 1]))
    under = np.interp(out, (-0.075, -0.03, 0.02), (-0.085, -0.128, -0.150))
    beard = jaw * _step(-0.012, 0.006, up - under) * (1 - nose) * (1 - np.clip(smooth @ lips * 1.2, 0, 1))
    beard *= (1 - _step(0.1, 0.4, ears)) * _step(-0.098, -0.084, out) * (1 - scalp)

    below = _step(0.004, -0.014, up - np.interp(out, (-0.10, -0.075, -0.02, 0.0), (-0.055, -0.085, -0.128, -0.16)))
    regions = {
        "scalp": scalp,
        "face": face * (1 - ears),
        "lips": lips,
        "eyelids": eyelids,
        "ears": ears,
        "neck": below * _step(0.02, 0.25, neck) * (1 - ears),
        "nose": nose,
        "brows": brows,
        "beard": beard,
    }
    return {name: np.clip(mask, 0, 1) * skin for name, mask in regions.items()}


def _step(low: float, high: float, value: Floats) -> Floats:
    """Zero at `low`, one at `high`, smooth between; `low` may be the greater."""
    share = np.clip((value - low) / (high - low), 0, 1)
    return share * share * (3 - 2 * share)


def _smoothing(faces: Ints, count: int) -> coo_matrix:
    """The mean of each vertex and its neighbours."""
    pairs = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    pairs = np.unique(np.concatenate([pairs, pairs[:, ::-1], np.repeat(np.arange(count)[:, None], 2, 1)]), axis=0)
    adjacency = coo_matrix((np.ones(len(pairs)), pairs.T), shape=(count, count)).tocsr()
    return diags(1 / np.asarray(adjacency.sum(1)).ravel()) @ adjacency
