"""How far the eyes are open in the photo, once the head's lids are the person's own."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from perse_engine.cameras import Camera
from perse_engine.heads.head import Head, HeadState
from perse_engine.heads.posing import pose_head
from perse_engine.portraits.landmarks import LEFT_LIDS, RIGHT_LIDS
from perse_engine.portraits.parts import lid_outline, polygon
from perse_engine.surfaces.rasterize import rasterize_mesh

WIDTH = 160  # pixels of the picture of one eye
MIDDLE = (0.3, 0.7)  # share of an eye's width in which its height is measured
LARGEST = 0.35  # of a unit, by which blink or widening change
ROUNDS = 3
UNITS = (("eyeblinkleft", "eyewideleft"), ("eyeblinkright", "eyewideright"))


def settled_lids(head: Head, state: HeadState, camera: Camera, landmarks: NDArray[np.floating]) -> HeadState:
    """`state` with blink and widening such that as much of each eyeball shows as between the lids of the photo.

    Args:
        head: the personal head.
        camera: of the whole photo.
        landmarks: (468, 3).
    """
    for side, (lids, units) in enumerate(zip((LEFT_LIDS, RIGHT_LIDS), UNITS, strict=True)):
        if "eyes" not in head.parts or not set(units) <= set(head.expression_names):
            continue
        outline = landmarks[lid_outline(lids), :2].astype(np.float64)
        view, placed = _close_up(camera, outline)
        wanted = _height(polygon((view.height, view.width), placed) > 0.5, placed)
        blink, wide = (head.expression_names.index(name) for name in units)
        opening = float(state.expression[wide] - state.expression[blink])
        low, high = opening - LARGEST, min(opening + LARGEST, 1.0)
        tried: list[tuple[float, float]] = []
        for _ in range(ROUNDS):
            shown = _shown(head, _opened(state, blink, wide, opening), view, placed, side)
            tried.append((opening, shown))
            # the first step by what a blink usually does, then along the line through the last two
            slope = max(wanted, shown)
            if len(tried) > 1 and abs(tried[-1][0] - tried[-2][0]) > 1e-3:
                slope = max((tried[-1][1] - tried[-2][1]) / (tried[-1][0] - tried[-2][0]), 0.3 * slope)
            if slope <= 0:
                break
            opening = float(np.clip(opening + (wanted - shown) / slope, low, high))
        state = _opened(state, blink, wide, opening)
    return state


def _opened(state: HeadState, blink: int, wide: int, opening: float) -> HeadState:
    """Below zero `opening` is a blink, above it the eyes are wide."""
    expression = state.expression.copy()
    expression[blink], expression[wide] = max(-opening, 0.0), max(opening, 0.0)
    return dataclasses.replace(state, expression=expression)


def _shown(head: Head, state: HeadState, view: Camera, placed: NDArray[np.float64], side: int) -> float:
    """Pixels of `view` by which the eyeball shows."""
    drawn = rasterize_mesh(pose_head(head, state).vertices, head.faces, view).triangle
    eyes = (drawn >= 0) & (head.face_parts[drawn] == head.parts.index("eyes"))
    return _height(eyes, placed)


def _height(shown: NDArray[np.bool_], placed: NDArray[np.float64]) -> float:
    """Mean height of a mask in the middle of the outline (N, 2)."""
    left, right = placed[:, 0].min(), placed[:, 0].max()
    first, last = (int(left + share * (right - left)) for share in MIDDLE)
    return float(shown[:, first : last + 1].sum(0).mean())


def _close_up(camera: Camera, outline: NDArray[np.float64]) -> tuple[Camera, NDArray[np.float64]]:
    """The camera's enlarged window on one eye, and the outline in it."""
    low, high = outline.min(0), outline.max(0)
    reach = 0.5 * (high[0] - low[0])
    left, top = (int(np.floor(edge)) for edge in low - reach)
    width, height = (int(np.ceil(edge)) for edge in high + reach - (left, top))
    scale = max(1, round(WIDTH / width))
    view = camera.cropped(left, top, width, height).resized(width * scale, height * scale)
    return view, (outline - (left, top)) * scale
