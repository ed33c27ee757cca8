"""Variants of the method side by side, on a small painted figure."""

import dataclasses
import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from perse_engine.avatars.state import AvatarState
from perse_engine.clips.frames import WARDROBE, Dataset
from perse_engine.clips.wardrobe import save_wardrobe
from perse_engine.errors import InputError
from perse_engine.evaluation.baselines import BASIS, FIELDS, Basis, train_basis
from perse_engine.evaluation.categories import category_rows
from perse_engine.evaluation.subject import teacher_subject
from perse_engine.progress import silent
from perse_engine.service.ablation import ADDITIVE, BLEND, CODES, ENDS_ONLY, RIGGED, WHOLE, ablate, without_betweens
from perse_engine.training.hidden import Hiding
from perse_engine.training.learner import gradients_of, loss_of
from perse_engine.training.presets import Preset
from perse_engine.training.training import prepare
from perse_engine.training.views import Lessons

_path = Path(__file__).parents[1] / "training" / "test_dataset.py"
_spec = importlib.util.spec_from_file_location("painted_figure", _path)
PAINTED = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(PAINTED)

QUICK = Preset("quick", 1500, 120, size=96)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dataset")
    wardrobe = PAINTED.make_wardrobe()
    save_wardrobe(wardrobe, folder / WARDROBE)
    camera = PAINTED.BALL.make_avatar(50).neutral_camera.resized(96, 96)
    asked = [("train", sliders) for sliders in PAINTED.SLIDERS * 2]
    asked += [
        ("heldout", {"attr_hair_red": 1.0, "expr_jawopen": 0.5}),
        ("combination", {"attr_hair_blue": 1.0, "attr_hat_cap": 1.0}),
        ("between", {"attr_hair_red": 0.3, "attr_hair_blue": 0.7}),
    ]
    frames = []
    for k, (split, sliders) in enumerate(asked):
        view = camera.orbited(np.zeros(3), (k * 17) % 50 - 25, (k * 11) % 30 - 15, 0)
        frames.append(PAINTED._filmed(folder, wardrobe, f"clip/{k:04d}", split, AvatarState(sliders), view))
    photo = PAINTED._filmed(folder, wardrobe, "photo/0000", "train", AvatarState(), camera)
    return Dataset(folder, tuple(frames), photo, {"seed": 1}, camera.resized(300, 300), {"file": "ball.png"})


def test_only_half_way_styles_are_left_out_of_training(dataset):
    reduced = without_betweens(dataset)
    assert {split: len(reduced.of(split)) for split in ("train", "heldout", "combination", "between")} == {
        "train": 8,  # of 14: a weight of 0.3, of 0.1 and of two halves, twice each, are gone
        "heldout": 1,
        "combination": 1,
        "between": 1,
    }


@pytest.mark.slow
def test_every_variant_is_measured_for_every_seed(dataset, tmp_path):
    rows = ablate(dataset, QUICK, (0, 1), tmp_path, silent)
    by_variant = {name: {row.name: row for row in rows if row.section == name} for name in (WHOLE, ENDS_ONLY)}
    assert {row.section for row in rows} == {WHOLE, ENDS_ONLY, ADDITIVE, CODES, RIGGED, BLEND}
    held = "held-out expressions and views, 256²"
    assert by_variant[WHOLE][held].note.count(",") == 1
    ignoring = next(row for row in rows if row.section == RIGGED and row.name == held)
    assert ignoring.value < by_variant[WHOLE][held].value - 3  # red hair is not to be had without the slider
    report = json.loads((tmp_path / "report.json").read_text())
    assert len(report["rows"]) == len(rows)
    assert report["about"]["preset"] == "quick"
    assert len(list(tmp_path.glob("trained/*/avatar.perse"))) == 6


