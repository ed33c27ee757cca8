"""What the client makes of engines that do not behave."""

import os
import signal
import threading
from pathlib import Path

import pytest

from perse_protocol.client import EngineClient, RenderRequest
from perse_protocol.errors import EngineFailure, RequestCancelled, RequestSuperseded
from perse_protocol.messages import Camera
from perse_protocol.process import LARGEST_LOG

EYE = tuple(float(i % 5 == 0) for i in range(16))
REQUEST = RenderRequest("view", "viewport", (), Camera(EYE, 5.0, 5.0, 2.0, 2.0, 4, 4))
ANSWERS = """
greet()
while True:
    message = hear()
    if isinstance(message, Render):
        say(Rendered(message.id, message.target.generation, 4, 4, {}))
    elif isinstance(message, Ping):
        say(Pong(message.id))
"""


def failure_of(action):
    with pytest.raises(EngineFailure) as failure:
        action()
    return failure.value


def test_an_engine_that_is_not_there(tmp_path):
    client = EngineClient([str(tmp_path / "perse"), "serve"], log_file=tmp_path / "engine.log")
    error = failure_of(client.start)
    assert error.code == "engine-not-started"
    assert "PERSE_ENGINE" in error.hint


def test_an_engine_that_ends_at_once_is_reported_with_its_last_words(pretend_engine):
    error = failure_of(pretend_engine("sys.stderr.write('perse: threads: nonsense\\n'); sys.exit(2)").start)
    assert error.code == "engine-died"
    assert "perse: threads: nonsense" in error.message


def test_an_engine_that_says_nothing_is_given_up(pretend_engine):
    client = pretend_engine("time.sleep(60)")
    assert failure_of(lambda: client.start(timeout=0.3)).code == "engine-timeout"


def test_starting_can_be_cancelled(pretend_engine):
    client = pretend_engine("time.sleep(60)")
    assert failure_of(lambda: client.start(poll=lambda: True)).code == "cancelled"


@pytest.mark.parametrize(
    "source",
    [
        "hear(); sys.stdout.write('Hello from a library that prints\\n'); sys.stdout.flush(); time.sleep(60)",
        "hear(); sys.stdout.buffer.write(b'\\xff' * 50); sys.stdout.flush(); time.sleep(60)",
        "hear(); write_frame(sys.stdout.buffer, b'{}'); time.sleep(60)",
        "hear(); say(Pong(1)); time.sleep(60)",
        "hear(); say(Welcome(99, '0', '3', 1, 'none', 1, (), (), 1)); time.sleep(60)",
        "hear(); say(Failed(0, 'protocol-version', 'this engine speaks protocol 99', 'x')); time.sleep(60)",
    ],
)
def test_an_engine_that_speaks_nonsense_is_ended(pretend_engine, source):
    client = pretend_engine(source)
    assert failure_of(client.start).code == "engine-protocol"
    assert client.pid is None


def test_nonsense_after_the_greeting_fails_what_waits(pretend_engine):
    client = pretend_engine("greet(); hear(); sys.stdout.buffer.write(bytes(50)); sys.stdout.flush(); time.sleep(60)")
    ticket = client.render(REQUEST)
    assert failure_of(lambda: client.wait(ticket)).code == "engine-protocol"


def test_a_flood_on_stderr_blocks_nobody_and_is_kept(pretend_engine):
    client = pretend_engine("greet()\nsys.stderr.write('x' * 4_000_000)" + ANSWERS.replace("greet()", ""))
    client.wait(client.render(REQUEST), timeout=30)
    assert client.log_file.stat().st_size >= 4_000_000


def test_a_large_log_is_put_aside_at_the_next_start(pretend_engine):
    client = pretend_engine(ANSWERS)
    client.log_file.write_bytes(b"old\n" * (LARGEST_LOG // 4 + 1))
    client.start()
    assert client.log_file.with_name("engine.log.1").read_bytes().startswith(b"old")
    assert client.log_file.stat().st_size < LARGEST_LOG


def test_waiting_is_bounded(pretend_engine):
    client = pretend_engine("greet()\nwhile True: hear()")
    ticket = client.render(REQUEST)
    assert failure_of(lambda: client.wait(ticket, timeout=0.2)).code == "engine-timeout"


def test_waiting_polls_and_cancels(pretend_engine):
    client = pretend_engine("greet()\nwhile True: hear()")
    ticket = client.render(REQUEST)
    polls = []

    def stop():
        polls.append(1)
        return len(polls) == 3

    with pytest.raises(RequestCancelled):
        client.wait(ticket, poll=stop)
    assert ticket.done


def test_a_superseded_request_says_so(pretend_engine):
    client = pretend_engine("greet()\nwhile True: say(Dropped(hear().id, 'superseded'))")
    ticket = client.render(REQUEST)
    with pytest.raises(RequestSuperseded):
        client.wait(ticket)


def test_a_request_whose_engine_dies_is_sent_again_once(pretend_engine, tmp_path):
    mark = tmp_path / "died"
    client = pretend_engine(
        f"""
        greet()
        if not os.path.exists({str(mark)!r}):
            hear()
            open({str(mark)!r}, "w").close()
            os._exit(1)
        message = hear()
        say(Rendered(message.id, message.target.generation, 4, 4, {{}}))
        hear()
        """
    )
    assert client.wait(client.render(REQUEST), timeout=30).color.shape == (4, 4, 4)
    assert mark.exists()


def test_an_engine_that_dies_of_every_request_is_not_started_for_ever(pretend_engine):
    client = pretend_engine("greet(); hear(); sys.stderr.write('segmentation of sorts'); os._exit(9)")
    error = failure_of(lambda: client.wait(client.render(REQUEST), timeout=30))
    assert error.code == "engine-died"
    assert "segmentation of sorts" in error.message


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_a_stopped_engine_does_not_stop_its_client(pretend_engine):
    client = pretend_engine(ANSWERS)
    client.start()
    os.kill(client.pid, signal.SIGSTOP)
    tickets = [client.render(REQUEST) for _ in range(500)]
    with pytest.raises(EngineFailure):
        client.wait(tickets[-1], timeout=0.1)
    client.close()


def test_many_threads_may_ask(pretend_engine):
    client = pretend_engine(ANSWERS)
    errors = []

    def ask(name):
        try:
            for _ in range(20):
                request = RenderRequest(name, "viewport", (), REQUEST.camera)
                client.wait(client.render(request), timeout=30)
        except EngineFailure as error:
            errors.append(error)

    threads = [threading.Thread(target=ask, args=(f"view {number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors


def test_closing_ends_the_engine_and_deletes_the_frames(pretend_engine):
    client = pretend_engine(ANSWERS)
    ticket = client.render(REQUEST)
    client.wait(ticket, timeout=30)
    folder = Path(ticket.message.target.path).parent
    client.close()
    client.close()
    assert not folder.exists()
    assert client.pid is None
    assert failure_of(client.start).code == "engine-closed"
