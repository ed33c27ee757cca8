"""When a training stops: what held-out pictures say, what looking at them costs, and that it resumes."""

import dataclasses
import importlib.util
from pathlib import Path

import numpy as np
import pytest

from perse_engine.errors import Cancelled
from perse_engine.progress import silent
from perse_engine.training.held_out import COST_OF_ONE, LEAST_RISE, MOST_COST, MOST_PICTURES, HeldOut
from perse_engine.training.presets import PRESETS, Preset
from perse_engine.training.schedule import ENDING, LAST_RATE, Schedule
from perse_engine.training.several import ALONE
from perse_engine.training.training import train_views

_spec = importlib.util.spec_from_file_location("known_avatar", Path(__file__).with_name("test_training.py"))
KNOWN = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(KNOWN)

STEPS = 480
PRESET = Preset("test", 600, STEPS, size=KNOWN.SIZE)
BRIEF = dataclasses.replace(PRESET, steps=300)


def judged(figures, steps=STEPS):
    """The schedule once the first looks had `figures`."""
    watch = HeldOut([None] * 20, PRESET, steps, ALONE)
    watch.arrays()["held_out"][: len(figures)] = figures
    return watch.schedule()


def test_the_rest_of_a_turned_schedule_is_run_through_quickly():
    plain, turned = Schedule(400), Schedule(400, turned=200)
    rates = [turned.decay(step) for step in range(turned.end + 1)]
    assert turned.end == 240
    assert rates[:201] == [plain.decay(step) for step in range(201)]
    assert (np.diff(rates) < 0).all()
    assert rates[-1] == pytest.approx(LAST_RATE)
    assert max(-np.diff(rates)) < 0.05
    assert Schedule(400, turned=390).end == 400


def test_three_looks_without_a_gain_turn_it():
    assert judged([]).turned is None
    assert judged([30, 31, 32, 33, 34, 35]).turned is None
    assert judged([30, 30, 30]).turned is None
    assert judged([30, 30, 30, 30]).turned == 2 * STEPS / 3 + 3 * STEPS / 24
    assert judged([30, 30, 30, 30 + 2 * LEAST_RISE]).turned is None
    assert judged([30, 31, 30, 30.5, 31.01]).turned == 2 * STEPS / 3 + 4 * STEPS / 24
    assert judged([30, 31, 30.5, 32, 30.5, 30.5]).turned is None  # a look that was unlucky does not count
    assert judged([30, 30, 30, 30]).end == STEPS * (19 / 24 + ENDING)


@pytest.mark.parametrize("preset", [*PRESETS.values(), PRESET], ids=lambda preset: preset.name)
def test_looks_cost_little(preset):
    for size in (1, 2, 8):
        steps = -(-preset.steps // size)
        team = dataclasses.replace(ALONE, size=size)
        watch = HeldOut([None] * 50, preset, steps, team)
        count, looks = len(watch._views), len(watch.arrays()["held_out"])
        assert 1 <= count <= MOST_PICTURES
        assert looks * count * COST_OF_ONE <= MOST_COST * preset.steps
        assert looks > 4
    assert preset.stops_early
    never = dataclasses.replace(preset, stops_early=False)
    assert not HeldOut([None] * 50, never, preset.steps, ALONE).arrays()


def grainy(view):
    """The view with a grain of a tenth, which nothing can learn: an avatar soon comes to 20 dB, and never beyond."""

    def read():
        picture = view.read()
        grain = np.random.default_rng(len(view.name)).normal(0, 25.5, picture.color.shape)
        grain[..., 3] = 0
        return dataclasses.replace(picture, color=(picture.color + grain).clip(0, 255).astype(np.uint8))

    return dataclasses.replace(view, read=read)


def task():
    """An avatar to be trained, pictures to learn from, and two sets held out, one learnt at once, one not in BRIEF."""
    _, start, views = KNOWN.make_task()
    return start, views[3:], [grainy(view) for view in views[:3]], views[:3]


def learn(start, views, held_out, folder, progress=silent, preset=PRESET):
    return train_views(start, views, None, preset, folder, seed=1, progress=progress, held_out=held_out)


@pytest.mark.slow
def test_what_is_learnt_at_once_stops_early_and_what_is_not_does_not(tmp_path):
    start, views, easy, hard = task()
    reports = []
    quick = learn(start, views, easy, tmp_path / "easy", progress=lambda *report: reports.append(report))
    stopped = quick.provenance["stopped_at"]
    assert 2 * STEPS / 3 < stopped < 0.95 * STEPS
    assert reports[0] == ("train", 0, STEPS)
    assert reports[-1] == ("train", stopped, stopped)
    slow = learn(start, views, hard, tmp_path / "hard", preset=BRIEF)  # which ends while there is more to learn
    assert "stopped_at" not in slow.provenance
    assert KNOWN.same(slow, learn(start, views, (), tmp_path / "none", preset=BRIEF))  # looking changes nothing


@pytest.mark.slow
def test_a_training_that_stops_early_goes_on_as_if_unbroken(tmp_path):
    start, views, easy, _ = task()
    whole = learn(start, views, easy, tmp_path / "whole")
    stopped = whole.provenance["stopped_at"]
    for broken in (2 * STEPS // 3 + 30, stopped - 20):  # amid the looks, and amid the ending

        def stop(stage, done, total, broken=broken):
            if done >= broken:
                raise Cancelled

        with pytest.raises(Cancelled):
            learn(start, views, easy, tmp_path / str(broken), progress=stop)
        resumed = learn(start, views, easy, tmp_path / str(broken))
        assert KNOWN.same(resumed, whole)
        assert resumed.provenance == whole.provenance
    finished = []
    again = learn(start, views, easy, tmp_path / "whole", progress=lambda stage, done, total: finished.append(done))
    assert finished == [stopped]
    assert again.provenance == whole.provenance


def test_other_held_out_pictures_are_another_training(tmp_path):
    start, views, easy, _ = task()

    def stop(stage, done, total):
        if done >= 5:
            raise Cancelled

    steps = []
    for held_out in (easy, easy[:1]):
        with pytest.raises(Cancelled):
            learn(start, views, held_out, tmp_path, progress=lambda s, d, t: (steps.append(d), stop(s, d, t)))
    assert steps == [0, 5, 0, 5]
