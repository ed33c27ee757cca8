"""What is put on: hats, glasses, earrings, headphones and clothes, on heads of any model."""

import dataclasses
import itertools

import numpy as np
import pytest
from scipy.spatial import cKDTree

from perse_engine.clips.anatomy import find_anatomy
from perse_engine.clips.animator import render_frame
from perse_engine.clips.catalogue import load_catalogue, parse_catalogue
from perse_engine.clips.departments import DEPARTMENTS
from perse_engine.clips.earrings import GRIDS, has
from perse_engine.clips.editor import dress
from perse_engine.clips.motion import Moment, camera_of
from perse_engine.surfaces.normals import vertex_normals

STILL = np.zeros((5, 3), np.float32)
WORN = ("hat", "glasses", "earrings", "headphones", "clothes")
CATALOGUE = load_catalogue()


def names(category):
    return [s.slider for s in CATALOGUE.styles if s.category == category]


def picture(wardrobe, portrait, sliders, yaw=0.0, pitch=0.0, size=192):
    moment = Moment({}, STILL, yaw, pitch)
    return render_frame(wardrobe, moment.state(sliders), camera_of(portrait, moment, size))


def seen(frame, wardrobe, *labels):
    return np.isin(frame.parts, [wardrobe.labels.index(name) for name in labels])


def placed(wardrobe, slider, part):
    """(N, 3) the part's vertices in a style."""
    figure = wardrobe.figure
    own = np.unique(figure.faces[figure.face_parts == figure.parts.index(part)])
    k = figure.style_names.index(slider)
    return (figure.vertices + figure.style_directions[:, :, k])[own]


def depth_outside(portrait, points):
    """(N,) metres by which points lie outside the skin and the bust."""
    head = portrait.head
    parts = [head.parts.index(name) for name in ("skin", "bust")]
    faces = head.faces[np.isin(head.face_parts, parts)]
    own = np.unique(faces)
    normals = vertex_normals(head.template, faces)
    _, near = cKDTree(head.template[own]).query(points)
    return np.einsum("nc,nc->n", points - head.template[own[near]], normals[own[near]])


@pytest.mark.parametrize("category", WORN)
def test_there_are_four_styles_or_more_and_each_shows(wardrobe, portrait, category):
    assert len(names(category)) >= 4
    size = 384 if category == "earrings" else 192
    bare = picture(wardrobe, portrait, {"attr_hair_bald": 1.0}, 30.0, size=size)
    for slider in names(category):
        worn = picture(wardrobe, portrait, {slider: 1.0, "attr_hair_bald": 1.0}, 30.0, size=size)
        assert seen(worn, wardrobe, category).any(), slider
        difference = np.abs(worn.color * worn.alpha[..., None] - bare.color * bare.alpha[..., None]).max(-1)
        assert (difference > 0.05).sum() > 15, slider


def test_no_piece_has_more_than_2500_vertices(wardrobe):
    figure = wardrobe.figure
    for part in ("hat", "glasses", "lenses", "earrings", "headphones", "clothes"):
        faces = figure.faces[figure.face_parts == figure.parts.index(part)]
        assert 0 < len(np.unique(faces)) <= 2500, part


@pytest.mark.parametrize(("yaw", "pitch"), [(0, 0), (60, 0), (-60, 0), (180, 0), (0, 20)])
def test_no_head_and_no_hair_comes_through_a_hat(wardrobe, portrait, yaw, pitch):
    for slider in names("hat"):
        for hair in ({}, {"attr_hair_big": 1.0}):
            frame = picture(wardrobe, portrait, {slider: 1.0, **hair}, yaw, pitch)
            hat = seen(frame, wardrobe, "hat")
            rows = np.flatnonzero(hat.any(1))
            upper = slice(rows[0], rows[0] + int(0.45 * (rows[-1] - rows[0])))
            through = seen(frame, wardrobe, "hair", "skin", "scalp")[upper]
            assert through.sum() <= 6, (slider, hair, int(through.sum()))


def test_earrings_hang_from_the_lobes_outside_the_skin(wardrobe, portrait):
    anatomy = find_anatomy(portrait.head)
    for slider in names("earrings"):
        points = placed(wardrobe, slider, "earrings")
        worn = has(CATALOGUE.parameters[[style.slider for style in CATALOGUE.styles].index(slider)])
        shown = np.concatenate([np.full(g.rows * g.columns, name in worn) for name, g in GRIDS[0].items()])
        for lobe, pair in zip(anatomy.lobes, np.split(points, 2), strict=True):
            half = pair[shown]
            assert np.linalg.norm(half - lobe, axis=1).min() < 0.004, slider
            below = half[half[:, 1] < lobe[1] - 0.008]
            if len(below):
                assert depth_outside(portrait, below).min() > 0, slider
            assert half[:, 1].max() < lobe[1] + 0.009, slider


def test_earrings_change_evenly_into_one_another(wardrobe, portrait):
    """What a pair covers grows about as fast as its share, so no step between two pairs is much larger than another."""
    first, last = names("earrings")[0], names("earrings")[-1]
    shares = np.linspace(0, 1, 9)
    frames = [
        picture(wardrobe, portrait, {first: float(1 - share), last: float(share)}, yaw=15.0, size=256)
        for share in shares
    ]
    colors = [frame.color * frame.alpha[..., None] for frame in frames]
    steps = [float(np.abs(b - a).mean()) for a, b in itertools.pairwise(colors)]
    assert max(steps) < 2 * np.median(steps)


