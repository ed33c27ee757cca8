"""What a style changes where it should not, and random places in the space of styles."""

import dataclasses

import numpy as np
import pytest

from perse_engine.avatars.initial import bare_figure, neutral_camera
from perse_engine.avatars.state import AvatarState
from perse_engine.avatars.styles import Style
from perse_engine.evaluation.leakage import Leak, leak_matrix, leak_rows, leaks, matrix_picture
from perse_engine.evaluation.samples import SIDE, explosion, random_state, sample_rows
from perse_engine.evaluation.subject import Subject
from perse_engine.evaluation.teacher import Pair
from perse_engine.progress import silent

STYLES = (
    Style("attr_hat_cap", "Cap", "hat", "appear"),
    Style("attr_hat_top", "Top hat", "hat", "appear"),
    Style("attr_nose_red", "Red nose", "nose"),
)


def person(state: AvatarState, side: int) -> np.ndarray:
    """A grey square; a hat paints its top fifth blue, a nose its middle red."""
    picture = np.zeros((side, side, 4), np.float32)
    body = slice(side // 8, -side // 8)
    picture[body, body] = (0.5, 0.5, 0.5, 1.0)
    hat = max(state.sliders.get("attr_hat_cap", 0.0), state.sliders.get("attr_hat_top", 0.0))
    top, middle = slice(side // 8, side // 4), slice(int(side * 0.45), int(side * 0.55))
    picture[top, body, :3] += hat * (np.array([0.1, 0.2, 0.9]) - picture[top, body, :3])
    nose = state.sliders.get("attr_nose_red", 0.0)
    picture[middle, middle, :3] += nose * (np.array([0.9, 0.1, 0.1]) - picture[middle, middle, :3])
    return picture


@pytest.fixture
def teacher(open_head):
    figure = bare_figure(open_head)
    draw = lambda state, camera: person(state, camera.width)  # noqa: E731
    return Subject(draw, figure, STYLES, neutral_camera(figure), AvatarState(), neutral_camera(figure))


def changed(teacher, change):
    """An avatar that draws as the teacher does, but for what `change` does to the picture."""

    def draw(state, camera):
        picture = teacher.draw(state, camera).copy()
        change(picture, state)
        return picture

    return dataclasses.replace(teacher, draw=draw)


def halves(state, camera):
    left = np.zeros((camera.height, camera.width), bool)
    left[:, : camera.width // 2] = True
    return {"left": left, "right": ~left}


CATEGORIES = {style.slider: style.category for style in STYLES}


def test_the_teacher_itself_leaks_nothing(teacher):
    found = leaks(teacher, teacher, halves, silent)
    assert [leak.slider for leak in found] == [style.slider for style in STYLES]
    assert all(leak.mean == leak.worst == 0 for leak in found)
    assert all(row.passed for row in leak_rows(found, CATEGORIES))


def test_a_leak_is_found_with_its_style_and_its_part(teacher):
    def change(picture, state):
        if "attr_nose_red" in state.sliders:
            picture[300:400, 300:400, :3] += 0.1  # in the right half, well away from the nose

    found = leaks(changed(teacher, change), teacher, halves, silent)
    by_slider = {leak.slider: leak for leak in found}
    assert by_slider["attr_hat_cap"].mean == 0
    nose = by_slider["attr_nose_red"]
    assert nose.worst == pytest.approx(25.5, abs=0.1)
    assert nose.parts["left"] == 0
    rows = {row.name: row for row in leak_rows(found, CATEGORIES)}
    assert "attr_nose_red" in rows["99.9 % of it"].note
    assert not rows["99.9 % of it"].passed
    matrix = leak_matrix(found, CATEGORIES)
    assert matrix["nose"]["right"] == pytest.approx(nose.parts["right"] / nose.inside)
    assert matrix["hat"] == {"left": 0, "right": 0}
    assert "nose in right" in rows["off-diagonal ÷ diagonal, largest"].note
    assert matrix_picture(matrix).shape[2] == 3


def test_what_a_category_is_about_is_no_leak():
    leaks_in = lambda part: [Leak("attr_nose_red", 0.1, 1.0, 10.0, {part: 5.0, "ears": 0.1})]  # noqa: E731
    rows = [{row.name: row for row in leak_rows(leaks_in(part), CATEGORIES)} for part in ("nose", "eyes")]
    own, foreign = (row["off-diagonal ÷ diagonal, largest"] for row in rows)
    assert own.passed
    assert own.value == pytest.approx(1.0)
    assert not foreign.passed
    assert foreign.value == pytest.approx(50.0)


def test_an_avatar_without_styles_has_nothing_to_leak():
    assert leak_rows([], {})[0].value is None


def test_random_states_are_reproducible_and_in_range(teacher):
    first, again = (
        [random_state(STYLES, teacher.figure.expression_names, np.random.default_rng(5)) for _ in range(3)]
        for _ in range(2)
    )
    assert [state.sliders for state in first] == [state.sliders for state in again]
    rng = np.random.default_rng(0)
    seen = set()
    for _ in range(300):
        sliders = random_state(STYLES, teacher.figure.expression_names, rng).sliders
        assert all(0 <= value <= 1 for value in sliders.values())
        hats = sum(value for name, value in sliders.items() if name.startswith("attr_hat"))
        assert hats <= 1 + 1e-6
        seen |= {name for name in sliders if name.startswith("attr_")}
    assert seen == set(CATEGORIES)


@pytest.mark.parametrize(
    ("spoil", "exploded"),
    [
        (lambda p: None, False),
        (lambda p: p.__setitem__((slice(5, 12), slice(5, 12)), 1.0), True),  # something far outside
        (lambda p: p.__setitem__((slice(200, 204), slice(200, 204)), 0.0), False),  # a hole of 16 pixels
        (lambda p: p.__setitem__((slice(200, 210), slice(200, 210)), 0.0), True),  # a hole of 100
        (lambda p: p.__setitem__((slice(300, 400), slice(300, 400), 1), 1.0), True),  # green where nothing is green
    ],
)
def test_what_explodes_is_seen(spoil, exploded):
    good = person(AvatarState({"attr_hat_cap": 1.0}), SIDE)
    bad = good.copy()
    spoil(bad)
    assert explosion(Pair(good, bad)).exploded is exploded


def test_samples_are_counted_and_shown(teacher):
    def change(picture, state):
        if "attr_nose_red" in state.sliders:
            picture[:10, :10] = 1.0

    rows, pictures = sample_rows(changed(teacher, change), teacher, silent, count=24)
    assert rows[0].value > 0
    assert not rows[0].passed
    assert pictures["samples"].shape[2] == 3
    fine, _ = sample_rows(teacher, teacher, silent, count=24)
    assert fine[0].value == 0
    assert fine[0].passed


def test_samples_need_the_teacher(teacher):
    assert sample_rows(teacher, None, silent)[0][0].value is None
