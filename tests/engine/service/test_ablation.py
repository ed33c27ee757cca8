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
from perse_engine.progress import silent
from perse_engine.service.ablation import ADDITIVE, BLEND, CODES, ENDS_ONLY, RIGGED, WHOLE, ablate, without_betweens
from perse_engine.training.presets import Preset

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
