"""Who says which pixel is hair: the embedded parser, or masks that someone drew."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from perse_engine.cameras import Camera
from perse_engine.errors import InputError
from perse_engine.heads.head import Head
from perse_engine.portraits.parts import Mask, find_parts
from perse_engine.portraits.portrait import PART_NAMES

AREAS = ("hair", "clothes", "ears", "neck", "skin")  # they share the person out; brows, eyes and lips lie on the skin
RATIO = 0.01  # by which a mask's shape may differ from the photo's


class Parser(Protocol):
    """Finds the parts of a person in a photograph."""

    def parse(
        self,
        pixels: NDArray[np.uint8],
        matte: Mask,
        landmarks: NDArray[np.floating],
        head: Head,
        vertices: NDArray[np.floating],
        camera: Camera,
    ) -> dict[str, Mask]:
        """Soft masks (H, W) in [0, 1] of `PART_NAMES`; `AREAS` add up to at most 1.

        Args:
            pixels: (H, W, 3) uint8 sRGB.
            matte: (H, W) the person's alpha.
            landmarks: (468, 3) pixels.
            head: the head model.
            vertices: (V, 3) the fitted head as in the photograph, in the axes that `camera` sees.
            camera: of the whole photograph.

        Raises:
            InputError: what the parser reads from elsewhere does not fit the photograph.
        """
        ...


class EmbeddedParser:
    """Landmarks, the fitted head and colours: `find_parts`."""

    def parse(
        self,
        pixels: NDArray[np.uint8],
        matte: Mask,
        landmarks: NDArray[np.floating],
        head: Head,
        vertices: NDArray[np.floating],
        camera: Camera,
    ) -> dict[str, Mask]:
        """See `Parser.parse`."""
        return find_parts(pixels, matte, landmarks, head, vertices, camera)


class MaskFolder:
    """Masks drawn by hand or made with another program; what the folder lacks, another parser finds.

    The folder holds greyscale pictures named after parts, such as hair.png: white is the part, black is not. They have
    the photograph's shape; their size may differ.
    """

    def __init__(self, folder: Path, otherwise: Parser) -> None:
        """Read the folder.

        Raises:
            InputError: "no-masks" where there is none in it, "unknown-part" for a name that is no part, "bad-mask" for
                a file that is no picture.
        """
        if not folder.is_dir():
            raise InputError("no-masks", f"{folder} is no folder", "name the folder of hair.png and other masks")
        files = sorted(path for path in folder.iterdir() if path.suffix.lower() == ".png")
        if not files:
            raise InputError("no-masks", f"{folder} holds no masks", "save them as hair.png, ears.png and so on")
        for path in files:
            if path.stem not in PART_NAMES:
                raise InputError(
                    "unknown-part", f"{path.name} names no part", f"the parts are {', '.join(sorted(PART_NAMES))}"
                )
        self._otherwise = otherwise
        self._drawn = {path.stem: _read_mask(path) for path in files}

    def parse(
        self,
        pixels: NDArray[np.uint8],
        matte: Mask,
        landmarks: NDArray[np.floating],
        head: Head,
        vertices: NDArray[np.floating],
        camera: Camera,
    ) -> dict[str, Mask]:
        """See `Parser.parse`.

        Raises:
            InputError: "mask-shape" for a mask of another shape than the photograph's.
        """
        height, width = matte.shape
        drawn: dict[str, Mask] = {}
        for name, mask in self._drawn.items():
            drawn[name] = _fitted(mask, f"{name}.png", width, height)
        parts = self._otherwise.parse(pixels, matte, landmarks, head, vertices, camera)
        areas = [name for name in AREAS if name in drawn]
        claimed = np.sum([drawn[name] for name in areas], 0) if areas else np.zeros_like(matte)
        crowded = np.maximum(claimed, 1).astype(np.float32)
        for name in AREAS:
            parts[name] = drawn[name] / crowded if name in drawn else parts[name] * np.clip(1 - claimed, 0, 1)
        # what was taken off an area and given to none is skin again
        if "skin" not in drawn:
            given = np.sum([parts[name] for name in AREAS], 0)
            parts["skin"] = parts["skin"] + np.clip(matte - given, 0, 1)
        for name in ("brows", "eyes", "lips"):
            parts[name] = drawn.get(name, parts[name])
        return {name: parts[name].astype(np.float32) for name in PART_NAMES}


def parser_of(masks: Path | None) -> Parser:
    """The parser for a folder of drawn masks, or the embedded one.

    Raises:
        InputError: as `MaskFolder`.
    """
    return EmbeddedParser() if masks is None else MaskFolder(masks, EmbeddedParser())


def read_mask(path: Path, width: int, height: int) -> Mask:
    """(H, W) in [0, 1] a mask drawn over a photograph of `width` x `height` pixels.

    Raises:
        InputError: "bad-mask" for a file that is no picture, "mask-shape" for one of another shape.
    """
    return _fitted(_read_mask(path), path.name, width, height)


def _fitted(mask: Mask, name: str, width: int, height: int) -> Mask:
    if abs(mask.shape[1] / mask.shape[0] / (width / height) - 1) > RATIO:
        raise InputError(
            "mask-shape",
            f"{name} is {mask.shape[1]}x{mask.shape[0]}, the photograph is {width}x{height}",
            "draw the masks over the photograph itself, without cropping",
        )
    way = cv2.INTER_AREA if mask.shape[0] > height else cv2.INTER_LINEAR
    return np.asarray(np.clip(cv2.resize(mask, (width, height), interpolation=way), 0, 1), np.float32)


def _read_mask(path: Path) -> Mask:
    """(h, w) in [0, 1]."""
    try:
        with Image.open(path) as image:
            image.load()
            upright = ImageOps.exif_transpose(image)
            if upright.mode.startswith(("I", "F")):  # 16 bits: to convert them would clip them
                return np.clip(np.asarray(upright, np.float32) / np.float32(65535), 0, 1)
            clear = upright.convert("RGBA").getchannel("A")
            grey = np.asarray(upright.convert("RGB").convert("L"), np.float32)
            return grey * np.asarray(clear, np.float32) / np.float32(255 * 255)
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError, ValueError) as error:
        raise InputError(
            "bad-mask", f"{path.name} cannot be read as a picture", "save it as a greyscale PNG"
        ) from error
