"""A build with footage: what is handed to which stage. The stages themselves are stood in for."""

import dataclasses
import json
import types

import numpy as np
import pytest

import perse_engine.clips.brought
import perse_engine.clips.dataset
import perse_engine.clips.filmed
import perse_engine.clips.recorded
import perse_engine.portraits.portrait_files
import perse_engine.portraits.recording
import perse_engine.service.footage
import perse_engine.training.training
from perse_engine.errors import InputError, PerseError
from perse_engine.progress import silent
from perse_engine.service.build import build
from perse_engine.service.sources import Sources
from perse_engine.surfaces.lighting import flat_light


@pytest.fixture
def stages(monkeypatch, avatar):
    """Stages that take no time; `stages.calls` has what each was given."""
    made = types.SimpleNamespace(calls=[], fail=None)
    portrait = types.SimpleNamespace(photo=np.zeros((8, 8, 3), np.uint8), crop=(0.0, 0.0, 8.0), light=flat_light())

    def fit(video, photo, head, held_out, folder, **rest):
        made.calls.append(("fit", video.name, photo and photo.name, held_out))
        return portrait

    def add(recording, person, folder, held_out, progress):
        made.calls.append(("footage", recording, held_out))
        if made.fail:
            raise made.fail

    monkeypatch.setattr(perse_engine.service.footage, "fit_video", fit)
    monkeypatch.setattr(perse_engine.clips.recorded, "add_recording", add)
    monkeypatch.setattr(perse_engine.portraits.recording, "load_recording", lambda folder: folder.name)
    monkeypatch.setattr(perse_engine.portraits.portrait_files, "save_portrait", lambda *a: None)
    monkeypatch.setattr(perse_engine.portraits.portrait_files, "load_portrait", lambda *a: portrait)
    monkeypatch.setattr(perse_engine.clips.dataset, "synthesize", lambda *a, **k: made.calls.append(("clips",)))
    monkeypatch.setattr(perse_engine.clips.dataset, "load_dataset", lambda *a: None)
    monkeypatch.setattr(perse_engine.training.training, "train", lambda *a, **k: avatar)
    return made


@pytest.fixture
def films(stages, monkeypatch, tmp_path):
    """A folder with one picture and one video of styles, of which the video can be tracked or not."""
    folder = tmp_path / "edits"
    folder.mkdir()
    (folder / "hat_fez.png").write_bytes(b"a picture")
    (folder / "glasses_old.mp4").write_bytes(b"a video")
    found = types.SimpleNamespace(folder=folder, tracked={"attr_glasses_old": "a recording"})

    def film(edits, portrait, place, progress):
        stages.calls.append(("film", sorted(edits.styles), place.name))
        kept = {s: style for s, style in edits.styles.items() if not style.filmed or s in found.tracked}
        return dataclasses.replace(edits, styles=kept), found.tracked

    def add(recordings, person, place, progress):
        stages.calls.append(("add", recordings))

    monkeypatch.setattr(perse_engine.service.footage, "film_styles", film)
    monkeypatch.setattr(perse_engine.clips.filmed, "add_films", add)
    monkeypatch.setattr(perse_engine.clips.brought, "usable", lambda edits, portrait, tracker: edits)
    return found


@pytest.fixture
def job(tmp_path):
    photo, video = tmp_path / "me.jpg", tmp_path / "me.mp4"
    photo.write_bytes(b"a photo")
    video.write_bytes(b"a video")

    def run(with_photo=False, **sources):
        given = Sources(video=video, **sources)
        arguments = {"preset": "draft", "seed": 0, "work": tmp_path / "work", "progress": silent}
        return build(photo if with_photo else None, tmp_path / "me.perse", sources=given, **arguments)

    return run


def test_a_video_alone_becomes_an_avatar(stages, job, tmp_path):
    job(hold_out="3-4")
    assert stages.calls == [
        ("fit", "me.mp4", None, {3, 4}),
        ("clips",),
        ("footage", "recording", {3, 4}),
    ]
    assert (tmp_path / "me.perse").exists()
    assert set(json.loads((tmp_path / "work" / "job.json").read_text())["sources"]) == {"video", "hold_out"}


def test_a_photo_beside_the_video_is_the_portrait(stages, job):
    job(with_photo=True)
    assert stages.calls[0] == ("fit", "me.mp4", "me.jpg", frozenset())


def test_footage_that_failed_is_taken_up_again_without_tracking(stages, job):
    stages.fail = PerseError("disk-full", "there is no room", "free some space")
    with pytest.raises(PerseError):
        job()
    stages.fail = None
    stages.calls.clear()
    job()
    assert [call[0] for call in stages.calls] == ["clips", "footage"]


def test_holding_out_other_frames_is_another_job(stages, job):
    job(hold_out="3-4")
    with pytest.raises(InputError) as caught:
        job(hold_out="3-5")
    assert caught.value.code == "other-job"


def test_videos_of_styles_are_tracked_and_learnt_from(stages, films, job):
    job(edits=films.folder)
    assert ("film", ["attr_glasses_old", "attr_hat_fez"], "films") in stages.calls
    assert ("add", {"attr_glasses_old": "a recording"}) in stages.calls


def test_without_a_usable_video_the_pictures_go_on(stages, films, job):
    films.tracked = {}
    job(edits=films.folder)
    assert [call[0] for call in stages.calls] == ["fit", "film", "clips", "footage"]
