"""Photographs as people have them: any common format, depth, colour space and orientation."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import io
import logging
import math
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pillow_heif
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageCms, ImageOps, UnidentifiedImageError

from perse_engine.errors import InputError

log = logging.getLogger(__name__)

SMALLEST, LARGEST = 64, 12_000
WORKING_SIDE = 2048  # more pixels than the texture can hold only cost time
GREY = 128  # what shows through transparent pixels
DIAGONAL_35MM = math.hypot(36, 24)

# what Pillow's decoders raise on bytes that are not what they should be
DAMAGE = (
    OSError, SyntaxError, ValueError, TypeError, EOFError, LookupError, ArithmeticError, RuntimeError, struct.error,
    zlib.error,
)  # fmt: skip

Image.MAX_IMAGE_PIXELS = None  # the limit below speaks plainly instead
pillow_heif.register_heif_opener()


@dataclasses.dataclass(frozen=True, eq=False)
class Photo:
    """A photograph, upright.

    Attributes:
        pixels: (H, W, 3) uint8 sRGB, long side at most `WORKING_SIDE`.
        alpha: (H, W) float32 in [0, 1] where the file had transparency that means something, else None.
        focal_mm: 35 mm equivalent focal length (by the diagonal) from EXIF, or None.
        source: file name, sha256 and original size (width, height), for provenance.
    """

    pixels: NDArray[np.uint8]
    alpha: NDArray[np.float32] | None
    focal_mm: float | None
    source: dict[str, object]


def read_image(path: Path) -> Photo:
    """Read a photograph.

    Raises:
        InputError: "file-missing", "is-a-directory", "no-permission", "empty-file", "not-an-image", "truncated-image",
            "too-small" or "too-large".
    """
    content = _read_bytes(path)
    try:
        with Image.open(io.BytesIO(content)) as image:
            width, height = image.size
            _check_size(path, width, height)
            focal = _focal(image.getexif(), width, height)
            # JPEG decodes at half, a quarter or an eighth of its size for free
            image.draft(None, (WORKING_SIDE, WORKING_SIDE))
            image.load()
            upright = ImageOps.exif_transpose(image)
            pixels, alpha = _to_srgb(upright)
    except UnidentifiedImageError:
        pixels, alpha = _read_by_opencv(path, content)
        height, width = pixels.shape[:2]
        focal = None
    except DAMAGE as error:
        raise InputError(
            "truncated-image", f"{path.name} is cut short or damaged ({error})", "fetch or export the file again"
        ) from error
    if alpha is not None:
        cover = alpha[..., None]
        pixels = np.round(pixels * cover + GREY * (1 - cover)).astype(np.uint8)
    source: dict[str, object] = {
        "file": path.name,
        "sha256": hashlib.sha256(content).hexdigest(),
        "size": [width, height],
    }
    return Photo(*_reduced(pixels, alpha), focal, source)


@contextlib.contextmanager
def input_file(path: Path, what: str) -> Iterator[None]:
    """Turn what can go wrong in reading `path` into errors for people; `what` is what it ought to be, "photograph".

    Raises:
        InputError: "file-missing", "is-a-directory", "no-permission" or "empty-file".
    """
    if path.is_dir():
        raise InputError("is-a-directory", f"{path} is a folder", f"give the path of one {what}")
    try:
        yield
        empty = not path.stat().st_size
    except FileNotFoundError as error:
        raise InputError("file-missing", f"{path} does not exist", "check the path") from error
    except PermissionError as error:
        hint = "give yourself read permission or copy the file"
        raise InputError("no-permission", f"{path} may not be read", hint) from error
    except OSError as error:
        raise InputError("file-missing", f"{path} cannot be read ({error.strerror})", "check the path") from error
    if empty:
        raise InputError("empty-file", f"{path} is empty", "the copy or download may have failed: fetch it again")


def _read_bytes(path: Path) -> bytes:
    with input_file(path, "photograph"):
        return path.read_bytes()


def _check_size(path: Path, width: int, height: int) -> None:
    if min(width, height) < SMALLEST:
        raise InputError(
            "too-small", f"{path.name} has only {width} x {height} pixels", f"use at least {SMALLEST} on each side"
        )
    if max(width, height) > LARGEST:
        raise InputError("too-large", f"{path.name} has {width} x {height} pixels", f"reduce it to {LARGEST} or fewer")


def _to_srgb(image: Image.Image) -> tuple[NDArray[np.uint8], NDArray[np.floating] | None]:
    """(H, W, 3) uint8 sRGB and alpha, of any mode that Pillow has."""
    if image.mode in ("I;16", "I;16B", "I;16L", "I", "F"):
        wide = np.asarray(image, np.float64)
        top = 1.0 if image.mode == "F" else 65535.0
        grey = np.round(np.clip(wide / top, 0, 1) * 255).astype(np.uint8)
        return np.repeat(grey[..., None], 3, -1), None
    alpha = None
    if image.has_transparency_data:
        alpha = np.asarray(image.convert("RGBA").getchannel("A"), np.float32) / 255
        alpha = alpha if alpha.min() < 0.999 else None
    profile = image.info.get("icc_profile")
    if profile and image.mode in ("RGB", "RGBA", "CMYK", "L"):
        opaque = image.convert("RGB") if image.mode == "RGBA" else image
        try:
            described = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(opaque, described, ImageCms.createProfile("sRGB"), outputMode="RGB")
            if converted is not None:
                return np.array(converted), alpha
        except (ImageCms.PyCMSError, OSError) as error:
            log.warning("the colour profile of the photograph cannot be used and sRGB is assumed: %s", error)
    # premultiplied modes would darken the edges, so alpha is dropped before the conversion and not after
    return np.array(image.convert("RGBA").convert("RGB") if image.mode == "P" else image.convert("RGB")), alpha


def _read_by_opencv(path: Path, content: bytes) -> tuple[NDArray[np.uint8], NDArray[np.float32] | None]:
    """16-bit colour TIFFs and the like, which Pillow does not know."""
    try:
        image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        image = None
    if image is None or image.dtype not in (np.uint8, np.uint16):
        raise InputError("not-an-image", f"{path.name} is not a picture that can be read", "use a JPEG, PNG or HEIC")
    _check_size(path, image.shape[1], image.shape[0])
    if image.dtype == np.uint16:
        image = (image / 257).round().astype(np.uint8)
    if image.ndim == 2:
        return np.repeat(image[..., None], 3, -1), None
    alpha = image[..., 3].astype(np.float32) / 255 if image.shape[2] == 4 else None
    return np.ascontiguousarray(image[..., 2::-1]), alpha


def _reduced(
    pixels: NDArray[np.uint8], alpha: NDArray[np.float32] | None
) -> tuple[NDArray[np.uint8], NDArray[np.float32] | None]:
    height, width = pixels.shape[:2]
    scale = WORKING_SIDE / max(height, width)
    if scale >= 1:
        return pixels, alpha
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    smaller = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    return smaller.astype(np.uint8), None if alpha is None else cv2.resize(alpha, size, interpolation=cv2.INTER_AREA)


def _focal(exif: Image.Exif, width: int, height: int) -> float | None:
    """35 mm equivalent focal length, millimetres."""
    details = exif.get_ifd(ExifTags.IFD.Exif)
    try:
        equivalent = float(details.get(ExifTags.Base.FocalLengthIn35mmFilm, 0))
        focal = float(details.get(ExifTags.Base.FocalLength, 0))
        density = float(details.get(ExifTags.Base.FocalPlaneXResolution, 0))
        columns = float(details.get(ExifTags.Base.ExifImageWidth, width))
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    if equivalent <= 0 and focal > 0 and density > 0:
        unit = {2: 25.4, 3: 10.0, 4: 1.0}.get(details.get(ExifTags.Base.FocalPlaneResolutionUnit, 2), 25.4)
        sensor_width = columns / density * unit
        diagonal = sensor_width * math.hypot(width, height) / max(width, height)
        equivalent = focal / diagonal * DIAGONAL_35MM if diagonal > 0 else 0
    return equivalent if 8 <= equivalent <= 1200 else None
