"""Hairdos and beards as people see them: where they lie, what they cover, how they come and follow the face."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from perse_engine.clips.anatomy import find_anatomy
from perse_engine.clips.animator import posed_vertices, render_frame
from perse_engine.clips.beard_regions import coverage
from perse_engine.clips.catalogue import Catalogue
from perse_engine.clips.editor import dress
from perse_engine.clips.hair_shapes import DOME, FORMS, ROWS, SHEETS, UPPER, locks
from perse_engine.clips.motion import Moment, camera_of
from perse_engine.clips.noise import in_waves
from perse_engine.clips.outer_skin import body_skin
from perse_engine.clips.parameters import Beard, Hair
from perse_engine.clips.scalp import COLUMNS
from perse_engine.clips.whiskers import whiskers
from perse_engine.evaluation.metrics import step_uniformity
from perse_engine.heads.head import NECK
from perse_engine.surfaces.unproject import texel_map

STILL = np.zeros((5, 3), np.float32)
NAMES = ("hair_bald", "hair_crop", "hair_bob", "hair_long", "hair_afro", "hair_curls")
NAMES += ("beard_stubble", "beard_full", "beard_long", "beard_moustache", "hat_beanie")


@pytest.fixture(scope="module")
def few(catalogue: Catalogue) -> Catalogue:
    """The styles that these tests put on."""
    kept = [k for k, style in enumerate(catalogue.styles) if style.slider.removeprefix("attr_") in NAMES]
    return dataclasses.replace(
        catalogue,
        categories=tuple(c for c in catalogue.categories if c.name in ("hair", "beard", "hat")),
        styles=tuple(catalogue.styles[k] for k in kept),
        parameters=tuple(catalogue.parameters[k] for k in kept),
    )


@pytest.fixture(scope="module")
def dressed(portrait, few):
    return dress(portrait, few)


@pytest.fixture(scope="module")
def head(portrait):
    return portrait.head


@pytest.fixture(scope="module")
def anatomy(head):
    return find_anatomy(head)


def picture(dressed, portrait, yaw=0.0, size=160, expression=None, **styles):
    moment = Moment(expression or {}, STILL, yaw, 0.0)
    state = moment.state({f"attr_{name}": weight for name, weight in styles.items()})
    return render_frame(dressed, state, camera_of(portrait, moment, size))


def over_grey(frame):
    alpha = frame.alpha[..., None]
    return frame.color * alpha + 0.5 * (1 - alpha)


def seen(frame, dressed, *names):
    return np.isin(frame.parts, [dressed.labels.index(name) for name in names])


@pytest.mark.parametrize("shape", sorted(FORMS))
def test_hair_of_every_shape_lies_on_the_body_and_not_in_it(head, anatomy, shape):
    styles = [Hair(label="-", cut=cut, shape=shape, fringe=fringe) for cut, fringe in (("short", 1.0), ("long", 0.0))]
    piece = locks(head, anatomy, styles)
    assert len(piece.mesh.bind) <= 4000
    assert np.allclose(piece.weights.sum(1), 1)
    body = body_skin(head)
    for worn in piece.mesh.shapes:
        gap, _ = body.gap(worn.reshape(SHEETS, -1, 3)[1].astype(np.float64))
        assert gap.min() > -0.004  # behind an ear there is more than one way out
        assert np.median(gap) > 0.002


def test_hair_falls_before_the_shoulder_and_behind_it_but_not_through_it(dressed, head):
    k = dressed.figure.style_names.index("attr_hair_long")
    layer, figure = dressed.layers[k], dressed.figure
    texels = texel_map(figure.uv, figure.uv_faces, dressed.base.shape[:2])
    visible = layer.texels[layer.target[:, 3] > 128]
    faces = texels.triangle.reshape(-1)[visible]
    shown = figure.face_parts[np.maximum(faces, 0)] == figure.parts.index("locks")
    corners = figure.faces[faces[shown]]
    worn = figure.vertices + figure.style_directions[:, :, k]
    places = np.einsum("mk,mkc->mc", texels.barycentric.reshape(-1, 3)[visible[shown]], worn[corners])
    gap, _ = body_skin(head).gap(places.astype(np.float64))
    below = places[:, 1] < head.joints[NECK, 1]
    assert below.sum() > 2000
    assert (gap[below] < -0.003).mean() < 0.01


def test_lengths_are_as_long_as_they_say(head, anatomy):
    cuts = ("short", "chin", "shoulder", "long")
    shapes = locks(head, anatomy, [Hair(label="-", cut=cut) for cut in cuts]).mesh.shapes
    lowest = [shape[:, 1].min() for shape in shapes]
    assert lowest[0] > anatomy.chin[1] + 0.015
    assert abs(lowest[1] - anatomy.chin[1]) < 0.015
    assert lowest[1] > lowest[2] + 0.03 > lowest[3] + 0.1


def test_what_ends_above_the_shoulder_turns_with_the_skull(head, anatomy):
    weights = locks(head, anatomy, [Hair(label="-", cut="long")]).weights.reshape(SHEETS, ROWS, COLUMNS, 5)
    assert (weights[:, : DOME + UPPER, :, 0] == 0).all()
    assert weights[:, -1, COLUMNS // 2 - 18, 0].min() > 0.9


@pytest.mark.parametrize("style", ["hair_crop", "hair_bob", "hair_long", "hair_afro", "hair_curls"])
def test_a_hairdo_replaces_the_photos_hair_and_leaves_the_face_open(dressed, portrait, style):
    texture = dressed.texture(dressed.weights({f"attr_{style}": 1.0}))
    side = portrait.texture.shape[0]
    own = texture[: side // 2, side : side + side // 2, 3]
    assert own.max() < 0.01
    bald = picture(dressed, portrait, hair_bald=1.0)
    worn = picture(dressed, portrait, **{style: 1.0})
    assert seen(worn, dressed, "hair").sum() > 0.25 * seen(bald, dressed, "scalp").sum()
    features = seen(bald, dressed, "eyes", "lips", "nose")
    assert (seen(worn, dressed, "eyes", "lips", "nose") & features).sum() > 0.97 * features.sum()


def test_a_hat_hides_every_hairdo_above_its_rim(dressed, portrait):
    for hair in ("hair_afro", "hair_curls", "hair_long"):
        worn = picture(dressed, portrait, yaw=20.0, hat_beanie=1.0, **{hair: 1.0})
        rows = np.flatnonzero(seen(worn, dressed, "hat").any(1))
        assert seen(worn, dressed, "hair")[: (rows[0] + rows[-1]) // 2].sum() < 8, hair
        assert seen(worn, dressed, "hair").sum() > 50, hair


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (None, "hair_long"),
        (None, "hair_bald"),
        ("hair_long", "hair_bob"),
        ("hair_curls", "hair_crop"),
        (None, "beard_stubble"),
        (None, "beard_full"),
        (None, "beard_moustache"),
        ("beard_full", "beard_moustache"),
    ],
)
def test_one_style_becomes_another_evenly(dressed, portrait, first, second):
    strip = []
    for share in np.linspace(0, 1, 9):
        ways = {second: float(share)} | ({first: float(1 - share)} if first else {})
        strip.append(over_grey(picture(dressed, portrait, yaw=15.0, size=128, **ways)))
    assert step_uniformity(strip) < 2


def test_waves_add_up_evenly():
    rng = np.random.default_rng(3)
    weight = rng.random(4000).astype(np.float32)
    onset = in_waves(rng.random(4000), weight, 5)
    reached = [(weight * np.clip((t - onset) * 5, 0, 1)).sum() / weight.sum() for t in np.linspace(0, 1, 21)]
    assert np.abs(reached - np.linspace(0, 1, 21)).max() < 0.01
    assert onset.max() <= 0.8 + 1e-6


def test_a_beard_follows_the_jaw_as_the_skin_does(dressed, portrait):
    figure = dressed.figure
    mesh = np.unique(figure.faces[figure.face_parts == figure.parts.index("whiskers")])
    skin = portrait.head.template
    near = np.array([np.linalg.norm(skin - v, axis=1).argmin() for v in figure.vertices[mesh]])
    closed, opened = (
        posed_vertices(dressed, Moment({"jawopen": share}, STILL, 0, 0).state({}), dressed.weights({}))
        for share in (0.0, 0.9)
    )
    moved, expected = (opened - closed)[mesh], (opened - closed)[near]
    assert np.abs(expected).max() > 0.015
    # but for the few whose nearest neighbour is across the lips
    assert np.quantile(np.abs(moved - expected), 0.97) < 0.001


@pytest.mark.parametrize("expression", [{}, {"jawopen": 0.8}, {"mouthsmileleft": 0.8, "mouthsmileright": 0.8}])
@pytest.mark.parametrize("style", ["beard_full", "beard_moustache"])
def test_a_beard_leaves_the_lips_free(dressed, portrait, style, expression):
    bare = picture(dressed, portrait, size=256, expression=expression)
    worn = picture(dressed, portrait, size=256, expression=expression, **{style: 1.0})
    assert seen(worn, dressed, "beard").sum() > 40
    assert seen(worn, dressed, "lips").sum() > 0.8 * seen(bare, dressed, "lips").sum()


def test_a_long_beard_reaches_beyond_the_chin_and_ends_softly(dressed, portrait):
    bare, worn = (picture(dressed, portrait, yaw=-75.0, size=256, hair_bald=1.0, beard_long=w) for w in (0.0, 1.0))
    beyond = (worn.alpha > 0.02) & (bare.alpha < 0.02)
    assert beyond.sum() > 150
    soft = beyond & (worn.alpha < 0.9)
    assert soft.sum() > 0.15 * beyond.sum()


def test_stubble_has_no_volume(head, anatomy):
    piece = whiskers(head, anatomy, [Beard(label="-", length=0.5, chin=1.0), Beard(label="-", length=20.0, chin=1.0)])
    assert np.abs(piece.mesh.shapes[0] - piece.mesh.bind).max() < 1e-5
    off = np.linalg.norm(piece.mesh.shapes[1] - piece.mesh.bind, axis=1)
    assert 0.008 < off.max() < 0.03
    assert len(off) <= 2500


def test_every_region_of_a_beard_is_a_place_of_its_own(head, anatomy):
    regions = ("moustache", "chin", "sides", "jaw", "sideburns", "cheeks", "neck")
    covers = []
    for name in regions:
        style = Beard(label="-", length=5.0, **{name: 1.0})
        cover = coverage(anatomy, style, head.template, head.regions["beard"], 0) > 0.4
        assert cover.sum() >= 4, name
        covers.append(frozenset(np.flatnonzero(cover)))
    assert len(set(covers)) == len(regions)
