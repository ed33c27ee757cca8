"""Between two people every step is a head of its own, and the ends are the people."""

import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perse_engine.clips.animator import render_frame
from perse_engine.clips.catalogue import Catalogue
from perse_engine.clips.editor import dress
from perse_engine.clips.interpolation import between, changed
from perse_engine.clips.motion import photo_camera, photo_state
from perse_engine.errors import InputError


@pytest.fixture(scope="module")
def other(portrait):
    """Somebody with a wider, darker face and reddish hair."""
    head = portrait.head
    wider = dataclasses.replace(head, template=(head.template * np.float32([1.08, 1, 1])).astype(np.float32))
    hair = portrait.hair_texture.copy()
    hair[..., :3] *= np.float32([1.4, 0.7, 0.6])
    return dataclasses.replace(
        portrait,
        head=wider,
        texture=(portrait.texture * np.float32(0.6)).astype(np.float32),
        albedo=(portrait.albedo * np.float32(0.6)).astype(np.float32),
        hair_texture=np.clip(hair, 0, 1).astype(np.float32),
    )


def shown(person):
    wardrobe = dress(person, Catalogue((), (), ()))
    frame = render_frame(wardrobe, photo_state(person), photo_camera(person, 128))
    return frame.color * frame.alpha[..., None] + (1 - frame.alpha[..., None])


def test_the_ends_are_the_two_people(portrait, other):
    for end, share in ((portrait, 0.0), (other, 1.0)):
        person = between(portrait, other, share)
        assert np.allclose(person.head.template, end.head.template, atol=1e-6)
        assert np.abs(person.texture - end.texture).max() < 2e-3
        assert np.abs(shown(person) - shown(dataclasses.replace(end, camera=portrait.camera))).mean() < 0.01


def test_the_way_is_smooth_and_even(portrait, other):
    pictures = [shown(between(portrait, other, share)) for share in np.linspace(0, 1, 7)]
    steps = [float(np.abs(b - a).mean()) for a, b in itertools.pairwise(pictures)]
    assert min(steps) > 0
    assert max(steps) < 2.5 * float(np.median(steps))


@given(st.floats(0, 1))
@settings(max_examples=25)
def test_every_step_is_a_whole_person(portrait, other, share):
    person = between(portrait, other, share)
    low, high = (
        np.minimum(portrait.head.template, other.head.template),
        np.maximum(portrait.head.template, other.head.template),
    )
    assert (person.head.template >= low - 1e-6).all()
    assert (person.head.template <= high + 1e-6).all()
    assert np.isfinite(person.texture).all()
    assert person.hair_shell.faces.max() < len(person.hair_shell.vertices)
    assert 0 <= person.hair_texture.min() <= person.hair_texture.max() <= 1


def test_the_mask_says_what_changes(portrait, other):
    assert changed(portrait, portrait).max() < 1e-3
    mask = changed(portrait, other)
    assert mask.shape == portrait.texture.shape[:2]
    assert mask.mean() > 0.2
    lips = dataclasses.replace(portrait, texture=portrait.texture.copy())
    lips.texture[40:60, 40:60] = 0.1
    only = changed(portrait, lips)
    assert only[45:55, 45:55].mean() > 0.5 or (only[45:55, 45:55] == 0).all()
    assert only[100:].max() < 1e-3


def test_other_heads_and_shares_are_refused(portrait, other):
    for share in (-0.1, 1.1, float("nan")):
        with pytest.raises(InputError) as caught:
            between(portrait, other, share)
        assert caught.value.code == "bad-share"
    small = dataclasses.replace(other, texture=other.texture[::2, ::2])
    with pytest.raises(InputError) as caught:
        between(portrait, small, 0.5)
    assert caught.value.code == "other-head"
