"""What an evaluation says of the side that no portrait shows."""

import dataclasses

import numpy as np
import pytest

from perse_engine.avatars.initial import bare_figure, neutral_camera
from perse_engine.avatars.state import AvatarState
from perse_engine.avatars.styles import Style
from perse_engine.evaluation.from_behind import SIDE, YAWS, behind_rows
from perse_engine.evaluation.subject import Subject

STYLES = (Style("attr_hat_red", "Red", "hat"), Style("attr_nose_red", "Red", "nose"))


@pytest.fixture
def teacher(open_head):
    def draw(state, camera):
        picture = np.zeros((camera.height, camera.width, 4), np.float32)
        picture[40:200, 40:200] = (0.4 - 0.3 * state.sliders.get("attr_hat_red", 0.0), 0.4, 0.4, 1.0)
        return picture

    figure = bare_figure(open_head)
    camera = neutral_camera(figure)
    return Subject(draw, figure, STYLES, camera, AvatarState(), camera)


def stained(teacher, where):
    def draw(state, camera):
        picture = teacher.draw(state, camera)
        behind = camera.view[2, 2] > 0  # looks the way that the face does
        if where(state, behind):
            picture[40:200, 40:200, 0] += 0.1
        return picture

    return dataclasses.replace(teacher, draw=draw)


def test_a_stain_behind_counts_and_one_in_front_does_not(teacher):
    clean, _ = behind_rows(teacher, teacher)
    assert clean[0].value > 90
    stain, _ = behind_rows(stained(teacher, lambda state, behind: behind), teacher)
    assert stain[0].value < 45
    before, _ = behind_rows(stained(teacher, lambda state, behind: not behind), teacher)
    assert before[0].value > 90


def test_styles_that_show_from_behind_are_told_by_name(teacher):
    hats = stained(teacher, lambda state, behind: state.sliders.get("attr_hat_red", 0.0) > 0)
    rows, pictures = behind_rows(hats, teacher)
    assert rows[0].value > 90
    assert rows[1].value == pytest.approx(20 * np.log10(1 / 0.1) + 10 * np.log10(3), abs=0.1)
    assert "1 pictures, worst attr_hat_red" in rows[1].note
    (picture,) = pictures.values()
    assert picture.shape == (2 * SIDE, len(YAWS) * SIDE, 3)


def test_nothing_is_said_of_styles_where_none_shows_there(teacher):
    rows, _ = behind_rows(dataclasses.replace(teacher, styles=STYLES[1:]), teacher)
    assert len(rows) == 1
