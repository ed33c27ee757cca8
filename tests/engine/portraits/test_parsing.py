"""Which pixel is what: points that were looked up by hand, and masks that somebody drew."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from perse_engine.errors import InputError
from perse_engine.heads.head import Head
from perse_engine.portraits.fitting import fit_portrait
from perse_engine.portraits.parsing import AREAS, EmbeddedParser, MaskFolder, read_mask
from perse_engine.portraits.portrait import PART_NAMES, Portrait

PAINTINGS = Path(__file__).parents[4] / "shared" / "data" / "portraits"
# x, y and what a person sees there; nothing is the background
POINTS: Mapping[str, list[tuple[int, int, str]]] = {
    "girl_with_book": [
        (413, 262, "skin"), (415, 216, "skin"), (426, 277, "ears"), (283, 268, "ears"), (437, 199, "hair"),
        (425, 296, "hair"), (292, 296, "hair"), (354, 365, "neck"), (448, 365, "clothes"),
    ],
    "lady_in_black": [
        (431, 101, "hair"), (442, 149, "ears"), (402, 171, "skin"), (393, 257, "clothes"), (325, 80, "hair"),
    ],
    "girl_with_pearl_earring": [
        (590, 797, "clothes"), (684, 605, "ears"), (784, 656, ""), (484, 303, "hair"), (599, 700, "skin"),
        (828, 585, "hair"),
    ],
}  # fmt: skip
HAIR_OF_ASTRONAUT = [
    (153, 70), (157, 59), (170, 45), (187, 36), (192, 30), (205, 22), (218, 18), (232, 16), (245, 18), (258, 23),
    (275, 30), (286, 40), (294, 54), (299, 70), (301, 85), (298, 100), (292, 113), (285, 122), (275, 131), (271, 126),
    (270, 105), (268, 92), (262, 88), (240, 82), (215, 80), (200, 79), (188, 75), (184, 85), (181, 100), (179, 112),
    (180, 120), (171, 117), (162, 110), (155, 98), (154, 85),
]  # fmt: skip


def answers(portrait: Portrait, name: str) -> list[tuple[str, str]]:
    """What was expected and what was found, at each point of a picture."""
    found = []
    for x, y, expected in POINTS[name]:
        here = {area: float(portrait.parts[area][y, x]) for area in AREAS}
        here[""] = 1 - sum(here.values())
        found.append((expected, max(here, key=lambda area: here[area])))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", POINTS)
def test_paintings_are_parsed_as_a_person_would(name: str, open_head: Head) -> None:
    if not (PAINTINGS / f"{name}.jpg").exists():
        pytest.skip("the paintings are not at hand")
    for expected, found in answers(fit_portrait(PAINTINGS / f"{name}.jpg", open_head), name):
        assert found == expected


def test_hair_covers_the_outline_drawn_by_hand(portrait: Portrait) -> None:
    drawn = np.zeros(portrait.matte.shape, np.uint8)
    cv2.fillPoly(drawn, [np.array(HAIR_OF_ASTRONAUT)], 1)
    hair = portrait.parts["hair"] > 0.5
    assert (hair & (drawn > 0)).sum() / (hair | (drawn > 0)).sum() > 0.92


def test_edges_are_soft_and_areas_share_the_person_out(portrait: Portrait) -> None:
    hair = portrait.parts["hair"]
    assert ((hair > 0.1) & (hair < 0.9)).sum() > 0.02 * (hair > 0.5).sum()
    total = np.sum([portrait.parts[name] for name in AREAS], 0)
    assert total.max() <= 1 + 1e-5


def save(folder: Path, name: str, mask: NDArray[np.floating]) -> None:
    Image.fromarray((np.asarray(mask) * 255).astype(np.uint8)).save(folder / f"{name}.png")


def parsed(parser: MaskFolder, portrait: Portrait) -> dict[str, NDArray[np.float32]]:
    head = portrait.head
    return parser.parse(
        portrait.photo, portrait.matte, portrait.landmarks, head, head.template.astype(np.float64), portrait.camera
    )


def test_drawn_masks_win_and_the_rest_is_parsed(tmp_path: Path, portrait: Portrait) -> None:
    shape = portrait.matte.shape
    hair = np.zeros(shape)
    hair[: shape[0] // 4] = 1
    save(tmp_path, "hair", cv2.resize(hair, (shape[1] * 2, shape[0] * 2), interpolation=cv2.INTER_NEAREST))
    parts = parsed(MaskFolder(tmp_path, EmbeddedParser()), portrait)
    assert tuple(parts) == PART_NAMES
    assert parts["hair"][: shape[0] // 4 - 2].min() > 0.99
    assert parts["hair"][shape[0] // 4 + 2 :].max() < 0.01
    assert np.sum([parts[name] for name in AREAS], 0).max() <= 1 + 1e-5
    # hair that was drawn away is skin
    below = (portrait.parts["hair"] > 0.95) & (np.arange(shape[0])[:, None] > shape[0] // 4 + 2)
    if below.any():
        assert parts["hair"][below].max() < 0.01


def test_folders_that_hold_no_masks_are_refused(tmp_path: Path, portrait: Portrait) -> None:
    for folder in (tmp_path, tmp_path / "absent"):
        with pytest.raises(InputError) as caught:
            MaskFolder(folder, EmbeddedParser())
        assert caught.value.code == "no-masks"
    save(tmp_path, "hairs", np.zeros((8, 8)))
    with pytest.raises(InputError) as caught:
        MaskFolder(tmp_path, EmbeddedParser())
    assert caught.value.code == "unknown-part"
    assert "hairs.png" in str(caught.value)
    (tmp_path / "hairs.png").rename(tmp_path / "hair.png")
    with pytest.raises(InputError) as caught:
        parsed(MaskFolder(tmp_path, EmbeddedParser()), _narrow(portrait))
    assert caught.value.code == "mask-shape"
    (tmp_path / "hair.png").write_bytes(b"no picture")
    with pytest.raises(InputError) as caught:
        MaskFolder(tmp_path, EmbeddedParser())
    assert caught.value.code == "bad-mask"


def _narrow(portrait: Portrait) -> Portrait:
    half = portrait.matte.shape[1] // 2
    return dataclasses.replace(portrait, photo=portrait.photo[:, :half], matte=portrait.matte[:, :half])


@pytest.mark.parametrize(
    ("mode", "pixels", "expected"),
    [
        ("L", np.full((8, 8), 128, np.uint8), 128 / 255),
        ("I;16", np.full((8, 8), 600, np.uint16), 600 / 65535),
        ("RGBA", np.dstack([np.full((8, 8, 3), 255, np.uint8), np.zeros((8, 8), np.uint8)]), 0.0),
        ("RGBA", np.full((8, 8, 4), 255, np.uint8), 1.0),
    ],
)
def test_masks_of_every_kind_mean_the_same(
    tmp_path: Path, mode: str, pixels: NDArray[np.generic], expected: float
) -> None:
    Image.fromarray(pixels).save(tmp_path / "mask.png")
    with Image.open(tmp_path / "mask.png") as again:
        assert again.mode == mode
    mask = read_mask(tmp_path / "mask.png", 16, 16)
    assert mask.shape == (16, 16)
    np.testing.assert_allclose(mask, expected, atol=1e-3)


def test_a_rotated_mask_is_put_upright(tmp_path: Path) -> None:
    pixels = np.zeros((20, 40), np.uint8)
    pixels[:, :10] = 255
    image = Image.fromarray(pixels)
    exif = image.getexif()
    exif[0x0112] = 6  # to be turned by a quarter, clockwise
    image.save(tmp_path / "mask.png", exif=exif)
    mask = read_mask(tmp_path / "mask.png", 20, 40)
    assert mask[:8].mean() > 0.95
    assert mask[12:].mean() < 0.05
