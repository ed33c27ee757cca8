"""Avatar or teacher in the photo's state, beside the photo."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray

from perse_engine.evaluation.metrics import area_reduced, eroded, over, psnr, ssim
from perse_engine.evaluation.rows import Row, at_least
from perse_engine.evaluation.subject import Subject
from perse_engine.portraits.portrait import Portrait

Floats = NDArray[np.float32]

SIDE = 256
ERODED_PX = 2
LEAST_PSNR, LEAST_SSIM = 28.0, 0.90
CANVAS_SSIM = 0.87
COMPARED_PARTS = ("skin", "brows", "eyes", "lips", "ears", "hair", "neck")
_GREY = 0.5


@dataclasses.dataclass(frozen=True, eq=False)
class PhotoPair:
    """The photo's square crop and the subject in the same pixels, n x n of the photo's own.

    Attributes:
        photo: (n, n, 3) sRGB in [0, 1]; black outside the photo.
        matte: (n, n) the person's alpha.
        compared: (n, n) in [0, 1], the parts that count.
        rendered: (n, n, 4) premultiplied.
    """

    photo: Floats
    matte: Floats
    compared: Floats
    rendered: Floats


def photo_pair(subject: Subject, portrait: Portrait) -> PhotoPair:
    """Cut the portrait's square out of the photo at whole pixels, and draw the subject in exactly these."""
    x, y, side = portrait.crop
    left, top, n = math.floor(x), math.floor(y), math.ceil(side)
    compared = np.clip(np.sum([portrait.parts[name] for name in COMPARED_PARTS if name in portrait.parts], 0), 0, 1)
    camera = subject.photo_camera.cropped(left, top, n, n)
    return PhotoPair(
        _window(portrait.photo.astype(np.float32) / np.float32(255), left, top, n),
        _window(portrait.matte, left, top, n),
        _window(compared.astype(np.float32), left, top, n),
        subject.draw(subject.photo_state, camera),
    )


def photo_rows(pair: PhotoPair) -> list[Row]:
    """PSNR and SSIM at 256 x 256, averaged over areas, inside the compared parts of the matte eroded by 2 pixels."""
    photo = area_reduced(pair.photo, SIDE, SIDE)
    rendered = over(area_reduced(pair.rendered, SIDE, SIDE), _GREY)
    person = area_reduced(np.minimum(pair.matte, pair.compared), SIDE, SIDE) >= 0.5
    mask = eroded(person, ERODED_PX)
    note = f"256², {100 * mask.mean():.0f} % of the picture"
    canvas = f"{CANVAS_SSIM:g} is enough for a painting on canvas"
    return [
        at_least("photo", "PSNR, photo state against the photo", psnr(rendered, photo, mask), LEAST_PSNR, "dB", note),
        at_least("photo", "SSIM, photo state against the photo", ssim(rendered, photo, mask), LEAST_SSIM, "", canvas),
    ]


def _window(picture: Floats, left: int, top: int, n: int) -> Floats:
    """The n x n window of (H, W, ...) at (left, top), zero where it reaches outside."""
    window = np.zeros((n, n, *picture.shape[2:]), np.float32)
    height, width = picture.shape[:2]
    x0, y0, x1, y1 = max(left, 0), max(top, 0), min(left + n, width), min(top + n, height)
    window[y0 - top : y1 - top, x0 - left : x1 - left] = picture[y0:y1, x0:x1]
    return window
