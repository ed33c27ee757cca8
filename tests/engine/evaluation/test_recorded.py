"""Held-out footage: an avatar that follows it passes, one that does not fails, and what is missing is said."""

import dataclasses

import numpy as np
import pytest

from perse_engine.avatars.initial import bare_figure, neutral_camera
from perse_engine.avatars.state import AvatarState
from perse_engine.cameras import front_camera
from perse_engine.evaluation.recorded import recorded_rows
from perse_engine.evaluation.subject import Subject
from perse_engine.heads.posing import rest_head
from perse_engine.portraits.correspondence import paint_head
from perse_engine.progress import silent

SIZE = 256


@dataclasses.dataclass(frozen=True)
class Filmed:
    clip: str
    split: str
    camera: object
    state: AvatarState
    picture: np.ndarray

    def image(self):
        return np.dstack([self.picture, np.full((SIZE, SIZE), 255, np.uint8)])


@dataclasses.dataclass(frozen=True)
class Clips:
    frames: tuple

    def of(self, split):
        return [frame for frame in self.frames if frame.split == split]


@pytest.fixture(scope="module")
def camera(open_head):
    center = open_head.joints[3:].mean(0).astype(np.float64) + [0, -0.02, -0.05]
    return front_camera(center, 0.8, SIZE * 2.3, SIZE, SIZE)


@pytest.fixture(scope="module")
def paint(open_head, camera):
    known = {}

    def painted(state):
        key = tuple(sorted(state.sliders.items()))
        if key not in known:
            expression = np.zeros(len(open_head.expression_names), np.float32)
            for name, value in state.sliders.items():
                expression[open_head.expression_names.index(name.removeprefix("expr_"))] = value
            known[key] = paint_head(open_head, rest_head(open_head, np.zeros(0, np.float32), expression)[0], camera)
        return known[key]

    return painted


@pytest.fixture(scope="module")
def clips(paint, camera):
    def frame(clip, split, jaw, blink):
        state = AvatarState({"expr_jawopen": jaw, "expr_eyeblinkleft": blink, "expr_eyeblinkright": blink})
        return Filmed(clip, split, camera, state, paint(state))

    taught = [frame("recorded", "train", jaw, blink) for jaw, blink in ((0.0, 0.0), (0.1, 0.0), (0.2, 1.0))]
    held = [frame("held_out_00003", "footage", jaw, blink) for jaw, blink in ((0.15, 0.0), (0.5, 0.0), (0.8, 1.0))]
    return Clips((*taught, *held))


def subject(open_head, draw):
    figure = bare_figure(open_head)
    camera = neutral_camera(figure)
    return Subject(draw, figure, (), camera, AvatarState(), camera)


def opaque(picture):
    return np.dstack([picture.astype(np.float32) / 255, np.ones((SIZE, SIZE), np.float32)])


def by_name(rows, *words):
    (row,) = (row for row in rows if all(word in row.name for word in words))
    return row


def test_an_avatar_that_follows_the_footage_passes_every_bar(open_head, paint, clips):
    rows, pictures = recorded_rows(subject(open_head, lambda state, camera: opaque(paint(state))), clips, silent)
    judged = [row for row in rows if row.passed is not None]
    assert len(judged) == 4
    assert all(row.passed for row in judged)
    assert by_name(rows, "mouth, PSNR").value > 60
    assert by_name(rows, "lips", "correlation").value == pytest.approx(1, abs=1e-3)
    assert {name.removeprefix("footage, ") for name in pictures} == {"filmed", "avatar", "nearest", "held"}


def test_an_avatar_that_does_not_move_fails_them(open_head, paint, clips):
    still = opaque(paint(AvatarState({"expr_jawopen": 0.05})))
    rows, _ = recorded_rows(subject(open_head, lambda state, camera: still), clips, silent)
    assert not any(row.passed for row in rows if row.passed is not None)


def test_what_was_not_held_out_is_said(open_head, clips):
    taught = Clips(tuple(frame for frame in clips.frames if frame.split == "train"))
    (row,), _ = recorded_rows(subject(open_head, lambda state, camera: None), taught, silent)
    assert row.value is None
    assert "--hold-out" in row.note
    assert recorded_rows(subject(open_head, lambda state, camera: None), Clips(()), silent) == ([], {})
