"""One training in several processes. Most tests run them as threads that take turns; some under torchrun itself."""

import collections
import csv
import dataclasses
import importlib.util
import itertools
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from perse_engine.avatars.state import AvatarState
from perse_engine.avatars.tensors import pack
from perse_engine.errors import Cancelled, InputError, PerseError
from perse_engine.progress import silent
from perse_engine.training.learner import Learner
from perse_engine.training.presets import Preset
from perse_engine.training.several import ALONE, Team, WorkerLost, agreed, shared, torchrun_team
from perse_engine.training.training import train_views
from perse_engine.training.views import Lessons, Picture

_spec = importlib.util.spec_from_file_location("known_avatar", Path(__file__).with_name("test_training.py"))
KNOWN = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(KNOWN)

QUICK = Preset("quick", 600, 25, size=KNOWN.SIZE)  # 13 steps of two pictures


class Meeting:
    """Where threads meet. Who holds `running` runs: one at a time, for kernels do not bear running side by side."""

    def __init__(self):
        self.running = threading.Condition()
        self.rounds = collections.defaultdict(dict)
        self.lost = False


@dataclasses.dataclass(frozen=True, eq=False)
class ThreadTeam(Team):
    meeting: Meeting = None
    turns: itertools.count = dataclasses.field(default_factory=itertools.count)

    def exchange(self, mine):
        meeting = self.meeting
        told = meeting.rounds[next(self.turns)]
        told[self.rank] = mine
        meeting.running.notify_all()
        meeting.running.wait_for(lambda: len(told) == self.size or meeting.lost, timeout=60)
        if len(told) < self.size:
            raise WorkerLost("a thread")
        return [told[rank] for rank in range(self.size)]

    def average(self, arrays):
        for array, parts in zip(arrays, zip(*self.exchange([a.copy() for a in arrays]), strict=True), strict=True):
            array[...] = np.sum(parts, 0) / np.float32(self.size)

    def union(self, flags):
        return np.logical_or.reduce(self.exchange(flags.copy()))


