"""What each face of a figure is, for weighting losses and measuring leakage: finer than parts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perse_engine.avatars.parts import BROUGHT
from perse_engine.clips.canvas import Canvas
from perse_engine.clips.lent import LENT

LABELS = (
    "background",
    "skin",
    "brows",
    "eyes",
    "lips",
    "mouth",
    "nose",
    "ears",
    "neck",
    "scalp",
    "clothes",
    "hair",
    "glasses",
    "lenses",
    "hat",
    "beard",
    "earrings",
    "headphones",
    "unknown",
)
UNKNOWN = "unknown"
"""Where a frame says nothing: a crop that reaches outside its photo."""

_OF_PART = {
    "eyes": "eyes",
    "lashes": "eyes",
    "eyelashes": "eyes",
    "sockets": "eyes",
    "mouth": "mouth",
    "tongue": "mouth",
    "teeth": "mouth",
    "bust": "clothes",
    "clothes": "clothes",
    "hair": "hair",
    "glasses": "glasses",
    "lenses": "lenses",
    "hat": "hat",
    "locks": "hair",
    "whiskers": "beard",
    "earrings": "earrings",
    "headphones": "headphones",
}


def label_faces(canvas: Canvas) -> NDArray[np.uint8]:
    """(F,) index into `LABELS` of every face of the figure: 0, the background, is none."""
    figure = canvas.figure
    labels = np.full(len(figure.faces), LABELS.index("skin"), np.uint8)
    skin = np.zeros(len(figure.faces), bool)
    for k, part in enumerate(figure.parts):
        here = figure.face_parts == k
        own = part.removeprefix(BROUGHT).removeprefix(LENT)
        if own in _OF_PART:
            labels[here] = LABELS.index(_OF_PART[own])
        else:
            skin |= here
    lips = np.clip(canvas.at_vertices(canvas.lips), 0, 1)
    regions = {"scalp": 0.5, "neck": 0.5, "ears": 0.5, "nose": 0.5, "brows": 0.5}
    for region, least in regions.items():
        inside = canvas.vertex_region(region)[figure.faces].mean(1) > least
        labels[skin & inside] = LABELS.index(region)
    labels[skin & (canvas.vertex_region("eyelids")[figure.faces].mean(1) > 0.6)] = LABELS.index("eyes")
    labels[skin & (lips[figure.faces].mean(1) > 0.35)] = LABELS.index("lips")
    return labels
