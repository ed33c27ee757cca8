"""Learning a known avatar from pictures of it."""

import csv
import dataclasses
import errno
import importlib.util
import itertools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from perse_engine.avatars.rendering import render_avatar
from perse_engine.avatars.state import AvatarState
from perse_engine.avatars.tensors import pack
from perse_engine.errors import Cancelled, InputError, PerseError
from perse_engine.progress import silent
from perse_engine.training import training
from perse_engine.training.checkpoints import save_checkpoint
from perse_engine.training.presets import Preset, training_preset
from perse_engine.training.training import train_views
from perse_engine.training.views import Lessons, Picture, View, dwelling

SIZE = 80
QUICK = Preset("quick", 600, 12, size=SIZE)


def _load_ball():
    path = Path(__file__).parents[1] / "avatars" / "conftest.py"
    spec = importlib.util.spec_from_file_location("ball", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


BALL = _load_ball()


def make_task():
    """A teacher, an avatar that knows its places and gates but no colour or opacity, and pictures."""
    teacher = BALL.make_avatar()
    looks = teacher.appearance
    start = dataclasses.replace(
        teacher,
        colors=np.full_like(teacher.colors, 0.5),
        offsets=np.zeros_like(teacher.offsets),
        log_scales=np.round(teacher.log_scales, 0),
        coverage_logits=np.where(teacher.coverage_logits < -5, -9, 4).astype(np.float32),
        appearance=dataclasses.replace(
            looks, colors=np.full_like(looks.colors, 0.5), offsets=np.zeros_like(looks.offsets)
        ),
    )
    rng = np.random.default_rng(3)
    sliders = [{}, {}, {}]
    sliders += [{style.slider: w} for style in teacher.styles for w in (1.0, 0.5)]
    sliders += [{a.slider: 1.0, b.slider: 1.0} for a, b in itertools.combinations(teacher.styles, 2)]
    views = []
    for index, values in enumerate(sliders * 3):
        values = {**values, "expr_jawopen": rng.random()}
        camera = teacher.neutral_camera.orbited(np.zeros(3), *rng.uniform(-25, 25, 2), 0)
        views.append(make_view(teacher, f"v{index}", AvatarState(values), camera.resized(SIZE, SIZE)))
    return teacher, start, views


def make_view(teacher, name, state, camera):
    def read():
        picture = render_avatar(teacher, state, camera)
        straight = picture / np.maximum(picture[..., 3:], 1e-6)
        straight[..., 3] = picture[..., 3]
        return Picture((straight.clip(0, 1) * 255 + 0.5).astype(np.uint8), np.ones((SIZE, SIZE), np.float16))

    return View(name, camera, state, read)


def decibel(avatar, teacher, state, camera):
    first, second = (render_avatar(a, state, camera, (0, 0, 0))[..., :3] for a in (avatar, teacher))
    return -10 * np.log10(((first - second)[second.sum(-1) > 0] ** 2).mean())


def same(first, second):
    a, b = pack(first), pack(second)
    return all(np.array_equal(a[name], b[name]) for name in a)


def test_it_recovers_a_known_avatar(tmp_path):
    teacher, start, views = make_task()
    reports = []
    preset = Preset("test", 600, 220, size=SIZE)
    trained = train_views(start, views, None, preset, tmp_path, seed=0, progress=lambda *r: reports.append(r))
    assert reports[0] == ("train", 0, 220)
    assert reports[-1] == ("train", 220, 220)
    assert (tmp_path / "preview.png").stat().st_size > 0
    camera = teacher.neutral_camera.resized(SIZE, SIZE).orbited(np.zeros(3), 12, 5, 0)
    unseen = [
        {},
        {"expr_jawopen": 0.6},
        {"attr_hair_red": 1.0},
        {"attr_hair_blue": 0.8, "attr_shape_long": 0.7},
        {"attr_hat_cap": 1.0, "attr_hair_red": 1.0, "attr_shape_long": 0.5},
    ]
    quality = [decibel(trained, teacher, AvatarState(sliders), camera) for sliders in unseen]
    assert min(quality) > 35


def test_what_no_picture_shows_stays_as_it_was(tmp_path):
    _, start, views = make_task()
    bare = [view for view in views if not any(name.startswith("attr_") for name in view.state.sliders)]
    trained = train_views(start, bare, None, QUICK, tmp_path, seed=0, progress=silent)
    np.testing.assert_array_equal(trained.appearance.colors, start.appearance.colors)
    assert not np.array_equal(trained.colors, start.colors)


def test_what_is_held_keeps_about_its_colour(tmp_path):
    _, start, views = make_task()
    held = np.arange(0, start.count, 2)
    preset = dataclasses.replace(QUICK, steps=60)
    trained = train_views(start, views, None, preset, tmp_path, seed=0, progress=silent, held=held)
    moved = np.abs(trained.colors - start.colors).max(1)
    assert moved[held].max() < 0.05
    assert np.median(moved[1::2]) > 0.05


def test_held_skin_keeps_about_its_colour_in_every_style_of_the_skin(tmp_path):
    _, start, views = make_task()
    categories = tuple(dataclasses.replace(c, layer="skin") if c.name == "hair" else c for c in start.categories)
    start = dataclasses.replace(start, categories=categories)
    held = np.arange(0, start.count, 2)
    preset = dataclasses.replace(QUICK, steps=60)
    trained = train_views(start, views, None, preset, tmp_path, seed=0, progress=silent, held=held)
    moved = np.abs(trained.appearance.colors - start.appearance.colors).max(1)
    kept = np.isin(start.appearance.gaussians, held)
    skin, hat = np.zeros((2, len(moved)), bool)
    skin[start.appearance.of(1)] = skin[start.appearance.of(2)] = hat[start.appearance.of(3)] = True
    assert moved[kept & skin].max() < 0.05
    assert np.median(moved[~kept & skin]) > 0.05
    assert np.median(moved[kept & hat]) > 0.05


def test_styles_that_repaint_much_are_dwelt_upon():
    _, start, views = make_task()
    small = dataclasses.replace(start.styles[3], slider="attr_hat_pin")
    looks = start.appearance
    starts = looks.starts.copy()
    starts[3] = starts[4] - 5  # the last style reaches five Gaussians
    avatar = dataclasses.replace(
        start, styles=(*start.styles[:3], small), appearance=dataclasses.replace(looks, starts=starts)
    )
    shown = [View(f"d{k}", views[0].camera, AvatarState(sliders), views[0].read) for k, sliders in enumerate(
        ({}, {"attr_hair_red": 1.0}, {"attr_hat_pin": 1.0}, {"attr_hat_pin": 0.5, "attr_hair_blue": 0.5})
    )]  # fmt: skip
    assert [view.name for view in dwelling(shown, avatar)] == ["d0", "d1", "d1", "d2", "d3", "d3"]


def test_a_seed_decides_everything(tmp_path):
    _, start, views = make_task()
    first = train_views(start, views, views[0], QUICK, tmp_path / "a", seed=4, progress=silent)
    again = train_views(start, views, views[0], QUICK, tmp_path / "b", seed=4, progress=silent)
    other = train_views(start, views, views[0], QUICK, tmp_path / "c", seed=5, progress=silent)
    assert same(first, again)
    assert not same(first, other)


def test_a_cancelled_training_goes_on_as_if_unbroken(tmp_path):
    _, start, views = make_task()
    whole = train_views(start, views, None, QUICK, tmp_path / "whole", seed=0, progress=silent)

    def stop(stage, done, total):
        if done >= 5:
            raise Cancelled

    with pytest.raises(Cancelled):
        train_views(start, views, None, QUICK, tmp_path / "broken", seed=0, progress=stop)
    steps = []
    resumed = train_views(
        start, views, None, QUICK, tmp_path / "broken", seed=0, progress=lambda s, d, t: steps.append(d)
    )
    assert steps[0] == 5
    assert same(whole, resumed)
    finished = []
    train_views(start, views, None, QUICK, tmp_path / "broken", seed=0, progress=lambda s, d, t: finished.append(d))
    assert finished == [12]


def test_a_full_disk_keeps_the_last_good_state(tmp_path, monkeypatch):
    start, views = make_task()[1:]
    preset = dataclasses.replace(QUICK, steps=9)
    monkeypatch.setattr(training, "STEPS_BETWEEN_CHECKPOINTS", 3)
    whole = train_views(start, views, None, preset, tmp_path / "whole", seed=0, progress=silent)
    written = []

    def until_full(path, step, *rest):
        if step > 3:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        written.append(step)
        return save_checkpoint(path, step, *rest)

    monkeypatch.setattr(training, "save_checkpoint", until_full)
    with pytest.raises(OSError, match="No space"):
        train_views(start, views, None, preset, tmp_path / "full", seed=0, progress=silent)
    assert written == [3]
    monkeypatch.setattr(training, "save_checkpoint", save_checkpoint)
    steps = []
    watch = lambda stage, done, total: steps.append(done)  # noqa: E731
    again = train_views(start, views, None, preset, tmp_path / "full", seed=0, progress=watch)
    assert min(step for step in steps if step) >= 3
    assert all(np.array_equal(a, b) for a, b in zip(pack(whole).values(), pack(again).values(), strict=True))


def test_a_checkpoint_of_another_training_or_a_damaged_one_is_not_used(tmp_path):
    _, start, views = make_task()
    fresh = train_views(start, views, None, QUICK, tmp_path / "fresh", seed=1, progress=silent)
    train_views(start, views, None, QUICK, tmp_path / "used", seed=0, progress=silent)
    assert same(fresh, train_views(start, views, None, QUICK, tmp_path / "used", seed=1, progress=silent))
    (tmp_path / "used" / "checkpoint.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0garbage!")
    assert same(fresh, train_views(start, views, None, QUICK, tmp_path / "used", seed=1, progress=silent))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_killed_training_goes_on_as_if_unbroken(tmp_path):
    script = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_training import *
_, start, views = make_task()
train_views(start, views, None, Preset("long", 600, 450, size=SIZE), Path(sys.argv[1]), seed=0, progress=silent)
"""
    checkpoint = tmp_path / "killed" / "checkpoint.safetensors"
    process = subprocess.Popen([sys.executable, "-c", script, str(checkpoint.parent)])
    deadline = time.monotonic() + 120
    while not checkpoint.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert checkpoint.exists()
    _, start, views = make_task()
    preset = Preset("long", 600, 450, size=SIZE)
    steps = []
    resumed = train_views(
        start, views, None, preset, checkpoint.parent, seed=0, progress=lambda s, d, t: steps.append(d)
    )
    whole = train_views(start, views, None, preset, tmp_path / "whole", seed=0, progress=silent)
    assert steps[0] == 200
    assert same(whole, resumed)


def poisoned(view):
    """The view, its weights no numbers, as damaged clips would have it."""

    def read():
        picture = view.read()
        return Picture(picture.color, np.full_like(picture.weights, np.nan))

    return dataclasses.replace(view, read=read)


def test_a_loss_that_is_no_number_ends_it_and_keeps_what_was_learnt(tmp_path):
    _, start, views = make_task()
    unbroken = train_views(start, views, None, QUICK, tmp_path / "whole", seed=0, progress=silent)
    first = int(np.random.default_rng([0, 0, len(views)]).permutation(len(views))[7])  # what step 7 looks at
    damaged = [poisoned(view) if k == first else view for k, view in enumerate(views)]
    with pytest.raises(PerseError, match="step 7") as error:
        train_views(start, damaged, None, QUICK, tmp_path / "broken", seed=0, progress=silent)
    assert error.value.code == "training-diverged"
    # with the picture mended it goes on from there, as if nothing had been
    resumed = train_views(start, views, None, QUICK, tmp_path / "broken", seed=0, progress=silent)
    assert same(resumed, unbroken)


def test_an_avatar_of_no_numbers_is_never_kept(tmp_path):
    """Rasterisers pass over what is no number, so that the loss does not tell of it."""
    _, start, views = make_task()
    colors = start.colors.copy()
    colors[3] = np.nan
    with pytest.raises(PerseError) as error:
        train_views(dataclasses.replace(start, colors=colors), views, None, QUICK, tmp_path, seed=0, progress=silent)
    assert error.value.code == "training-diverged"
    assert not (tmp_path / "checkpoint.safetensors").exists()


def test_a_loss_curve_that_cannot_be_written_stops_nothing(tmp_path):
    (tmp_path / "loss.csv").mkdir()
    _, start, views = make_task()
    train_views(start, views, None, QUICK, tmp_path, seed=0, progress=silent)
    assert (tmp_path / "checkpoint.safetensors").is_file()


def test_the_loss_is_shown_while_it_falls(tmp_path):
    _, start, views = make_task()
    preset = Preset("test", 600, 80, size=SIZE)

    def stop(stage, done, total):
        if done >= 40:
            raise Cancelled

    with pytest.raises(Cancelled):
        train_views(start, views, None, preset, tmp_path, seed=0, progress=stop)
    train_views(start, views, None, preset, tmp_path, seed=0, progress=silent)
    with (tmp_path / "loss.csv").open(newline="") as stream:
        rows = [(int(row["step"]), float(row["loss"])) for row in csv.DictReader(stream)]
    assert [step for step, _ in rows] == list(range(0, 80, 5))
    losses = np.array([loss for _, loss in rows])
    assert losses[-4:].mean() < 0.7 * losses[:4].mean()
    with PillowImage.open(tmp_path / "loss.png") as picture:
        assert picture.size == (640, 320)
        assert len(picture.getcolors(1 << 20)) > 3


def test_a_damaged_loss_table_is_begun_again(tmp_path):
    (tmp_path / "loss.csv").write_bytes(b"step,loss\n1,\xff\n")
    _, start, views = make_task()
    train_views(start, views, None, QUICK, tmp_path, seed=0, progress=silent)
    assert (tmp_path / "loss.csv").read_text().splitlines()[0] == "step,loss"


def test_lessons_depend_on_the_step_alone():
    _, _, views = make_task()
    fine = [dataclasses.replace(view, camera=view.camera.resized(160, 160)) for view in views[:4]]
    fine = [dataclasses.replace(v, read=lambda: Picture(np.full((160, 160, 4), 200, np.uint8), ONES)) for v in fine]
    preset = Preset("test", 600, 30, size=SIZE, boxes=1.0)
    forward = [Lessons(fine, None, preset, 0).at(step) for step in range(30)]
    lessons = Lessons(fine, None, preset, 0)
    for step in reversed(range(30)):
        lesson = lessons.at(step)
        assert lesson.target.shape == (SIZE, SIZE, 3)
        assert lesson.camera.to_json() == forward[step].camera.to_json()
        np.testing.assert_array_equal(lesson.target, forward[step].target)
    assert {lesson.camera.fx for lesson in forward[:10]} == {fine[0].camera.fx / 2}
    assert {lesson.camera.fx for lesson in forward[10:]} == {fine[0].camera.fx}


ONES = np.ones((160, 160), np.float16)


def test_presets_are_named():
    assert training_preset("standard").gaussians == 95_000
    with pytest.raises(InputError, match="turbo") as caught:
        training_preset("turbo")
    assert caught.value.code == "unknown-preset"
