"""A short command keeps a job's folder."""

import json

import pytest

from perse_engine.errors import Cancelled, InputError
from perse_engine.progress import silent
from perse_engine.service.job import Order
from perse_engine.service.recorded import recorded

ORDER = Order("", "open", "style add", 0, {"text": "red"})


def state(work):
    return json.loads((work / "job.json").read_text())


def test_what_is_done_and_how_long_it_took_is_written(tmp_path):
    work = tmp_path / "work"
    with recorded(work, ORDER, silent) as progress:
        progress("make", 0, 2)
        progress("make", 2, 2)
        assert state(work)["state"] == "running"
        assert (work / "lock").exists()
        progress("train", 0, 5)
        assert "make" in state(work)["stages"]
        with pytest.raises(InputError) as refused, recorded(work, ORDER, silent):
            pass
        assert refused.value.code == "job-running"
    assert state(work)["state"] == "done"
    assert not (work / "lock").exists()
    reports = [json.loads(line) for line in (work / "progress.jsonl").read_text().splitlines()]
    assert [report["stage"] for report in reports] == ["make", "make", "train"]


def stopped_by(work, error):
    """A command that reports once, then ends with `error`."""
    with recorded(work, ORDER, silent) as progress:
        progress("make", 1, 2)
        raise error


def test_failures_are_told_and_the_same_order_begins_anew(tmp_path):
    with pytest.raises(InputError):
        stopped_by(tmp_path, InputError("nothing-to-lend", "there is none", "choose another"))
    assert state(tmp_path)["error"] == {"code": "nothing-to-lend", "message": "there is none", "hint": "choose another"}
    with pytest.raises(Cancelled):
        stopped_by(tmp_path, Cancelled())
    assert state(tmp_path)["state"] == "cancelled"
    assert len((tmp_path / "progress.jsonl").read_text().splitlines()) == 1


def test_without_a_folder_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with recorded(None, ORDER, silent) as progress:
        assert progress is silent
    assert list(tmp_path.iterdir()) == []
