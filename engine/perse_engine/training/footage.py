"""A dataset as views: what each pixel counts, and how finely the avatar was looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from perse_engine.avatars.initial import head_center
from perse_engine.clips.frames import RECORDED, ClipFrame, Dataset
from perse_engine.clips.labels import UNKNOWN
from perse_engine.training.views import Picture, View

LABEL_WEIGHTS: Mapping[str, float] = {
    "eyes": 3.0,
    "lips": 2.0,
    "mouth": 2.5,
    "brows": 1.5,
    "nose": 1.3,
    UNKNOWN: 0.0,
}
"""What a pixel of a label counts, where a pixel counts 1."""
OUTDONE: Mapping[str, float] = {"mouth": 0.2, "lips": 0.4}
"""Share of what a label counts in synthetic frames, where real ones show it better."""
UNMODELLED = ("background", "clothes", UNKNOWN)
"""Labels of the teacher where the photo may show what the avatar has nothing for."""
BESIDE = 5.0
"""What a pixel counts right beside what a style changes: there it must change nothing, and its border must be sharp."""
RIM, REFERENCE = (1.5, 8.0), 256
"""How far from what is changed that begins and ends, pixels in a picture of `REFERENCE` pixels."""
UNCHANGED = 2
"""Of 255."""
FINEST = 0.4
"""The least standard deviation of a Gaussian, in pixels of the finest view."""


def training_views(dataset: Dataset) -> tuple[View, ...]:
    """The synthetic frames that may be learnt from. Where there is footage, it says what a mouth looks like inside."""
    table = _table(dataset.wardrobe.labels)
    frames = dataset.of("train")
    synthetic = [frame for frame in frames if frame.clip != RECORDED]
    if len(synthetic) < len(frames):
        for label, share in OUTDONE.items():
            table[dataset.wardrobe.labels.index(label)] *= share
    return tuple(_view(frame, table) for frame in synthetic)


def recorded_views(dataset: Dataset) -> tuple[View, ...]:
    """The frames of real footage that may be learnt from."""
    labels = dataset.wardrobe.labels
    return tuple(_real_view(frame, labels) for frame in dataset.of("train") if frame.clip == RECORDED)


def held_out_views(dataset: Dataset) -> tuple[View, ...]:
    """The synthetic frames of expressions and views that nothing is learnt from."""
    table = _table(dataset.wardrobe.labels)
    return tuple(_view(frame, table) for frame in dataset.of("heldout"))


def photo_view(dataset: Dataset) -> View:
    """The photo."""
    return _real_view(dataset.photo, dataset.wardrobe.labels)


def _real_view(frame: ClipFrame, labels: Sequence[str]) -> View:
    """A photograph. Only what the avatar models counts: a suit, a hat or a neighbour's shoulder does not."""
    table = _table(labels)
    table[[labels.index(label) for label in UNMODELLED]] = 0

    def read() -> Picture:
        image, parts = frame.image(), frame.parts()
        alpha = image[..., 3].astype(np.float32) / 255
        weights = table[parts]
        # A matte's edge mixes the person with what was behind.
        weights *= np.where(np.abs(alpha - 0.5) < 0.45, 0.3, 1.0)
        weights[(parts == labels.index("background")) & (alpha < 0.05)] = 1.0
        return Picture(image, weights.astype(np.float16))

    return View(frame.name, frame.camera, frame.state, read)


def low_pass(dataset: Dataset, views: Sequence[View]) -> float:
    """Metres: `FINEST` of the distance between samples in the finest tenth of `views`."""
    center = head_center(dataset.wardrobe.figure)
    samplings = [float(view.camera.project(center)[2]) / view.camera.fx for view in views]
    return FINEST * float(np.quantile(samplings, 0.1))


def _table(labels: Sequence[str]) -> NDArray[np.float32]:
    return np.array([LABEL_WEIGHTS.get(label, 1.0) for label in labels], np.float32)


def _view(frame: ClipFrame, table: NDArray[np.float32]) -> View:
    def read() -> Picture:
        image, weights = frame.image(), table[frame.parts()]
        if frame.below is not None:
            weights = weights * (1 + (BESIDE - 1) * _beside(image, frame.below.image()))
        return Picture(image, weights.astype(np.float16))

    return View(frame.name, frame.camera, frame.state, read)


def _beside(image: NDArray[np.uint8], below: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(H, W) 1 right beside what differs between two pictures (H, W, 4), 0 elsewhere."""
    changed = (cv2.absdiff(image, below).max(-1) > UNCHANGED).astype(np.uint8)
    side = image.shape[0] / REFERENCE
    near, far = (
        cv2.dilate(changed, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * round(r * side) + 1,) * 2)) for r in RIM
    )
    return (far - near).astype(np.float32)
