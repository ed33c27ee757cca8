"""Noses, face shapes and skin: what moves, what is painted, and what stays."""

import dataclasses

import numpy as np
import pytest

from perse_engine.clips.catalogue import parse_catalogue
from perse_engine.clips.editor import dress
from perse_engine.surfaces.lighting import flat_light


def moved(wardrobe, slider):
    k = wardrobe.figure.style_names.index(slider)
    return np.linalg.norm(wardrobe.figure.style_directions[:, :, k], axis=1)


@pytest.mark.parametrize("style", ["broad", "narrow", "upturned", "aquiline", "button"])
def test_a_nose_moves_by_millimetres_and_only_itself(wardrobe, portrait, style):
    distance = moved(wardrobe, f"attr_nose_{style}")
    assert 1e-3 < distance.max() < 1.2e-2
    head = portrait.head
    nose = head.regions["nose"] > 0.5
    tip = head.template[nose][head.template[nose, 2].argmax()]
    far = np.linalg.norm(wardrobe.figure.vertices - tip, axis=1) > 0.065
    assert distance[far].max() == 0
    eyes = np.unique(head.faces[head.face_parts == head.parts.index("eyes")])
    assert distance[eyes].max() == 0


def test_a_broad_nose_is_broader_and_an_aquiline_one_stands_out(wardrobe, portrait):
    figure = wardrobe.figure
    nose = np.flatnonzero(portrait.head.regions["nose"] > 0.5)

    def shape(style):
        return (figure.vertices + figure.style_directions[:, :, figure.style_names.index(f"attr_nose_{style}")])[nose]

    own = figure.vertices[nose]
    assert np.ptp(shape("broad")[:, 0]) > 1.08 * np.ptp(own[:, 0])
    assert np.ptp(shape("narrow")[:, 0]) < np.ptp(own[:, 0])
    assert shape("aquiline")[:, 2].max() > own[:, 2].max() + 1.5e-3
    assert shape("button")[:, 2].max() < own[:, 2].max() - 1.5e-3


def test_a_new_shape_is_shaded_by_the_photos_light(portrait):
    """Light from above: where a hump turns up it is brighter than the ridge was, and darker below."""
    light = flat_light(0.6)
    light[1] = 1.5
    nose = b'[nose]\nlabel = "Nose"\nlayer = "shape"\n[nose.styles.a]\nlabel = "A"\nhump = 3.0\n'
    wardrobe = dress(dataclasses.replace(portrait, light=light), parse_catalogue(nose, "test"))
    (layer,) = wardrobe.layers
    base = wardrobe.base.reshape(-1, 4)[layer.texels, :3].astype(float)
    change = layer.target[:, :3].astype(float) - base
    assert len(layer.texels) > 100
    assert change.max() > 5
    assert change.min() < -5


@pytest.mark.parametrize("style", ["heavy", "gaunt", "older", "chin"])
def test_a_face_changes_smoothly_and_leaves_skull_and_eyes(wardrobe, portrait, style):
    k = wardrobe.figure.style_names.index(f"attr_face_{style}")
    direction = wardrobe.figure.style_directions[:, :, k]
    head = portrait.head
    assert 2e-3 < np.linalg.norm(direction, axis=1).max() < 1.5e-2
    scalp = np.flatnonzero(head.regions["scalp"] > 0.95)
    assert np.linalg.norm(direction[scalp], axis=1).max() < 1e-3
    faces = head.faces[head.face_parts == head.parts.index("skin")]
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    length = np.linalg.norm(head.template[edges[:, 0]] - head.template[edges[:, 1]], axis=1)
    jump = np.linalg.norm(direction[edges[:, 0]] - direction[edges[:, 1]], axis=1)
    assert np.percentile(jump / np.maximum(length, 5e-4), 99.9) < 0.9


def test_a_complexion_keeps_what_the_skin_shows(wardrobe):
    """Deep and fair skin have the photo's own pores and shadows, scaled."""
    own = wardrobe.base.reshape(-1, 4)
    for name, darker in (("deep", True), ("fair", False)):
        layer = wardrobe.layers[wardrobe.figure.style_names.index(f"attr_skin_{name}")]
        full = layer.strength > 250
        before, after = own[layer.texels[full], 1].astype(float), layer.target[full, 1].astype(float)
        assert (after.mean() < before.mean() - 20) if darker else (after.mean() > before.mean() - 12)
        assert np.corrcoef(before, after)[0, 1] > 0.9


def test_lines_of_age_darken_few_places(wardrobe):
    layer = wardrobe.layers[wardrobe.figure.style_names.index("attr_skin_lined")]
    before = wardrobe.base.reshape(-1, 4)[layer.texels, :3].astype(float).mean(1)
    after = layer.target[:, :3].astype(float).mean(1)
    assert (before - after).max() > 20
    assert len(layer.texels) < 0.12 * wardrobe.base.shape[0] ** 2
