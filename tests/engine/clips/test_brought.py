"""Edited portraits become styles: only their category's region is taken, and what cannot be used is said."""

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage

from perse_engine.clips.animator import render_frame
from perse_engine.clips.brought import Brought, read_edits, usable, with_edits
from perse_engine.clips.catalogue import Catalogue, load_catalogue
from perse_engine.clips.editor import dress
from perse_engine.clips.motion import photo_camera, photo_state
from perse_engine.clips.relief import SIDE, relief_mesh, relief_points
from perse_engine.errors import InputError
from perse_engine.portraits.again import Sighting, see_again
from perse_engine.portraits.fitting import fit_portrait
from perse_engine.portraits.tasks import open_tracker


def picture(path: Path, side: int = 64) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.random.default_rng(len(path.name)).integers(0, 255, (side, side, 3), np.uint8))


def test_names_say_category_and_style(tmp_path):
    for name in ("hat/Red Fez.png", "hair_blue-wave.jpg", "beard/long/grey.png"):
        picture(tmp_path / name)
    edits = read_edits(tmp_path)
    assert sorted(edits.styles) == ["attr_beard_long_grey", "attr_hair_blue_wave", "attr_hat_red_fez"]
    assert edits.styles["attr_hat_red_fez"].between == "appear"
    assert edits.styles["attr_beard_long_grey"].between == "grow"
    assert edits.passed_over == ()


def test_other_names_are_passed_over_and_said(tmp_path):
    for name in ("hat_cap.png", "hat/cap.jpg", "socks_red.png", "hair.png", f"nose_{'x' * 60}.png"):
        picture(tmp_path / name)
    (tmp_path / "notes.txt").write_text("not a picture")
    edits = read_edits(tmp_path)
    assert list(edits.styles) == ["attr_hat_cap"]
    assert len(edits.passed_over) == 4
    assert all(":" in reason for reason in edits.passed_over)


@pytest.mark.parametrize("names", [[], ["socks_red.png"]])
def test_a_folder_without_edits_is_one_error(tmp_path, names):
    for name in names:
        picture(tmp_path / name)
    with pytest.raises(InputError) as caught:
        read_edits(tmp_path)
    assert caught.value.code == "no-edits"
    with pytest.raises(InputError) as caught:
        read_edits(tmp_path / "absent")
    assert caught.value.code == "file-missing"


def test_brought_styles_join_their_category_and_replace_namesakes(tmp_path):
    picture(tmp_path / "hat_cap.png")
    picture(tmp_path / "hat_fez.png")
    own = load_catalogue()
    both = with_edits(own, read_edits(tmp_path))
    hats = [both.styles[k].slider for k in both.indices("hat")]
    assert hats.count("attr_hat_cap") == 1
    assert hats[-1] == "attr_hat_fez"
    assert isinstance(both.parameters[both.indices("hat")[-1]], Brought)
    assert len(both.styles) == len(own.styles) + 1
    assert [c.name for c in both.categories] == [c.name for c in own.categories]
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for path in list(tmp_path.glob("*.png")):
        path.rename(elsewhere / path.name)
    moved = with_edits(own, read_edits(elsewhere))
    assert repr(moved.parameters) == repr(both.parameters)  # where the folder lies changes nothing


