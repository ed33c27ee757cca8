"""How a session lives and ends: cancels, noise, torch, and the death of its parent."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from perse_protocol.client import numbers
from perse_protocol.framing import read_frame, write_frame
from perse_protocol.messages import (
    FROM_ENGINE,
    PROTOCOL_VERSION,
    Camera,
    Cancel,
    Dropped,
    Failed,
    FrameFile,
    Hello,
    Instance,
    Load,
    Loaded,
    Ping,
    Pong,
    Render,
    Rendered,
    Welcome,
    decode_message,
    encode_message,
)

REFUSE_TORCH = """
import importlib.machinery, sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        return importlib.machinery.ModuleSpec(name, self) if name == 'torch' else None
    def create_module(self, spec):
        raise AssertionError('torch was imported')
sys.meta_path.insert(0, Refuse())
"""
SERVE = "from perse_engine.service.session import serve; serve()"
EYE = numbers(np.eye(4))


class Line:
    """The bare wire to a session."""

    def __init__(self, source=SERVE):
        self.process = subprocess.Popen([sys.executable, "-c", source], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.say(Hello(PROTOCOL_VERSION, "test", os.getpid()))
        assert isinstance(self.hear(), Welcome)

    def say(self, message):
        write_frame(self.process.stdin, encode_message(message))

    def hear(self):
        return decode_message(read_frame(self.process.stdout), FROM_ENGINE)

    def hang_up(self):
        self.process.stdin.close()
        status = self.process.wait(10)
        self.process.stdout.close()
        return status


@pytest.fixture
def call():
    lines = []

    def start(source=SERVE):
        lines.append(Line(source))
        return lines[-1]

    yield start
    for line in lines:
        if line.process.poll() is None:
            line.process.kill()
            line.process.wait()
        line.process.stdin.close()
        line.process.stdout.close()


def frame_file(path, side):
    path.write_bytes(b"")
    os.truncate(path, side * side * 20)
    return FrameFile(str(path), 1)


def render(identity, avatar, target, side):
    camera = Camera(
        numbers(np.diag([1.0, -1.0, -1.0, 1.0]) + np.eye(4, k=3) * [[0], [0], [1.2], [0]]),
        side * 3.0, side * 3.0, side / 2, side / 2, side, side,
    )  # fmt: skip
    return Render(identity, f"view {identity}", "final", (Instance(avatar, EYE, {}),), camera, target)


def test_a_cancel_arrives_while_a_picture_is_being_drawn(call, avatar_file, tmp_path):
    line = call()
    line.say(Load(1, str(avatar_file)))
    avatar = line.hear().avatar
    line.say(render(2, avatar, frame_file(tmp_path / "small", 32), 32))
    assert isinstance(line.hear(), Rendered)  # compiled
    line.say(render(3, avatar, frame_file(tmp_path / "large", 8000), 8000))
    line.say(Ping(4))
    assert line.hear() == Pong(4)
    line.say(Cancel(3))
    assert line.hear() == Dropped(3, "cancelled")
    line.say(render(5, avatar, frame_file(tmp_path / "again", 32), 32))
    assert isinstance(line.hear(), Rendered)


def test_what_libraries_print_does_not_reach_the_wire(call, avatar_file, tmp_path):
    line = call(
        "import os, sys\n"
        "import perse_engine.service.session as session\n"
        "draw = session.draw\n"
        "def noisy(*arguments):\n"
        "    print('printed')\n"
        "    os.write(1, b'written')\n"
        "    os.system('echo from a child')\n"
        "    return draw(*arguments)\n"
        "session.draw = noisy\n"
        "session.serve()"
    )
    line.say(Load(1, str(avatar_file)))
    avatar = line.hear().avatar
    line.say(render(2, avatar, frame_file(tmp_path / "frame", 32), 32))
    assert isinstance(line.hear(), Rendered)


def test_a_session_never_imports_torch(call, avatar_file, tmp_path):
    line = call(REFUSE_TORCH + SERVE)
    line.say(Load(1, str(avatar_file)))
    loaded = line.hear()
    assert isinstance(loaded, Loaded)
    line.say(render(2, loaded.avatar, frame_file(tmp_path / "frame", 32), 32))
    assert isinstance(line.hear(), Rendered)


def test_bad_messages_are_answered_and_good_ones_still_work(call):
    line = call()
    for payload in (b"", b"nonsense", b'{"kind": "render", "id": 7}', b'{"kind": "welcome"}', b"[1]"):
        write_frame(line.process.stdin, payload)
        answer = line.hear()
        assert isinstance(answer, Failed)
        assert answer.code == "bad-request"
        assert answer.id == (7 if b"render" in payload else 0)
    line.say(Ping(1))
    assert line.hear() == Pong(1)


@pytest.mark.parametrize("rubbish", [b"\xff\xff\xff\xff", b"\x00\x00", b"\x00\x00\x00\x10abc"])
def test_a_broken_stream_ends_the_session(call, rubbish):
    line = call()
    line.process.stdin.write(rubbish)
    assert line.hang_up() == 0


def test_another_version_of_the_protocol_is_told_so():
    process = subprocess.Popen([sys.executable, "-c", SERVE], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with process:
        write_frame(process.stdin, encode_message(Hello(99, "test", os.getpid())))
        answer = decode_message(read_frame(process.stdout), FROM_ENGINE)
    assert answer.code == "protocol-version"


def test_the_end_of_its_input_ends_the_session_and_its_frames(call, avatar_file, tmp_path):
    line = call()
    line.say(Load(1, str(avatar_file)))
    avatar = line.hear().avatar
    folder = tmp_path / "frames"
    folder.mkdir()
    line.say(render(2, avatar, frame_file(folder / "frame", 32), 32))
    line.hear()
    assert line.hang_up() == 0
    assert not folder.exists()


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_a_session_dies_with_its_parent_even_when_its_input_stays_open():
    read_end, write_end = os.pipe()
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import subprocess, sys, time, os\n"
            "from perse_protocol.framing import *\n"
            "from perse_protocol.messages import *\n"
            f"child = subprocess.Popen([sys.executable, '-c', {SERVE!r}], stdin={read_end}, stdout=subprocess.PIPE)\n"
            f"os.write({write_end}, b'')\n"
            "print(child.pid, flush=True)\n"
            "read_frame(child.stdout)\n"
            "print('greeted', flush=True)\n"
            "time.sleep(60)\n",
        ],
        stdout=subprocess.PIPE,
        pass_fds=(read_end, write_end),
    )
    with os.fdopen(write_end, "wb") as stream, parent:
        write_frame(stream, encode_message(Hello(PROTOCOL_VERSION, "test", parent.pid)))
        pid = int(parent.stdout.readline())
        parent.stdout.readline()
        parent.send_signal(signal.SIGKILL)
        deadline = time.monotonic() + 20
        while _runs(pid) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not _runs(pid)
    os.close(read_end)


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_ctrl_c_in_the_terminal_is_left_to_the_client(call):
    line = call()
    line.process.send_signal(signal.SIGINT)
    line.say(Ping(1))
    assert line.hear() == Pong(1)


def _runs(pid):
    try:
        with open(f"/proc/{pid}/stat") as stream:
            return stream.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
