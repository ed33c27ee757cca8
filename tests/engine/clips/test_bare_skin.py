"""What hair, brows and collars lay bare has the tone of the skin around it."""

import dataclasses

import numpy as np
import pytest

from perse_engine.avatars.toning import skin_likeness
from perse_engine.clips.anatomy import find_anatomy
from perse_engine.clips.atlas import layout
from perse_engine.clips.bare_skin import _hair_on_skin
from perse_engine.clips.canvas import Canvas
from perse_engine.clips.editor import _assembled, _base
from perse_engine.clips.wardrobe import load_wardrobe, save_wardrobe
from perse_engine.surfaces.lighting import linear
from perse_engine.surfaces.unproject import texel_map


def texture(wardrobe, **sliders):
    return wardrobe.texture(wardrobe.weights(sliders)).reshape(-1, 4)


@pytest.mark.parametrize("style", ["attr_hair_bald", "attr_hair_crop", "attr_eyebrows_thin", "attr_clothes_vneck"])
def test_bared_skin_has_the_tone_of_the_skin(wardrobe, style):
    sliders = [s.slider for s in wardrobe.styles]
    layer, tone = wardrobe.layers[sliders.index(style)], wardrobe.styles[sliders.index("attr_skin_deep")].tone
    pale = texture(wardrobe, **{style: 1.0})
    deep = texture(wardrobe, **{style: 1.0, "attr_skin_deep": 1.0})
    bare = layer.texels[(layer.bare > 250) & (layer.strength > 250)]
    assert len(bare) > 100
    assert max(tone) < 0.6
    ratio = linear(deep[bare, :3]) / np.maximum(linear(pale[bare, :3]), 1e-3)
    np.testing.assert_allclose(np.median(ratio, 0), tone, atol=0.02)
    assert np.quantile(np.abs(ratio - tone), 0.99) < 0.05


def test_what_hair_itself_paints_keeps_its_colour(wardrobe):
    sliders = [s.slider for s in wardrobe.styles]
    layer = wardrobe.layers[sliders.index("attr_hair_crop")]
    hair = layer.texels[layer.bare == 0]
    pale, deep = (texture(wardrobe, attr_hair_crop=1.0, attr_skin_deep=value)[hair] for value in (0.0, 1.0))
    full = layer.strength[layer.bare == 0] > 250
    np.testing.assert_array_equal(pale[full], deep[full])


def test_skin_is_told_from_hair_by_colour(wardrobe):
    layers = [layer for layer in wardrobe.layers if layer.bare is not None]
    dark = [layer.bare[layer.target[:, :3].max(1) < 60] for layer in layers]
    assert len(np.concatenate(dark)) > 1000
    assert np.concatenate(dark).mean() < 5
    assert skin_likeness(np.full((1, 3), 0.05, np.float32), np.array([0.8, 0.6, 0.5], np.float32))[0] == 0


def test_it_is_written_and_read(wardrobe, tmp_path):
    save_wardrobe(wardrobe, tmp_path / "w.safetensors")
    again = load_wardrobe(tmp_path / "w.safetensors")
    assert again.styles == wardrobe.styles
    for before, after in zip(wardrobe.layers, again.layers, strict=True):
        assert (before.bare is None) == (after.bare is None)
        if before.bare is not None:
            np.testing.assert_array_equal(before.bare, after.bare)


def test_a_dark_spot_apart_from_all_hair_is_skin(portrait):
    """A mole, or a crack in old paint, takes no colour from hair styles; the same spot within hair does."""
    atlas = layout(portrait.texture.shape[0])
    figure = _assembled(portrait, [], atlas)
    base = _base(portrait, atlas)
    texels = texel_map(figure.uv, figure.uv_faces, (atlas.height, atlas.width))
    anatomy = find_anatomy(portrait.head)

    point = texels.interpolate(figure.faces, figure.vertices)
    skin = (texels.triangle >= 0) & (figure.face_parts[np.maximum(texels.triangle, 0)] == figure.parts.index("skin"))
    vertices, eyes = portrait.head.template, anatomy.eyes.mean(0)
    middle = (np.abs(vertices[:, 0]) < 0.004) & (vertices[:, 2] > 0.05)
    place = vertices[middle][np.abs(vertices[middle, 1] - eyes[1] - 0.036).argmin()]

    def hair_at_the_spot(hair: float) -> float:
        spotted = base.copy()
        spot = skin & (np.linalg.norm(point - place, axis=-1) < 0.004)
        assert spot.sum() > 3
        spotted[spot, :3] = 0.05
        parts = {**portrait.parts, "hair": np.full_like(portrait.parts["hair"], hair)}
        person = dataclasses.replace(portrait, parts=parts)
        nothing = np.zeros(base.shape[:2], np.float32)
        canvas = Canvas(person, anatomy, figure, spotted, texels, spotted[..., :3], nothing)
        return float(_hair_on_skin(canvas)[spot].max())

    assert hair_at_the_spot(0.0) == 0
    assert hair_at_the_spot(0.6) > 0.9
