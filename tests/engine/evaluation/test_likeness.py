"""Identity in what is worn: each category that leaves a person who they are has a row."""

import types

import numpy as np
import pytest

from perse_engine.avatars.state import AvatarState
from perse_engine.avatars.styles import Style
from perse_engine.cameras import front_camera
from perse_engine.evaluation.likeness import KEPT, KEPT_BAR, likeness
from perse_engine.evaluation.photo import PhotoPair
from perse_engine.evaluation.subject import Subject

STYLES = (
    Style("attr_hat_cap", "Cap", "hat"),
    Style("attr_hat_mask", "Mask", "hat"),
    Style("attr_hat_crown", "Crown", "hat"),
    Style("attr_hair_grey", "Grey", "hair"),
    Style("attr_hair_bob", "Bob", "hair"),
)
FAR = {"attr_hat_cap": 0.1, "attr_hat_mask": 0.9, "attr_hat_crown": 0.3, "attr_hair_grey": 0.7, "attr_hair_bob": 5.0}


class Reader:
    """Tells as a descriptor what the picture's first pixel holds."""

    def descriptor(self, picture):
        return np.array([float(picture[0, 0, 0]) / 255])


@pytest.fixture
def subject():
    figure = types.SimpleNamespace(joints=np.zeros((5, 3), np.float32), expression_names=("jawopen",))
    camera = front_camera(np.zeros(3), 1.0, 500.0, 64, 64)

    def draw(state, camera):
        shown = np.zeros((camera.height, camera.width, 4), np.float32)
        shown[..., :3] = sum(FAR.get(name, 0.0) * value for name, value in state.sliders.items())
        shown[..., 3] = 1
        return shown

    return Subject(draw, figure, STYLES, camera, AvatarState(), camera)


def test_every_kept_category_has_a_row_with_its_median(subject):
    nothing = np.zeros((64, 64, 3), np.float32)
    pair = PhotoPair(nothing, np.ones((64, 64), np.float32), np.ones((64, 64), np.float32), np.ones((64, 64, 4)))
    rows = {row.name: row for row in likeness(subject, pair, Reader(), []).rows}
    hats, colors = rows["of these wearing hat, median"], rows["of these wearing hair colours, median"]
    assert hats.value == pytest.approx(0.3, abs=0.01)
    assert "3 styles, farthest attr_hat_mask 0.90" in hats.note
    assert colors.value == pytest.approx(0.7, abs=0.01)  # a bob is no colour
    assert "of these wearing glasses, median" not in rows
    kept = rows[KEPT]
    assert kept.value == pytest.approx(np.median([0.1, 0.9, 0.3, 0.7]), abs=0.01)
    assert kept.passed == (kept.value < KEPT_BAR)
