"""What lies behind skin must not show, and while an avatar learns it is told so."""

import dataclasses
import importlib.util
import types
from pathlib import Path

import numpy as np

from perse_engine.avatars.avatar import Avatar
from perse_engine.avatars.decoding import decode, take_stance
from perse_engine.avatars.initial import bare_figure, head_center, initial_avatar
from perse_engine.avatars.state import AvatarState
from perse_engine.cameras import Camera
from perse_engine.heads.head import Head
from perse_engine.training.hidden import Hiding
from perse_engine.training.learner import gradients_of
from perse_engine.training.views import Lesson

SIDE = 96


def _ball() -> types.ModuleType:
    path = Path(__file__).parents[1] / "avatars" / "conftest.py"
    spec = importlib.util.spec_from_file_location("ball", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


BALL = _ball()


def a_head(open_head: Head) -> Avatar:
    return initial_avatar(bare_figure(open_head), (), (), count=3000, seed=0)


def around(avatar: Avatar, yaw: float) -> Camera:
    return avatar.neutral_camera.fitted(SIDE, SIDE).orbited(head_center(avatar.figure), yaw, 0.0, 0.0)


def hidden_from(avatar: Avatar, camera: Camera) -> np.ndarray:
    means = decode(avatar, AvatarState()).means
    assert len(means) == avatar.count
    return Hiding(avatar).hidden(take_stance(avatar, AvatarState()), means, np.arange(avatar.count), camera)


def test_the_back_of_a_head_is_hidden_from_ahead_and_its_face_from_behind(open_head: Head) -> None:
    avatar = a_head(open_head)
    depth = decode(avatar, AvatarState()).means[:, 2]
    skin = avatar.figure.face_parts[avatar.triangles] == avatar.figure.parts.index("skin")
    face, back = skin & (depth > np.quantile(depth, 0.9)), skin & (depth < np.quantile(depth, 0.1))
    ahead, behind = hidden_from(avatar, around(avatar, 0.0)), hidden_from(avatar, around(avatar, 180.0))
    assert not ahead[face].any()
    assert ahead[back].mean() > 0.85
    assert not behind[back].any()
    assert behind[face].mean() > 0.85


def test_what_a_camera_does_not_see_is_not_called_hidden(open_head: Head) -> None:
    avatar = a_head(open_head)
    away = around(avatar, 0.0)
    away = dataclasses.replace(away, cx=away.cx + 10 * SIDE)
    assert not hidden_from(avatar, away).any()


def test_gaps_are_wrong_even_over_a_back_of_the_same_colour(open_head: Head) -> None:
    """A grey head before a black background: thin skin must be drawn towards hiding, whatever lies behind it."""
    avatar = a_head(open_head)
    thin = dataclasses.replace(
        avatar, coverage_logits=np.zeros(avatar.count, np.float32), colors=np.full_like(avatar.colors, 0.5)
    )
    camera = around(avatar, 0.0)
    grey, full = np.full((SIDE, SIDE, 3), 0.5, np.float32), np.ones((SIDE, SIDE), np.float32)
    middle = np.zeros_like(full)
    middle[SIDE // 2 - 12 : SIDE // 2 + 12, SIDE // 2 - 12 : SIDE // 2 + 12] = 1
    slopes = gradients_of(thin, Lesson(camera, AvatarState(), grey, full, middle, np.zeros(3, np.float32)))
    behind = hidden_from(thin, camera)
    seen = ~behind & (np.abs(slopes["colors"]).max(1) > 1e-6)
    assert seen.sum() > 50
    pulls = slopes["coverage_logits"][seen]
    assert -pulls[pulls < 0].sum() > 20 * pulls[pulls > 0].sum()
    assert np.abs(slopes["colors"][behind]).max() == 0


def test_own_hair_hides_until_a_style_takes_it_off() -> None:
    """The ball's cap as own hair, which the fourth style makes transparent and the second recolours."""
    ball = BALL.make_avatar(3000)
    looks = ball.appearance
    on_cap = ball.figure.face_parts[ball.triangles] == 1
    logits = np.full(len(looks.gaussians), 6, np.float32)
    taken_off = looks.of(3)
    logits[taken_off] = -6
    avatar = dataclasses.replace(
        ball,
        figure=dataclasses.replace(ball.figure, parts=("skin", "hair")),
        coverage_logits=np.full(ball.count, 6, np.float32),
        offsets=np.zeros_like(ball.offsets),
        appearance=dataclasses.replace(looks, coverage_logits=logits),
    )
    above = avatar.neutral_camera.fitted(SIDE, SIDE).orbited(np.zeros(3), 0.0, 75.0, 0.0)
    hiding = Hiding(avatar)
    means = avatar.figure.vertices[avatar.corners].mean(1).astype(np.float32)
    under = ~on_cap & (means[:, 1] > 0.085)

    places = means

    def hidden_with(**sliders: float) -> np.ndarray:
        return hiding.hidden(take_stance(avatar, AvatarState(sliders)), places, np.arange(avatar.count), above)

    assert hidden_with()[under].mean() > 0.95
    assert hidden_with(attr_hair_red=1.0)[under].mean() > 0.95
    assert not hidden_with(attr_hat_cap=0.3)[under].any()
    assert not hidden_with()[on_cap & (means[:, 1] > 0.09)].any()

    # close below the hair only skin is hidden: the hair itself may be off by more
    middle = (means[:, 1] > 0.1) & (np.hypot(means[:, 0], means[:, 2]) < 0.03)
    assert (on_cap & middle).sum() > 10
    directions = means / np.linalg.norm(means, axis=1, keepdims=True)
    places = (directions * np.float32(0.1085)).astype(np.float32)
    assert hidden_with()[under & (means[:, 1] > 0.095)].mean() > 0.9
    assert not hidden_with()[on_cap & middle].any()
