"""Strips between styles: what is even, what is not, and that a subject's own are drawn."""

import types

import numpy as np
import pytest

from perse_engine.avatars.styles import Style
from perse_engine.cameras import front_camera
from perse_engine.evaluation.strips import STEPS, evenness, flip_steps, strips


def test_even_and_uneven_steps():
    assert evenness([0.1] * 8) == pytest.approx(1)
    assert evenness([0.1] * 7 + [0.5]) == pytest.approx(5)
    assert evenness([0.0] * 8) == 1
    assert evenness([0.0] * 7 + [0.5]) == float("inf")


def test_a_jump_is_seen():
    pytest.importorskip("flip_evaluator")
    grey = [np.full((64, 64, 3), value, np.float32) for value in np.linspace(0.3, 0.7, STEPS)]
    smooth = flip_steps(grey)
    assert len(smooth) == STEPS - 1
    assert evenness(smooth) < 2
    assert evenness(flip_steps([grey[0]] * 4 + [grey[4]] + [grey[-1]] * 4)) > 2


@pytest.fixture
def subject():
    """Somebody whose colour is the sum of what the sliders say, hair in red and hats in blue."""
    styles = tuple(
        Style(f"attr_{name}", name, name.split("_")[0]) for name in ("hair_a", "hair_b", "hair_c", "hat_a", "nose_a")
    )
    shade = {"attr_hair_a": (0.1, 0, 0), "attr_hair_c": (0.7, 0, 0), "attr_hat_a": (0, 0, 0.5)}

    def draw(state, camera):
        picture = np.full((camera.height, camera.width, 4), 0.2, np.float32)
        picture[..., 3] = 1
        picture[..., :3] = 0.2 + sum(
            value * np.array(shade.get(name, (0, 0, 0))) for name, value in state.sliders.items()
        )
        return picture

    joints = np.zeros((5, 3), np.float32)
    camera = front_camera(np.zeros(3), 1.0, 512.0, 512, 512)
    figure = types.SimpleNamespace(joints=joints)
    return types.SimpleNamespace(draw=draw, figure=figure, styles=styles, neutral_camera=camera)


def test_every_category_with_two_styles_has_a_strip(subject):
    rows, pictures = strips(subject)
    assert list(pictures) == ["hair: hair_a to hair_c"]
    (picture,) = pictures.values()
    assert picture.shape == (128, 128 * STEPS, 3)
    middles = picture[64, 64::128, 0].astype(int)
    assert (np.diff(middles) > 10).all()
    assert [row.section for row in rows] == ["in-betweens"]
    assert rows[0].passed in (True, None)