def test_earrings_follow_the_ear_as_the_head_turns(wardrobe, portrait):
    figure = wardrobe.figure
    own = np.unique(figure.faces[figure.face_parts == figure.parts.index("earrings")])
    lobes = find_anatomy(portrait.head).lobes
    nearest = [int(np.linalg.norm(portrait.head.template - lobe, axis=1).argmin()) for lobe in lobes]
    assert np.abs(figure.weights[own].mean(0) - figure.weights[nearest].mean(0)).max() < 0.05


def test_cups_cover_the_ears_and_the_band_lies_over_the_hair(wardrobe, portrait):
    for slider in ("attr_headphones_overear", "attr_headphones_gaming"):
        side = picture(wardrobe, portrait, {slider: 1.0, "attr_hair_bald": 1.0}, -80.0)
        bare = picture(wardrobe, portrait, {"attr_hair_bald": 1.0}, -80.0)
        assert seen(side, wardrobe, "ears").sum() < 0.1 * seen(bare, wardrobe, "ears").sum(), slider
    for slider in names("headphones")[:4]:
        above = picture(wardrobe, portrait, {slider: 1.0}, 0.0, 60.0)
        band = seen(above, wardrobe, "headphones")
        columns = np.flatnonzero(band.any(0))
        head = np.flatnonzero(seen(above, wardrobe, "hair", "headphones").any(0))
        assert np.diff(columns).max() <= 6, slider  # in one piece from ear to ear
        assert columns[0] <= head[0] + 6, slider
        assert columns[-1] >= head[-1] - 6, slider


def test_clothes_cover_the_shoulders(wardrobe, portrait):
    for slider in names("clothes"):
        points = placed(wardrobe, slider, "clothes")[: 19 * 65].reshape(19, 65, 3)
        assert (depth_outside(portrait, points[2:].reshape(-1, 3)) > 0).mean() > 0.995, slider


def test_clothes_leave_the_face_as_it_is(wardrobe, portrait):
    bare = picture(wardrobe, portrait, {})
    worn = picture(wardrobe, portrait, {"attr_clothes_vneck": 1.0})
    face = seen(bare, wardrobe, "lips", "nose", "brows")
    assert np.abs(worn.color - bare.color).max(-1)[face].max() < 0.02


@pytest.mark.parametrize("category", WORN)
def test_a_model_that_names_no_regions_and_has_no_bust_is_dressed_too(portrait, category):
    head = portrait.head
    skin = head.face_parts == head.parts.index("skin")
    plain = dataclasses.replace(
        head,
        faces=head.faces[skin],
        uv_faces=head.uv_faces[skin],
        face_parts=np.zeros(int(skin.sum()), np.uint8),
        parts=("skin",),
        regions={},
    )
    anatomy, whole = find_anatomy(plain), find_anatomy(head)
    assert np.abs(anatomy.ears - whole.ears).max() < 0.02
    assert np.abs(anatomy.lobes - whole.lobes).max() < 0.02
    styles = [CATALOGUE.parameters[k] for k in CATALOGUE.indices(category)]
    for piece in DEPARTMENTS[category].pieces(dataclasses.replace(portrait, head=plain), anatomy, styles):
        assert np.isfinite(piece.mesh.shapes).all()
        assert np.isfinite(piece.mesh.bind).all()
        np.testing.assert_allclose(piece.weights.sum(1), 1, atol=1e-3)


OWN = b"""
[earrings]
label = "Earrings"
layer = "earrings"

[earrings.styles.mine]
label = "My drops"
between = "appear"
ball = 7.0
hang = 20.0
length = 2.0
material = "gem"
color = "#3050c0"
"""


def test_one_table_more_is_one_style_more(portrait):
    wardrobe = dress(portrait, parse_catalogue(OWN, "mine.toml"))
    assert [style.slider for style in wardrobe.styles] == ["attr_earrings_mine"]
    layer = wardrobe.layers[0]
    shown = layer.target[(layer.target[:, 3] == 255) & (layer.strength == 255)].astype(float)
    blue = shown[(shown[:, 2] > shown[:, 0] + 20)]
    assert len(blue) > 20  # of the stone


def test_who_has_no_hair_can_wear_a_hat(portrait):
    none = dataclasses.replace(
        portrait.hair_shell,
        vertices=np.zeros((0, 3), np.float32),
        faces=np.zeros((0, 3), np.int32),
        uv=np.zeros((0, 2), np.float32),
        weights=np.zeros((0, 5), np.float32),
    )
    bald = dataclasses.replace(portrait, hair_shell=none)
    one = next(k for k, style in enumerate(CATALOGUE.styles) if style.category == "hat")
    hats = dataclasses.replace(
        CATALOGUE,
        categories=tuple(category for category in CATALOGUE.categories if category.name == "hat"),
        styles=(CATALOGUE.styles[one],),
        parameters=(CATALOGUE.parameters[one],),
    )
    wardrobe = dress(bald, hats)
    frame = picture(wardrobe, bald, {CATALOGUE.styles[one].slider: 1.0})
    assert seen(frame, wardrobe, "hat").mean() > 0.02
