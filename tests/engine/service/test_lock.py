import json
import os
import subprocess
import sys
import time

import pytest

from perse_engine.errors import InputError
from perse_engine.service.lock import held, holder_alive
from perse_protocol.holder import process_start


def test_one_job_one_process(tmp_path):
    lock = tmp_path / "lock"
    with held(lock):
        assert holder_alive(lock)
        with pytest.raises(InputError) as error, held(lock):
            pass
        assert error.value.code == "job-running"
        assert str(os.getpid()) in error.value.message
        assert lock.exists()
    assert not lock.exists()


def test_a_dead_holders_lock_is_taken_over(tmp_path):
    lock = tmp_path / "lock"
    script = (
        "import os, pathlib\n"
        "from perse_engine.service.lock import held\n"
        f"with held(pathlib.Path({str(lock)!r})): os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", script], check=False)
    assert lock.exists()
    assert not holder_alive(lock)
    with held(lock):
        assert json.loads(lock.read_text())["pid"] == os.getpid()


@pytest.mark.skipif(sys.platform != "linux", reason="needs start times")
def test_another_process_with_the_same_pid_is_not_the_holder(tmp_path):
    lock = tmp_path / "lock"
    lock.write_text(json.dumps({"pid": os.getpid(), "started": "1"}))
    assert process_start(os.getpid()) != "1"
    with held(lock):
        assert holder_alive(lock)


def test_an_unreadable_lock_counts_only_while_it_is_fresh(tmp_path):
    lock = tmp_path / "lock"
    lock.write_text("")
    with pytest.raises(InputError), held(lock):
        pass
    old = time.time() - 60
    os.utime(lock, (old, old))
    with held(lock):
        pass


def test_the_lock_goes_when_the_work_fails(tmp_path):
    with pytest.raises(ZeroDivisionError), held(tmp_path / "lock"):
        _ = 1 / 0
    assert not (tmp_path / "lock").exists()