@pytest.mark.slow
def test_it_goes_on_where_it_was(dataset, tmp_path):
    first = ablate(dataset, QUICK, (0,), tmp_path, silent)
    steps = []

    def watch(stage, done, total):
        if stage == "train":
            steps.append((done, total))

    again = ablate(dataset, QUICK, (0,), tmp_path, watch)
    assert [row.value for row in again] == [row.value for row in first]
    assert set(steps) <= {(0, 120), (120, 120)}  # nothing was trained again


def test_clips_without_in_betweens_are_refused(dataset, tmp_path):
    whole = without_betweens(dataset)
    none = dataclasses.replace(dataset, frames=tuple(frame for frame in dataset.frames if frame.split != "between"))
    for clips in (whole, none):
        with pytest.raises(InputError) as error:
            ablate(clips, QUICK, (0,), tmp_path, silent)
        assert error.value.code == "no-in-betweens"


def test_another_preset_does_not_take_up_what_was_trained(dataset, tmp_path):
    few, some = (dataclasses.replace(QUICK, steps=steps) for steps in (5, 25))
    course = prepare(dataset, some, 0)
    train_basis(course, None, few, tmp_path / "basis", seed=0, progress=silent)
    again = train_basis(course, None, some, tmp_path / "basis", seed=0, progress=silent)
    fresh = train_basis(course, None, some, tmp_path / "fresh", seed=0, progress=silent)
    steps = []
    kept = train_basis(course, None, some, tmp_path / "fresh", seed=0, progress=lambda *report: steps.append(report))
    assert not steps
    for basis in (again, kept):
        assert all(np.array_equal(basis.arrays[name], array) for name, array in fresh.arrays.items())


@pytest.mark.parametrize("rank", [None, 3])
def test_a_basis_learns_along_its_slope(dataset, rank):
    """The gradient of every array against a difference in the loss."""
    course = prepare(dataset, QUICK, 0)
    basis, hiding = Basis(course.start, rank, 0), Hiding(course.start)
    rng = np.random.default_rng(1)
    for name in FIELDS:
        basis.arrays[name + BASIS] += rng.normal(0, 0.02, basis.arrays[name + BASIS].shape).astype(np.float32)
    lesson = next(
        lesson
        for lesson in (Lessons(course.views, None, QUICK, 0).at(step) for step in range(40))
        if any(name.startswith("attr_") and value > 0.5 for name, value in lesson.state.sliders.items())
    )

    def loss():
        return loss_of(basis.avatar_at(lesson.state), lesson, hiding)

    slopes = gradients_of(basis.avatar_at(lesson.state), lesson, hiding)
    found = {}
    for name, row, gradient in basis.shared_out(lesson.state, slopes):
        array = basis.arrays[name] if row is None else basis.arrays[name][row]
        direction = gradient.reshape(array.shape) / max(float(np.linalg.norm(gradient)), 1e-12)
        if not np.abs(gradient).max() > 0 or name in found:
            continue
        # small enough that nothing comes out from behind the skin on the way, and is suddenly drawn; large enough that
        # the loss, of single precision, tells
        step = 1e-1 if "logits" in name else 1e-4 if name.startswith("offsets") else 2e-4 if name == "codes" else 1e-3
        before = array.copy()
        array += np.float32(step) * direction
        more = loss()
        array[...] = before - np.float32(step) * direction
        less = loss()
        array[...] = before
        found[name] = (more - less) / (2 * step) / float(np.linalg.norm(gradient))
    assert len(found) >= (8 if rank is None else 9)
    for name, ratio in found.items():
        assert ratio == pytest.approx(1, abs=0.25), (name, found)


def test_fidelity_is_told_by_category(dataset):
    teacher = teacher_subject(dataset)
    rows = category_rows(teacher, teacher, [*dataset.of("heldout"), *dataset.of("combination")])
    assert {row.name.split(",")[0]: row.note.split()[0] for row in rows} == {"hair": "2", "hat": "1"}
    assert all(row.value > 40 for row in rows)
