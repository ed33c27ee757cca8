"""Skin on the lids, which an open eye hides in a fold: continued from around the eye, with a crease and lash lines."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from perse_engine.heads.head import LEFT_EYE, RIGHT_EYE, Head
from perse_engine.portraits.lids import Margins, lid_fall, lid_margins
from perse_engine.surfaces.filling import fill_holes
from perse_engine.surfaces.unproject import Sight, Texels

Texture = NDArray[np.float32]

LASH_ROOTS = 0.0007  # metres to either side of a margin that the roots of the lashes darken
UPPER_LASHES, LOWER_LASHES = 0.68, 0.22  # how dark
SHADOWED = (0.90, 1.0)  # lightness relative to the skin around: below the first, what lies on a lid is lashes
CREASE = 0.13  # share of a blink's fall at which the lid folds


def paint_lids(texture: Texture, head: Head, texels: Texels, sight: Sight, seed: int) -> Texture:
    """(T, T) in [0, 1]: how far the skin of the lids in `texture` (T, T, 3), painted over in place, is not the photo's.

    Args:
        texture: sRGB, with the skin around the eyes complete.
        seed: of the skin's grain.
    """
    painted = np.zeros(texture.shape[:2], np.float32)
    skin = (texels.triangle >= 0) & (head.face_parts[texels.triangle] == head.parts.index("skin"))
    position = texels.interpolate(head.faces, head.template)
    brows = texels.interpolate(head.faces, head.regions["brows"][:, None])[..., 0]
    for side, joint in enumerate((LEFT_EYE, RIGHT_EYE)):
        margins = lid_margins(head, side)
        if margins is None:
            continue
        near = skin & (np.abs(position - head.joints[joint]).max(-1) < 0.032)
        rows, columns = np.nonzero(near)
        box = np.s_[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        fall = texels.interpolate(head.faces, lid_fall(head, side)[:, None].astype(np.float32))[..., 0]
        place, fall = position[box], fall[box] * near[box]
        mobile = _ramp(0.03, 0.12, fall)
        upper, lower = _distances(place, margins)
        lashes = np.maximum(np.exp(-((upper / 0.0030) ** 4)), np.exp(-((lower / 0.0009) ** 2)))
        known = near[box] * (1 - mobile) * (lashes < 0.1) * (1 - np.clip(brows[box] * 3, 0, 1))
        around = fill_holes(texture[box], known.astype(np.float32))
        lid = around * _relief(fall, place, seed + side)[..., None]
        lid *= 1 - mobile[..., None] * np.array([0.015, 0.03, 0.035])
        # of what the photo shows on a lid, its skin stays and the lashes before it go
        light = texture[box].mean(-1) / np.maximum(around.mean(-1), 1e-3)
        plain = _ramp(*SHADOWED, light) * np.clip((sight.confidence[box] - 0.04) / 0.12, 0, 1)
        share = np.maximum(mobile, 0.85 * lashes) * np.maximum(1 - plain, lashes) * near[box]
        texture[box] += share[..., None] * (lid - texture[box])
        roots = UPPER_LASHES * np.exp(-((upper / LASH_ROOTS) ** 2)) * mobile
        roots = np.maximum(roots, LOWER_LASHES * np.exp(-((lower / LASH_ROOTS) ** 2))) * near[box]
        texture[box] *= 1 - roots[..., None] * np.array([0.92, 1.0, 1.0], np.float32)
        wet = _wet(place, margins, lower) * near[box]
        moist = np.minimum(around * np.array([1.0, 0.86, 0.85], np.float32), 1)
        texture[box] += wet[..., None] * (moist - texture[box])
        roots = np.maximum(roots, wet)
        painted[box] = np.maximum(painted[box], np.maximum(share, np.minimum(roots * 2, 1)))
    return painted


def _distances(place: Texture, margins: Margins) -> tuple[Texture, Texture]:
    """(h, w) metres to the upper and to the lower margin, at rest."""
    flat = place.reshape(-1, 3)
    out = []
    for edge in (margins.upper, margins.lower):
        line = np.column_stack([margins.x, edge])
        steps = np.linspace(0, len(line) - 1, 8 * len(line))
        dense = np.column_stack([np.interp(steps, np.arange(len(line)), line[:, k]) for k in range(3)])
        out.append(cKDTree(dense).query(flat)[0].reshape(place.shape[:2]).astype(np.float32))
    return out[0], out[1]


def _wet(place: Texture, margins: Margins, lower: Texture) -> Texture:
    """(h, w) where the lower lid's edge, behind its lashes, is moist and rosy."""
    x = place[..., 0]
    edge = np.stack([np.interp(x, margins.x, margins.lower[:, k]) for k in (0, 1)], -1)
    behind = edge[..., 1] - place[..., 2]
    level = np.abs(place[..., 1] - edge[..., 0])
    inside = (x > margins.x[0]) & (x < margins.x[-1]) & (lower < 0.004)
    return np.asarray(_ramp(0.0002, 0.0008, behind) * _ramp(0.0016, 0.0008, level) * inside, np.float32)


def _relief(fall: Texture, place: Texture, seed: int) -> Texture:
    """(h, w) light on a lid relative to the skin around: dark in the crease, bright where the eyeball arches it."""
    noise = np.random.default_rng(seed).normal(size=fall.shape).astype(np.float32)
    crease = np.exp(-(((fall - CREASE) / 0.07) ** 2)) * (fall > 0.01)
    arch = np.exp(-(((fall - 0.55) / 0.22) ** 2))
    edge = _ramp(0.85, 1.0, fall)
    return np.asarray(1 - 0.10 * crease + 0.035 * arch - 0.07 * edge + 0.008 * noise, np.float32)


def _ramp(low: float, high: float, value: NDArray[np.floating]) -> Texture:
    t = np.clip((value - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)
