"""A frame is drawn only where its styles can change it, and is to the last bit what drawing all of it gives."""

import itertools

import numpy as np
import pytest

from perse_engine.clips.animator import changed_spans, look_of, render_frame
from perse_engine.clips.boxes import box_of, within
from perse_engine.clips.moments import sparse_moments
from perse_engine.clips.motion import camera_of
from perse_engine.surfaces.mipmaps import mipmap


@pytest.fixture(scope="module")
def moments(portrait):
    return sparse_moments(portrait, 6, 5)


def some(catalogue):
    """What is worn: a style of every category, and some of them together, at different strengths."""
    first = [catalogue.indices(category.name)[-1] for category in catalogue.categories]
    sliders = [catalogue.styles[k].slider for k in first]
    worn = [{slider: (1.0, 0.4)[k % 2]} for k, slider in enumerate(sliders)]
    return worn + [{a: 1.0, b: 0.7} for a, b in itertools.pairwise(sliders[::2])]


def test_what_is_drawn_is_exact_and_nothing_else_changes(wardrobe, portrait, catalogue, moments):
    sizes = []
    for k, worn in enumerate(some(catalogue)):
        moment = moments[k % len(moments)]
        camera = camera_of(portrait, moment, 112)
        state = moment.state(worn)
        look = look_of(wardrobe, state)
        spans = changed_spans(wardrobe, look, state, camera)
        part = render_frame(wardrobe, state, camera, look=look, spans=spans)
        whole = render_frame(wardrobe, state, camera, look=look)
        bare = render_frame(wardrobe, moment.state({}), camera)
        inside = within(spans, (0, 0, 112, 112))
        sizes.append(inside.mean())
        for name in ("color", "alpha", "parts"):
            drawn, wanted, before = (getattr(frame, name) for frame in (part, whole, bare))
            assert np.array_equal(drawn[inside], wanted[inside]), (worn, name)
            assert np.array_equal(before[~inside], wanted[~inside]), (worn, name)
    assert np.mean(sizes) < 0.35  # most of most frames is inherited


def test_a_repainted_texture_is_the_texture(wardrobe, catalogue):
    for worn in some(catalogue)[::3]:
        weights = wardrobe.weights(worn)
        assert np.array_equal(wardrobe.painted(weights).texels, mipmap(wardrobe.texture(weights)).texels), worn
    assert wardrobe.painted(wardrobe.weights({})) is wardrobe.bare


def test_boxes_are_tight_and_never_empty():
    spans = np.zeros((9, 2), np.int32)
    assert box_of(spans) == (0, 0, 1, 1)
    spans[3], spans[6] = (4, 6), (1, 5)
    assert box_of(spans) == (1, 3, 5, 4)
    assert within(spans, box_of(spans)).sum() == 6
