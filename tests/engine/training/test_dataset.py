"""From a dataset on disk to an avatar: a small painted figure, filmed by the clips' own renderer."""

import dataclasses
import importlib.util
from pathlib import Path

import cv2
import numpy as np
import pytest

from perse_engine.avatars.decoding import take_stance
from perse_engine.avatars.placing import place
from perse_engine.avatars.rendering import render_avatar
from perse_engine.avatars.state import AvatarState
from perse_engine.clips.animator import render_frame
from perse_engine.clips.frames import WARDROBE, ClipFrame, Dataset
from perse_engine.clips.labels import LABELS, UNKNOWN
from perse_engine.clips.wardrobe import Layer, Wardrobe, save_wardrobe
from perse_engine.progress import silent
from perse_engine.training.footage import low_pass, photo_view, training_views
from perse_engine.training.presets import Preset
from perse_engine.training.starting import LONGEST, start_avatar
from perse_engine.training.training import train

SIZE = 96
ROWS, COLUMNS = 128, 256

_path = Path(__file__).parents[1] / "avatars" / "conftest.py"
_spec = importlib.util.spec_from_file_location("ball_figure", _path)
BALL = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(BALL)


def make_wardrobe():
    """The ball, its skin striped at the left of the atlas, its cap at the right; hair is dye on the upper skin."""
    figure = BALL.make_figure()
    rows, columns = np.mgrid[:ROWS, :COLUMNS]
    base = np.zeros((ROWS, COLUMNS, 4), np.uint8)
    base[..., 0], base[..., 1], base[..., 2] = 200, 150 + 40 * np.sin(rows / 6), 130 + 40 * np.sin(columns / 9)
    base[..., 3] = np.where(columns < COLUMNS // 2, 255, 0)
    hair = (rows < ROWS * 0.35) & (columns < COLUMNS // 2)
    cap = columns >= COLUMNS // 2

    def layer(where, color, onset=0, softness=1.0):
        texels = np.flatnonzero(where).astype(np.int32)
        target = np.tile(np.uint8([*color, 255]), (len(texels), 1))
        full = np.full(len(texels), 255, np.uint8)
        return Layer(texels, target, full, np.full(len(texels), onset, np.uint8), softness)

    layers = (
        layer(np.zeros_like(hair), (0, 0, 0)),
        layer(hair, (200, 30, 30)),
        layer(hair, (30, 40, 200), onset=64, softness=0.5),
        layer(cap, (40, 160, 60)),
    )
    labels = np.where(figure.face_parts == 0, LABELS.index("skin"), LABELS.index("hat")).astype(np.uint8)
    return Wardrobe(figure, BALL.CATEGORIES, BALL.STYLES, base, layers, LABELS, labels, "ball", "CC0-1.0")


SLIDERS = [
    {},
    {"expr_jawopen": 1.0},
    {"attr_hair_red": 1.0},
    {"attr_hair_blue": 0.3},
    {"attr_hat_cap": 1.0, "attr_shape_long": 1.0},
    {"attr_hat_cap": 0.1},
    {"attr_hair_red": 0.5, "attr_hair_blue": 0.5},
]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dataset")
    wardrobe = make_wardrobe()
    save_wardrobe(wardrobe, folder / WARDROBE)
    camera = BALL.make_avatar(50).neutral_camera.resized(SIZE, SIZE)
    frames = []
    for k, sliders in enumerate(SLIDERS * 2):
        view = camera.orbited(np.zeros(3), (k * 17) % 50 - 25, (k * 11) % 30 - 15, 0)
        frames.append(_filmed(folder, wardrobe, f"clip/{k:04d}", "train", AvatarState(sliders), view))
    state = AvatarState({"expr_mouthsmileleft": 0.8})
    photo = _filmed(folder, wardrobe, "photo/0000", "train", state, camera)
    return Dataset(folder, tuple(frames), photo, {"seed": 1}, camera.resized(300, 300), {"file": "ball.png"})


def _filmed(folder, wardrobe, name, split, state, camera):
    frame = render_frame(wardrobe, state, camera)
    path = folder / f"{name.replace('/', '_')}.png"
    rgba = (np.dstack([frame.color[..., ::-1], frame.alpha]).clip(0, 1) * 255 + 0.5).astype(np.uint8)
    parts = frame.parts.copy()
    if name.startswith("photo"):
        parts[:, :10] = LABELS.index(UNKNOWN)
    cv2.imwrite(str(path), rgba)
    cv2.imwrite(str(path.with_suffix(".parts.png")), parts)
    return ClipFrame(name, name.split("/")[0], split, camera, state, path)


def decibel(avatar, frame):
    picture = render_avatar(avatar, frame.state, frame.camera, (0, 0, 0))[..., :3]
    image = frame.image().astype(np.float32) / 255
    wrong = picture - image[..., :3] * image[..., 3:]
    return -10 * np.log10((wrong[image[..., 3] > 0.5] ** 2).mean())


def begin(dataset, count=1500, wardrobe=None):
    return start_avatar(
        wardrobe or dataset.wardrobe,
        training_views(dataset),
        count=count,
        seed=0,
        name="ball",
        photo_camera=dataset.photo_camera,
        photo_state=dataset.photo.state,
        provenance={},
    )


def test_it_begins_close_to_the_texture(dataset):
    start = begin(dataset)
    qualities = [decibel(start, frame) for frame in dataset.frames[:7]]
    assert min(qualities) > 20
    skin = start.figure.face_parts[start.triangles] == 0
    covered = 1 / (1 + np.exp(-start.coverage_logits))
    assert np.quantile(covered[skin], 0.1) > 0.9  # but for those that lie on the seam
    assert np.quantile(covered[~skin], 0.95) < 0.01
    assert 0.15 < (~skin).mean() < 0.6


def test_no_style_draws_the_tips_of_locks_out(dataset):
    """A cap called locks, of which one style pulls the rim to five times its width."""
    figure = dataset.wardrobe.figure
    cap = np.unique(figure.faces[figure.face_parts == 1])
    style = figure.style_names.index("attr_hat_cap")
    tips = cap[figure.vertices[cap, 1] < np.quantile(figure.vertices[cap, 1], 0.3)]
    directions = figure.style_directions.copy()
    directions[tips, 0, style] += 4 * figure.vertices[tips, 0]
    longest = {}
    for name in ("cap", "locks"):
        pulled = dataclasses.replace(figure, parts=("skin", name), style_directions=directions)
        start = begin(dataset, 3000, dataclasses.replace(dataset.wardrobe, figure=pulled))
        frames = take_stance(start, AvatarState({"attr_hat_cap": 1.0})).frames
        own = np.flatnonzero(start.figure.face_parts[start.triangles] == 1).astype(np.int32)
        shape = (start.corners, start.barycentric, start.offsets, start.quaternions, start.log_scales)
        longest[name] = place(frames, *shape, start.low_pass, own).scales.max(1)
    assert longest["cap"].max() > 1.6 * np.median(longest["cap"])
    assert longest["locks"].max() <= 1.01 * LONGEST * np.median(longest["locks"])  # they are laid along, so longer
    assert np.median(longest["locks"]) > 0.9 * np.median(longest["cap"])


def test_gates_lie_where_the_layers_paint(dataset):
    start = begin(dataset)
    looks = start.appearance
    place = (start.figure.uv[start.figure.uv_faces[start.triangles]] * start.barycentric[..., None]).sum(1)
    reached = place[looks.gaussians[looks.of(1)]]
    assert len(reached) > 50
    assert (reached[:, 1] > 0.65 - 8 / ROWS).all()  # a footprint of eight texels
    assert (reached[:, 0] < 0.5 + 8 / COLUMNS).all()
    assert len(looks.gaussians[looks.of(0)]) == 0
    onsets = looks.onsets[looks.of(2)]
    np.testing.assert_allclose(onsets, 64 / 255, atol=2e-3)
    np.testing.assert_allclose(looks.softness, [1, 1, 0.5, 1])


def test_training_a_dataset(dataset, tmp_path):
    preset = Preset("test", 1500, 100, size=SIZE)
    avatar = train(dataset, preset, tmp_path, seed=0, progress=silent)
    assert min(decibel(avatar, frame) for frame in dataset.frames[:7]) > 27
    assert decibel(avatar, dataset.photo) > 27
    assert avatar.name == "ball"
    assert avatar.photo_camera.width == 300
    assert avatar.provenance["licences"] == ["CC0-1.0"]
    assert avatar.low_pass > 0
    assert [style.slider for style in avatar.styles] == [style.slider for style in BALL.STYLES]


def test_the_photo_counts_only_where_it_shows_the_person(dataset):
    view = photo_view(dataset)
    weights = view.picture.weights
    assert not weights[:, :10].any()
    outside = view.picture.color[..., 3] < 5
    assert (weights[:, 12:][outside[:, 12:]] == 1).all()
    bare = dataclasses.replace(dataset.photo, path=dataset.frames[0].path)
    clothed = dataclasses.replace(dataset, photo=bare)
    assert photo_view(clothed).picture.weights.max() >= 1


def test_the_finest_views_set_the_low_pass(dataset):
    views = training_views(dataset)
    assert low_pass(dataset, views) == pytest.approx(0.4 * 1.2 / views[0].camera.fx, rel=0.1)
