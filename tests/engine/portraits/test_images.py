"""Photographs of every kind, and files that are none."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pillow_heif
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from perse_engine.errors import InputError
from perse_engine.portraits import images
from perse_engine.portraits.images import read_image


def picture(width: int = 96, height: int = 80) -> NDArray[np.uint8]:
    """Red to the right, green downwards, a blue corner at the upper left."""
    y, x = np.mgrid[:height, :width]
    image = np.stack([x * 255 // width, y * 255 // height, 0 * x], -1).astype(np.uint8)
    image[:20, :20, 2] = 255
    return image


def close(a: NDArray, b: NDArray, tolerance: float = 6.0) -> bool:
    return a.shape == b.shape and float(np.abs(a.astype(float) - b).mean()) < tolerance


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp", "a.bmp", "a.tif"])
def test_common_formats_are_read(tmp_path: Path, name: str) -> None:
    Image.fromarray(picture()).save(tmp_path / name)
    photo = read_image(tmp_path / name)
    assert close(photo.pixels, picture())
    assert photo.alpha is None
    assert photo.source["file"] == name
    assert photo.source["size"] == [96, 80]


def test_heic_is_read(tmp_path: Path) -> None:
    pillow_heif.from_pillow(Image.fromarray(picture())).save(tmp_path / "a.heic")
    assert close(read_image(tmp_path / "a.heic").pixels, picture())


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_of_the_camera_is_undone(tmp_path: Path, orientation: int) -> None:
    turned = {
        1: lambda i: i,
        2: lambda i: i[:, ::-1],
        3: lambda i: i[::-1, ::-1],
        4: lambda i: i[::-1],
        5: lambda i: i.transpose(1, 0, 2),
        6: lambda i: np.rot90(i, 1),
        7: lambda i: i[::-1, ::-1].transpose(1, 0, 2),
        8: lambda i: np.rot90(i, -1),
    }[orientation](picture())
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.ascontiguousarray(turned)).save(tmp_path / "a.jpg", exif=exif, quality=95)
    assert close(read_image(tmp_path / "a.jpg").pixels, picture())


def test_the_focal_length_comes_from_exif(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0xA405] = 85
    Image.fromarray(picture()).save(tmp_path / "a.jpg", exif=exif)
    assert read_image(tmp_path / "a.jpg").focal_mm == 85
    Image.fromarray(picture()).save(tmp_path / "b.jpg")
    assert read_image(tmp_path / "b.jpg").focal_mm is None


def test_transparency_becomes_grey_and_is_kept_as_alpha(tmp_path: Path) -> None:
    alpha = np.full((80, 96, 1), 255, np.uint8)
    alpha[:, 48:] = 0
    Image.fromarray(np.concatenate([picture(), alpha], -1)).save(tmp_path / "a.png")
    photo = read_image(tmp_path / "a.png")
    assert photo.alpha is not None
    assert photo.alpha[:, :48].min() == 1
    assert photo.alpha[:, 48:].max() == 0
    assert (photo.pixels[:, 48:] == images.GREY).all()
    assert close(photo.pixels[:, :48], picture()[:, :48])


def test_grey_cmyk_palette_and_sixteen_bits_are_read(tmp_path: Path) -> None:
    image = Image.fromarray(picture())
    image.convert("L").save(tmp_path / "grey.png")
    image.convert("CMYK").save(tmp_path / "cmyk.jpg", quality=95)
    image.quantize(64).save(tmp_path / "palette.gif")
    cv2.imwrite(str(tmp_path / "wide.png"), picture()[..., ::-1].astype(np.uint16) * 257)
    cv2.imwrite(str(tmp_path / "wide.tif"), picture()[..., ::-1].astype(np.uint16) * 257)
    cv2.imwrite(str(tmp_path / "wide_grey.png"), picture()[..., 0].astype(np.uint16) * 257)
    grey = np.repeat(np.asarray(image.convert("L"))[..., None], 3, -1)
    assert close(read_image(tmp_path / "grey.png").pixels, grey)
    assert close(read_image(tmp_path / "cmyk.jpg").pixels, picture(), 12)
    assert close(read_image(tmp_path / "palette.gif").pixels, picture(), 12)
    assert close(read_image(tmp_path / "wide.png").pixels, picture())
    assert close(read_image(tmp_path / "wide.tif").pixels, picture())
    assert close(read_image(tmp_path / "wide_grey.png").pixels, np.repeat(picture()[..., :1], 3, -1))


def test_large_pictures_are_reduced_and_small_ones_kept(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((90, 12_000, 3), np.uint8)).save(tmp_path / "wide.jpg")
    photo = read_image(tmp_path / "wide.jpg")
    assert max(photo.pixels.shape) <= images.WORKING_SIDE
    assert photo.source["size"] == [12_000, 90]
    Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(tmp_path / "small.png")
    assert read_image(tmp_path / "small.png").pixels.shape == (64, 64, 3)


def empty(folder: Path) -> Path:
    (folder / "a.jpg").write_bytes(b"")
    return folder / "a.jpg"


def text(folder: Path) -> Path:
    (folder / "a.jpg").write_text("I am not a picture")
    return folder / "a.jpg"


def truncated(folder: Path) -> Path:
    stream = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (200, 200, 3), np.uint8)).save(stream, "PNG")
    (folder / "a.png").write_bytes(stream.getvalue()[: len(stream.getvalue()) // 2])
    return folder / "a.png"


def tiny(folder: Path) -> Path:
    Image.fromarray(picture(96, 63)).save(folder / "a.png")
    return folder / "a.png"


def huge(folder: Path) -> Path:
    Image.fromarray(np.zeros((64, 12_001), np.uint8)).save(folder / "a.png")
    return folder / "a.png"


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda folder: folder / "nothing.jpg", "file-missing"),
        (lambda folder: folder, "is-a-directory"),
        (empty, "empty-file"),
        (text, "not-an-image"),
        (truncated, "truncated-image"),
        (tiny, "too-small"),
        (huge, "too-large"),
    ],
)
def test_what_is_no_photograph_is_named(tmp_path: Path, make: Callable[[Path], Path], code: str) -> None:
    with pytest.raises(InputError) as caught:
        read_image(make(tmp_path))
    assert caught.value.code == code
    assert caught.value.hint
    assert "\n" not in str(caught.value)


def test_a_file_that_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(picture()).save(path)

    def refuse(_: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(InputError) as caught:
        read_image(path)
    assert caught.value.code == "no-permission"


@settings(max_examples=40)
@given(st.sampled_from(["PNG", "JPEG", "GIF", "TIFF", "WEBP", "BMP"]), st.floats(0, 1), st.integers(0, 255))
def test_damage_never_gets_past_as_another_error(
    tmp_path_factory: pytest.TempPathFactory, kind: str, place: float, value: int
) -> None:
    stream = io.BytesIO()
    Image.fromarray(picture()).save(stream, kind)
    content = bytearray(stream.getvalue())
    content[int(place * (len(content) - 1))] = value
    path = tmp_path_factory.mktemp("damage") / "a"
    path.write_bytes(bytes(content[: max(1, int(len(content) * max(place, 0.3)))]))
    try:
        assert read_image(path).pixels.dtype == np.uint8
    except InputError as error:
        assert error.code in {"not-an-image", "truncated-image", "too-small", "too-large"}
