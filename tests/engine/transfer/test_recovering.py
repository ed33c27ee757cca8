"""An avatar as a portrait again."""

import dataclasses

import numpy as np
import pytest

from perse_engine.errors import InputError
from perse_engine.portraits.portrait import PART_NAMES
from perse_engine.surfaces.unproject import texel_map
from perse_engine.transfer.recovering import portrait_of


@pytest.fixture(scope="module")
def again(avatar, open_head):
    return portrait_of(avatar, open_head)


def test_head_and_hair_are_the_avatars_own(again, portrait):
    assert np.array_equal(again.head.template, portrait.head.template)
    assert np.array_equal(again.hair_shell.vertices, portrait.hair_shell.vertices)
    assert np.array_equal(again.hair_shell.faces, portrait.hair_shell.faces)
    assert np.abs(again.hair_shell.uv - portrait.hair_shell.uv).max() < 1e-5
    assert np.array_equal(again.state.expression, portrait.state.expression)


def test_the_texture_is_the_persons(again, portrait):
    head = portrait.head
    texels = texel_map(head.uv, head.uv_faces, again.texture.shape[:2])
    face = texels.interpolate(head.faces, head.regions["face"][:, None])[..., 0] > 0.9
    assert np.abs(again.texture - portrait.texture)[face].mean() < 0.03


def test_masks_share_the_matte_out(again):
    assert set(again.parts) == set(PART_NAMES)
    total = sum(again.parts[name] for name in ("skin", "hair", "ears", "neck", "clothes"))
    assert np.abs(total - again.matte).max() < 0.02
    assert again.parts["hair"].sum() > 500


def test_it_shows_what_the_photo_shows(again, portrait):
    both = (portrait.matte > 0.99) & (again.matte > 0.99)
    assert np.abs(again.photo[both].astype(float) - portrait.photo[both]).mean() < 10


def test_another_head_is_refused(avatar, open_head):
    with pytest.raises(InputError) as refused:
        portrait_of(dataclasses.replace(avatar, head="flame2020"), open_head)
    assert refused.value.code == "another-head"
