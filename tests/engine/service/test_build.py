"""The job around the stages; the stages themselves are stood in for."""

import json
import types

import numpy as np
import pytest

import perse_engine.clips.dataset
import perse_engine.portraits.fitting
import perse_engine.portraits.portrait_files
import perse_engine.training.training
from perse_engine.avatars.file import load_avatar
from perse_engine.errors import Cancelled, InputError, PerseError
from perse_engine.progress import silent
from perse_engine.service.build import build, default_work
from perse_engine.service.lock import held
from perse_engine.service.sources import Sources
from perse_engine.surfaces.lighting import flat_light


@pytest.fixture
def stages(monkeypatch, avatar, tmp_path):
    """Stages that take no time and count how often they ran; `stages.fail` names one that raises an error."""
    ran = types.SimpleNamespace(names=[], fail={}, catalogue=None)

    def run(name, result=None):
        ran.names.append(name)
        if name in ran.fail:
            raise ran.fail[name]
        return result

    def clips(_portrait, catalogue, *_, **__):
        ran.catalogue = catalogue
        return run("clips")

    portrait = types.SimpleNamespace(photo=np.zeros((8, 8, 3), np.uint8), crop=(0.0, 0.0, 8.0), light=flat_light())
    monkeypatch.setattr(perse_engine.portraits.fitting, "fit_portrait", lambda *a, **k: run("fit", portrait))
    monkeypatch.setattr(perse_engine.portraits.portrait_files, "save_portrait", lambda *a: None)
    monkeypatch.setattr(perse_engine.portraits.portrait_files, "load_portrait", lambda *a: portrait)
    monkeypatch.setattr(perse_engine.clips.dataset, "synthesize", clips)
    monkeypatch.setattr(perse_engine.clips.dataset, "load_dataset", lambda *a: None)
    monkeypatch.setattr(perse_engine.training.training, "train", lambda *a, **k: run("train", avatar))
    return ran


@pytest.fixture
def job(tmp_path):
    photo = tmp_path / "me.jpg"
    photo.write_bytes(b"a photo")
    arguments = {"preset": "draft", "seed": 0, "work": tmp_path / "work", "progress": silent}

    def run(**changes):
        return build(changes.pop("photo", photo), tmp_path / "me.perse", **{**arguments, **changes})

    run.photo, run.out, run.work = photo, tmp_path / "me.perse", tmp_path / "work"
    return run


def state(work):
    return json.loads((work / "job.json").read_text())


def test_a_photo_becomes_an_avatar_and_the_folder_says_how(stages, job):
    done = job()
    assert stages.names == ["fit", "clips", "train"]
    avatar = load_avatar(job.out)
    assert avatar.count == 6000
    assert np.allclose(avatar.own_light, flat_light(), atol=1e-5)
    assert state(job.work)["state"] == "done"
    assert set(done.stages) == {"fit", "clips", "train", "write"}
    assert (job.work / "preview.png").exists()
    assert not (job.work / "lock").exists()
    assert [line["stage"] for line in map(json.loads, (job.work / "progress.jsonl").read_text().splitlines())]


@pytest.mark.parametrize("stage", ["fit", "clips", "train"])
def test_what_was_finished_is_not_done_again(stages, job, stage):
    stages.fail = {stage: PerseError("no-space", "the disk is full", "free some space")}
    with pytest.raises(PerseError):
        job()
    assert state(job.work)["state"] == "failed"
    assert state(job.work)["error"]["code"] == "no-space"
    assert not job.out.exists()
    first = stages.names
    stages.names, stages.fail = [], {}
    job()
    order = ["fit", "clips", "train"]
    assert first == order[: order.index(stage) + 1]
    assert stages.names == order[order.index(stage) :]
    assert "error" not in state(job.work)


def test_cancelled_is_no_failure(stages, job):
    stages.fail = {"train": Cancelled()}
    with pytest.raises(Cancelled):
        job()
    assert state(job.work)["state"] == "cancelled"
    assert "train" in state(job.work)["unfinished"]


def test_a_finished_job_has_nothing_to_do_until_its_avatar_is_gone(stages, job):
    job()
    stages.names.clear()
    job()
    assert stages.names == []
    job.out.unlink()
    job()
    assert stages.names == ["train"]
    assert job.out.exists()


@pytest.mark.parametrize("change", [{"preset": "standard"}, {"seed": 1}, {"photo": "other.jpg"}])
def test_another_order_does_not_enter_the_folder(stages, job, tmp_path, change):
    job()
    if "photo" in change:
        change = {"photo": tmp_path / "other.jpg"}
        change["photo"].write_bytes(b"another photo")
    with pytest.raises(InputError) as error:
        job(**change)
    assert error.value.code == "other-job"
    assert state(job.work)["state"] == "done"


def test_a_folder_of_something_else_is_left_alone(stages, job):
    job.work.mkdir()
    (job.work / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError) as error:
        job()
    assert error.value.code == "not-a-job"
    assert [path.name for path in job.work.iterdir()] == ["thesis.txt"]


def test_a_damaged_record_is_said_to_be_one(stages, job):
    job()
    (job.work / "job.json").write_text('{"photo": 3')
    with pytest.raises(InputError) as error:
        job()
    assert error.value.code == "not-a-job"


def test_bad_input_leaves_no_folder(stages, job):
    stages.fail = {"fit": InputError("no-face", "there is no face", "use another photo")}
    with pytest.raises(InputError):
        job()
    assert not job.work.exists()


def test_two_processes_do_not_work_in_one_folder(stages, job):
    job.work.mkdir()
    with held(job.work / "lock"), pytest.raises(InputError) as error:
        job()
    assert error.value.code == "job-running"


def test_presets_and_seeds_have_folders_of_their_own(tmp_path):
    names = {default_work(tmp_path / "me.perse", preset, seed).name for preset in ("draft", "high") for seed in (0, 1)}
    assert len(names) == 4
    assert all(name.startswith("me.") for name in names)


def test_categories_that_are_learnt_are_part_of_the_order(stages, job, tmp_path):
    job(sources=Sources(categories="hat, hair"))
    assert {category.name for category in stages.catalogue.categories} == {"hat", "hair"}
    assert {style.category for style in stages.catalogue.styles} == {"hat", "hair"}
    job(sources=Sources(categories="hair,hat"))
    assert stages.names == ["fit", "clips", "train"]
    with pytest.raises(InputError, match="another sources"):
        job()
    for wrong in ("socks", " , "):
        with pytest.raises(InputError) as caught:
            job(sources=Sources(categories=wrong), work=tmp_path / "other")
        assert caught.value.code == "unknown-category"
    assert not (tmp_path / "other").exists()


def test_styles_of_my_own_are_part_of_the_order(stages, job, tmp_path):
    mine = tmp_path / "mine.toml"
    mine.write_text('[hair.styles.sky]\nlabel = "Sky"\ncolor = "#70a0e0"\n')
    job(sources=Sources(styles=mine))
    assert stages.names == ["fit", "clips", "train"]
    with pytest.raises(InputError, match="another sources"):
        job()
    mine.write_text("[socks]")
    with pytest.raises(InputError) as caught:
        job(sources=Sources(styles=mine), work=tmp_path / "other")
    assert caught.value.code == "bad-catalogue"
    assert not (tmp_path / "other").exists()
