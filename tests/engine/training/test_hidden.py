"""What lies behind skin must not show, and while an avatar learns it is told so."""

import dataclasses

import numpy as np

from perse_engine.avatars.avatar import Avatar
from perse_engine.avatars.decoding import decode, take_stance
from perse_engine.avatars.initial import bare_figure, head_center, initial_avatar
from perse_engine.avatars.state import AvatarState
from perse_engine.cameras import Camera
from perse_engine.heads.head import Head
from perse_engine.training.hidden import hidden
from perse_engine.training.learner import gradients_of
from perse_engine.training.views import Lesson

SIDE = 96


def a_head(open_head: Head) -> Avatar:
    return initial_avatar(bare_figure(open_head), (), (), count=3000, seed=0)


def around(avatar: Avatar, yaw: float) -> Camera:
    return avatar.neutral_camera.fitted(SIDE, SIDE).orbited(head_center(avatar.figure), yaw, 0.0, 0.0)


def hidden_from(avatar: Avatar, camera: Camera) -> np.ndarray:
    means = decode(avatar, AvatarState()).means
    assert len(means) == avatar.count
    return hidden(avatar, take_stance(avatar, AvatarState()), means, camera)


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
