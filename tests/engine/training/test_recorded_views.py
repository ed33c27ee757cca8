"""Learning from footage: how often it is looked at, which drivers it gives, and that correctives learn from it."""

import dataclasses

import numpy as np
import pytest

from perse_engine.avatars.initial import bare_figure, initial_avatar
from perse_engine.avatars.rendering import render_avatar
from perse_engine.avatars.state import AvatarState
from perse_engine.progress import silent
from perse_engine.training.correcting import balanced, start_correctives
from perse_engine.training.presets import Preset
from perse_engine.training.training import train_views
from perse_engine.training.views import RECORDED, Lessons, Picture, View

SIZE = 72
PRESET = Preset("tiny", gaussians=1500, steps=90, size=SIZE, boxes=0.0, photo=0.0)


@pytest.fixture(scope="module")
def avatar(open_head):
    return initial_avatar(bare_figure(open_head), (), (), count=1500, seed=0)


def view(avatar, name, state, picture=None):
    camera = avatar.neutral_camera.fitted(SIZE, SIZE)
    if picture is None:
        picture = np.zeros((SIZE, SIZE, 4), np.uint8)
    return View(name, camera, state, lambda: Picture(picture, np.ones((SIZE, SIZE), np.float16)))


def mouth(value):
    return AvatarState({"expr_jawopen": value})


def test_half_of_the_steps_look_at_footage_and_without_it_nothing_changes(avatar):
    clips = [view(avatar, f"c{k}", AvatarState({"expr_cheekpuff": 0.1 * k})) for k in range(5)]
    filmed = [view(avatar, f"f{k}", mouth(0.1 * k)) for k in range(1, 4)]
    both, alone, before = (Lessons(clips, None, PRESET, 0, some) for some in (filmed, (), []))
    seen = [both.at(step).state.sliders for step in range(400)]
    assert np.mean(["expr_jawopen" in sliders for sliders in seen]) == pytest.approx(RECORDED, abs=0.08)
    for step in range(20):
        first, second = alone.at(step), before.at(step)
        assert first.state.sliders == second.state.sliders
        np.testing.assert_array_equal(first.background, second.background)


def test_rare_expressions_are_repeated(avatar):
    names = avatar.figure.expression_names
    views = [view(avatar, f"r{k}", mouth(0.01 * k)) for k in range(12)] + [view(avatar, "wide", mouth(0.9))]
    shown = [one.name for one in balanced(views, names)]
    assert shown.count("wide") > 4
    assert all(shown.count(f"r{k}") == 1 for k in range(12))
    assert balanced((), names) == ()


def test_drivers_span_what_was_filmed_and_rest_at_rest(avatar):
    names = avatar.figure.expression_names
    states = [AvatarState({"expr_jawopen": a, "expr_mouthsmileleft": b}) for a in (0, 0.4, 0.8) for b in (0, 0.5)]
    found = start_correctives(avatar, [view(avatar, str(k), state) for k, state in enumerate(states)])
    assert len(found.mixing) == 2
    assert not found.drivers(names, AvatarState()).any()
    values = np.array([found.drivers(names, state) for state in states])
    np.testing.assert_allclose(np.abs(values).max(0), 1, atol=1e-5)
    far = found.drivers(names, AvatarState({"expr_jawopen": 1.5, "expr_mouthsmileleft": 1.5}))
    assert (far <= found.high).all()
    assert (far >= found.low).all()
    assert not found.offsets.any()
    assert 0 < len(found.gaussians) < avatar.count
    assert len(start_correctives(avatar, [view(avatar, "rest", AvatarState())]).gaussians) == 0


def test_correctives_learn_what_the_head_model_cannot_say(avatar, tmp_path):
    face = start_correctives(avatar, [view(avatar, "wide", mouth(1.0))]).gaussians
    colors = avatar.colors.copy()
    colors[face] *= np.array([1.0, 0.5, 0.5], np.float32)
    blushing = dataclasses.replace(avatar, colors=colors)

    def filmed(value):
        """Paler or redder as the mouth opens."""
        pale, red = (
            render_avatar(who, mouth(value), avatar.neutral_camera.fitted(SIZE, SIZE)) for who in (avatar, blushing)
        )
        mixed = pale * (1 - value) + red * value
        straight = np.concatenate([mixed[..., :3] / np.maximum(mixed[..., 3:], 1e-6), mixed[..., 3:]], -1)
        return (np.clip(straight, 0, 1) * 255 + 0.5).astype(np.uint8)

    taught = [view(avatar, f"f{k}", mouth(v), filmed(v)) for k, v in enumerate((0.0, 0.3, 0.7, 1.0))]
    at_rest = [view(avatar, "rest", AvatarState(), filmed(0.0))]

    def wrong(start, folder):
        trained = train_views(start, at_rest, None, PRESET, folder, seed=0, progress=silent, recorded=taught)
        camera = avatar.neutral_camera.fitted(SIZE, SIZE)
        unseen = filmed(0.5).astype(np.float32) / 255
        drawn = render_avatar(trained, mouth(0.5), camera)
        return float(np.abs(drawn[..., :3] - unseen[..., :3] * unseen[..., 3:]).mean())

    corrected = dataclasses.replace(avatar, correctives=start_correctives(avatar, taught))
    assert wrong(corrected, tmp_path / "a") < 0.7 * wrong(avatar, tmp_path / "b")
