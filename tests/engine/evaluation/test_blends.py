"""A plain blend of the ends, the baseline of in-betweens."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perse_engine.avatars.initial import bare_figure, neutral_camera
from perse_engine.avatars.state import AvatarState
from perse_engine.avatars.styles import Style, style_weights
from perse_engine.evaluation.blends import blend_of_ends, ends
from perse_engine.evaluation.subject import Subject
from perse_engine.heads.open_head import load_open_head

STYLES = (
    Style("attr_hair_a", "A", "hair"),
    Style("attr_hair_b", "B", "hair"),
    Style("attr_hat_c", "C", "hat", "appear"),
)
HEAD = load_open_head()


def draw(state, camera):
    """Each slider is a channel."""
    values = [state.sliders.get(style.slider, 0.0) for style in STYLES]
    return np.broadcast_to(np.array([*values, 1.0], np.float32), (camera.height, camera.width, 4))


FIGURE = bare_figure(HEAD)
SUBJECT = Subject(draw, FIGURE, STYLES, neutral_camera(FIGURE), AvatarState(), neutral_camera(FIGURE))
share = st.floats(0, 1)


@given(share, share, share)
@settings(deadline=None)
def test_ends_are_pure_and_average_to_the_state(a, b, c):
    state = AvatarState({"attr_hair_a": a, "attr_hair_b": b, "attr_hat_c": c, "expr_jawopen": 0.3})
    found = ends(SUBJECT, state)
    assert sum(weight for _, weight in found) == pytest.approx(1, abs=1e-5)
    mean = np.zeros(3)
    for end, weight in found:
        worn = style_weights(STYLES, end.sliders)
        assert set(worn.tolist()) <= {0.0, 1.0}
        assert worn[:2].sum() <= 1
        assert end.sliders["expr_jawopen"] == 0.3
        mean += weight * worn
    np.testing.assert_allclose(mean, style_weights(STYLES, state.sliders), atol=1e-5)


def test_a_picture_that_is_linear_in_the_sliders_is_its_own_blend():
    camera = SUBJECT.neutral_camera.fitted(8, 8)
    state = AvatarState({"attr_hair_a": 0.25, "attr_hair_b": 0.5, "attr_hat_c": 0.4})
    np.testing.assert_allclose(blend_of_ends(SUBJECT, state, camera), draw(state, camera), atol=1e-6)


def test_the_person_alone_is_one_end():
    (only,) = ends(SUBJECT, AvatarState())
    assert only[1] == 1.0
    assert only[0].sliders == {}
