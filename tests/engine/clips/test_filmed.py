"""Videos of styles: only the style's region is learnt from, and a video that cannot be used costs only itself."""

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage

from perse_engine.avatars.initial import head_center, neutral_camera
from perse_engine.avatars.state import AvatarState
from perse_engine.clips.animator import look_of, render_frame
from perse_engine.clips.brought import Brought, read_edits, usable, with_edits
from perse_engine.clips.catalogue import Catalogue, load_catalogue
from perse_engine.clips.dataset import synthesize
from perse_engine.clips.editor import dress
from perse_engine.clips.filmed import add_films, clip_name
from perse_engine.clips.labels import UNKNOWN
from perse_engine.clips.presets import ClipsPreset
from perse_engine.portraits.fitting import fit_portrait
from perse_engine.portraits.tasks import open_tracker
from perse_engine.progress import silent
from perse_engine.service.footage import FRAME, film_styles

SIDE, FRAMES = 480, 24
TINY = ClipsPreset("tiny", base=2, style=1, around=0, pair=0, combinations=0, anything=0, held_out=0, size=128)


def only(slider: str) -> Catalogue:
    every = load_catalogue()
    k = next(k for k, style in enumerate(every.styles) if style.slider == slider)
    category = next(c for c in every.categories if c.name == every.styles[k].category)
    return Catalogue((category,), (every.styles[k],), (every.parameters[k],))


def film(path: Path, frames: list[np.ndarray]) -> None:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 25, frames[0].shape[1::-1])
    for frame in frames:
        writer.write(np.ascontiguousarray(frame[..., ::-1]))
    writer.release()


@pytest.fixture(scope="module")
def sitter(tmp_path_factory, open_head):
    path = tmp_path_factory.mktemp("sitter") / "astronaut.png"
    cv2.imwrite(str(path), skimage.data.astronaut()[..., ::-1])
    return fit_portrait(path, open_head)


@pytest.fixture(scope="module")
def folder(sitter, tmp_path_factory):
    """A film of the sitter in a beanie, turning; one of nobody; one cut short; one whose name says nothing."""
    folder = tmp_path_factory.mktemp("films")
    catalogue = only("attr_hat_beanie")
    wardrobe = dress(sitter, catalogue)
    state = AvatarState({"attr_hat_beanie": 1.0})
    look = look_of(wardrobe, state)
    camera = neutral_camera(wardrobe.figure).fitted(SIDE, SIDE)
    frames = []
    for k in range(FRAMES):
        view = camera.orbited(head_center(wardrobe.figure), -14 + 28 * k / (FRAMES - 1), 0, 0)
        drawn = render_frame(wardrobe, state, view, look=look)
        alpha = drawn.alpha[..., None]
        frames.append((np.clip(drawn.color * alpha + 0.6 * (1 - alpha), 0, 1) * 255 + 0.5).astype(np.uint8))
    film(folder / "hat_mine.mp4", frames)
    film(folder / "hair_nobody.mp4", [np.full((96, 96, 3), 120, np.uint8)] * FRAMES)
    film(folder / "holiday.mp4", frames[:2])
    (folder / "glasses_cut.mp4").write_bytes((folder / "hat_mine.mp4").read_bytes()[:200])
    return folder


def test_videos_are_named_like_pictures(folder):
    edits = read_edits(folder)
    assert sorted(edits.styles) == ["attr_glasses_cut", "attr_hair_nobody", "attr_hat_mine"]
    assert all(style.filmed for style in edits.styles.values())
    assert "holiday.mp4" in edits.passed_over[0]
    style = edits.styles["attr_hat_mine"]
    assert repr(style.picked(Path("a.png"))) == repr(style)  # which picture shows it is not what it is
    assert not style.picked(Path("a.png")).filmed
    assert not Brought(label="a", category="hat", path="a.PNG", sha256="").filmed


@pytest.fixture(scope="module")
def filmed(folder, sitter, tmp_path_factory):
    work = tmp_path_factory.mktemp("work")
    edits, films = film_styles(read_edits(folder), sitter, work, silent)
    return work, edits, films


@pytest.mark.slow
def test_what_can_be_used_is_used_and_the_rest_is_said(filmed, folder, sitter):
    work, edits, films = filmed
    assert list(films) == list(edits.styles) == ["attr_hat_mine"]
    reasons = "\n".join(edits.passed_over)
    assert "hair_nobody.mp4: no face" in reasons
    assert "glasses_cut.mp4" in reasons
    assert (work / "attr_hat_mine" / FRAME).is_file()
    assert not (work / "attr_hair_nobody" / FRAME).exists()
    again, same = film_styles(read_edits(folder), sitter, work, silent)
    np.testing.assert_array_equal(same["attr_hat_mine"].views, films["attr_hat_mine"].views)
    assert again.styles == edits.styles


@pytest.mark.slow
def test_only_the_style_is_learnt_from(filmed, sitter, tmp_path):
    _, edits, films = filmed
    catalogue = with_edits(Catalogue((), (), ()), usable(edits, sitter, open_tracker()))
    synthesize(sitter, catalogue, TINY, tmp_path / "clips", seed=0, progress=silent)
    dataset = add_films(films, sitter, tmp_path / "clips", silent)
    frames = [frame for frame in dataset.frames if frame.clip == clip_name("attr_hat_mine")]
    assert len(frames) == FRAMES
    labels = dataset.wardrobe.labels
    for frame in frames[:: FRAMES // 4]:
        assert frame.split == "train"
        assert frame.state.sliders["attr_hat_mine"] == 1.0
        picture, parts = frame.image(), frame.parts()
        known = parts != labels.index(UNKNOWN)
        taken = known & (parts != labels.index("background"))
        assert 0.04 < taken.mean() < 0.5
        rows = np.nonzero(taken)[0]
        height = picture.shape[0]
        assert np.quantile(rows, 0.95) < 0.5 * height  # the hat, not the face
        assert picture[known & (parts == labels.index("background")), 3].mean() < 20
    again = add_films(films, sitter, tmp_path / "clips", silent)
    assert [frame.name for frame in again.frames] == [frame.name for frame in dataset.frames]

    worn = dataclasses.replace(dataset.photo.state, sliders={"attr_hat_mine": 1.0})
    camera = neutral_camera(dataset.wardrobe.figure).fitted(128, 128)
    bare, hat = (render_frame(dataset.wardrobe, state, camera) for state in (AvatarState(), worn))
    change = np.abs(hat.color * hat.alpha[..., None] - bare.color * bare.alpha[..., None]).max(-1)
    assert change[:40].mean() > 3 * change[70:].mean()
