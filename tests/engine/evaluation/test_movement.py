"""Flicker, slider linearity and expressions: each figure is what it says on subjects whose truth is known."""

import types

import numpy as np
import pytest

from perse_engine.avatars.styles import Style
from perse_engine.cameras import front_camera
from perse_engine.evaluation.movement import expression_rows, flicker, flicker_rows
from perse_engine.evaluation.sliders import linearity_rows, unevenness
from perse_engine.evaluation.strips import identity_steps, strips
from perse_engine.heads.open_head import load_open_head
from perse_engine.surfaces.shading import render_textured


def plane(value):
    return np.full((16, 16, 3), value, np.float32)


def test_steady_change_does_not_flicker_and_popping_does():
    steady = [plane(v) for v in np.linspace(0.2, 0.8, 12)]
    popping = [picture + np.float32(0.1 * (k % 2)) for k, picture in enumerate(steady)]
    assert flicker(steady) < 1e-6
    assert flicker(popping) == pytest.approx(0.2, rel=0.01)


def subject_of(curve, between="morph"):
    """Somebody whose grey is a curve of the one slider there is."""
    style = Style("attr_hat_a", "A", "hat", between)

    def draw(state, camera):
        picture = np.ones((camera.height, camera.width, 4), np.float32)
        picture[..., :3] = 0.2 + 0.6 * curve(state.sliders.get("attr_hat_a", 0.0))
        return picture

    figure = types.SimpleNamespace(joints=np.zeros((5, 3), np.float32), expression_names=())
    camera = front_camera(np.zeros(3), 1.0, 512.0, 512, 512)
    return types.SimpleNamespace(draw=draw, figure=figure, styles=(style,), neutral_camera=camera)


def test_even_sliders_are_even():
    assert unevenness(subject_of(lambda w: w), subject_of(lambda w: w).styles[0]) == pytest.approx(0, abs=1e-6)
    late = subject_of(lambda w: w**4)
    assert unevenness(late, late.styles[0]) > 0.2
    put_on = subject_of(lambda w: min(5 * w, 1.0), "appear")
    assert unevenness(put_on, put_on.styles[0]) == pytest.approx(0, abs=1e-5)
    nothing = subject_of(lambda w: 0 * w)
    assert unevenness(nothing, nothing.styles[0]) is None
    (row,) = linearity_rows(late)
    assert "attr_hat_a" in row.note


def test_flicker_is_told_beside_the_teachers():
    """A picture that depends on the view: evenly for the teacher, jumping with every other step for the avatar."""
    steady, popping = (subject_of(lambda w: w) for _ in range(2))

    def draw(jump):
        def drawn(state, camera):
            step = round(float(np.degrees(np.arctan2(camera.view[0, 2], camera.view[0, 0]))) * 2)
            picture = np.ones((camera.height, camera.width, 4), np.float32)
            picture[..., :3] = 0.5 + 0.002 * step + jump * (step % 2)
            picture[0, 0, :3] = 0
            return picture

        return drawn

    steady.draw, popping.draw = draw(0.0), draw(0.05)
    own, relative = flicker_rows(popping, steady)
    assert own.value > 255 * 0.09
    assert relative.value > 10


def test_landmarks_of_a_subject_against_itself_and_against_one_who_does_not_act():
    from painted_head import painted_portrait

    portrait = painted_portrait(256)
    head = portrait.head
    camera = front_camera(np.array([0, 0.05, 0.05]), 1.0, 1.0 * 512 / 0.34, 512, 512)

    def draw(state, camera, active=1.0):
        units = np.array([state.sliders.get(f"expr_{n}", 0.0) for n in head.expression_names], np.float32)
        vertices = head.template + active * (head.expression_directions @ units)
        seen = render_textured(vertices, head.faces, head.uv, head.uv_faces, portrait.texture, camera)
        return np.concatenate([seen.color * seen.alpha[..., None], seen.alpha[..., None]], -1)

    figure = types.SimpleNamespace(joints=head.joints, expression_names=load_open_head().expression_names)
    subject = types.SimpleNamespace(draw=draw, figure=figure, styles=(), neutral_camera=camera)
    same = expression_rows(subject, subject)
    assert same[0].value == pytest.approx(0, abs=1e-6)
    assert same[0].passed
    still = types.SimpleNamespace(**{**vars(subject), "draw": lambda s, c: draw(s, c, 0.0)})
    assert expression_rows(still, subject)[0].value > 0.8


def test_identity_steps_are_between_neighbours():
    class Reader:
        def descriptor(self, picture):
            return np.full(128, picture.mean() / 255)

    frames = [plane(v) for v in (0.2, 0.3, 0.5)]
    first, second = identity_steps(frames, Reader())
    assert second == pytest.approx(2 * first, rel=0.02)
    styles = (Style("attr_hat_a", "A", "hat"), Style("attr_hat_b", "B", "hat"))
    subject = types.SimpleNamespace(**{**vars(subject_of(lambda w: w)), "styles": styles})
    rows, _ = strips(subject, Reader())
    assert any("dlib" in row.name for row in rows)