def test_a_relief_lies_before_what_it_covers(open_head):
    from perse_engine.cameras import front_camera

    camera = front_camera(np.array([0.0, 0.08, 0.0]), 1.0, 400.0, 200, 200)
    depth = np.full((200, 200), np.inf)
    y, x = np.mgrid[:200, :200]
    depth[np.hypot(x - 100, y - 100) < 40] = 0.95
    mask = (np.hypot(x - 100, y - 70) < 25).astype(np.float32)
    joints = np.tile(np.eye(4, dtype=np.float32), (5, 1, 1))
    nothing = np.zeros((1, 1, 3), np.float32)
    sighting = Sighting(nothing, mask, nothing[0], camera, nothing[0, 0], joints, open_head.template, True)
    points = relief_points("hat", mask, depth, sighting, 1)
    mesh = relief_mesh(points[None])
    assert points.shape == (SIDE * SIDE, 3)
    assert np.isfinite(points).all()
    seen = camera.project(points)
    assert (seen[:, 2] < 1.1).all()
    middle = np.hypot(seen[:, 0] - 100, seen[:, 1] - 75) < 6
    assert (seen[middle, 2] < 0.945).all()
    corners = points[mesh.faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    assert (normals[:, 2] > 0).mean() > 0.95  # it faces the camera


@pytest.fixture(scope="module")
def sitter(tmp_path_factory, open_head):
    path = tmp_path_factory.mktemp("sitter") / "astronaut.png"
    cv2.imwrite(str(path), skimage.data.astronaut()[..., ::-1])
    return fit_portrait(path, open_head)


@pytest.mark.slow
def test_edits_of_a_photo_change_their_region_and_nothing_else(sitter, tmp_path):
    eyes = np.linalg.norm(sitter.landmarks[33, :2] - sitter.landmarks[263, :2])
    brow, lips = sitter.landmarks[10, :2], sitter.landmarks[[13, 14], :2].mean(0)
    hat = sitter.photo[..., ::-1].copy()
    box = np.array([brow - [eyes * 0.8, eyes * 0.1], brow + [eyes * 0.8, -eyes * 0.8]])
    cv2.rectangle(hat, *np.round(box).astype(int).tolist(), (40, 30, 190), -1)
    cv2.imwrite(str(tmp_path / "hat_box.png"), hat)
    mouth = sitter.photo[..., ::-1].copy()
    cv2.ellipse(
        mouth,
        tuple(np.round(lips).astype(int).tolist()),
        (int(eyes * 0.3), int(eyes * 0.1)),
        0,
        0,
        360,
        (160, 30, 150),
        -1,
    )
    cv2.imwrite(
        str(tmp_path / "mouth_violet.png"), cv2.resize(mouth, None, fx=0.75, fy=0.75, interpolation=cv2.INTER_AREA)
    )
    cv2.imwrite(str(tmp_path / "nose_nobody.png"), np.full((300, 300, 3), 90, np.uint8))

    edits = usable(read_edits(tmp_path), sitter, open_tracker())
    assert sorted(edits.styles) == ["attr_hat_box", "attr_mouth_violet"]
    assert "nose_nobody.png" in edits.passed_over[0]
    wardrobe = dress(sitter, with_edits(Catalogue((), (), ()), edits))
    state, camera = photo_state(sitter), photo_camera(sitter, 256)

    def shown(**sliders):
        worn = dataclasses.replace(state, sliders={**state.sliders, **sliders})
        frame = render_frame(wardrobe, worn, camera)
        return frame.color * frame.alpha[..., None]

    bare = shown()
    for slider, middle, expected in (
        ("attr_hat_box", box.mean(0), (0.745, 0.118, 0.157)),
        ("attr_mouth_violet", lips, (0.588, 0.118, 0.627)),
    ):
        worn = shown(**{slider: 1.0})
        x, y = (middle - sitter.crop[:2]) / sitter.crop[2] * 256
        spot = worn[int(y) - 1 : int(y) + 2, int(x) - 1 : int(x) + 2].mean((0, 1))
        assert np.abs(spot - expected).max() < 0.12, slider
        changed = np.abs(worn - bare).max(-1) > 0.03
        yy, xx = np.nonzero(changed)
        reach = 0.5 * eyes / sitter.crop[2] * 256
        assert np.hypot(xx - x, yy - y).max() < 3.2 * reach, slider


@pytest.mark.slow
def test_the_same_person_is_found_in_another_picture(sitter):
    """The photo turned, shrunk and darkened: the head is where it is seen, not where the photo had it."""
    height, width = sitter.photo.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), 12, 0.7)
    other = (cv2.warpAffine(sitter.photo, matrix, (width, height + 60), borderValue=(120, 120, 120)) * 0.8).astype(
        np.uint8
    )
    sighting = see_again(sitter, other, None, open_tracker())
    assert not sighting.in_place
    expected = np.c_[sitter.landmarks[:, :2], np.ones(468)] @ matrix.T
    assert np.median(np.linalg.norm(sighting.landmarks[:, :2] - expected, axis=1)) < 2.5
    same = see_again(
        sitter, cv2.resize(sitter.photo, (width // 2, height // 2), interpolation=cv2.INTER_AREA), None, open_tracker()
    )
    assert same.in_place