def in_threads(size, work):
    """What `work(team)` gives or raises for each of `size` threads."""
    meeting, results = Meeting(), [None] * size

    def run(rank):
        with meeting.running:
            try:
                results[rank] = work(ThreadTeam(rank, size, size, meeting=meeting))
            except PerseError as error:
                results[rank] = error
                meeting.lost = True
                meeting.running.notify_all()

    threads = [threading.Thread(target=run, args=(rank,)) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def learn(team, folder, preset=QUICK, progress=silent, views=None):
    _, start, known = KNOWN.make_task()
    views = known if views is None else views
    return train_views(start, views, views[0], preset, folder, seed=0, progress=progress, team=team)


def losses(folder):
    with (folder / "loss.csv").open(newline="") as stream:
        return [float(row["loss"]) for row in csv.DictReader(stream)]


def test_a_team_ends_with_one_avatar_that_is_as_good(tmp_path):
    teacher, _, _ = KNOWN.make_task()
    preset = dataclasses.replace(QUICK, steps=200)
    first, second = in_threads(2, lambda team: learn(team, tmp_path / "two", preset))
    alone = learn(ALONE, tmp_path / "one", preset)
    half = learn(ALONE, tmp_path / "half", dataclasses.replace(preset, steps=100))
    assert KNOWN.same(first, second)
    assert not KNOWN.same(first, alone)
    assert first.provenance["processes"] == 2
    assert "processes" not in alone.provenance
    camera = teacher.neutral_camera.resized(KNOWN.SIZE, KNOWN.SIZE).orbited(np.zeros(3), 12, 5, 0)
    state = AvatarState({"attr_hair_red": 1.0, "expr_jawopen": 0.5})
    ours, theirs, least = (KNOWN.decibel(avatar, teacher, state, camera) for avatar in (first, alone, half))
    assert ours > min(theirs, least) - 1  # a hundred steps of two pictures against two hundred, or a hundred, of one
    fallen = losses(tmp_path / "two")
    assert len(fallen) == 20  # the first process alone has written it, every fifth step
    assert np.mean(fallen[-4:]) < 0.7 * np.mean(fallen[:4])
    assert np.mean(fallen[-4:]) < 1.1 * np.mean(losses(tmp_path / "half")[-4:])


def taught(start, team, lessons):
    """The avatar after a step on each of `lessons`, and what each step has cost."""
    learner = Learner(start, team=team)
    costs = [learner.learn(lesson, step, 1.0) for step, lesson in enumerate(lessons)]
    return learner.avatar, costs


def test_all_who_see_the_same_learn_as_one_alone():
    """The mean of two equal gradients is that gradient, to the last bit."""
    _, start, views = KNOWN.make_task()
    lessons = [Lessons(views, None, QUICK, 0).at(step) for step in range(6)]
    alone, costs = taught(start, ALONE, lessons)
    for avatar, theirs in in_threads(2, lambda team: taught(start, team, lessons)):
        assert KNOWN.same(avatar, alone)
        assert theirs == costs


def test_styles_that_only_another_saw_are_learnt_by_all():
    _, start, views = KNOWN.make_task()
    bare = Lessons([view for view in views if len(view.state.sliders) == 1], None, QUICK, 0)
    dyed = Lessons([view for view in views if "attr_hair_red" in view.state.sliders], None, QUICK, 0)
    own = [[source.at(step) for step in range(4)] for source in (bare, dyed)]
    (first, costs), (second, same_costs) = in_threads(2, lambda team: taught(start, team, own[team.rank]))
    red = start.appearance.of(1)
    assert KNOWN.same(first, second)
    assert costs == same_costs
    assert not np.array_equal(first.appearance.colors[red], start.appearance.colors[red])
    assert np.array_equal(taught(start, ALONE, own[0])[0].appearance.colors[red], start.appearance.colors[red])


def test_a_cancelled_team_goes_on_as_if_unbroken(tmp_path):
    whole, _ = in_threads(2, lambda team: learn(team, tmp_path / "whole"))

    def stopped(team):
        def stop(stage, done, total):
            assert total == 13
            if team.rank == 1 and done >= 5:
                raise Cancelled

        return learn(team, tmp_path / "broken", progress=stop)

    assert all(isinstance(error, Cancelled) for error in in_threads(2, stopped))
    steps = []

    def resumed(team):
        return learn(team, tmp_path / "broken", progress=lambda s, d, t: steps.append((team.rank, d)))

    first, second = in_threads(2, resumed)
    assert {(0, 5), (1, 5)} == {step for step in steps if step[1] <= 5}
    assert KNOWN.same(first, second)
    assert KNOWN.same(first, whole)


def test_a_checkpoint_of_a_team_of_another_size_is_not_taken_up(tmp_path):
    fresh = learn(ALONE, tmp_path / "fresh")
    in_threads(2, lambda team: learn(team, tmp_path / "used"))
    steps = []
    again = learn(ALONE, tmp_path / "used", progress=lambda s, d, t: steps.append(d))
    assert steps[0] == 0
    assert KNOWN.same(fresh, again)


def test_a_team_stops_early_together(tmp_path):
    _, start, views = KNOWN.make_task()
    preset = dataclasses.replace(QUICK, steps=600)

    def black():
        color = np.zeros((KNOWN.SIZE, KNOWN.SIZE, 4), np.uint8)
        color[..., 3] = 255
        return Picture(color, np.ones(color.shape[:2], np.float16))

    never = [dataclasses.replace(view, read=black) for view in views[:3]]  # does the avatar come closer to these

    def work(team):
        return train_views(start, views[3:], None, preset, tmp_path, seed=1, progress=silent, held_out=never, team=team)

    first, second = in_threads(2, work)
    assert first.provenance["stopped_at"] < 540
    assert first.provenance == second.provenance
    assert KNOWN.same(first, second)


def test_a_loss_of_one_that_is_no_number_ends_all_of_them(tmp_path):
    _, _, views = KNOWN.make_task()
    damaged = [KNOWN.poisoned(view) if k % 7 == 3 else view for k, view in enumerate(views)]
    errors = in_threads(2, lambda team: learn(team, tmp_path, views=damaged))
    assert [error.code for error in errors] == ["training-diverged"] * 2
    assert errors[0].message == errors[1].message


def test_processes_that_begin_differently_are_refused(tmp_path):
    _, _, views = KNOWN.make_task()
    errors = in_threads(2, lambda team: learn(team, tmp_path, views=views[team.rank :]))
    assert [error.code for error in errors] == ["workers-differ"] * 2
    assert in_threads(2, lambda team: agreed(team, "all")) == [True, True]


def test_alone_nothing_is_exchanged(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with torchrun_team() as team:
        assert team is ALONE
    assert shared(silent, ALONE) is silent


def test_every_process_needs_a_gpu_of_its_own_where_there_are_any(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    for name, value in (("WORLD_SIZE", "2"), ("LOCAL_WORLD_SIZE", "2"), ("RANK", "1"), ("LOCAL_RANK", "1")):
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match="2 processes were started for 1 GPUs") as error, torchrun_team():
        pass
    assert error.value.code == "too-few-gpus"


def test_half_an_environment_is_refused(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    for name in ("RANK", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(InputError, match="RANK") as error, torchrun_team():
        pass
    assert error.value.code == "bad-team"
    for name in ("LOCAL_RANK", "LOCAL_WORLD_SIZE", "RANK"):
        monkeypatch.setenv(name, "1")
    with pytest.raises(InputError, match="MASTER_ADDR") as error, torchrun_team():
        pass
    assert error.value.code == "bad-team"


WORKER = f"""
import os, sys
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_several import KNOWN, QUICK, learn, torchrun_team
from perse_engine.avatars.tensors import pack
from perse_engine.cli.watching import watched
from perse_engine.errors import PerseError
import numpy as np

folder, dying = Path(sys.argv[1]), sys.argv[2:] == ["dying"]
try:
    with torchrun_team() as team, watched(showing=False) as stopped:
        def progress(stage, done, total):
            stopped(stage, done, total)
            if dying and team.rank == 1 and done >= 5:
                os.kill(os.getpid(), 9)

        avatar = learn(team, folder / "work", progress=progress)
        np.savez(folder / f"{{team.rank}}.npz", **pack(avatar))
except PerseError as error:
    (folder / f"error-{{team.rank}}").write_text(error.code)
    sys.exit(1)
"""


def torchrun(*command, **options):
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *command]
    return subprocess.run(launch, capture_output=True, text=True, timeout=300, **options)


@pytest.fixture
def worker(tmp_path):
    path = tmp_path / "worker.py"
    path.write_text(WORKER)
    return path


@pytest.mark.slow
def test_processes_of_torchrun_end_with_one_avatar(worker, tmp_path):
    done = torchrun(worker, tmp_path)
    assert done.returncode == 0, done.stderr
    first, second = (dict(np.load(tmp_path / f"{rank}.npz")) for rank in (0, 1))
    as_threads, _ = in_threads(2, lambda team: learn(team, tmp_path / "threads"))
    expected = pack(as_threads)
    assert set(first) == set(second) == set(expected)
    for name, array in first.items():
        np.testing.assert_array_equal(array, second[name])
        np.testing.assert_array_equal(array, expected[name])


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_process_that_dies_is_missed_and_the_rest_resumes(worker, tmp_path):
    done = torchrun(worker, tmp_path, "dying")
    assert done.returncode != 0
    assert (tmp_path / "error-0").read_text() == "worker-lost"
    assert torchrun(worker, tmp_path).returncode == 0
    as_threads, _ = in_threads(2, lambda team: learn(team, tmp_path / "threads"))
    first = np.load(tmp_path / "0.npz")
    assert all(np.array_equal(first[name], array) for name, array in pack(as_threads).items())
